//! Reading what a search asks for: each root by its own readers, what they found into the database by
//! one writer, many rows at a time.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use shared_protocol::{Blake3, RelPath};

use super::Duplicates;
use super::lanes::Lanes;
use super::stage::Stage;
use crate::domain::duplicates::Node;
use crate::fs::ends::hash_ends;
use crate::fs::hash::{HashCheckpoint, HashControl, HashError, HashOptions, has_cores_to_spare, hash_file_with};
use crate::fs::{Buffers, CancelFlag, ContentHash, FileStamp, Flow, ensure_no_links, node};
use crate::services::bundle::{Bundle, COMMIT_TIME, is_due};
use crate::services::hasher::n_readers;
use crate::services::roots::LiveRoot;
use crate::storage::StorageError;
use crate::storage::duplicates::{self, CandidateRow};
use crate::storage::hashes::{self, KnownContent};
use crate::storage::index::{Edits, FileRow};

/// Bundles of results that may wait for the writer.
const QUEUE: usize = 64;

/// Smaller files are begun anew after a stop.
const CHECKPOINT_FROM: u64 = 64 << 20;

/// Between two looks while a transfer has the disk.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// What came of each name, by its position; nothing for a name that could not be read.
pub(super) type Results<T> = Vec<(usize, Option<T>)>;

/// Who reads, and where.
pub(super) struct ReaderPool<'a> {
    pub(super) this: &'a Duplicates,
    pub(super) lives: &'a [LiveRoot],
    pub(super) cancel: &'a CancelFlag,
    /// The readers leave cores for threads of a big file.
    has_cores: bool,
}

impl<'a> ReaderPool<'a> {
    pub(super) fn new(this: &'a Duplicates, lives: &'a [LiveRoot], cancel: &'a CancelFlag) -> Self {
        let n_readers = lives.iter().map(|live| n_readers(&this.settings, live)).sum();
        Self { this, lives, cancel, has_cores: has_cores_to_spare(n_readers) }
    }
}

/// What one reader keeps from file to file.
#[derive(Default)]
pub(super) struct Kit {
    buffers: Buffers,
    pub(super) ends: Vec<u8>,
    /// The folder that was looked at last, and holds no link on its way.
    folder: Option<RelPath>,
}

/// Looks which file each name is.
pub(super) fn looks(
    pool: &ReaderPool<'_>,
    names: &[CandidateRow],
    wanted: &[usize],
) -> Result<Results<Option<Node>>, StorageError> {
    let work = |kit: &mut Kit, live: &LiveRoot, name: &CandidateRow| {
        let parent = name.path.parent();
        if parent.is_some() && kit.folder != parent {
            // Files of one folder follow each other: one look at the way serves all of them.
            kit.folder = None;
            ensure_no_links(&live.dir, &name.path).map_err(HashError::Fs)?;
            kit.folder = parent;
        }
        let (stamp, node) = node::look(&live.dir.resolve(&name.path)).map_err(HashError::Fs)?;
        if stamp == stamp_of(name) { Ok(node) } else { Err(HashError::Changed) }
    };
    each(pool, names, wanted, &work, &mut |_| Ok(()))
}

/// Reads first and last bytes.
pub(super) fn ends(
    pool: &ReaderPool<'_>,
    names: &[CandidateRow],
    wanted: &[usize],
) -> Result<Results<Blake3>, StorageError> {
    pool.this.update(|running| running.progress.begin(Stage::Ends, wanted.len() as u64, 0));
    let work = |kit: &mut Kit, live: &LiveRoot, name: &CandidateRow| {
        Ok(hash_ends(&mut kit.ends, &live.dir.resolve(&name.path), stamp_of(name))?)
    };
    let mut store = |found: &[(usize, Option<Blake3>)]| {
        pool.this.database.write_blocking(|tx| {
            found.iter().try_for_each(|(at, ends)| match (names.get(*at), ends) {
                (Some(name), Some(ends)) => duplicates::put_ends(tx, name, ends),
                _ => Ok(()),
            })
        })
    };
    each(pool, names, wanted, &work, &mut store)
}

/// Reads whole files.
pub(super) fn contents(
    pool: &ReaderPool<'_>,
    names: &[CandidateRow],
    wanted: &[usize],
) -> Result<Results<Blake3>, StorageError> {
    let bytes = wanted.iter().filter_map(|at| names.get(*at)).map(|name| name.size_bytes).sum();
    pool.this.update(|running| running.progress.begin(Stage::Contents, wanted.len() as u64, bytes));
    let work = |kit: &mut Kit, live: &LiveRoot, name: &CandidateRow| hash(pool, kit, live, name);
    let mut store = |found: &[(usize, Option<ContentHash>)]| {
        pool.this.database.write_blocking(|tx| {
            let mut edits = Edits::new(tx);
            for (at, content) in found {
                let (Some(name), Some(content)) = (names.get(*at), content) else { continue };
                let known = KnownContent {
                    size_bytes: content.size_bytes,
                    blake3: content.blake3,
                    sha256: None,
                    groups: content.groups.clone(),
                };
                edits.know(name.root, Some(name.id), &name.path, name.modified, name.identity, &known)?;
            }
            edits.finish()
        })
    };
    let found = each(pool, names, wanted, &work, &mut store)?;
    Ok(found.into_iter().map(|(at, content)| (at, content.map(|content| content.blake3))).collect())
}

/// Stores hashes that were not read under these names; those that are stored already are left.
pub(super) fn store_known<'a>(
    this: &Duplicates,
    known: impl Iterator<Item = (&'a CandidateRow, Blake3)>,
) -> Result<(), StorageError> {
    let new: Vec<_> = known.filter(|(name, _)| name.hash.is_none()).collect();
    if new.is_empty() {
        return Ok(());
    }
    this.database.write_blocking(|tx| {
        let mut edits = Edits::new(tx);
        for (name, blake3) in &new {
            let known = KnownContent { size_bytes: name.size_bytes, blake3: *blake3, sha256: None, groups: None };
            edits.know(name.root, Some(name.id), &name.path, name.modified, name.identity, &known)?;
        }
        edits.finish()
    })
}

/// Only BLAKE3: a search is to be quick, and SHA-256 is three times the work.
fn hash(pool: &ReaderPool<'_>, kit: &mut Kit, live: &LiveRoot, name: &CandidateRow) -> Result<ContentHash, HashError> {
    let file = FileRow {
        id: name.id,
        folder_id: crate::domain::ids::FolderId(0),
        path: name.path.clone(),
        size_bytes: name.size_bytes,
        modified: name.modified,
        placeholder: false,
        conflict: false,
        hash: None,
        identity: name.identity,
        rotted: None,
    };
    let resume = if name.size_bytes < CHECKPOINT_FROM {
        None
    } else {
        let stored = pool.this.database.read_blocking(|connection| hashes::checkpoint(connection, live.row, &file));
        stored.ok().flatten().and_then(|bytes| HashCheckpoint::from_bytes(&bytes))
    };
    let done = resume.as_ref().map_or(0, HashCheckpoint::offset);
    pool.this.update(|running| running.progress.bytes_done += done);
    let mut control = Control { pool, live, file: &file, done };
    let options = HashOptions { sha256: false, threads: pool.has_cores };
    let path = live.dir.resolve(&name.path);
    hash_file_with(&mut kit.buffers, &path, stamp_of(name), options, resume, &mut control)
}

pub(super) const fn stamp_of(name: &CandidateRow) -> FileStamp {
    FileStamp::known(name.size_bytes, name.modified, name.identity)
}

/// What one file came to.
type Read<T> = (usize, Result<T, HashError>);

/// Work on one file.
pub(super) type Work<'a, T> = dyn Fn(&mut Kit, &LiveRoot, &CandidateRow) -> Result<T, HashError> + Sync + 'a;

/// Stores results that came together.
pub(super) type Store<'a, T> = dyn FnMut(&[(usize, Option<T>)]) -> Result<(), StorageError> + 'a;

/// Works on every wanted name, and hands the results to `store`, many at a time. A file that fails is
/// counted and left.
pub(super) fn each<T: Send>(
    pool: &ReaderPool<'_>,
    names: &[CandidateRow],
    wanted: &[usize],
    work: &Work<'_, T>,
    store: &mut Store<'_, T>,
) -> Result<Results<T>, StorageError> {
    let per_root: Vec<Lanes> = pool
        .lives
        .iter()
        .map(|live| {
            let is_there = |at: &usize| names.get(*at).is_some_and(|name| name.root == live.row);
            let wanted = wanted.iter().copied().filter(is_there).collect();
            let size_bytes = |at: usize| names.get(at).map_or(0, |name| name.size_bytes);
            Lanes::new(wanted, &size_bytes, n_readers(&pool.this.settings, live))
        })
        .collect();
    let (sender, receiver) = crossbeam_channel::bounded(QUEUE);
    std::thread::scope(|scope| {
        for (live, lanes) in pool.lives.iter().zip(&per_root) {
            for number in 0..lanes.n_readers() {
                let sender = sender.clone();
                scope.spawn(move || read(pool, live, names, &|| lanes.next(number), sender, work));
            }
        }
        drop(sender);
        let written = write(pool, names, wanted.len(), &receiver, store);
        if written.is_err() {
            pool.cancel.cancel();
        }
        // Readers must not wait for a writer that has gone.
        drop(receiver);
        written
    })
}

fn read<T: Send>(
    pool: &ReaderPool<'_>,
    live: &LiveRoot,
    names: &[CandidateRow],
    next: &dyn Fn() -> Option<usize>,
    sender: Sender<Vec<Read<T>>>,
    work: &Work<'_, T>,
) {
    let mut kit = Kit::default();
    let mut results = Bundle::new(sender);
    while let Some(at) = next() {
        wait_for_transfers(pool, live);
        if pool.cancel.is_cancelled() {
            return;
        }
        let Some(name) = names.get(at) else { return };
        if results.before(name.size_bytes).is_err() || results.add((at, work(&mut kit, live, name))).is_err() {
            return;
        }
    }
}

fn write<T>(
    pool: &ReaderPool<'_>,
    names: &[CandidateRow],
    n_wanted: usize,
    receiver: &Receiver<Vec<Read<T>>>,
    store: &mut Store<'_, T>,
) -> Result<Results<T>, StorageError> {
    let mut all: Results<T> = Vec::new();
    let (mut stored, mut since) = (0, Instant::now());
    loop {
        let next = receiver.recv_timeout(COMMIT_TIME);
        let ended = matches!(next, Err(crossbeam_channel::RecvTimeoutError::Disconnected));
        all.extend(told(pool, names, next.unwrap_or_default()));
        let waiting = all.get(stored..).unwrap_or_default();
        if !waiting.is_empty() && (ended || is_due(waiting.len(), since.elapsed(), n_wanted.saturating_sub(all.len())))
        {
            store(waiting)?;
            (stored, since) = (all.len(), Instant::now());
        }
        if ended {
            return Ok(all);
        }
    }
}

/// Counts what was done and what failed.
fn told<T>(pool: &ReaderPool<'_>, names: &[CandidateRow], bundle: Vec<Read<T>>) -> Results<T> {
    let (mut n_done, mut failed, mut results) = (0, Vec::new(), Vec::with_capacity(bundle.len()));
    for (at, result) in bundle {
        match (&result, names.get(at)) {
            // What was stopped is neither done nor failed: the next search reads it.
            (Err(HashError::Stopped), _) => {}
            (Err(error), Some(name)) => {
                n_done += 1;
                failed.push((name.id, format!("{}: {error}", name.path)));
            }
            _ => n_done += 1,
        }
        results.push((at, result.ok()));
    }
    pool.this.update(|running| {
        running.progress.n_done += n_done;
        for (file, why) in failed {
            if running.failed.insert(file) {
                tracing::warn!(why, "a file was not compared");
                running.scan.n_failed += 1;
                running.scan.detail.get_or_insert(why);
            }
        }
    });
    results
}

/// Waits while a transfer has this disk.
pub(super) fn wait_for_transfers(pool: &ReaderPool<'_>, live: &LiveRoot) {
    if !pool.this.busy.is_busy(live.root) {
        return;
    }
    let why = format!("Transfers are using {}.", live.root.label());
    pool.this.update(|running| running.progress.waiting = Some(why));
    while pool.this.busy.is_busy(live.root) && !pool.cancel.is_cancelled() {
        pool.cancel.pause(BUSY_PAUSE);
    }
    pool.this.update(|running| {
        running.progress.waiting = None;
        running.progress.meter.begin_anew(Instant::now());
    });
}

/// Watches over one file.
struct Control<'a> {
    pool: &'a ReaderPool<'a>,
    live: &'a LiveRoot,
    file: &'a FileRow,
    done: u64,
}

impl HashControl for Control<'_> {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        let moved = bytes_done.saturating_sub(self.done);
        self.done = bytes_done.max(self.done);
        self.pool.this.update(|running| {
            running.progress.meter.add(moved, Instant::now());
            running.progress.bytes_done += moved;
        });
        wait_for_transfers(self.pool, self.live);
        self.pool.cancel.flow()
    }

    fn checkpoint(&mut self, checkpoint: &HashCheckpoint) {
        let bytes = checkpoint.to_bytes();
        let stored =
            self.pool.this.database.write_blocking(|tx| hashes::put_checkpoint(tx, self.live.row, self.file, &bytes));
        if let Err(error) = stored {
            // The search goes on; a kill would cost more of it.
            tracing::warn!(%error, "how far a hash is could not be stored");
        }
    }
}
