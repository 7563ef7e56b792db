//! Taking room for a file on Unix.

use std::fs::File;
use std::io;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

/// Where the file system can't reserve, the length alone is set: then a full disk shows later.
pub(super) fn reserve(file: &File, size_bytes: u64) -> io::Result<()> {
    if is_memory(file) {
        return reserve_memory(file, size_bytes);
    }
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, size_bytes)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => file.set_len(size_bytes),
        result => Ok(result?),
    }
}

/// A file system in memory reserves by writing zeros, which takes as long as the copy itself: there
/// it is enough to ask whether there is room.
fn reserve_memory(file: &File, size_bytes: u64) -> io::Result<()> {
    let volume = rustix::fs::fstatvfs(file)?;
    let held = rustix::fs::fstat(file)?.st_blocks.unsigned_abs().saturating_mul(512);
    if volume.f_bavail.saturating_mul(volume.f_frsize) < size_bytes.saturating_sub(held) {
        return Err(io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error()));
    }
    file.set_len(size_bytes)
}

#[cfg(target_os = "linux")]
fn is_memory(file: &File) -> bool {
    /// `TMPFS_MAGIC` of linux/magic.h.
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| kind == TMPFS))
}

#[cfg(not(target_os = "linux"))]
const fn is_memory(_file: &File) -> bool {
    false
}
