//! Replacing a small file that others write too, as a whole: no reader ever sees half of it, and a change
//! by others since it was read is not run over.

use std::io::Write;

use crate::domain::failure::FailureClass;
use crate::domain::temporary::{new_name, probe_name};
use crate::fs::entry::Entry;
use crate::fs::rename::TouchError;
use crate::fs::{FileStamp, FsError, head};

/// A small file as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenFile {
    pub bytes: Vec<u8>,
    /// By which a change is noticed.
    pub stamp: FileStamp,
}

/// Reads a small file whole, with its stamp; none if it is not there.
pub fn read(file: &Entry, max_bytes: u64) -> Result<Option<SeenFile>, FsError> {
    // The stamp first: what changes while it is read is noticed when it is replaced.
    let Some(stamp) = file.stamp_if_there()? else { return Ok(None) };
    match head::read_small(file, max_bytes) {
        Ok(bytes) => Ok(Some(SeenFile { bytes, stamp })),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `bytes` in the place of what was `seen`, which is kept beside it as `<name>.bak`.
pub fn replace(file: &Entry, bytes: &[u8], seen: Option<&SeenFile>) -> Result<(), TouchError> {
    let part = part_of(file);
    let done = write(&part, bytes).map_err(TouchError::from).and_then(|()| put_part(file, &part, seen));
    if done.is_err() {
        part.clean_up();
    }
    done
}

/// Puts a new file under a free name. Until it is whole it lies in the top folder of its disk, under a name by which
/// those that a kill left are found.
pub fn put_new(file: &Entry, bytes: &[u8]) -> Result<(), FsError> {
    let part = file.folder().top_of_mount()?.entry(&probe_name(file.name()));
    let done = write(&part, bytes).and_then(|()| part.rename_no_clobber(file)).and_then(|()| file.folder().sync());
    if done.is_err() {
        part.clean_up();
    }
    done
}

fn put_part(file: &Entry, part: &Entry, seen: Option<&SeenFile>) -> Result<(), TouchError> {
    let Some(seen) = seen else {
        // One that appeared meanwhile is a change, too.
        return match part.rename_no_clobber(file) {
            Err(error) if error.class() == FailureClass::Exists => Err(TouchError::Changed),
            renamed => Ok(renamed.and_then(|()| file.folder().sync())?),
        };
    };
    keep(file, &seen.bytes)?;
    if file.stamp_if_there()? != Some(seen.stamp) {
        return Err(TouchError::Changed);
    }
    part.replace(file)?;
    Ok(file.folder().sync()?)
}

/// Writes what was there before beside it.
fn keep(file: &Entry, bytes: &[u8]) -> Result<(), FsError> {
    let kept = file.folder().entry(&format!("{}.bak", file.name()));
    let part = part_of(&kept);
    let done = write(&part, bytes).and_then(|()| part.replace(&kept));
    if done.is_err() {
        part.clean_up();
    }
    done
}

fn write(file: &Entry, bytes: &[u8]) -> Result<(), FsError> {
    let mut open = file.create()?;
    open.write_all(bytes).and_then(|()| open.sync_all()).map_err(FsError::at("write", file.path()))
}

fn part_of(file: &Entry) -> Entry {
    file.folder().entry(&new_name(file.name()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::fs::entry::testing::entry;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_the_one_before_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = entry(folder.path(), "x.json");
        assert_eq!(read(&path, 100).unwrap(), None);
        replace(&path, b"one", None).unwrap();
        assert_eq!(names(folder.path()), ["x.json"]);
        for (before, after) in [("one", "two"), ("two", "three")] {
            let seen = read(&path, 100).unwrap();
            replace(&path, after.as_bytes(), seen.as_ref()).unwrap();
            assert_eq!(fs::read_to_string(path.path()).unwrap(), after);
            assert_eq!(fs::read_to_string(folder.path().join("x.json.bak")).unwrap(), before);
        }
        assert_eq!(names(folder.path()), ["x.json", "x.json.bak"], "nothing else is left");
    }

    #[test]
    fn what_others_wrote_meanwhile_is_not_run_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = entry(folder.path(), "x.json");
        fs::write(path.path(), b"one").unwrap();
        let seen = read(&path, 100).unwrap();
        fs::write(path.path(), b"theirs").unwrap();
        assert!(matches!(replace(&path, b"ours", seen.as_ref()), Err(TouchError::Changed)));
        assert!(matches!(replace(&path, b"ours", None), Err(TouchError::Changed)));
        assert_eq!(fs::read_to_string(path.path()).unwrap(), "theirs");
        fs::remove_file(path.path()).unwrap();
        assert!(matches!(replace(&path, b"ours", seen.as_ref()), Err(TouchError::Changed)));
        assert_eq!(names(folder.path()), ["x.json.bak"], "no part is left");
    }

    #[test]
    fn a_new_file_takes_a_free_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = entry(folder.path(), "x.preview.png");
        put_new(&path, b"one").unwrap();
        let taken = put_new(&path, b"two").unwrap_err();
        assert_eq!(taken.class(), FailureClass::Exists);
        assert_eq!(
            (fs::read(path.path()).unwrap(), names(folder.path()).len()),
            (b"one".to_vec(), 1),
            "no part is left"
        );
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), b"12345").unwrap();
        assert!(read(&entry(folder.path(), "x"), 4).is_err());
    }
}
