//! The trash of a root: `<root>/.comfy-hub-trash/<date>/<batch>/<path>`.
//!
//! Deleting is a rename within the root's volume, so it is quick, frees nothing, and can be undone.
//! Neither way overwrites: if a place in the trash is taken, the batch's folder gets a number.

pub mod listing;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use shared_protocol::RelPath;

use crate::domain::exclusion::TRASH_FOLDER;
use crate::domain::failure::FailureClass;
use crate::fs::folders::{ensure_folder, remove_empty_folders_up};
use crate::fs::open::stamp_if_there;
use crate::fs::rename::{TouchError, check_unchanged, remove_own_file, rename_no_clobber, sync_folder};
use crate::fs::{FileStamp, FsError, RootDir, ensure_no_links};

/// Places tried for one file before something must be wrong.
const MAX_PLACES: u32 = 1000;

/// Puts a file into the trash and tells where it lies below the trash folder. `expected` is the file as
/// it was when the delete was decided on: one that has changed stays. `date` and `batch` are folder
/// names.
pub fn put(
    root: &RootDir,
    path: &RelPath,
    expected: Option<FileStamp>,
    date: &str,
    batch: &str,
) -> Result<String, TouchError> {
    ensure_no_links(root, path)?;
    let source = root.resolve(path);
    for number in 1..=MAX_PLACES {
        let batch = if number == 1 { batch.to_owned() } else { format!("{batch}~{number}") };
        let trashed = format!("{date}/{batch}/{path}");
        let place = place_of(root, &trashed)?;
        if let Some(expected) = expected {
            check_unchanged(&source, expected)?;
        }
        match make_folder_and_rename(root, &place, &source) {
            Err(error) if error.class() == FailureClass::Exists => {}
            moved => {
                sync_both(&source, &root.resolve(&place))?;
                return Ok(moved.map(|()| trashed)?);
            }
        }
    }
    Err(FsError::refused("move to the trash", &source, ErrorKind::AlreadyExists, "every place in it is taken").into())
}

/// Puts a file from the trash to `to`, unless something has that name by now.
pub fn restore(root: &RootDir, trashed: &str, to: &RelPath) -> Result<(), FsError> {
    let place = place_of(root, trashed)?;
    let source = root.resolve(&place);
    ensure_folder(root, to.parent().as_ref())?;
    let dest = root.resolve(to);
    rename_no_clobber(&source, &dest)?;
    sync_both(&source, &dest)?;
    remove_folders_of(root, &place)
}

/// Removes a file from the trash for good. That it is gone already is fine.
pub fn remove(root: &RootDir, trashed: &str) -> Result<(), FsError> {
    let place = place_of(root, trashed)?;
    let path = root.resolve(&place);
    remove_own_file(&path)?;
    remove_folders_of(root, &place)
}

/// The stamp of a file in the trash; `None` if it is not there any more.
pub fn stamp(root: &RootDir, trashed: &str) -> Result<Option<FileStamp>, FsError> {
    stamp_if_there(&path_of(root, trashed)?)
}

/// Where a file in the trash lies.
pub fn path_of(root: &RootDir, trashed: &str) -> Result<PathBuf, FsError> {
    place_of(root, trashed).map(|place| root.resolve(&place))
}

/// The path below the root. What names a place outside the trash is no [`RelPath`].
fn place_of(root: &RootDir, trashed: &str) -> Result<RelPath, FsError> {
    let place = RelPath::parse(&format!("{TRASH_FOLDER}/{trashed}"))
        .map_err(|error| FsError::new("find", Path::new(trashed), io::Error::other(error)))?;
    ensure_no_links(root, &place)?;
    Ok(place)
}

fn make_folder_and_rename(root: &RootDir, place: &RelPath, source: &Path) -> Result<(), FsError> {
    ensure_folder(root, place.parent().as_ref())?;
    rename_no_clobber(source, &root.resolve(place))
}

/// The new name first: a power cut in between leaves two names rather than none.
fn sync_both(from: &Path, to: &Path) -> Result<(), FsError> {
    for folder in [to.parent(), from.parent()].into_iter().flatten() {
        sync_folder(folder)?;
    }
    Ok(())
}

/// The trash folder goes, too, once it is empty.
fn remove_folders_of(root: &RootDir, place: &RelPath) -> Result<(), FsError> {
    place.parent().map_or(Ok(0), |folder| remove_empty_folders_up(root, &folder)).map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::open::stamp_path;

    const DATE: &str = "2024-05-01";

    fn place(files: &[&str]) -> (tempfile::TempDir, RootDir) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let root = RootDir::open(folder.path()).unwrap();
        (folder, root)
    }

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn there_and_back() {
        let (folder, root) = place(&["loras/x"]);
        let stamp_before = stamp_path(&folder.path().join("loras/x")).unwrap();
        let trashed = put(&root, &path("loras/x"), Some(stamp_before), DATE, "7").unwrap();
        assert_eq!(trashed, "2024-05-01/7/loras/x");
        assert!(folder.path().join(".comfy-hub-trash/2024-05-01/7/loras/x").exists());
        assert!(!folder.path().join("loras/x").exists());
        assert_eq!(stamp(&root, &trashed).unwrap(), Some(stamp_before));
        restore(&root, &trashed, &path("loras/x")).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("loras/x")).unwrap(), "loras/x");
        assert!(!folder.path().join(TRASH_FOLDER).exists(), "an empty trash leaves no folder");
        assert_eq!(stamp(&root, &trashed).unwrap(), None);
    }

    #[test]
    fn a_file_that_changed_stays() {
        let (folder, root) = place(&["x"]);
        let before = stamp_path(&folder.path().join("x")).unwrap();
        fs::write(folder.path().join("x"), b"something longer").unwrap();
        assert!(matches!(put(&root, &path("x"), Some(before), DATE, "7"), Err(TouchError::Changed)));
        assert!(folder.path().join("x").exists());
    }

    #[test]
    fn the_same_path_twice_keeps_both() {
        let (folder, root) = place(&["a/x"]);
        let first = put(&root, &path("a/x"), None, DATE, "7").unwrap();
        fs::write(folder.path().join("a/x"), b"second").unwrap();
        let second = put(&root, &path("a/x"), None, DATE, "7").unwrap();
        assert_eq!(second, "2024-05-01/7~2/a/x");
        assert_eq!(fs::read(path_of(&root, &first).unwrap()).unwrap(), b"a/x");
        assert_eq!(fs::read(path_of(&root, &second).unwrap()).unwrap(), b"second");
    }

    #[test]
    fn a_file_where_a_folder_is_needed_is_another_place_too() {
        let (folder, root) = place(&["a"]);
        put(&root, &path("a"), None, DATE, "7").unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/x"), b"").unwrap();
        assert_eq!(put(&root, &path("a/x"), None, DATE, "7").unwrap(), "2024-05-01/7~2/a/x");
    }

    #[test]
    fn a_restore_overwrites_nothing() {
        let (folder, root) = place(&["a/x"]);
        let trashed = put(&root, &path("a/x"), None, DATE, "7").unwrap();
        fs::write(folder.path().join("a/x"), b"new").unwrap();
        assert_eq!(restore(&root, &trashed, &path("a/x")).unwrap_err().class(), FailureClass::Exists);
        assert_eq!(fs::read(folder.path().join("a/x")).unwrap(), b"new");
        restore(&root, &trashed, &path("b/c/y")).unwrap();
        assert_eq!(fs::read(folder.path().join("b/c/y")).unwrap(), b"a/x");
    }

    #[test]
    fn removing_frees_the_place_and_only_that() {
        let (folder, root) = place(&["a/x", "a/y"]);
        let x = put(&root, &path("a/x"), None, DATE, "7").unwrap();
        let y = put(&root, &path("a/y"), None, DATE, "7").unwrap();
        remove(&root, &x).unwrap();
        remove(&root, &x).unwrap();
        assert!(stamp(&root, &y).unwrap().is_some());
        remove(&root, &y).unwrap();
        assert!(!folder.path().join(TRASH_FOLDER).exists());
    }

    #[test]
    fn nothing_outside_the_trash_is_reached() {
        let (folder, root) = place(&["x", ".comfy-hub-trash/1/2/y"]);
        for outside in ["../x", "1/../../x", "/x", "", "..", "1/2\\..\\..\\x"] {
            assert!(remove(&root, outside).is_err(), "{outside}");
            assert!(restore(&root, outside, &path("z")).is_err(), "{outside}");
            assert!(stamp(&root, outside).is_err(), "{outside}");
        }
        assert!(put(&root, &path("x"), None, "../..", "7").is_err());
        assert!(folder.path().join("x").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_trash_that_is_a_link_is_refused() {
        let (folder, root) = place(&["root/x"]);
        drop(root);
        let root = RootDir::open(&folder.path().join("root")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside"), root.path().join(TRASH_FOLDER)).unwrap();
        assert!(put(&root, &path("x"), None, DATE, "7").is_err());
        assert!(root.path().join("x").exists());
    }
}
