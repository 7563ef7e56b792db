//! Cleaning up part files that no transfer will go on with.

use std::fs;
use std::path::Path;

use shared_protocol::RelPath;

use crate::fs::copy::{discard_part, part_token};
use crate::fs::{FsError, RootDir, ensure_no_links};

/// Removes the part files in one folder whose token `is_ours` recognises as abandoned, and tells how
/// many. Part files of others, and those of another hub on the same share, stay. A folder that is not
/// there has none.
pub fn remove_stray_parts(
    root: &RootDir,
    folder: Option<&RelPath>,
    is_ours: &dyn Fn(&str) -> bool,
) -> Result<usize, FsError> {
    if let Some(folder) = folder {
        ensure_no_links(root, folder)?;
    }
    let path = root.resolve_folder(folder);
    match remove_in(&path, is_ours) {
        Err(error) if error.is_not_found() => Ok(0),
        removed => removed,
    }
}

fn remove_in(path: &Path, is_ours: &dyn Fn(&str) -> bool) -> Result<usize, FsError> {
    let mut removed = 0;
    for entry in fs::read_dir(path).map_err(FsError::at("list", path))? {
        let entry = entry.map_err(FsError::at("list", path))?;
        let name = entry.file_name();
        let is_stray = name.to_str().and_then(part_token).is_some_and(is_ours);
        if is_stray && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            discard_part(&entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn only_ours_and_only_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        for name in [".x.hub-1.part", ".y.hub-2.part", ".x.other-1.part", "x.part", ".part", "x"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        fs::create_dir(folder.path().join(".folder.hub-1.part")).unwrap();
        let removed = remove_stray_parts(&root, None, &|token| token == "hub-1").unwrap();
        assert_eq!(removed, 1);
        assert!(!folder.path().join(".x.hub-1.part").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn a_folder_that_is_gone_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(folder.path()).unwrap();
        let gone = RelPath::parse("no/such").unwrap();
        assert_eq!(remove_stray_parts(&root, Some(&gone), &|_| true).unwrap(), 0);
    }
}
