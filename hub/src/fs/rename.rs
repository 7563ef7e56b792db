//! Renaming and removing files that were looked at before: one that has changed since is left alone.

use crate::fs::FsError;
use crate::fs::entry::Entry;
use crate::fs::open::FileStamp;

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

/// Moves an unchanged file to a free name on the same volume.
pub fn move_within_volume(source: &Entry, expected: FileStamp, dest: &Entry) -> Result<(), TouchError> {
    check_unchanged(source, expected)?;
    Ok(source.rename_no_clobber(dest)?)
}

/// Ends a rename that was killed halfway where the system knows only links: the file has both names, and the old
/// one goes. Each link changes the identity, so that the file would count as changed for ever. Tells the stamp that
/// it has then; none if there was nothing to end.
pub fn finish_rename(from: &Entry, to: &Entry, expected: FileStamp) -> Result<Option<FileStamp>, FsError> {
    let is_it = |entry: &Entry| Ok::<_, FsError>(entry.stamp_if_there()?.is_some_and(|stamp| stamp.is_like(expected)));
    if !is_it(from)? || !is_it(to)? || !are_names_of_one(from, to)? {
        return Ok(None);
    }
    from.remove()?;
    to.stamp().map(Some)
}

/// Whether both names lead to one file that has at least two.
fn are_names_of_one(a: &Entry, b: &Entry) -> Result<bool, FsError> {
    if a.path() == b.path() {
        return Ok(false);
    }
    let (a, b) = (a.identity()?, b.identity()?);
    Ok(a.is(&b) && a.n_links > 1)
}

/// Gives an unchanged file a temporary name, on the way to removing it because `other` holds the same.
/// `false` if `other` went with it, being the same file by another way: then it has its name again.
pub fn set_aside(
    file: &Entry,
    expected: FileStamp,
    aside: &Entry,
    other: (&Entry, FileStamp),
) -> Result<bool, TouchError> {
    move_within_volume(file, expected, aside)?;
    if check_unchanged(other.0, other.1).is_ok() {
        return Ok(true);
    }
    aside.rename_no_clobber(file)?;
    Ok(false)
}

/// Removes an unchanged file for good.
pub fn remove_source(file: &Entry, expected: FileStamp) -> Result<(), TouchError> {
    check_unchanged(file, expected)?;
    Ok(file.remove()?)
}

/// Fails unless the file is still the one that was looked at.
pub fn check_unchanged(file: &Entry, expected: FileStamp) -> Result<(), TouchError> {
    if file.stamp()? == expected { Ok(()) } else { Err(TouchError::Changed) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use std::fs;

    use super::*;
    use crate::domain::failure::FailureClass;
    use crate::fs::entry::testing::entry;

    #[test]
    fn a_taken_name_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (entry(folder.path(), "a"), entry(folder.path(), "b"));
        fs::write(a.path(), b"new").unwrap();
        fs::write(b.path(), b"old").unwrap();
        assert_eq!(a.rename_no_clobber(&b).unwrap_err().class(), FailureClass::Exists);
        assert_eq!((fs::read(a.path()).unwrap(), fs::read(b.path()).unwrap()), (b"new".to_vec(), b"old".to_vec()));
        fs::remove_file(b.path()).unwrap();
        a.rename_no_clobber(&b).unwrap();
        assert!(!a.path().exists());
        b.folder().sync().unwrap();
    }

    #[test]
    fn of_many_that_want_one_name_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let won = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (won, folder) = (&won, folder.path());
                scope.spawn(move || {
                    let from = entry(folder, &format!("part{number}"));
                    fs::write(from.path(), [number]).unwrap();
                    match from.rename_no_clobber(&entry(folder, "final")) {
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
    fn a_rename_that_was_killed_between_its_two_names_is_ended_in_either_direction() {
        let folder = tempfile::tempdir().unwrap();
        for (from, to) in [("old", "new"), ("new", "old")] {
            let [old, new] = ["old", "new"].map(|name| entry(folder.path(), name));
            fs::write(old.path(), b"content").unwrap();
            let before = old.stamp().unwrap();
            old.link(&new).unwrap();
            let [from, to] = [from, to].map(|name| entry(folder.path(), name));
            assert!(finish_rename(&from, &to, before).unwrap().is_some_and(|stamp| stamp.is_like(before)));
            assert!(!from.path().exists() && to.path().exists());
            assert_eq!(finish_rename(&from, &to, before).unwrap(), None, "there is nothing to end");
            fs::remove_file(to.path()).unwrap();
        }
        let [old, new] = ["old", "new"].map(|name| entry(folder.path(), name));
        fs::write(old.path(), b"content").unwrap();
        fs::write(new.path(), b"content").unwrap();
        assert_eq!(finish_rename(&old, &new, old.stamp().unwrap()).unwrap(), None, "two files, however alike");
        assert_eq!(finish_rename(&old, &old, old.stamp().unwrap()).unwrap(), None, "one name");
        assert!(old.path().exists() && new.path().exists());
    }

    #[test]
    fn a_file_is_only_set_aside_while_the_other_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other, aside] = ["file", "other", ".file.1.part"].map(|name| entry(folder.path(), name));
        fs::write(file.path(), b"same").unwrap();
        fs::write(other.path(), b"same").unwrap();
        let stamp = |entry: &Entry| entry.stamp().unwrap();
        // Two ways to one file: what is set aside is missing at the other end, too.
        assert!(!set_aside(&file, stamp(&file), &aside, (&file, stamp(&file))).unwrap());
        assert!(file.path().exists() && !aside.path().exists());
        let before = stamp(&other);
        fs::write(other.path(), b"changed meanwhile").unwrap();
        assert!(!set_aside(&file, stamp(&file), &aside, (&other, before)).unwrap());
        assert!(file.path().exists() && !aside.path().exists());
        assert!(set_aside(&file, stamp(&file), &aside, (&other, stamp(&other))).unwrap());
        assert!(!file.path().exists() && aside.path().exists());
    }

    #[test]
    fn a_hard_link_of_itself_is_a_taken_name() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (entry(folder.path(), "a"), entry(folder.path(), "b"));
        fs::write(a.path(), b"x").unwrap();
        fs::hard_link(a.path(), b.path()).unwrap();
        assert_eq!(a.rename_no_clobber(&b).unwrap_err().class(), FailureClass::Exists);
        assert!(a.path().exists() && b.path().exists());
    }

    #[test]
    fn a_name_may_change_in_case_only() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (entry(folder.path(), "style"), entry(folder.path(), "Style"));
        fs::write(a.path(), b"x").unwrap();
        a.rename_no_clobber(&b).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["Style"]);
    }

    #[test]
    fn a_file_that_changed_is_neither_moved_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (entry(folder.path(), "a"), entry(folder.path(), "b"));
        fs::write(a.path(), b"one").unwrap();
        let before = a.stamp().unwrap();
        fs::write(a.path(), b"longer").unwrap();
        assert!(matches!(move_within_volume(&a, before, &b), Err(TouchError::Changed)));
        assert!(matches!(remove_source(&a, before), Err(TouchError::Changed)));
        let now = a.stamp().unwrap();
        move_within_volume(&a, now, &b).unwrap();
        // A new name is another identity, of the same size and time.
        let named = b.stamp().unwrap();
        assert!(named.is_like(now));
        remove_source(&b, named).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn removing_an_own_file_twice_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let own = entry(folder.path(), "x.part");
        fs::write(own.path(), b"").unwrap();
        let mut permissions = fs::metadata(own.path()).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(own.path(), permissions).unwrap();
        own.discard().unwrap();
        own.discard().unwrap();
        assert!(!own.path().exists());
    }

    /// As long as another program has a file open and shares it for reading only, Windows lets nobody
    /// rename or remove it: the file stays as it is, and the error says that waiting helps.
    #[cfg(windows)]
    #[test]
    fn a_file_that_is_held_stays_until_it_is_let_go() {
        use std::os::windows::fs::OpenOptionsExt as _;

        use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_READ;

        let folder = tempfile::tempdir().unwrap();
        let (path, dest) = (entry(folder.path(), "held"), entry(folder.path(), "moved"));
        fs::write(path.path(), b"x").unwrap();
        let stamp = path.stamp().unwrap();
        let holder = fs::OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(path.path()).unwrap();
        let in_use = |error: &FsError| error.class() == FailureClass::InUse;
        assert!(path.rename_no_clobber(&dest).is_err_and(|error| in_use(&error)));
        for touched in [move_within_volume(&path, stamp, &dest), remove_source(&path, stamp)] {
            assert!(matches!(touched, Err(TouchError::Fs(ref error)) if in_use(error)));
        }
        assert!(fs::read(path.path()).unwrap() == b"x" && !dest.path().exists());
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
