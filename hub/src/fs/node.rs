//! Which file a name leads to, so that hard links are told from copies.

use std::path::Path;

use crate::domain::duplicates::Node;
use crate::fs::{FileStamp, FsError};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// The stamp of the regular file of this name, and which file that is; none where the system says
/// that it has no other name.
pub fn look_at_file(path: &Path) -> Result<(FileStamp, Option<Node>), FsError> {
    system::look_at_file(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::open::stamp_path;

    #[test]
    fn names_of_one_file_are_one_node_and_copies_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let [a, link, copy] = ["a", "link", "copy"].map(|name| folder.path().join(name));
        fs::write(&a, b"x").unwrap();
        fs::hard_link(&a, &link).unwrap();
        fs::copy(&a, &copy).unwrap();
        let node = |path: &Path| look_at_file(path).unwrap().1;
        assert!(node(&a).is_some());
        assert_eq!(node(&a), node(&link));
        assert_ne!(node(&a), node(&copy));
        assert_eq!(look_at_file(&a).unwrap().0, stamp_path(&a).unwrap());
        assert!(look_at_file(&folder.path().join("gone")).unwrap_err().is_not_found());
        assert!(look_at_file(folder.path()).is_err(), "a folder is no file");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(look_at_file(&link).is_err());
    }
}
