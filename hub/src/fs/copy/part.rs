//! The temporary file of a copy.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use super::reserve;
use crate::fs::FsError;
use crate::fs::content::Source;
use crate::fs::rename::remove_own_file;

/// An open part file.
pub(super) struct Part<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Part<'a> {
    /// Makes an empty one. What an earlier try left under this name goes.
    pub(super) fn create(path: &'a Path) -> Result<Self, FsError> {
        let create = || OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = match create() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove_own_file(path)?;
                create()
            }
            created => created,
        };
        Ok(Self { path, file: file.map_err(FsError::at("create", path))? })
    }

    /// Opens one that has at least so many bytes; `None` if there is no such one.
    pub(super) fn reopen(path: &'a Path, at_least: u64) -> Result<Option<Self>, FsError> {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(FsError::at("look at", path))?,
        };
        if !metadata.is_file() || metadata.len() < at_least {
            return Ok(None);
        }
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(FsError::at("open", path))?;
        Ok(Some(Self { path, file }))
    }

    /// Takes the room for the whole file now, so that a full disk is known before hours of copying.
    pub(super) fn reserve(&self, size_bytes: u64) -> Result<(), FsError> {
        reserve::reserve(&self.file, size_bytes).map_err(FsError::at("make room for", self.path))
    }

    /// For reading what it has. The two share one position in the file, so they are used in turns.
    pub(super) fn as_source(&self) -> Result<Source, FsError> {
        let file = self.file.try_clone().map_err(FsError::at("open", self.path))?;
        Source::own(self.path, file)
    }

    pub(super) fn seek(&mut self, offset: u64) -> Result<(), FsError> {
        self.file.seek(SeekFrom::Start(offset)).map(drop).map_err(FsError::at("write", self.path))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::at("write", self.path))
    }

    pub(super) fn sync_data(&self) -> Result<(), FsError> {
        self.file.sync_data().map_err(FsError::at("sync", self.path))
    }

    /// Shares the source's blocks where the file system can; says whether it did.
    pub(super) fn clone_from(&self, source: &File) -> bool {
        reflink_copy::reflink_file(source, &self.file).is_ok()
    }

    /// Sets the time last, because every write sets it too, and closes the file.
    pub(super) fn finish(self, modified: Option<SystemTime>, sync: bool) -> Result<(), FsError> {
        if let Some(modified) = modified {
            let times = FileTimes::new().set_modified(modified);
            self.file.set_times(times).map_err(FsError::at("set the time of", self.path))?;
        }
        if sync { self.file.sync_all().map_err(FsError::at("sync", self.path)) } else { Ok(()) }
    }
}

/// Syncs a part file that was closed without. Windows wants the right to write for that.
pub(super) fn sync(path: &Path) -> Result<(), FsError> {
    let file = OpenOptions::new().write(true).open(path).map_err(FsError::at("open", path))?;
    file.sync_all().map_err(FsError::at("sync", path))
}
