//! Cleaning up part files that no transfer will go on with.

use std::sync::Arc;

use shared_protocol::RelPath;

use crate::fs::FsError;
use crate::fs::copy::part_token;
use crate::fs::entry::{Folder, Kind, OpenRoot};

/// Removes the part files in one folder whose token `is_ours` recognises as abandoned, and tells how
/// many. Part files of others, and those of another hub on the same share, stay. A folder that is not
/// there has none.
pub fn remove_stray_parts(
    root: &Arc<OpenRoot>,
    folder: Option<&RelPath>,
    is_ours: &dyn Fn(&str) -> bool,
) -> Result<usize, FsError> {
    let Some(folder) = Folder::find(root, folder)? else { return Ok(0) };
    let mut removed = 0;
    for name in folder.names()? {
        if name.kind == Kind::File && part_token(&name.text).is_some_and(is_ours) {
            folder.entry(&name.text).discard()?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::RootDir;

    #[test]
    fn only_ours_and_only_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap();
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
        let root = OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap();
        let gone = RelPath::parse("no/such").unwrap();
        assert_eq!(remove_stray_parts(&root, Some(&gone), &|_| true).unwrap(), 0);
    }
}
