//! What systems do differently with files: reading and writing at a place, renaming without replacing.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

/// Whether the disk itself failed.
#[cfg(unix)]
pub(crate) fn is_input_output(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Not told apart there.
#[cfg(not(unix))]
pub(crate) fn is_input_output(_error: &io::Error) -> bool {
    false
}

/// Lets go of what the system keeps of a file in memory, so that what is read next comes from the disk.
#[cfg(target_os = "linux")]
pub(crate) fn forget_cached(file: &File) {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).ok();
}

/// There is no such thing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn forget_cached(_file: &File) {}

/// Writes all bytes at a place.
#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Reads exactly so many bytes at a place.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// What a file takes of its disk.
#[cfg(unix)]
pub(crate) fn taken_bytes(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(found) * 512
}

/// Whether both are of one file.
#[cfg(unix)]
pub(crate) fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Makes a file in a folder that has no name, if system and disk can do that: it goes with its last user, however
/// that ends.
#[cfg(target_os = "linux")]
pub(crate) fn open_nameless(folder: &Path) -> Option<File> {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = i32::try_from(rustix::fs::OFlags::TMPFILE.bits()).ok()?;
    let file = File::options().read(true).write(true).custom_flags(flags).open(folder).ok()?;
    // Without it no name can be given later.
    fs::metadata(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    Some(file)
}

/// Makes a file in a folder that has no name: systems other than Linux can't.
#[cfg(not(target_os = "linux"))]
pub(crate) fn open_nameless(_folder: &Path) -> Option<File> {
    None
}

/// Gives a file without a name one, unless something has it.
#[cfg(target_os = "linux")]
pub(crate) fn give_name(file: &File, to: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, path.as_str(), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}

/// Gives a file without a name one: there are none on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_name(_file: &File, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes names in a folder safe, where its disk offers that.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    unless_not_offered(sync_folder_strictly(folder))
}

/// Makes names in a folder safe.
#[cfg(unix)]
pub(crate) fn sync_folder_strictly(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a file safe with its length, where its disk offers that.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    unless_not_offered(file.sync_all())
}

/// Makes the bytes of a file safe, where its disk offers that.
pub(crate) fn sync_bytes(file: &File) -> io::Result<()> {
    unless_not_offered(file.sync_data())
}

fn unless_not_offered(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error) if is_not_offered(&error) => Ok(()),
        other => other,
    }
}

/// Whether an error says that a disk has no such operation, as `PostgreSQL` and borg take it: a failure to write is
/// never among these.
#[cfg(unix)]
pub(crate) fn is_not_offered(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let not_offered = [
        Errno::NOSYS,
        Errno::NOLCK,
        Errno::INVAL,
        Errno::NOTSUP,
        Errno::OPNOTSUPP,
        Errno::BADF,
        Errno::ISDIR,
        Errno::NOTTY,
    ];
    error.raw_os_error().is_some_and(|code| not_offered.iter().any(|errno| errno.raw_os_error() == code))
}

/// Whether an error says that a disk has no such operation.
#[cfg(not(unix))]
pub(crate) fn is_not_offered(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// Renames, unless something has the name.
#[cfg(target_os = "linux")]
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems can't.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_and_remove(from, to),
        other => Ok(other?),
    }
}

/// Renames, unless something has the name.
#[cfg(not(target_os = "linux"))]
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    link_and_remove(from, to)
}

/// A link is never made over something. Where there are no links, looking first has to do.
fn link_and_remove(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Writes all bytes at a place.
#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = bytes.get(n..).filter(|_| n > 0).ok_or(io::ErrorKind::WriteZero)?;
        offset += n as u64;
    }
    Ok(())
}

/// Reads exactly so many bytes at a place.
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        bytes = bytes.get_mut(n..).filter(|_| n > 0).ok_or(io::ErrorKind::UnexpectedEof)?;
        offset += n as u64;
    }
    Ok(())
}

/// What a file takes of its disk.
#[cfg(windows)]
pub(crate) fn taken_bytes(found: &Metadata) -> u64 {
    found.len()
}

/// Whether both are of one file, as far as that can be told: a file that is open keeps its name here.
#[cfg(windows)]
pub(crate) fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.len(), a.modified().ok()) == (b.len(), b.modified().ok())
}

/// Makes names in a folder safe: the system does that by itself.
#[cfg(windows)]
#[allow(clippy::unnecessary_wraps, reason = "one signature on all systems")]
pub(crate) fn sync_folder_strictly(_folder: &Path) -> io::Result<()> {
    Ok(())
}
