//! Names in opened folders: the one way in which files below a root are touched.
//!
//! A path that was looked at may lead elsewhere a moment later: a folder is moved away and a link takes
//! its place, a root is unmounted. So a root is opened once ([`OpenRoot`]), a folder is reached from it
//! through no link ([`Folder`]), and a name is worked on in that folder ([`Entry`]). Whatever changes a
//! name asks once more, right before, that the path still leads to the opened folder: work may have
//! taken an hour since. Mounts inside a root are part of it.

mod folder;
pub mod link;
mod root;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod link_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
pub(crate) mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

use crate::fs::FsError;
use crate::fs::open::{FileStamp, not_a_file};

pub use folder::{Folder, Mount};
pub use root::OpenRoot;

/// What kind of thing has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    Folder,
    /// A symbolic link or junction.
    Link,
    /// A device, pipe or socket.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundEntry {
    pub kind: EntryKind,
    /// Its size and time.
    pub stamp: FileStamp,
}

/// Which file or folder it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    pub device: u64,
    pub file: u64,
    /// Names that it has.
    pub n_links: u64,
}

impl FileIdentity {
    /// Whether both are one file, however many names it has.
    pub const fn is(&self, other: &Self) -> bool {
        self.device == other.device && self.file == other.file
    }
}

/// A name in an opened folder, whether or not anything has it.
#[derive(Debug, Clone)]
pub struct Entry {
    folder: Arc<Folder>,
    name: String,
    path: PathBuf,
}

impl Entry {
    fn new(folder: &Arc<Folder>, name: &str) -> Self {
        Self { folder: Arc::clone(folder), name: name.to_owned(), path: folder.path().join(name) }
    }

    /// A path below a root; its folder has to be there.
    pub fn open(root: &Arc<OpenRoot>, path: &RelPath) -> Result<Self, FsError> {
        Ok(Folder::open(root, path.parent().as_ref())?.entry(path.name()))
    }

    /// The same; none if its folder is not there.
    pub fn find(root: &Arc<OpenRoot>, path: &RelPath) -> Result<Option<Self>, FsError> {
        Ok(Folder::find(root, path.parent().as_ref())?.map(|folder| folder.entry(path.name())))
    }

    /// The folder that it is in.
    pub const fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn at(&self, verb: &'static str) -> impl FnOnce(io::Error) -> FsError {
        FsError::at(verb, &self.path)
    }

    /// What has the name; none if nothing has.
    pub fn look(&self) -> Result<Option<FoundEntry>, FsError> {
        self.folder.look(&self.name).map_err(self.at("look at"))
    }

    /// The stamp of the regular file of this name; none if nothing has it.
    pub fn stamp_if_there(&self) -> Result<Option<FileStamp>, FsError> {
        match self.look()? {
            None => Ok(None),
            Some(FoundEntry { kind: EntryKind::File, stamp }) => Ok(Some(stamp)),
            Some(FoundEntry { kind: EntryKind::Link, .. }) => Err(is_link(&self.path)),
            Some(_) => Err(not_a_file(&self.path)),
        }
    }

    /// The stamp of the regular file that has this name now.
    pub fn stamp(&self) -> Result<FileStamp, FsError> {
        self.stamp_if_there()?.ok_or_else(|| FsError::new("look at", &self.path, ErrorKind::NotFound.into()))
    }

    pub fn identity(&self) -> Result<FileIdentity, FsError> {
        system::identity_of(self.folder.handle(), &self.name).map_err(self.at("look at"))
    }

    /// Opens the regular file for reading, as `open::open_for_reading` does.
    pub(in crate::fs) fn open_for_reading(&self) -> Result<(File, Metadata), FsError> {
        let folder = self.folder.confirm()?;
        let file = system::open_for_reading(&folder, &self.name).map_err(self.at("open"))?;
        let metadata = file.metadata().map_err(self.at("look at"))?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(not_a_file(&self.path)) }
    }

    /// Makes an empty file of this name, which nothing may have.
    pub(in crate::fs) fn create(&self) -> Result<File, FsError> {
        let folder = self.folder.confirm()?;
        system::create(&folder, &self.name).map_err(self.at("create"))
    }

    /// Opens a file of the hub's own for reading and writing: a regular one that has no other name.
    pub(in crate::fs) fn reopen(&self) -> Result<File, FsError> {
        let folder = self.folder.confirm()?;
        let file = system::reopen(&folder, &self.name).map_err(self.at("open"))?;
        if identity(&file, &self.path)?.n_links == 1 { Ok(file) } else { Err(several_names(&self.path)) }
    }

    /// Gives what has this name another one, unless something has that. Both lie on one volume.
    pub fn rename_no_clobber(&self, to: &Self) -> Result<(), FsError> {
        let (here, there) = self.folder.confirm_with(&to.folder)?;
        match system::rename_no_clobber((&here, &self.name), (&there, &to.name)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && self.is_other_case_of(to) => {
                system::replace((&here, &self.name), (&there, &to.name)).map_err(to.at("rename to"))
            }
            renamed => renamed.map_err(to.at("rename to")),
        }
    }

    /// Whether the new name is taken only by this file itself, because the volume knows no case: then
    /// its listing has only one of the two. Numbers of files say nothing where they are made up.
    fn is_other_case_of(&self, to: &Self) -> bool {
        self.name != to.name
            && self.folder.identity().is(&to.folder.identity())
            && match_key(&self.name) == match_key(&to.name)
            && self.folder.names().is_ok_and(|names| {
                names.iter().any(|name| name.text == self.name) && !names.iter().any(|name| name.text == to.name)
            })
    }

    /// Puts what has this name in the place of what has the other, in one step.
    pub(in crate::fs) fn replace(&self, to: &Self) -> Result<(), FsError> {
        let (here, there) = self.folder.confirm_with(&to.folder)?;
        system::replace((&here, &self.name), (&there, &to.name)).map_err(to.at("rename to"))
    }

    /// Makes another name of this file.
    pub fn link(&self, name: &Self) -> Result<(), FsError> {
        let (here, there) = self.folder.confirm_with(&name.folder)?;
        system::link((&here, &self.name), (&there, &name.name)).map_err(name.at("link"))
    }

    /// Removes a person's file for good.
    pub(in crate::fs) fn remove(&self) -> Result<(), FsError> {
        let folder = self.folder.confirm()?;
        system::remove(&folder, &self.name).map_err(self.at("remove"))
    }

    /// The same, even if it is marked read-only; that it is gone already is fine. Where it lies, nobody
    /// else's file can be: in a trash, or set aside under a name of the hub's own.
    pub fn remove_for_good(&self) -> Result<(), FsError> {
        let folder = self.folder.confirm()?;
        absent(system::remove_own(&folder, &self.name)).map(drop).map_err(self.at("remove"))
    }

    /// Removes a file of the hub's own if it is there, even one that is marked read-only. It goes from
    /// the folder in which it was made, wherever that is by now.
    pub fn discard(&self) -> Result<(), FsError> {
        absent(system::remove_own(self.folder.handle(), &self.name)).map(drop).map_err(self.at("remove"))
    }

    /// The same on the way out of something that failed: what failed is to be told, not this.
    pub fn clean_up(&self) {
        if let Err(error) = self.discard() {
            tracing::warn!(%error, "a temporary file stays");
        }
    }
}

/// Which file a handle leads to.
pub(in crate::fs) fn identity(file: &File, path: &Path) -> Result<FileIdentity, FsError> {
    system::identity(file).map_err(FsError::at("look at", path))
}

fn absent<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_link(path: &Path) -> FsError {
    FsError::refused("go through", path, ErrorKind::Unsupported, "it is a link")
}

pub(in crate::fs) fn several_names(path: &Path) -> FsError {
    FsError::refused(
        "use",
        path,
        ErrorKind::InvalidData,
        "another program gave it a second name or put another file there",
    )
}
