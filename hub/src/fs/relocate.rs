//! Giving a file another place, also where no rename leads: on another mount of the same disk, or another
//! disk mounted inside a root. Then it is copied, what was written is read again and compared, and only
//! then the old name goes.

use crate::domain::temporary::part_name;
use crate::fs::at::forget_cached;
use crate::fs::copy::{CopyControl, CopyError, CopyRequest, copy_to_part, finish_part, sync_part};
use crate::fs::entry::Entry;
use crate::fs::hash::{HashError, HashOptions, hash_file};
use crate::fs::rename::{TouchError, check_unchanged, move_within_volume, remove_source};
use crate::fs::{FileStamp, FsError};

/// Moves an unchanged file to a free name, and tells its stamp there. `token` makes the name of the
/// temporary file that a copy needs. Folders are synced by the caller, except before a source is removed.
pub fn relocate(
    source: &Entry,
    expected: FileStamp,
    dest: &Entry,
    token: &str,
    control: &mut dyn CopyControl,
) -> Result<FileStamp, CopyError> {
    match move_within_volume(source, expected, dest) {
        Ok(()) => Ok(expected.behind_rename(dest.stamp().ok())),
        Err(TouchError::Fs(error)) if error.is_across_volumes() => copy_over(source, expected, dest, token, control),
        Err(TouchError::Changed) => Err(CopyError::SourceChanged),
        Err(TouchError::Fs(error)) => Err(CopyError::Destination(error)),
    }
}

fn copy_over(
    source: &Entry,
    expected: FileStamp,
    dest: &Entry,
    token: &str,
    control: &mut dyn CopyControl,
) -> Result<FileStamp, CopyError> {
    if dest.look().map_err(CopyError::Destination)?.is_some() {
        return Err(CopyError::Destination(taken(dest)));
    }
    let part = dest.folder().entry(&part_name(dest.name(), token));
    let copied = copy_and_verify(source, expected, &part, dest, control);
    if copied.is_err() {
        part.clean_up();
    }
    let stamp = copied?;
    dest.folder().sync().map_err(CopyError::Destination)?;
    if let Err(error) = remove_source(source, expected) {
        // It stays where it is: then there is nothing to be found at the other place.
        dest.clean_up();
        return Err(error.into());
    }
    Ok(stamp)
}

fn copy_and_verify(
    source: &Entry,
    expected: FileStamp,
    part: &Entry,
    dest: &Entry,
    control: &mut dyn CopyControl,
) -> Result<FileStamp, CopyError> {
    let request = CopyRequest {
        source,
        expected,
        part,
        resume_from: 0,
        resume_proof: None,
        sha256: false,
        may_share: false,
        sync_every: 0,
        sync: false,
    };
    let copied = copy_to_part(request, control)?;
    sync_part(part).map_err(CopyError::Destination)?;
    forget_cached(part);
    let options = HashOptions { sha256: false, threads: true };
    let again = hash_file(part, copied.stamp, options, None, &mut |bytes| control.checked(bytes));
    match again {
        Ok(read) if read.blake3 == copied.content.blake3 => {}
        Ok(_) | Err(HashError::Changed) => return Err(CopyError::Destination(damaged(part))),
        Err(HashError::Stopped) => return Err(CopyError::Stopped),
        Err(HashError::Fs(error)) => return Err(CopyError::Destination(error)),
    }
    check_unchanged(source, expected)?;
    finish_part(part, &copied.identity, dest).map_err(CopyError::Destination)?;
    Ok(copied.stamp.behind_rename(dest.stamp().ok()))
}

fn taken(dest: &Entry) -> FsError {
    FsError::refused("rename to", dest.path(), std::io::ErrorKind::AlreadyExists, "something has this name already")
}

fn damaged(part: &Entry) -> FsError {
    let why = "what was written is not what was read: the disk or its connection may be damaged";
    FsError::refused("copy to", part.path(), std::io::ErrorKind::Other, why)
}

/// For files that are moved by a rename almost always: nobody watches.
#[cfg(test)]
pub fn unwatched(_: u64) -> crate::fs::Flow {
    crate::fs::Flow::Continue
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::failure::FailureClass;
    use crate::fs::entry::testing::entry;

    /// `/dev/shm` is a disk of its own on every Linux.
    #[test]
    fn where_no_rename_leads_it_is_copied_and_the_source_goes() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        for size in [10, 3 << 20] {
            let (source, dest) = (entry(here.path(), "x"), entry(there.path(), "y"));
            let bytes: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes().iter().fold(7, |a, b| a ^ b)).collect();
            fs::write(source.path(), &bytes).unwrap();
            let stamp = source.stamp().unwrap();
            fs::write(dest.path(), b"taken").unwrap();
            let refused = relocate(&source, stamp, &dest, "t1", &mut unwatched).unwrap_err();
            assert!(matches!(refused, CopyError::Destination(error) if error.class() == FailureClass::Exists));
            assert!(source.path().exists());
            fs::remove_file(dest.path()).unwrap();
            let stopped = relocate(&source, stamp, &dest, "t1", &mut |_| crate::fs::Flow::Stop).unwrap_err();
            assert!(matches!(stopped, CopyError::Stopped) && source.path().exists());
            assert_eq!(relocate(&source, stamp, &dest, "t1", &mut unwatched).unwrap(), dest.stamp().unwrap());
            assert!(fs::read(dest.path()).unwrap() == bytes && !source.path().exists());
            assert_eq!(fs::read_dir(there.path()).unwrap().count(), 1, "no part is left");
            fs::remove_file(dest.path()).unwrap();
        }
    }

    #[test]
    fn a_changed_file_stays() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let (source, dest) = (entry(here.path(), "x"), entry(there.path(), "y"));
        fs::write(source.path(), b"one").unwrap();
        let stamp = source.stamp().unwrap();
        fs::write(source.path(), b"other").unwrap();
        assert!(matches!(relocate(&source, stamp, &dest, "t1", &mut unwatched), Err(CopyError::SourceChanged)));
        assert!(source.path().exists() && !dest.path().exists());
    }
}
