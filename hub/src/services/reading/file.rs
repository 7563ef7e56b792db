//! One file, as it is read.

use std::path::PathBuf;

use super::{LiveRoot, Reading};
use crate::domain::ids::RootRowId;
use crate::fs::hash::{HashCheckpoint, HashControl, HashError, HashOptions, has_cores_to_spare, hash_file_with};
use crate::fs::{Buffers, ContentHash, FileStamp, Flow};
use crate::storage::hashes;
use crate::storage::index::FileRow;

/// Smaller files are begun anew after a stop, and have no threads of their own.
const CHECKPOINT_FROM: u64 = 64 << 20;

/// The file that a reader works on.
pub(in crate::services) struct OpenFile<'a> {
    reading: Reading<'a>,
    live: &'a LiveRoot,
    /// As the index has it.
    pub(in crate::services) file: &'a FileRow,
    /// Files that are read while this one is.
    n_at_once: usize,
    bytes_done: u64,
}

impl<'a> OpenFile<'a> {
    pub(super) const fn new(reading: Reading<'a>, live: &'a LiveRoot, file: &'a FileRow, n_at_once: usize) -> Self {
        Self { reading, live, file, n_at_once, bytes_done: 0 }
    }

    /// The row of its root.
    pub(in crate::services) const fn root(&self) -> RootRowId {
        self.live.row
    }

    pub(in crate::services) fn path(&self) -> PathBuf {
        self.live.dir.resolve(&self.file.path)
    }

    pub(in crate::services) const fn stamp(&self) -> FileStamp {
        FileStamp::known(self.file.size_bytes, self.file.modified, self.file.identity)
    }

    /// Says that so many more bytes were read; waits while transfers use the disk.
    pub(in crate::services) fn moved(&self, bytes: u64) -> Flow {
        self.reading.progress.moved(self.file.path.as_str(), bytes);
        self.reading.progress.wait_for_transfers(&self.reading.context.busy, self.live.root);
        self.reading.progress.cancel.flow()
    }

    /// Hashes all of it; a large one goes on where an earlier run stopped.
    ///
    /// # Errors
    /// It has changed, can't be read, or the job is to stop.
    pub(in crate::services) fn hash(&mut self, buffers: &mut Buffers, sha256: bool) -> Result<ContentHash, HashError> {
        let is_large = self.file.size_bytes >= CHECKPOINT_FROM;
        let resume = if is_large { self.resume() } else { None };
        self.bytes_done = resume.as_ref().map_or(0, HashCheckpoint::offset);
        self.reading.progress.open(self.file.path.as_str(), self.bytes_done);
        let options = HashOptions { sha256, threads: is_large && has_cores_to_spare(self.n_at_once) };
        hash_file_with(buffers, &self.path(), self.stamp(), options, resume, self)
    }

    fn resume(&self) -> Option<HashCheckpoint> {
        let read = |connection: &_| hashes::checkpoint(connection, self.live.row, self.file);
        let stored = self.reading.context.database.read_blocking(read);
        stored.ok().flatten().and_then(|bytes| HashCheckpoint::from_bytes(&bytes))
    }
}

impl HashControl for OpenFile<'_> {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        let moved = bytes_done.saturating_sub(self.bytes_done);
        self.bytes_done = bytes_done.max(self.bytes_done);
        self.moved(moved)
    }

    fn checkpoint(&mut self, checkpoint: &HashCheckpoint) {
        let Self { live, file, .. } = self;
        let database = &self.reading.context.database;
        let stored = database.write_blocking(|tx| hashes::put_checkpoint(tx, live.row, file, &checkpoint.to_bytes()));
        if let Err(error) = stored {
            // The job goes on; a kill would cost more of it.
            tracing::warn!(%error, "how far a hash is could not be stored");
        }
    }
}
