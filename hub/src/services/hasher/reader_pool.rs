//! The readers of one root, and the writer that commits what they found while they go on.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::lanes::Lanes;
use super::reader::{Found, Reader};
use super::{HashKind, Hasher};
use crate::domain::root::Root;
use crate::fs::CancelFlag;
use crate::fs::hash::HashError;
use crate::services::bundle::{COMMIT_TIME, is_due};
use crate::services::roots::LiveRoot;
use crate::services::scrub::day;
use crate::storage::hashes::KnownContent;
use crate::storage::index::Edits;
use crate::storage::{Connection, StorageError, hash_jobs, scrub};

/// Between two times that the comparison is told: it is brought up to date in the same database, and the end of
/// the job tells it anyway.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Bundles of results that may wait for the writer: readers go on while it waits for the disk or for the writer of the
/// other root.
const RESULTS: usize = 256;

/// Lets so many readers hash what the lanes hold, and commits what they find. Files that fail are counted and left.
/// Returns when all is done, the job is to stop, or another number of readers is wanted.
pub(super) fn hash(
    hasher: &Hasher,
    root: Root,
    lanes: &Lanes<'_, LiveRoot>,
    n: usize,
    cancel: &CancelFlag,
) -> Result<(), StorageError> {
    let (results, found) = crossbeam_channel::bounded(RESULTS);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..n)
            .map(|number| {
                let results = results.clone();
                scope.spawn(move || or_cancel(cancel, Reader::new(hasher, lanes, number, n, cancel).work(results)))
            })
            .collect();
        // Only the readers hold the other ends: the channel closes when the last of them leaves.
        drop(results);
        let written = or_cancel(cancel, write(hasher, root, &found));
        // Readers must not wait for a writer that has gone.
        drop(found);
        for reader in readers {
            // A panic of a reader is the job's.
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        written
    })
}

/// What can't go on stops the others, too.
fn or_cancel<T, E>(cancel: &CancelFlag, result: Result<T, E>) -> Result<T, E> {
    if result.is_err() {
        cancel.cancel();
    }
    result
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
    // What was read is not read again because the disk was full.
    hasher.ends.store_blocking(
        "hashes",
        || {},
        |tx| {
            let mut edits = Edits::new(tx);
            for Found { live, file, result } in batch {
                if let Ok(content) = result {
                    let known = KnownContent {
                        size_bytes: content.size_bytes,
                        blake3: content.blake3,
                        sha256: content.sha256,
                        groups: content.groups.clone(),
                    };
                    edits.know(live.row, Some(file.id), &file.path, file.modified, file.identity, &known)?;
                }
            }
            edits.finish()?;
            if job.kind == HashKind::Scrub {
                count(tx, hasher, batch)?;
            }
            hash_jobs::save(tx, &job)
        },
    )?;
    hasher.update(root, |running| running.committed(job));
    Ok(())
}

/// Counts what was read of the day's share, in the commit that stores what was found.
fn count(connection: &Connection, hasher: &Hasher, batch: &[Found]) -> Result<(), StorageError> {
    let now = jiff::Zoned::now();
    let share = hasher.settings.current().scrub.bytes_per_day;
    let mut spent = scrub::spent(connection)?.on(day(&now), now.timestamp().as_millisecond(), share);
    spent.bytes += batch.iter().filter_map(|found| found.result.as_ref().ok()).map(|read| read.size_bytes).sum::<u64>();
    scrub::set_spent(connection, &spent)
}
