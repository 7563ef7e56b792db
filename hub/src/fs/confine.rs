//! Nothing is read through a link.
//!
//! A link or junction below a root leads where no index has looked, perhaps out of the root, perhaps
//! into the other one. The check and what follows are two steps, which is enough for reading; what is
//! changed is changed through [`super::entry`].

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::Path;

use shared_protocol::RelPath;

use crate::fs::{FsError, RootDir};

/// Refuses a path that is a link or passes through one below the root. What does not exist yet is no
/// link; the root itself may be one.
pub fn ensure_no_links(root: &RootDir, path: &RelPath) -> Result<(), FsError> {
    let mut full = root.path().to_owned();
    for part in path.parts() {
        full.push(part);
        if look_unless_link(&full)?.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

/// Looks at what has this name; `None` if nothing has, an error if it is a link.
fn look_unless_link(path: &Path) -> Result<Option<Metadata>, FsError> {
    match fs::symlink_metadata(path) {
        // On Windows this is true of symlinks and junctions alike (every name surrogate), and not of
        // deduplicated or compressed files, which are ordinary to everyone.
        Ok(metadata) if metadata.file_type().is_symlink() => {
            Err(FsError::refused("go through", path, ErrorKind::Unsupported, "it is a link"))
        }
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(FsError::new("look at", path, error)),
    }
}

#[cfg(test)]
#[cfg(unix)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_anywhere_on_the_way_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("root"), folder.path().join("outside"));
        fs::create_dir_all(inside.join("real/deep")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        symlink(&outside, inside.join("real/link")).unwrap();
        symlink("/no/such/file", inside.join("dangling")).unwrap();
        let root = RootDir::open(&inside).unwrap();
        let check = |path: &str| ensure_no_links(&root, &RelPath::parse(path).unwrap());
        check("real/deep/x").unwrap();
        check("not/there/yet").unwrap();
        for path in ["real/link", "real/link/x", "dangling"] {
            let error = check(path).unwrap_err();
            assert!(error.to_string().ends_with("it is a link"), "{error}");
        }
    }

    #[test]
    fn the_root_itself_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("real/loras")).unwrap();
        symlink(folder.path().join("real"), folder.path().join("root")).unwrap();
        let root = RootDir::open(&folder.path().join("root")).unwrap();
        ensure_no_links(&root, &RelPath::parse("loras/x").unwrap()).unwrap();
    }
}
