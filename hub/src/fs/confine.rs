//! Nothing is read through a link but through those that a person included.
//!
//! Any other link or junction below a root leads where no index has looked, perhaps out of the root, perhaps
//! into the other one. The check and what follows are two steps, which is enough for reading; what is
//! changed is changed through [`super::entry`].

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::Path;

use shared_protocol::RelPath;

use crate::domain::exclusion::DATA_FOLDER;
use crate::fs::entry::link::check;
use crate::fs::{FsError, RootDir};

/// Refuses a path that is a link or passes through one below the root, unless that is included and leads where it did.
/// What does not exist yet is no link; the root itself may be one.
pub fn ensure_no_links(root: &RootDir, path: &RelPath) -> Result<(), FsError> {
    let mut full = root.path().to_owned();
    let (text, mut end) = (path.as_str(), 0);
    for part in path.parts() {
        full.push(part);
        end += part.len() + usize::from(end > 0);
        if look_within(root, text.get(..end).unwrap_or(text), &full)?.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

/// Refuses a folder that is the hub's own data folder or lies in it. Nothing else is judged.
pub(super) fn ensure_not_own(root: &RootDir, folder: &RelPath) -> Result<(), FsError> {
    let Some(own) = root.own() else { return Ok(()) };
    let mut full = root.path().to_owned();
    for part in folder.parts() {
        full.push(part);
        match fs::symlink_metadata(&full) {
            Ok(metadata) if own.is(&full, &metadata) => return Err(is_own(&full)),
            Ok(_) => {}
            // Whoever opens it finds out why.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn is_own(path: &Path) -> FsError {
    FsError::refused("go into", path, ErrorKind::Unsupported, DATA_FOLDER.why)
}

/// Looks at what has this name below a root; `None` if nothing has. A link that is not included is an error, and so
/// is the hub's own data folder.
fn look_within(root: &RootDir, below: &str, path: &Path) -> Result<Option<Metadata>, FsError> {
    if let Some(link) = root.links().at(below) {
        check(root, link)?;
        return fs::metadata(path).map(Some).map_err(FsError::at("look at", path));
    }
    match fs::symlink_metadata(path) {
        // On Windows this is true of symlinks and junctions alike (every name surrogate), and not of
        // deduplicated or compressed files, which are ordinary to everyone.
        Ok(metadata) if metadata.file_type().is_symlink() => {
            Err(FsError::refused("go through", path, ErrorKind::Unsupported, "it is a link"))
        }
        Ok(metadata) if root.own().is_some_and(|own| own.is(path, &metadata)) => Err(is_own(path)),
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
    use crate::fs::OwnFolder;

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
    fn the_hubs_data_folder_is_refused_whatever_way_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, data) = (folder.path().join("root"), folder.path().join("root/deep/hub-data"));
        fs::create_dir_all(data.join("logs")).unwrap();
        symlink(&data, folder.path().join("data link")).unwrap();
        for given in [data, folder.path().join("data link")] {
            let root = RootDir::open(&inside).unwrap().keeping_out(std::sync::Arc::new(OwnFolder::new(given)));
            let check = |path: &str| ensure_no_links(&root, &RelPath::parse(path).unwrap());
            check("deep/other").unwrap();
            for path in ["deep/hub-data", "deep/hub-data/hub.db", "deep/hub-data/logs/new"] {
                assert!(check(path).unwrap_err().to_string().ends_with("own data folder"), "{path}");
            }
            let opened = crate::fs::entry::OpenRoot::open(&root).unwrap();
            let open = |path: &str| crate::fs::entry::Folder::open(&opened, Some(&RelPath::parse(path).unwrap()));
            open("deep").unwrap();
            for path in ["deep/hub-data", "deep/hub-data/logs"] {
                assert!(open(path).unwrap_err().to_string().ends_with("own data folder"), "{path}");
            }
            let made = RelPath::parse("deep/hub-data/new").unwrap();
            assert!(crate::fs::folders::ensure_folder(&opened, Some(&made)).is_err(), "nothing is made in it");
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
