//! The readers of one root: each takes the next file, and one writer commits what they found
//! while they go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use shared_protocol::RelPath;

use super::patience::{PATIENCE, until_live};
use super::{Hasher, n_readers};
use crate::domain::root::Root;
use crate::fs::hash::{HashCheckpoint, HashControl, HashError, HashOptions, has_cores_to_spare, hash_file_with};
use crate::fs::{Buffers, CancelFlag, ContentHash, FileStamp, Flow, ensure_no_links};
use crate::services::bundle::{Bundle, COMMIT_TIME, is_due};
use crate::services::roots::LiveRoot;
use crate::storage::hashes::{self, KnownContent};
use crate::storage::index::{Edits, FileRow};
use crate::storage::{StorageError, hash_jobs};

/// Between two times that the comparison is told: it is brought up to date in the same database, and the end of
/// the job tells it anyway.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Orders that may wait for a reader, and bundles of results for the writer.
const QUEUE: usize = 64;

/// Files of one order: as many as a reader hashes in a moment. Handing over each small file by itself costs more
/// than hashing it.
const ORDER_FILES: usize = 32;
const ORDER_BYTES: u64 = 4 << 20;

/// Smaller files are begun anew after a stop.
const CHECKPOINT_FROM: u64 = 64 << 20;

/// Between two looks while a transfer has the disk.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// Files of the index to be hashed, with the root as it was when they were looked up.
pub(super) struct Page {
    pub(super) live: Arc<LiveRoot>,
    pub(super) files: Vec<FileRow>,
}

/// Files for one reader.
struct Order {
    live: Arc<LiveRoot>,
    files: Vec<FileRow>,
}

struct Found {
    live: Arc<LiveRoot>,
    file: FileRow,
    result: Result<ContentHash, HashError>,
}

/// Hashes the files of this page and of all that follow, and commits what was found: the readers go on
/// while the writer waits for the disk. Files that fail are counted and left. A page that wants another
/// number of readers comes back.
pub(super) fn hash_pages(
    hasher: &Hasher,
    first: Page,
    next: &mut dyn FnMut() -> Result<Option<Page>, StorageError>,
    cancel: &CancelFlag,
) -> Result<Option<Page>, StorageError> {
    let n = n_readers(&hasher.settings, &first.live);
    let root = first.live.root;
    let (orders, ordered) = crossbeam_channel::bounded(QUEUE);
    let (results, found) = crossbeam_channel::bounded(QUEUE);
    std::thread::scope(|scope| {
        for _ in 0..n {
            let (ordered, results) = (ordered.clone(), results.clone());
            scope.spawn(move || read(hasher, &ordered, results, cancel));
        }
        // Only the readers hold these ends: the channels close when the last of them leaves.
        drop((ordered, results));
        let writer = scope.spawn(move || {
            let written = write(hasher, root, &found);
            if written.is_err() {
                cancel.cancel();
            }
            written
        });
        let other = feed(hasher, n, first, next, &orders);
        drop(orders);
        // A panic of the writer is the job's.
        writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        other
    })
}

/// Gives the readers page after page, until there is none or one wants another number of readers.
fn feed(
    hasher: &Hasher,
    n: usize,
    first: Page,
    next: &mut dyn FnMut() -> Result<Option<Page>, StorageError>,
    orders: &Sender<Order>,
) -> Result<Option<Page>, StorageError> {
    let mut page = Some(first);
    while let Some(Page { live, files }) = page {
        if n_readers(&hasher.settings, &live) != n {
            return Ok(Some(Page { live, files }));
        }
        for files in split(files) {
            // Readers leave when the job is to stop.
            if orders.send(Order { live: Arc::clone(&live), files }).is_err() {
                return Ok(None);
            }
        }
        page = next()?;
    }
    Ok(None)
}

/// Cuts a page into orders.
fn split(files: Vec<FileRow>) -> Vec<Vec<FileRow>> {
    let mut orders: Vec<Vec<FileRow>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        let order =
            orders.last_mut().filter(|order| bytes + file.size_bytes <= ORDER_BYTES && order.len() < ORDER_FILES);
        if let Some(order) = order {
            bytes += file.size_bytes;
            order.push(file);
        } else {
            bytes = file.size_bytes;
            orders.push(vec![file]);
        }
    }
    orders
}

fn read(hasher: &Hasher, ordered: &Receiver<Order>, results: Sender<Vec<Found>>, cancel: &CancelFlag) {
    let mut buffers = Buffers::new();
    // Files come folder by folder: one look at the way to each is enough.
    let mut trodden = None;
    let mut found = Bundle::new(results);
    for Order { live, files } in ordered {
        for file in files {
            if cancel.is_cancelled() || found.before(file.size_bytes).is_err() {
                return;
            }
            let result = until_read(hasher, &live, &file, &mut trodden, &mut buffers, cancel);
            if found.add(Found { live: Arc::clone(&live), file, result }).is_err() {
                return;
            }
        }
    }
}

/// Reads one file. What can't be read because the whole root has gone is read when it is back.
fn until_read(
    hasher: &Hasher,
    live: &LiveRoot,
    file: &FileRow,
    trodden: &mut Option<RelPath>,
    buffers: &mut Buffers,
    cancel: &CancelFlag,
) -> Result<ContentHash, HashError> {
    loop {
        let result =
            look_at_way(live, trodden, file.path.parent()).and_then(|()| hash(hasher, live, file, buffers, cancel));
        hasher.update(live.root, |running| running.close(file.path.as_str()));
        let failed = matches!(result, Err(HashError::Fs(_) | HashError::Changed));
        if !failed || hasher.roots.check_blocking(live).is_ok() {
            return result;
        }
        // The watch over the roots needs a moment to find out, too.
        std::thread::sleep(PATIENCE);
        match until_live(hasher, live.root, cancel) {
            None => return Err(HashError::Stopped),
            Some(now) if now.row != live.row => return result,
            Some(_) => *trodden = None,
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
    // A setting that is changed meanwhile counts from the next file on.
    let sha256 = hasher.settings.current().hash_sha256;
    let options = HashOptions { sha256, threads: has_cores_to_spare(hasher.n_open()) };
    let mut control = Control { hasher, live, file, cancel, done: begun, last: Instant::now() };
    hash_file_with(buffers, &live.dir.resolve(&file.path), expected, options, resume, &mut control)
}

fn write(hasher: &Hasher, root: Root, receiver: &Receiver<Vec<Found>>) -> Result<(), StorageError> {
    let mut batch: Vec<Found> = Vec::new();
    let (mut since, mut told) = (Instant::now(), Instant::now());
    loop {
        let next = receiver.recv_timeout(COMMIT_TIME);
        let ended = matches!(next, Err(crossbeam_channel::RecvTimeoutError::Disconnected));
        if let Ok(found) = next {
            if batch.is_empty() {
                since = Instant::now();
            }
            batch.extend(found);
        }
        if !batch.is_empty() && (ended || is_due(batch.len(), since.elapsed(), n_to_come(hasher, root, batch.len()))) {
            commit(hasher, root, &batch)?;
            batch.clear();
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                hasher.comparer.index_changed();
            }
        }
        if ended {
            return Ok(());
        }
    }
}

/// Files of the job that were neither received nor committed.
fn n_to_come(hasher: &Hasher, root: Root, n_received: usize) -> usize {
    let running = hasher.running.lock();
    let job = running.get(root).as_ref().map(|running| &running.job);
    let left = job.map_or(0, |job| job.n_total.saturating_sub(job.n_done + job.n_failed));
    usize::try_from(left).unwrap_or(usize::MAX).saturating_sub(n_received)
}

fn commit(hasher: &Hasher, root: Root, batch: &[Found]) -> Result<(), StorageError> {
    let Some(mut job) = hasher.running.lock().get(root).as_ref().map(|r| r.job.clone()) else { return Ok(()) };
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
                tracing::warn!(root = root.as_str(), path = found.file.path.as_str(), %error, "a file was not hashed");
            }
        }
    }
    hasher.database.write_blocking(|tx| {
        let mut edits = Edits::new(tx);
        for Found { live, file, result } in batch {
            if let Ok(content) = result {
                let known = KnownContent {
                    size_bytes: content.size_bytes,
                    blake3: content.blake3,
                    sha256: content.sha256,
                    groups: content.groups.clone(),
                };
                edits.know(live.row, Some(file.id), &file.path, file.modified, &known)?;
            }
        }
        edits.finish()?;
        hash_jobs::save(tx, &job)
    })?;
    hasher.update(root, |running| running.job = job);
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
