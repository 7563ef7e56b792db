//! A download whose group list is known: several connections and sources at once, each MiB verified before
//! it is written.
//!
//! One task decides ([`run`]): it starts workers, hears how they ended, judges their sources, writes the journal
//! and tells how far it is. A worker takes runs of groups from the scheduler until there are none or its source
//! fails. A source begins with one connection and gets more once it has brought something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared_protocol::GroupList;
use shared_protocol::groups::{GROUP_BYTES, group_value};
use tokio::task::{JoinHandle, JoinSet};

use super::attempt::{AttemptEnd, BlockError, BlockSink, run_attempt};
use super::chunk_scheduler::{ChunkScheduler, GroupSet, WorkerId};
use super::part::PartFile;
use super::room::Reservation;
use super::source_client::{SourceClient, WantedRange};
use super::source_pool::SourcePool;
use super::throughput::{TICK, ThroughputMeter};
use super::{Download, DownloadError};
use crate::error::FileError;

/// Sources asked at the same time.
const MAX_SOURCES: usize = 2;

/// Connections of one download, which bounds its memory.
const MAX_WORKERS: usize = 6;

/// Shortest and longest run handed out, in groups.
const SEGMENT: (u64, u64) = (16, 64);

/// How often the journal is written while something comes.
const RECORD_EVERY: Duration = Duration::from_secs(2);

struct GroupedState {
    scheduler: Mutex<ChunkScheduler>,
    list: GroupList,
    part: Arc<PartFile>,
}

impl GroupedState {
    fn held(&self) -> GroupSet {
        self.scheduler.lock().held().clone()
    }
}

struct WorkerSink {
    shared: Arc<GroupedState>,
    client: Arc<SourceClient>,
    worker: WorkerId,
    has_brought: AtomicBool,
}

impl BlockSink for WorkerSink {
    fn wants(&self, offset: u64) -> bool {
        self.shared.scheduler.lock().wants(self.worker, offset / GROUP_BYTES)
    }

    fn end(&self) -> u64 {
        if self.client.is_left.load(Ordering::Relaxed) {
            return 0;
        }
        self.shared.scheduler.lock().end_of(self.worker) * GROUP_BYTES
    }

    fn expect_all(&self) {
        self.shared.scheduler.lock().claim_all(self.worker);
    }

    fn accept_block(&self, offset: u64, bytes: &[u8]) -> Result<bool, BlockError> {
        let group = offset / GROUP_BYTES;
        let value = usize::try_from(group).ok().and_then(|group| self.shared.list.values().get(group));
        if value != Some(&group_value(offset, bytes)) {
            return Err(BlockError::Wrong);
        }
        if self.shared.scheduler.lock().held().has(group) {
            return Ok(false);
        }
        self.shared.part.write(offset, bytes).map_err(BlockError::Disk)?;
        let mut scheduler = self.shared.scheduler.lock();
        let is_new = scheduler.note_arrived(group);
        if is_new {
            self.client.verified.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.has_brought.store(true, Ordering::Relaxed);
        }
        drop(scheduler);
        Ok(is_new)
    }
}

/// The work is taken back however the worker ends.
impl Drop for WorkerSink {
    fn drop(&mut self) {
        self.shared.scheduler.lock().release(self.worker);
    }
}

struct EndedWorker {
    source: usize,
    end: AttemptEnd,
    /// Whether this connection brought something.
    has_brought: bool,
}

/// Fetches what is missing.
pub(super) async fn run(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    list: GroupList,
    held: GroupSet,
    pool: &mut SourcePool,
    room: &Reservation,
) -> Result<(), DownloadError> {
    let n_connections = download.tools.connections.clamp(1, 4);
    let segment = (held.n_groups() / (4 * n_connections as u64)).clamp(SEGMENT.0, SEGMENT.1);
    let scheduler = Mutex::new(ChunkScheduler::new(held, segment));
    let shared = Arc::new(GroupedState { scheduler, list, part: Arc::clone(part) });
    let mut workers = WorkerPool { tasks: JoinSet::new(), n_started: 0, n_connections };
    let mut journal = JournalWriter { shared: Arc::clone(&shared), at: Instant::now(), n_recorded: 0, writing: None };
    let mut meter = ThroughputMeter::new(bytes_held(&shared.held(), download.order.size_bytes));
    let mut tick = tokio::time::interval(TICK);
    let result = loop {
        if shared.scheduler.lock().held().is_full() {
            break Ok(());
        }
        workers.start_workers(download, &shared, pool);
        if workers.tasks.is_empty() && pool.live().is_empty() {
            break Err(DownloadError::NoSource);
        }
        tokio::select! {
            biased;
            () = download.cancel.cancelled() => break Err(DownloadError::Cancelled),
            Some(ended) = workers.tasks.join_next(), if !workers.tasks.is_empty() => {
                // A worker that was given up with the runtime tells nothing.
                if let Ok(ended) = ended && let Err(stop) = judge_ended_worker(download, pool, ended) {
                    break Err(stop);
                }
            }
            _ = tick.tick() => {
                pool.add_work_time(TICK);
                let done = bytes_held(&shared.held(), download.order.size_bytes);
                room.set_left(download.order.size_bytes - done);
                meter.report_progress(download, done, names_at_work(pool));
                if let Err(error) = journal.record_now_and_then().await {
                    break Err(error.into());
                }
            }
        }
    };
    workers.tasks.shutdown().await;
    meter.report_progress(download, bytes_held(&shared.held(), download.order.size_bytes), None);
    if result.is_err() {
        match journal.record_last().await {
            Err(error) if !error.is_full() => return Err(error.into()),
            _ => {}
        }
    }
    result
}

fn bytes_held(held: &GroupSet, size_bytes: u64) -> u64 {
    let last = held.n_groups().saturating_sub(1);
    let whole = held.n_held() * GROUP_BYTES;
    if held.has(last) { whole - (held.n_groups() * GROUP_BYTES - size_bytes) } else { whole }
}

fn names_at_work(pool: &SourcePool) -> Option<String> {
    let names: Vec<&str> = pool.members.iter().filter(|m| m.n_workers > 0).map(|m| m.state.name()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn judge_ended_worker(
    download: &Download,
    pool: &mut SourcePool,
    EndedWorker { source, end, has_brought }: EndedWorker,
) -> Result<(), DownloadError> {
    let Some(member) = pool.members.get_mut(source) else { return Ok(()) };
    member.n_workers -= 1;
    match end {
        AttemptEnd::Done => Ok(()),
        AttemptEnd::Disk(error) => Err(error.into()),
        AttemptEnd::Failed(failure) => {
            let verified = member.client.verified.load(Ordering::Relaxed);
            member.judge_failure(download, &failure, verified, has_brought)
        }
    }
}

struct WorkerPool {
    tasks: JoinSet<EndedWorker>,
    n_started: WorkerId,
    n_connections: usize,
}

impl WorkerPool {
    /// Starts whoever has something to do.
    fn start_workers(&mut self, download: &Arc<Download>, shared: &Arc<GroupedState>, pool: &mut SourcePool) {
        let now = Instant::now();
        let ready = pool.live().into_iter().filter(|i| pool.members.get(*i).is_some_and(|m| m.not_before <= now));
        for source in ready.take(MAX_SOURCES).collect::<Vec<_>>() {
            let Some(member) = pool.members.get_mut(source) else { continue };
            let is_whole = member.client.is_whole.load(Ordering::Relaxed);
            let n_wanted = member.n_allowed(self.n_connections);
            while member.n_workers < n_wanted && self.tasks.len() < MAX_WORKERS {
                let scheduler = shared.scheduler.lock();
                let has_work =
                    scheduler.has_fresh() || (!is_whole && member.n_workers == 0 && scheduler.has_shareable());
                drop(scheduler);
                if !has_work {
                    break;
                }
                self.n_started += 1;
                let (shared, client) = (Arc::clone(shared), Arc::clone(&member.client));
                let has_brought = AtomicBool::new(false);
                let sink = WorkerSink { shared, client, worker: self.n_started, has_brought };
                // WorkerSink here, so that the next one sees what is left.
                let mut scheduler = sink.shared.scheduler.lock();
                let run = if is_whole {
                    scheduler.claim_all(self.n_started);
                    Some((0, download.order.size_bytes))
                } else {
                    scheduler.claim(self.n_started).map(|run| within(run.from, run.to, download))
                };
                drop(scheduler);
                let Some(run) = run else { break };
                if member.n_workers == 0 {
                    member.state.note_attempt();
                }
                member.n_workers += 1;
                let work = run_worker(Arc::clone(download), sink, source, run);
                self.tasks.spawn(work);
            }
        }
    }
}

fn within(from: u64, to: u64, download: &Download) -> (u64, u64) {
    (from * GROUP_BYTES, (to * GROUP_BYTES).min(download.order.size_bytes))
}

async fn run_worker(download: Arc<Download>, sink: WorkerSink, source: usize, first: (u64, u64)) -> EndedWorker {
    let (worker, shared, client) = (sink.worker, Arc::clone(&sink.shared), Arc::clone(&sink.client));
    let sink = Arc::new(sink);
    let ended = |end| EndedWorker { source, end, has_brought: sink.has_brought.load(Ordering::Relaxed) };
    let sink: Arc<dyn BlockSink> = Arc::<WorkerSink>::clone(&sink);
    let mut run = Some(first);
    while let Some((from, to)) = run {
        let end = run_attempt(&download, &client, WantedRange { from, to, same_file: false }, Arc::clone(&sink)).await;
        if !matches!(end, AttemptEnd::Done) {
            return ended(end);
        }
        // A source that sends the whole is started anew by whoever decides, if anything is left.
        let goes_on = !client.is_whole.load(Ordering::Relaxed) && !client.is_left.load(Ordering::Relaxed);
        run = if goes_on {
            shared.scheduler.lock().claim(worker).map(|run| within(run.from, run.to, &download))
        } else {
            None
        };
    }
    ended(AttemptEnd::Done)
}

/// Writes the journal beside the work.
struct JournalWriter {
    shared: Arc<GroupedState>,
    at: Instant,
    n_recorded: u64,
    writing: Option<JoinHandle<Result<(), FileError>>>,
}

impl JournalWriter {
    async fn record_now_and_then(&mut self) -> Result<(), FileError> {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait().await.or_else(|error| if error.is_full() { Ok(()) } else { Err(error) })?;
        }
        let held = self.shared.held();
        if self.writing.is_none() && self.at.elapsed() >= RECORD_EVERY && held.n_held() != self.n_recorded {
            (self.at, self.n_recorded) = (Instant::now(), held.n_held());
            self.start(held, true);
        }
        Ok(())
    }

    async fn record_last(&mut self) -> Result<(), FileError> {
        // What an earlier one could not write, this one does.
        drop(self.wait().await);
        self.start(self.shared.held(), false);
        self.wait().await
    }

    fn start(&mut self, held: GroupSet, is_open: bool) {
        let part = Arc::clone(&self.shared.part);
        self.writing = Some(tokio::task::spawn_blocking(move || part.record(&held, is_open)));
    }

    async fn wait(&mut self) -> Result<(), FileError> {
        match self.writing.take() {
            Some(writing) => writing.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "grouped_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
