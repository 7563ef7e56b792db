//! The hub's own data folder, where it lies inside a root: no library, whatever name or way leads to it.
//!
//! On Unix it is known by its device and number, so that a second mount of it is seen, too. Windows
//! tells neither for nothing: there a folder is only asked for its number if its name could be the one,
//! in another case or in its short form.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[cfg(unix)]
#[path = "own_folder/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "own_folder/windows.rs"]
mod system;

pub use system::FolderNumber;

/// The data folder.
#[derive(Debug, Clone)]
pub struct OwnFolder {
    path: PathBuf,
    /// Looked up once it is there: it stays as long as the hub runs.
    identity: OnceLock<FolderNumber>,
}

impl PartialEq for OwnFolder {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for OwnFolder {}

impl OwnFolder {
    /// Takes the folder, which need not exist yet.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, identity: OnceLock::new() }
    }

    /// The folder, as it was configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a folder is this one. `metadata` is the folder's.
    pub fn is(&self, path: &Path, metadata: &Metadata) -> bool {
        metadata.is_dir() && self.identity().is_some_and(|own| system::is(own, &self.path, path, metadata))
    }

    /// What it is told apart by; none as long as it does not exist.
    pub fn identity(&self) -> Option<&FolderNumber> {
        if self.identity.get().is_none()
            && let Ok(found) = system::identity(&self.path)
        {
            self.identity.set(found).ok();
        }
        self.identity.get()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_is_known_whatever_way_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (data, other) = (folder.path().join("hub-data"), folder.path().join("other"));
        let own = OwnFolder::new(data.clone());
        let is = |path: &Path| own.is(path, &fs::symlink_metadata(path).unwrap());
        fs::create_dir(&other).unwrap();
        assert!(!is(&other), "it is not there yet");
        fs::create_dir(&data).unwrap();
        assert!(is(&data) && is(&folder.path().join("other").join("..").join("hub-data")));
        assert!(!is(&other) && !is(folder.path()));
        fs::write(folder.path().join("file"), b"").unwrap();
        assert!(!is(&folder.path().join("file")));
    }
}
