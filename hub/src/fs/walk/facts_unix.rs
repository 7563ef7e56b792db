//! A file's facts on Unix: one `fstatat` in the open folder, which spares the kernel the way down from
//! the top for each file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, OFlags, statat};
use walkdir::DirEntry;

use super::FileIdentity;
use crate::domain::ticks::Ticks;

/// An open folder.
pub(super) struct Folder(File);

/// What a listing tells about a file.
pub(super) struct Facts {
    pub(super) size_bytes: u64,
    pub(super) modified: Ticks,
    pub(super) placeholder: bool,
    pub(super) identity: Option<FileIdentity>,
}

impl Folder {
    pub(super) fn open(path: &Path, may_be_link: bool) -> io::Result<Self> {
        let nofollow = if may_be_link { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = OFlags::DIRECTORY | nofollow;
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).map(Self)
    }

    /// The facts of a file in this folder. One that is no regular file any more counts as gone.
    pub(super) fn facts(&self, entry: &DirEntry) -> io::Result<Facts> {
        let stat = statat(&self.0, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::NotFound.into());
        }
        let identity = FileIdentity { device: stat.st_dev, inode: stat.st_ino, n_links: stat.st_nlink };
        Ok(Facts {
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            modified: ticks(stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            placeholder: false,
            identity: Some(identity),
        })
    }
}

/// The same tick as [`Ticks::from_system_time`] gives: both round down.
const fn ticks(seconds: i64, nanoseconds: i64) -> Ticks {
    Ticks(seconds.saturating_mul(10_000_000).saturating_add(nanoseconds / 100))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ticks_agree_with_the_system_time(seconds in -10_000_000_000_i64..10_000_000_000, nanos in 0_i64..1_000_000_000) {
            use std::time::{Duration, UNIX_EPOCH};
            let whole = Duration::from_secs(seconds.unsigned_abs());
            let start = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
            let time = start + Duration::from_nanos(nanos.unsigned_abs());
            prop_assert_eq!(ticks(seconds, nanos), Ticks::from_system_time(time));
        }
    }
}
