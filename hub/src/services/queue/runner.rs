//! Keeps the workers busy: takes the next transfers from the database as long as a place is free.
//!
//! A place is for work on files. What a worker writes down afterwards needs none, and small files are
//! claimed a little ahead: so the disks need not wait for the database. Downloads have places of their own: they wait for
//! sites, and neither they nor copies hold up the others.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::{Queue, downloads, execution};
use crate::domain::ids::RootRowId;
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::services::events::until_roots_change;
use crate::services::{Event, ServiceError};
use crate::storage::queue::TransferRow;
use crate::storage::queue::claim::{self, ClaimLimits, Work};

/// What goes together at first.
const CLAIM_LIMITS: ClaimLimits =
    ClaimLimits { work: Work::Files, small_bytes: execution::SMALL_BYTES, n_most: 128, bytes_most: 64 << 20 };

/// Each download by itself.
const DOWNLOAD_LIMITS: ClaimLimits = ClaimLimits { work: Work::Downloads, small_bytes: 0, n_most: 1, bytes_most: 0 };

/// Every group costs two commits that wait for the disk, and is told of as a whole. So it should take
/// neither much less time than this nor much more.
const GROUP_TIME: Duration = Duration::from_millis(500);

/// Files of a group, at the least and at the most.
const GROUP_FILES: std::ops::RangeInclusive<usize> = 16..=512;

/// Groups up to this size end soon enough for the next to be claimed meanwhile.
const QUICK_BYTES: u64 = 256 << 20;

/// Between two looks whether the database can be written again.
const UNTIL_WRITABLE: Duration = Duration::from_secs(1);

/// Looked again after this long even if nobody called: a root may have come back.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) fn start(queue: &Queue) {
    let this = queue.clone();
    queue.tasks.spawn(async move {
        let mut roots = this.events.subscribe();
        let (mut files, mut downloads) = (WorkerPool::default(), WorkerPool::default());
        let stopping = this.tasks.token().clone();
        loop {
            let pause = match fill(&this, &mut files, &mut downloads).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "the queue can't be read");
                    Duration::from_secs(2)
                }
            };
            tokio::select! {
                () = this.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(ended) = files.running.join_next() => look_at_end(ended),
                Some(ended) = downloads.running.join_next() => look_at_end(ended),
                () = until_roots_change(&mut roots) => {}
                () = stopping.cancelled() => break,
            }
        }
        this.live.stop_all();
        for mut pool in [files, downloads] {
            while pool.running.join_next().await.is_some() {}
        }
    });
}

fn look_at_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a worker broke off");
    }
}

/// The workers and their places.
struct WorkerPool {
    running: tokio::task::JoinSet<()>,
    places: Arc<Semaphore>,
    /// Places there are, taken or free.
    n_places: usize,
    /// Claimed groups whose files are not done.
    at_work: Arc<AtomicUsize>,
    /// The last group that was claimed will not take long.
    is_quick: bool,
    /// How many small files to claim together, as fast as they go at present.
    n_together: Arc<AtomicUsize>,
}

impl Default for WorkerPool {
    fn default() -> Self {
        Self {
            running: tokio::task::JoinSet::new(),
            places: Arc::new(Semaphore::new(0)),
            n_places: 0,
            at_work: Arc::default(),
            is_quick: false,
            n_together: Arc::new(AtomicUsize::new(CLAIM_LIMITS.n_most)),
        }
    }
}

impl WorkerPool {
    /// Follows the setting; a place that is taken goes when it is given back.
    fn set_places(&mut self, wanted: usize) {
        if wanted > self.n_places {
            self.places.add_permits(wanted - self.n_places);
            self.n_places = wanted;
        } else {
            self.n_places -= self.places.forget_permits(self.n_places - wanted);
        }
    }

    /// Whether another group may be claimed. What is only written down yet is bounded, too.
    fn has_room(&self) -> bool {
        let ahead = usize::from(self.is_quick);
        self.at_work.load(Ordering::Acquire) < self.n_places + ahead && self.running.len() < 2 * self.n_places + ahead
    }

    fn start(&mut self, queue: &Queue, group: Vec<TransferRow>) {
        // How long a download takes is not for its size to say.
        let is_download = group.iter().any(|transfer| transfer.operation == Operation::Download);
        self.is_quick = !is_download && group.iter().map(|transfer| transfer.size_bytes).sum::<u64>() <= QUICK_BYTES;
        let at_work = AtWork::new(&self.at_work);
        // From here on it can be stopped.
        execution::begin(queue, &group);
        let (queue, places) = (queue.clone(), self.places.clone());
        let n_together = self.n_together.clone();
        self.running.spawn(async move {
            let place = places.acquire_owned().await;
            let (live, head) = (queue.live.clone(), group.first().map(|transfer| transfer.id));
            head.inspect(|head| live.works(*head));
            let began = Instant::now();
            let (tasks, wake, n_files) = (queue.tasks.clone(), queue.wake.clone(), group.len());
            let files_done = move || {
                let asked = n_together.load(Ordering::Relaxed);
                n_together.store(next_group(asked, n_files, began.elapsed()), Ordering::Relaxed);
                head.inspect(|head| live.ends(*head));
                drop((place, at_work));
                wake.notify_one();
            };
            tasks
                .blocking(move || {
                    let done = std::panic::catch_unwind(AssertUnwindSafe(|| work(&queue, &group, files_done)));
                    if done.is_err() {
                        execution::broke_off(&queue, &group);
                    }
                })
                .await;
        });
    }
}

/// Counts a group as at work until it is dropped, also by a worker that breaks off.
struct AtWork(Arc<AtomicUsize>);

impl AtWork {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How many files to take together next time, after `n_files` of the `asked` took so long.
fn next_group(asked: usize, n_files: usize, took: Duration) -> usize {
    let next = match () {
        () if took > GROUP_TIME * 2 && n_files > 1 => asked / 2,
        () if took < GROUP_TIME / 2 && n_files == asked => asked * 2,
        () => asked,
    };
    next.clamp(*GROUP_FILES.start(), *GROUP_FILES.end())
}

/// Starts workers while places are free; tells how long nothing can change by itself.
async fn fill(queue: &Queue, files: &mut WorkerPool, downloads: &mut WorkerPool) -> Result<Duration, ServiceError> {
    // What could not be written down is not begun.
    if queue.ends.check_writable().is_err() {
        return Ok(UNTIL_WRITABLE);
    }
    let due = queue.database.read(claim::next_due).await?;
    if due == Some(0) {
        queue.database.write(|tx| claim::wake_due(tx)).await?;
        queue.events.send(Event::QueueChanged);
    }
    let this = queue.clone();
    queue.tasks.blocking(move || execution::discard_left(&this)).await.transpose()?;
    files.set_places(usize::from(queue.settings.current().queue_concurrency.get()));
    let limits = ClaimLimits { n_most: files.n_together.load(Ordering::Relaxed), ..CLAIM_LIMITS };
    claim_for(queue, files, limits).await?;
    downloads.set_places(downloads::AT_ONCE);
    if queue.downloads_wait().is_none() {
        claim_for(queue, downloads, DOWNLOAD_LIMITS).await?;
    }
    if files.running.is_empty() {
        queue.buffers.lock().clear();
    }
    Ok(due.filter(|ms| *ms > 0).map_or(LONGEST, Duration::from_millis).min(LONGEST))
}

/// Claims what a pool has places for.
async fn claim_for(queue: &Queue, pool: &mut WorkerPool, limits: ClaimLimits) -> Result<(), ServiceError> {
    while pool.has_room() && !queue.is_held() && !queue.tasks.token().is_cancelled() {
        let live: Vec<RootRowId> =
            Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok()).map(|root| root.row).collect();
        let policy = queue.policy();
        // Without a write while there is nothing to take.
        let open = queue.database.read(claim::is_open).await?;
        if !open {
            break;
        }
        let group = queue.database.write(move |tx| claim::next(tx, &live, limits, &policy)).await?;
        if group.is_empty() {
            break;
        }
        queue.events.progress(Event::QueueChanged);
        pool.start(queue, group);
    }
    Ok(())
}

/// Works on what was claimed together, on this thread.
fn work(queue: &Queue, group: &[TransferRow], files_done: impl FnOnce()) {
    // A download leaves a disk time for everyone.
    let _busy: Vec<_> = group
        .first()
        .filter(|head| head.operation != Operation::Download)
        .into_iter()
        .flat_map(|head| [Some(head.from), head.to])
        .flatten()
        .map(|root| queue.busy.begin(root))
        .collect();
    let batches: std::collections::BTreeSet<_> = group.iter().map(|transfer| transfer.batch_id).collect();
    execution::run(queue, group, files_done);
    queue.comparer.index_changed();
    for root in group.first().into_iter().flat_map(|head| [Some(head.from), head.to]).flatten() {
        queue.events.send(Event::IndexChanged(root));
    }
    for batch in batches {
        queue.events.send(Event::BatchChanged(batch));
    }
    let changes_space = group.first().is_some_and(|head| head.to.is_some());
    if changes_space {
        queue.roots.look_again();
    }
    queue.events.send(Event::QueueChanged);
    queue.wake.notify_one();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_while_files_are_quick_and_shrink_when_they_are_slow() {
        let (quick, slow) = (Duration::from_millis(10), Duration::from_secs(5));
        assert_eq!(next_group(128, 128, quick), 256);
        assert_eq!(next_group(512, 512, quick), 512, "there is an end");
        assert_eq!(next_group(128, 3, quick), 128, "there were no more");
        assert_eq!(next_group(128, 128, slow), 64);
        assert_eq!(next_group(16, 16, slow), 16);
        assert_eq!(next_group(128, 1, slow), 128, "a big file says nothing of small ones");
        assert_eq!(next_group(128, 128, GROUP_TIME), 128);
    }
}
