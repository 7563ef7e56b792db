//! Renaming on Unix.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

pub(super) fn rename_no_clobber(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // NFS and some FUSE file systems don't know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => by_link(from, to),
        result => Ok(result?),
    }
}

/// A new hard link never replaces; a crash in between leaves two names of one right file.
fn by_link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if is_without_links(&error) => by_look(from, to),
        Err(error) => Err(error),
    }
}

fn is_without_links(error: &io::Error) -> bool {
    let codes = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

/// The last resort, for file systems with neither. Claiming the name with an empty file first would
/// be exclusive, but a crash would then leave that empty file as if it were the model.
fn by_look(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
    }
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network and FUSE file systems can't sync a folder; their server decides.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// On Unix the folder's permissions decide, not the file's.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(super) const fn clear_read_only(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_ways_without_the_flag_overwrite_nothing_either() {
        for rename in [by_link, by_look] {
            let folder = tempfile::tempdir().unwrap();
            let (a, b) = (folder.path().join("a"), folder.path().join("b"));
            fs::write(&a, b"new").unwrap();
            fs::write(&b, b"old").unwrap();
            assert_eq!(rename(&a, &b).unwrap_err().kind(), ErrorKind::AlreadyExists);
            fs::remove_file(&b).unwrap();
            rename(&a, &b).unwrap();
            assert_eq!(fs::read(&b).unwrap(), b"new");
            assert!(!a.exists());
        }
    }
}
