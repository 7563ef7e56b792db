//! Whether two names lead to one file, and whether a name still leads to the file that it led to.

#[cfg(unix)]
use crate::domain::identity::Identity;

/// The identity that a Unix file system tells of a file.
#[cfg(unix)]
pub(in crate::fs) fn of_inode(inode: u64, seconds: i64, nanoseconds: i64) -> Identity {
    let changed = seconds.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(nanoseconds.cast_unsigned());
    Identity::new(inode, changed)
}

/// Whether both names are one file on disk, as hard links are.
#[cfg(test)]
pub(in crate::fs) fn is_same_file(a: &std::path::Path, b: &std::path::Path) -> Result<bool, crate::fs::FsError> {
    let id = |path: &std::path::Path| file_id::get_file_id(path).map_err(crate::fs::FsError::at("look at", path));
    Ok(id(a)? == id(b)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_hard_link_is_the_same_file_and_a_copy_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let [a, link, copy] = ["a", "link", "copy"].map(|name| folder.path().join(name));
        fs::write(&a, b"x").unwrap();
        fs::hard_link(&a, &link).unwrap();
        fs::copy(&a, &copy).unwrap();
        assert!(is_same_file(&a, &link).unwrap());
        assert!(!is_same_file(&a, &copy).unwrap());
        assert!(is_same_file(&a, &folder.path().join("gone")).is_err());
    }
}
