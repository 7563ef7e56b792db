//! One reader of a root: it hashes one file after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use shared_protocol::RelPath;

use super::Hasher;
use super::lanes::{Lanes, Order};
use super::wait_until_online::{UNTIL_NEXT_LOOK, wait_until_online};
use crate::domain::root::Root;
use crate::fs::hash::{HashCheckpoint, HashControl, HashError, HashOptions, has_cores_to_spare, hash_file_with};
use crate::fs::{Buffers, CancelFlag, ContentHash, FileStamp, Flow, ensure_no_links};
use crate::services::bundle::Bundle;
use crate::services::roots::LiveRoot;
use crate::storage::StorageError;
use crate::storage::hashes;
use crate::storage::index::FileRow;

/// Smaller files are begun anew after a stop, and have no threads of their own.
const LARGE_BYTES: u64 = 64 << 20;

/// Between two looks while a transfer has the disk.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// What became of a file.
pub(super) struct Found {
    pub(super) live: Arc<LiveRoot>,
    pub(super) file: FileRow,
    pub(super) result: Result<ContentHash, HashError>,
}

/// One of the readers that share a root.
pub(super) struct Reader<'a> {
    hasher: &'a Hasher,
    lanes: &'a Lanes<'a, LiveRoot>,
    number: usize,
    n_readers: usize,
    cancel: &'a CancelFlag,
    buffers: Buffers,
    /// The file whose way was looked at last. Files come folder by folder: one look at the way to each is enough.
    trodden: Option<RelPath>,
}

impl<'a> Reader<'a> {
    /// The one of this number, of so many.
    pub(super) fn new(
        hasher: &'a Hasher,
        lanes: &'a Lanes<'a, LiveRoot>,
        number: usize,
        n_readers: usize,
        cancel: &'a CancelFlag,
    ) -> Self {
        Self { hasher, lanes, number, n_readers, cancel, buffers: Buffers::new(), trodden: None }
    }

    /// Hashes until there is nothing left to take or the job is to stop.
    pub(super) fn work(mut self, results: Sender<Vec<Found>>) -> Result<(), StorageError> {
        let mut found = Bundle::new(results);
        while let Some(Order { root: live, files }) = self.lanes.next(self.number, self.n_readers)? {
            for file in files {
                if self.cancel.is_cancelled() || found.before(file.size_bytes).is_err() {
                    return Ok(());
                }
                let result = self.until_read(&live, &file);
                if found.add(Found { live: Arc::clone(&live), file, result }).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Reads one file. What can't be read because the whole root has gone is read when it is back.
    fn until_read(&mut self, live: &LiveRoot, file: &FileRow) -> Result<ContentHash, HashError> {
        loop {
            let result = self.look_at_way(live, file).and_then(|()| self.hash(live, file));
            self.hasher.update(live.root, |running| running.close(file.path.as_str(), result.is_ok()));
            let failed = matches!(result, Err(HashError::Fs(_) | HashError::Changed));
            if !failed || self.hasher.roots.check_blocking(live).is_ok() {
                return result;
            }
            // The watch over the roots needs a moment to find out, too.
            self.cancel.pause(UNTIL_NEXT_LOOK);
            match wait_until_online(self.hasher, live.root, self.cancel) {
                None => return Err(HashError::Stopped),
                Some(now) if now.row != live.row => return result,
                Some(_) => self.trodden = None,
            }
        }
    }

    /// Refuses links on the way to a file, unless the way is that of the last one.
    fn look_at_way(&mut self, live: &LiveRoot, file: &FileRow) -> Result<(), HashError> {
        if self.trodden.as_ref().is_some_and(|last| last.is_beside(&file.path)) {
            return Ok(());
        }
        self.trodden = None;
        if let Some(folder) = file.path.parent() {
            ensure_no_links(&live.dir, &folder).map_err(HashError::Fs)?;
        }
        self.trodden = Some(file.path.clone());
        Ok(())
    }

    fn hash(&mut self, live: &LiveRoot, file: &FileRow) -> Result<ContentHash, HashError> {
        let hasher = self.hasher;
        let is_large = file.size_bytes >= LARGE_BYTES;
        let resume = if is_large { self.resume(live, file) } else { None };
        let begun = resume.as_ref().map_or(0, HashCheckpoint::offset);
        hasher.update(live.root, |running| {
            running.files.push((file.path.to_string(), begun));
            running.bytes_read += begun;
        });
        let expected = FileStamp::known(file.size_bytes, file.modified, file.identity);
        // A setting that is changed meanwhile counts from the next file on.
        let sha256 = hasher.settings.current().hash_sha256;
        let options = HashOptions { sha256, threads: is_large && has_cores_to_spare(self.n_at_once(live.root)) };
        let mut control = Control { hasher, live, file, cancel: self.cancel, done: begun };
        hash_file_with(&mut self.buffers, &live.dir.resolve(&file.path), expected, options, resume, &mut control)
    }

    fn resume(&self, live: &LiveRoot, file: &FileRow) -> Option<HashCheckpoint> {
        let stored = self.hasher.database.read_blocking(|connection| hashes::checkpoint(connection, live.row, file));
        stored.ok().flatten().and_then(|bytes| HashCheckpoint::from_bytes(&bytes))
    }

    /// Files that are being read or soon will be, of both roots: they share the processor.
    fn n_at_once(&self, root: Root) -> usize {
        let here = if self.lanes.are_empty() { self.hasher.n_open(root) } else { self.n_readers };
        here + self.hasher.n_open(root.other())
    }
}

/// Watches over one file.
struct Control<'a> {
    hasher: &'a Hasher,
    live: &'a LiveRoot,
    file: &'a FileRow,
    cancel: &'a CancelFlag,
    done: u64,
}

impl Control<'_> {
    /// Waits while a transfer has this disk.
    fn wait_for_transfers(&mut self) {
        let root: Root = self.live.root;
        if !self.hasher.busy.is_busy(root) {
            return;
        }
        let why = format!("Transfers are using {}.", root.label());
        self.hasher.update(root, |running| running.waiting = Some(why));
        while self.hasher.busy.is_busy(root) && !self.cancel.is_cancelled() {
            self.cancel.pause(BUSY_PAUSE);
        }
        self.hasher.update(root, |running| {
            running.waiting = None;
            running.meter.begin_anew(Instant::now());
        });
    }
}

impl HashControl for Control<'_> {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        let moved = bytes_done.saturating_sub(self.done);
        self.done = bytes_done.max(self.done);
        self.hasher.update(self.live.root, |running| {
            running.meter.add(moved, Instant::now());
            running.bytes_read += moved;
            if let Some(open) = running.files.iter_mut().find(|(path, _)| path == self.file.path.as_str()) {
                open.1 += moved;
            }
        });
        self.wait_for_transfers();
        self.cancel.flow()
    }

    fn checkpoint(&mut self, checkpoint: &HashCheckpoint) {
        let stored = self
            .hasher
            .database
            .write_blocking(|tx| hashes::put_checkpoint(tx, self.live.row, self.file, &checkpoint.to_bytes()));
        if let Err(error) = stored {
            // Hashing goes on; a kill would cost more of it.
            tracing::warn!(%error, "how far a hash is could not be stored");
        }
    }
}
