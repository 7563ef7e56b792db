//! The temporary file of a copy.
//!
//! It is a file of the hub's own and of nobody else: made new, with one name. A second name, or another
//! file in its place, would let what is written here grow a file that lies elsewhere; so that is looked at
//! before every write, and once more before it gets its final name.

use std::fs::{File, FileTimes};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::time::SystemTime;

use super::reserve;
use crate::domain::failure::FailureClass;
use crate::fs::FsError;
use crate::fs::content::Source;
use crate::fs::entry::{Entry, EntryKind, FileIdentity, FoundEntry, identity, several_names};

/// An open part file.
pub(super) struct Part<'a> {
    entry: &'a Entry,
    file: File,
    identity: FileIdentity,
}

impl<'a> Part<'a> {
    /// Makes an empty one. What an earlier try left under this name goes.
    pub(super) fn create(entry: &'a Entry) -> Result<Self, FsError> {
        let file = match entry.create() {
            Err(error) if error.class() == FailureClass::Exists => {
                entry.discard()?;
                entry.create()
            }
            created => created,
        };
        Self::of(entry, file?)
    }

    /// Opens one that has at least so many bytes; `None` if there is no such one that is only ours.
    pub(super) fn reopen(entry: &'a Entry, at_least: u64) -> Result<Option<Self>, FsError> {
        match entry.look()? {
            Some(FoundEntry { kind: EntryKind::File, stamp }) if stamp.size_bytes >= at_least => {}
            _ => return Ok(None),
        }
        match entry.reopen() {
            Ok(file) => Self::of(entry, file).map(Some),
            Err(error) if error.cause.kind() == ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(entry: &'a Entry, file: File) -> Result<Self, FsError> {
        let identity = identity(&file, entry.path())?;
        Ok(Self { entry, file, identity })
    }

    /// Fails if the file got a second name.
    fn check_ours(&self) -> Result<(), FsError> {
        let now = identity(&self.file, self.entry.path())?;
        if now.n_links <= 1 { Ok(()) } else { Err(several_names(self.entry.path())) }
    }

    /// Takes the room for the whole file now, so that a full disk is known before hours of copying.
    pub(super) fn reserve(&self, size_bytes: u64) -> Result<(), FsError> {
        self.check_ours()?;
        reserve::reserve(&self.file, size_bytes).map_err(FsError::at("make room for", self.entry.path()))
    }

    /// For reading what it has. The two share one position in the file, so they are used in turns.
    pub(super) fn as_source(&self) -> Result<Source<'a>, FsError> {
        let file = self.file.try_clone().map_err(FsError::at("open", self.entry.path()))?;
        Source::own(self.entry.path(), file)
    }

    pub(super) fn seek(&mut self, offset: u64) -> Result<(), FsError> {
        self.file.seek(SeekFrom::Start(offset)).map(drop).map_err(FsError::at("write", self.entry.path()))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.check_ours()?;
        self.file.write_all(bytes).map_err(FsError::at("write", self.entry.path()))
    }

    pub(super) fn sync_data(&self) -> Result<(), FsError> {
        self.file.sync_data().map_err(FsError::at("sync", self.entry.path()))
    }

    /// Shares the source's blocks where the file system can; says whether it did.
    pub(super) fn clone_from(&self, source: &File) -> bool {
        reflink_copy::reflink_file(source, &self.file).is_ok()
    }

    /// Sets the time last, because every write sets it too, and closes the file.
    pub(super) fn finish(self, modified: Option<SystemTime>, sync: bool) -> Result<FileIdentity, FsError> {
        if let Some(modified) = modified {
            // Both: some file systems drop a change of one alone.
            let times = FileTimes::new().set_modified(modified).set_accessed(SystemTime::now());
            self.file.set_times(times).map_err(FsError::at("set the time of", self.entry.path()))?;
        }
        self.check_ours()?;
        if sync {
            self.file.sync_all().map_err(FsError::at("sync", self.entry.path()))?;
        }
        Ok(self.identity)
    }
}

/// Syncs a part file that was closed without. Windows wants the right to write for that.
pub(super) fn sync(entry: &Entry) -> Result<(), FsError> {
    entry.reopen()?.sync_all().map_err(FsError::at("sync", entry.path()))
}
