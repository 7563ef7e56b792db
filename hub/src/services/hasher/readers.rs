//! The readers of one root: each takes the next file, and one writer commits what they found.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use shared_protocol::RelPath;

use super::{Hasher, n_readers};
use crate::domain::root::Root;
use crate::fs::hash::{HashCheckpoint, HashControl, HashError, HashOptions, hash_file_with};
use crate::fs::{Buffers, CancelFlag, ContentHash, FileStamp, Flow, ensure_no_links};
use crate::services::roots::LiveRoot;
use crate::storage::hashes::{self, KnownContent};
use crate::storage::index::{Edits, FileRow};
use crate::storage::{StorageError, hash_jobs};

/// Results committed together, and the longest that one waits for it.
const BATCH: usize = 1_024;
const BATCH_TIME: Duration = Duration::from_millis(400);

/// Results that may wait for the writer.
const QUEUE: usize = 1_024;

/// Smaller files are begun anew after a stop.
const CHECKPOINT_FROM: u64 = 64 << 20;

/// Between two looks while a transfer has the disk.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

struct Found<'a> {
    file: &'a FileRow,
    result: Result<ContentHash, HashError>,
}

/// Hashes the files and commits what was found. Files that fail are counted and left.
pub(super) fn hash_all(
    hasher: &Hasher,
    live: &LiveRoot,
    files: &[FileRow],
    cancel: &CancelFlag,
) -> Result<(), StorageError> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = crossbeam_channel::bounded(QUEUE);
    std::thread::scope(|scope| {
        for _ in 0..n_readers(&hasher.settings, live).min(files.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || read(hasher, live, files, next, &sender, cancel));
        }
        drop(sender);
        let written = write(hasher, live, &receiver);
        if written.is_err() {
            cancel.cancel();
        }
        // Readers must not wait for a writer that has gone.
        drop(receiver);
        written
    })
}

fn read<'a>(
    hasher: &Hasher,
    live: &LiveRoot,
    files: &'a [FileRow],
    next: &AtomicUsize,
    sender: &Sender<Found<'a>>,
    cancel: &CancelFlag,
) {
    let mut buffers = Buffers::new();
    // Files come folder by folder: one look at the way to each is enough.
    let mut trodden = None;
    let options = HashOptions { sha256: hasher.settings.current().hash_sha256 };
    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
        if cancel.is_cancelled() {
            return;
        }
        let folder = file.path.parent();
        let result = look_at_way(live, &mut trodden, folder)
            .and_then(|()| hash(hasher, live, file, options, &mut buffers, cancel));
        hasher.update(live.root, |running| {
            if let Some(at) = running.files.iter().position(|(path, _)| path == file.path.as_str()) {
                let (_, bytes) = running.files.swap_remove(at);
                running.bytes_open = running.bytes_open.saturating_sub(bytes);
            }
        });
        if sender.send(Found { file, result }).is_err() {
            return;
        }
    }
}

/// Refuses links on the way to a folder, unless it is the one that was looked at last.
fn look_at_way(live: &LiveRoot, trodden: &mut Option<RelPath>, folder: Option<RelPath>) -> Result<(), HashError> {
    if *trodden != folder {
        folder.iter().try_for_each(|folder| ensure_no_links(&live.dir, folder)).map_err(HashError::Fs)?;
        *trodden = folder;
    }
    Ok(())
}

fn hash(
    hasher: &Hasher,
    live: &LiveRoot,
    file: &FileRow,
    options: HashOptions,
    buffers: &mut Buffers,
    cancel: &CancelFlag,
) -> Result<ContentHash, HashError> {
    let resume = if file.size_bytes < CHECKPOINT_FROM {
        None
    } else {
        let stored = hasher.database.read_blocking(|connection| hashes::checkpoint(connection, live.row, file));
        stored.ok().flatten().and_then(|bytes| HashCheckpoint::from_bytes(&bytes))
    };
    let expected = FileStamp { size_bytes: file.size_bytes, modified: file.modified };
    let begun = resume.as_ref().map_or(0, HashCheckpoint::offset);
    hasher.update(live.root, |running| {
        running.files.push((file.path.to_string(), begun));
        running.bytes_open += begun;
    });
    let mut control = Control { hasher, live, file, cancel, done: begun, last: Instant::now() };
    hash_file_with(buffers, &live.dir.resolve(&file.path), expected, options, resume, &mut control)
}

fn write(hasher: &Hasher, live: &LiveRoot, receiver: &Receiver<Found<'_>>) -> Result<(), StorageError> {
    let mut batch: Vec<Found<'_>> = Vec::new();
    let mut since = Instant::now();
    loop {
        let next = receiver.recv_timeout(BATCH_TIME);
        let ended = matches!(next, Err(crossbeam_channel::RecvTimeoutError::Disconnected));
        if let Ok(found) = next {
            if batch.is_empty() {
                since = Instant::now();
            }
            batch.push(found);
        }
        if !batch.is_empty() && (ended || batch.len() >= BATCH || since.elapsed() >= BATCH_TIME) {
            commit(hasher, live, &batch)?;
            batch.clear();
        }
        if ended {
            return Ok(());
        }
    }
}

fn commit(hasher: &Hasher, live: &LiveRoot, batch: &[Found<'_>]) -> Result<(), StorageError> {
    let Some(mut job) = hasher.running.lock().get(live.root).as_ref().map(|r| r.job.clone()) else { return Ok(()) };
    for found in batch {
        match &found.result {
            Ok(content) => {
                job.n_done += 1;
                job.bytes_done += content.size_bytes;
            }
            // What was stopped is neither done nor failed: the next start goes on with it.
            Err(HashError::Stopped) => {}
            Err(error) => {
                job.n_failed += 1;
                job.detail.get_or_insert_with(|| format!("{}: {error}", found.file.path));
                tracing::warn!(root = live.root.as_str(), path = found.file.path.as_str(), %error, "a file was not hashed");
            }
        }
    }
    hasher.database.write_blocking(|tx| {
        let mut edits = Edits::new(tx);
        for found in batch {
            if let Ok(content) = &found.result {
                let known = KnownContent {
                    size_bytes: content.size_bytes,
                    blake3: content.blake3,
                    sha256: content.sha256,
                    groups: content.groups.clone(),
                };
                edits.know(live.row, &found.file.path, found.file.modified, &known)?;
            }
        }
        edits.finish()?;
        hash_jobs::save(tx, &job)
    })?;
    hasher.update(live.root, |running| running.job = job);
    hasher.comparer.index_changed();
    Ok(())
}

/// Watches over one file.
struct Control<'a> {
    hasher: &'a Hasher,
    live: &'a LiveRoot,
    file: &'a FileRow,
    cancel: &'a CancelFlag,
    done: u64,
    last: Instant,
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
            std::thread::sleep(BUSY_PAUSE);
        }
        self.hasher.update(root, |running| running.waiting = None);
        self.last = Instant::now();
    }
}

impl HashControl for Control<'_> {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        let moved = bytes_done.saturating_sub(self.done);
        self.done = bytes_done.max(self.done);
        let passed = self.last.elapsed();
        self.last = Instant::now();
        self.hasher.update(self.live.root, |running| {
            running.rate.add(moved, passed);
            running.bytes_open += moved;
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
