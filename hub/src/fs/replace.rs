//! Replacing a small file that others write too, as a whole: no reader ever sees half of it, and a change
//! by others since it was read is not run over.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::domain::exclusion::PART_ENDING;
use crate::fs::open::stamp_if_there;
use crate::fs::rename::{TouchError, remove_own_file, rename_no_clobber, sync_folder};
use crate::fs::{FileStamp, FsError, head};

/// A small file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its content.
    pub bytes: Vec<u8>,
    /// By which a change is noticed.
    pub stamp: FileStamp,
}

/// Reads a small file whole, with its stamp; none if it is not there.
pub fn read(path: &Path, max_bytes: u64) -> Result<Option<Seen>, FsError> {
    // The stamp first: what changes while it is read is noticed when it is replaced.
    let Some(stamp) = stamp_if_there(path)? else { return Ok(None) };
    match head::read_small(path, max_bytes) {
        Ok(bytes) => Ok(Some(Seen { bytes, stamp })),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `bytes` in the place of what was `seen`, which is kept beside it as `<name>.bak`.
pub fn replace(path: &Path, bytes: &[u8], seen: Option<&Seen>) -> Result<(), TouchError> {
    let part = part_of(path);
    let done = write(&part, bytes).map_err(TouchError::from).and_then(|()| put(path, &part, seen));
    if done.is_err() {
        remove_own_file(&part).ok();
    }
    done
}

fn put(path: &Path, part: &Path, seen: Option<&Seen>) -> Result<(), TouchError> {
    let Some(seen) = seen else {
        // One that appeared meanwhile is a change, too.
        return match rename_no_clobber(part, path) {
            Err(error) if stamp_if_there(path).is_ok_and(|there| there.is_some()) => {
                tracing::debug!(%error, "a file appeared meanwhile");
                Err(TouchError::Changed)
            }
            renamed => Ok(renamed.and_then(|()| sync_parent(path))?),
        };
    };
    keep(path, &seen.bytes)?;
    if stamp_if_there(path)? != Some(seen.stamp) {
        return Err(TouchError::Changed);
    }
    fs::rename(part, path).map_err(FsError::at("rename to", path))?;
    Ok(sync_parent(path)?)
}

/// Writes what was there before beside it.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let kept = with_ending(path, ".bak");
    let part = part_of(&kept);
    let done = write(&part, bytes).and_then(|()| fs::rename(&part, &kept).map_err(FsError::at("rename to", &kept)));
    if done.is_err() {
        remove_own_file(&part).ok();
    }
    done
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let mut file = File::create_new(path).map_err(FsError::at("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(FsError::at("write", path))
}

fn sync_parent(path: &Path) -> Result<(), FsError> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// A name of its own, so that two hubs on one share never write into one file.
fn part_of(path: &Path) -> PathBuf {
    with_ending(path, &format!(".{}{PART_ENDING}", Uuid::new_v4().simple()))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_the_one_before_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        assert_eq!(read(&path, 100).unwrap(), None);
        replace(&path, b"one", None).unwrap();
        assert_eq!(names(folder.path()), ["x.json"]);
        for (before, after) in [("one", "two"), ("two", "three")] {
            let seen = read(&path, 100).unwrap();
            replace(&path, after.as_bytes(), seen.as_ref()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
            assert_eq!(fs::read_to_string(folder.path().join("x.json.bak")).unwrap(), before);
        }
        assert_eq!(names(folder.path()), ["x.json", "x.json.bak"], "nothing else is left");
    }

    #[test]
    fn what_others_wrote_meanwhile_is_not_run_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        fs::write(&path, b"one").unwrap();
        let seen = read(&path, 100).unwrap();
        fs::write(&path, b"theirs").unwrap();
        assert!(matches!(replace(&path, b"ours", seen.as_ref()), Err(TouchError::Changed)));
        assert!(matches!(replace(&path, b"ours", None), Err(TouchError::Changed)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        fs::remove_file(&path).unwrap();
        assert!(matches!(replace(&path, b"ours", seen.as_ref()), Err(TouchError::Changed)));
        assert_eq!(names(folder.path()), ["x.json.bak"], "no part is left");
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), b"12345").unwrap();
        assert!(read(&folder.path().join("x"), 4).is_err());
    }
}
