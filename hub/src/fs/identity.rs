//! Whether two names lead to one file.

use std::path::Path;

use crate::fs::FsError;

/// Whether both names are one file on disk, as hard links are: removing one frees nothing.
pub fn is_same_file(a: &Path, b: &Path) -> Result<bool, FsError> {
    let id = |path: &Path| file_id::get_file_id(path).map_err(FsError::at("look at", path));
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
