//! Renaming that never overwrites, and making a rename last.
//!
//! `std::fs::rename` replaces silently on both systems, so each has its own call here.

use std::fs;
use std::io;
use std::path::Path;

use crate::fs::FsError;
use crate::fs::open::{FileStamp, stamp_path};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// Why a file that was known before was not touched.
#[derive(Debug, thiserror::Error)]
pub enum TouchError {
    /// The file is not the one that was looked at before; nothing was done.
    #[error("the file has changed since it was last looked at")]
    Changed,
    /// The system refused.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Renames a file unless something already has the new name ([`Exists`]). Both lie on one volume.
///
/// [`Exists`]: crate::domain::failure::FailureClass::Exists
pub fn rename_no_clobber(from: &Path, to: &Path) -> Result<(), FsError> {
    system::rename_no_clobber(from, to).map_err(FsError::at("rename to", to))
}

/// Makes what happened to names in this folder survive a power cut. Windows needs no such call: there
/// the rename itself is written through.
pub fn sync_folder(folder: &Path) -> Result<(), FsError> {
    system::sync_folder(folder).map_err(FsError::at("sync", folder))
}

/// Moves an unchanged file to a free name on the same volume.
pub fn move_within_volume(source: &Path, expected: FileStamp, dest: &Path) -> Result<(), TouchError> {
    check_unchanged(source, expected)?;
    Ok(rename_no_clobber(source, dest)?)
}

/// Gives an unchanged file a temporary name, on the way to removing it because `other` holds the same.
/// `false` if `other` went with it, being the same file by another way: then it has its name again.
pub fn set_aside(
    file: &Path,
    expected: FileStamp,
    aside: &Path,
    other: (&Path, FileStamp),
) -> Result<bool, TouchError> {
    move_within_volume(file, expected, aside)?;
    if check_unchanged(other.0, other.1).is_ok() {
        return Ok(true);
    }
    rename_no_clobber(aside, file)?;
    Ok(false)
}

/// Removes an unchanged file for good.
pub fn remove_source(path: &Path, expected: FileStamp) -> Result<(), TouchError> {
    check_unchanged(path, expected)?;
    fs::remove_file(path).map_err(FsError::at("remove", path))?;
    Ok(())
}

/// Fails unless the file is still the one that was looked at.
pub fn check_unchanged(path: &Path, expected: FileStamp) -> Result<(), TouchError> {
    if stamp_path(path)? == expected { Ok(()) } else { Err(TouchError::Changed) }
}

/// Removes a file of the hub's own if it is there, even one that is marked read-only.
pub(super) fn remove_own_file(path: &Path) -> Result<(), FsError> {
    let removed = system::clear_read_only(path).and_then(|()| fs::remove_file(path));
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(FsError::at("remove", path)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::failure::FailureClass;

    #[test]
    fn a_taken_name_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, b"new").unwrap();
        fs::write(&b, b"old").unwrap();
        assert_eq!(rename_no_clobber(&a, &b).unwrap_err().class(), FailureClass::Exists);
        assert_eq!((fs::read(&a).unwrap(), fs::read(&b).unwrap()), (b"new".to_vec(), b"old".to_vec()));
        fs::remove_file(&b).unwrap();
        rename_no_clobber(&a, &b).unwrap();
        assert!(!a.exists());
        sync_folder(folder.path()).unwrap();
    }

    #[test]
    fn of_many_that_want_one_name_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let won = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (won, folder) = (&won, folder.path());
                scope.spawn(move || {
                    let from = folder.join(format!("part{number}"));
                    fs::write(&from, [number]).unwrap();
                    match rename_no_clobber(&from, &folder.join("final")) {
                        Ok(()) => _ = won.fetch_add(1, Ordering::Relaxed),
                        Err(error) => assert_eq!(error.class(), FailureClass::Exists),
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 8, "the losers keep their own names");
    }

    #[test]
    fn a_file_is_only_set_aside_while_the_other_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other, aside] = ["file", "other", ".file.1.part"].map(|name| folder.path().join(name));
        fs::write(&file, b"same").unwrap();
        fs::write(&other, b"same").unwrap();
        let stamp = |path: &Path| stamp_path(path).unwrap();
        // Two ways to one file: what is set aside is missing at the other end, too.
        assert!(!set_aside(&file, stamp(&file), &aside, (&file, stamp(&file))).unwrap());
        assert!(file.exists() && !aside.exists());
        let before = stamp(&other);
        fs::write(&other, b"changed meanwhile").unwrap();
        assert!(!set_aside(&file, stamp(&file), &aside, (&other, before)).unwrap());
        assert!(file.exists() && !aside.exists());
        assert!(set_aside(&file, stamp(&file), &aside, (&other, stamp(&other))).unwrap());
        assert!(!file.exists() && aside.exists());
    }

    #[test]
    fn a_hard_link_of_itself_is_a_taken_name() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, b"x").unwrap();
        fs::hard_link(&a, &b).unwrap();
        assert_eq!(rename_no_clobber(&a, &b).unwrap_err().class(), FailureClass::Exists);
        assert!(a.exists() && b.exists());
    }

    #[test]
    fn a_name_may_change_in_case_only() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("style"), folder.path().join("Style"));
        fs::write(&a, b"x").unwrap();
        rename_no_clobber(&a, &b).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["Style"]);
    }

    #[test]
    fn a_file_that_changed_is_neither_moved_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, b"one").unwrap();
        let before = stamp_path(&a).unwrap();
        fs::write(&a, b"longer").unwrap();
        assert!(matches!(move_within_volume(&a, before, &b), Err(TouchError::Changed)));
        assert!(matches!(remove_source(&a, before), Err(TouchError::Changed)));
        let now = stamp_path(&a).unwrap();
        move_within_volume(&a, now, &b).unwrap();
        remove_source(&b, now).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn removing_an_own_file_twice_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        fs::write(&path, b"").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        remove_own_file(&path).unwrap();
        remove_own_file(&path).unwrap();
        assert!(!path.exists());
    }

    /// As long as another program has a file open and shares it for reading only, Windows lets nobody
    /// rename or remove it: the file stays as it is, and the error says that waiting helps.
    #[cfg(windows)]
    #[test]
    fn a_file_that_is_held_stays_until_it_is_let_go() {
        use std::os::windows::fs::OpenOptionsExt as _;

        use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_READ;

        let folder = tempfile::tempdir().unwrap();
        let (path, dest) = (folder.path().join("held"), folder.path().join("moved"));
        fs::write(&path, b"x").unwrap();
        let stamp = stamp_path(&path).unwrap();
        let holder = fs::OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(&path).unwrap();
        let in_use = |error: &FsError| error.class() == FailureClass::InUse;
        assert!(rename_no_clobber(&path, &dest).is_err_and(|error| in_use(&error)));
        for touched in [move_within_volume(&path, stamp, &dest), remove_source(&path, stamp)] {
            assert!(matches!(touched, Err(TouchError::Fs(ref error)) if in_use(error)));
        }
        assert!(fs::read(&path).unwrap() == b"x" && !dest.exists());
        drop(holder);
        move_within_volume(&path, stamp, &dest).unwrap();
        remove_source(&dest, stamp).unwrap();
    }

    /// One who writes keeps readers of ours off: nothing half is ever read.
    #[cfg(windows)]
    #[test]
    fn a_file_that_is_being_written_is_not_read() {
        use crate::fs::open::open_for_reading;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held");
        let writer = fs::File::create(&path).unwrap();
        assert!(open_for_reading(&path).is_err_and(|error| error.class() == FailureClass::InUse));
        drop(writer);
        open_for_reading(&path).unwrap();
    }
}
