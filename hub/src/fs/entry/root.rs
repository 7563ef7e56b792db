//! A root that is open.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::{FileIdentity, system};
use crate::fs::{FsError, RootDir};

/// A root's folder, opened. The root itself may be a link: it was named by a person.
#[derive(Debug)]
pub struct OpenRoot {
    dir: RootDir,
    handle: system::Handle,
    identity: FileIdentity,
}

impl OpenRoot {
    /// Opens the folder that is there now. Whether it is the adopted one, its marker tells.
    pub fn open(dir: &RootDir) -> Result<Arc<Self>, FsError> {
        let (handle, identity) = open(dir)?;
        Ok(Arc::new(Self { dir: dir.clone(), handle: system::keep(handle), identity }))
    }

    pub const fn dir(&self) -> &RootDir {
        &self.dir
    }

    /// Where it lies, for messages.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) const fn handle(&self) -> &system::Handle {
        &self.handle
    }

    /// Opens the root anew: its path still has to lead to the same folder.
    pub(super) fn confirm(&self) -> Result<system::Handle, FsError> {
        let (handle, identity) = open(&self.dir)?;
        if identity.is(&self.identity) { Ok(handle) } else { Err(elsewhere(self.path())) }
    }
}

fn open(dir: &RootDir) -> Result<(system::Handle, FileIdentity), FsError> {
    let handle = system::open_root(dir.path()).map_err(FsError::at("find", dir.path()))?;
    let identity = system::folder_identity(&handle).map_err(FsError::at("look at", dir.path()))?;
    Ok((handle, identity))
}

/// A path leads to another folder than it did.
pub(super) fn elsewhere(path: &Path) -> FsError {
    FsError::refused("work in", path, ErrorKind::Other, "the folder was moved or replaced meanwhile")
}
