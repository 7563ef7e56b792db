//! A download whose group list is known: several connections and sources at once, each MiB verified before
//! it is written.
//!
//! One task decides ([`run`]): it starts workers, hears how they ended, judges their sources, writes the journal
//! and tells how far it is. A worker takes runs of groups from the scheduler until there are none or its source
//! fails. A source begins with one connection and gets more once it has brought something.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared_protocol::GroupList;
use shared_protocol::groups::GROUP_BYTES;
use tokio::task::{JoinHandle, JoinSet};

use super::attempt::AttemptEnd;
use super::chunk_scheduler::{ChunkScheduler, GroupSet, WorkerId};
use super::part::{PartFile, Recorded, Resumed};
use super::partial_groups::PartialGroups;
use super::room::Reservation;
use super::source_client::SourceClient;
use super::source_pool::SourcePool;
use super::throughput::{TICK, ThroughputMeter};
use super::worker::{EndedWorker, GroupLocks, GroupedState, WorkerSink, run_worker};
use super::{Download, DownloadError, MOST_FAILED};
use crate::error::FileError;

/// Sources asked at the same time.
const MAX_SOURCES: usize = 2;

/// Connections of one download, which bounds its memory.
const MAX_WORKERS: usize = 6;

/// Shortest and longest run handed out, in groups.
const SEGMENT: (u64, u64) = (16, 64);

/// How often the journal is written while something comes.
pub(super) const RECORD_EVERY: Duration = Duration::from_secs(2);

/// A connection of which so long less than the least speed came hangs.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// Fetches what is missing.
pub(super) async fn run(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    list: GroupList,
    there: Resumed,
    pool: &mut SourcePool,
    room: &Reservation,
) -> Result<(), DownloadError> {
    let Resumed { held, partial } = there;
    let size_bytes = download.order.size_bytes;
    let n_connections = download.tools.connections.clamp(1, 4);
    let segment = (held.n_groups() / (4 * n_connections as u64)).clamp(SEGMENT.0, SEGMENT.1);
    let sure = held.clone();
    let scheduler = Mutex::new(ChunkScheduler::new(held, PartialGroups::of_earlier(&partial), segment));
    let clients = pool.members.iter().map(|member| Arc::clone(&member.client)).collect();
    let part = Arc::clone(part);
    let settled = Arc::clone(&pool.settled);
    let shared = Arc::new(GroupedState { scheduler, list, part, clients, writing: GroupLocks::default(), settled });
    let mut workers = WorkerPool { tasks: JoinSet::new(), at_work: Vec::new(), n_started: 0, n_connections };
    let mut journal = JournalWriter {
        shared: Arc::clone(&shared),
        at: Instant::now(),
        n_recorded: 0,
        writing: None,
        sure,
        n_failed: 0,
    };
    let mut meter = ThroughputMeter::new(bytes_there(&shared, size_bytes));
    let mut tick = tokio::time::interval(TICK);
    let result = loop {
        if shared.scheduler.lock().held().is_full() {
            break Ok(());
        }
        workers.start_workers(download, &shared, pool);
        if workers.tasks.is_empty() && pool.is_hopeless(Instant::now(), download.tools.patience.give_up) {
            break Err(DownloadError::NoSource);
        }
        tokio::select! {
            biased;
            () = download.cancel.cancelled() => break Err(DownloadError::Cancelled),
            Some(ended) = workers.tasks.join_next(), if !workers.tasks.is_empty() => {
                // A worker that was given up with the runtime tells nothing.
                if let Ok(ended) = ended {
                    workers.at_work.retain(|worker| worker.id != ended.worker);
                    if let Err(stop) = judge_ended_worker(download, pool, ended) {
                        break Err(stop);
                    }
                }
            }
            _ = tick.tick() => {
                let now = Instant::now();
                pool.look_at_sources(download, TICK, now);
                workers.look_for_stuck(&shared, download.order.policy.min_speed, now);
                let done = bytes_there(&shared, size_bytes);
                room.set_left(size_bytes - done);
                meter.report_progress(download, done, names_at_work(pool));
                if let Err(error) = journal.record_now_and_then(pool).await {
                    break Err(error.into());
                }
            }
        }
    };
    workers.tasks.shutdown().await;
    meter.report_progress(download, bytes_there(&shared, size_bytes), None);
    if result.is_err() {
        match journal.record_last(pool).await {
            Err(error) if !error.is_full() => return Err(error.into()),
            _ => {}
        }
    }
    result
}

/// All bytes that are there, verified or not.
fn bytes_there(shared: &GroupedState, size_bytes: u64) -> u64 {
    let scheduler = shared.scheduler.lock();
    scheduler.held().n_bytes(size_bytes) + scheduler.partials.n_bytes()
}

fn names_at_work(pool: &SourcePool) -> Option<String> {
    let names: Vec<&str> = pool.members.iter().filter(|m| m.n_workers > 0).map(|m| m.state.name()).collect();
    (!names.is_empty()).then(|| names.join(", ")).or_else(|| pool.waiting_for())
}

fn judge_ended_worker(
    download: &Download,
    pool: &mut SourcePool,
    EndedWorker { source, end, brought, .. }: EndedWorker,
) -> Result<(), DownloadError> {
    let Some(member) = pool.members.get_mut(source) else { return Ok(()) };
    member.n_workers -= 1;
    match end {
        AttemptEnd::Done => Ok(()),
        AttemptEnd::Disk(error) => Err(error.into()),
        AttemptEnd::Failed(failure) => member.judge_failure(download, &failure, brought),
    }
}

/// A connection, as far as it is watched.
struct AtWork {
    id: WorkerId,
    heard: Arc<AtomicU64>,
    /// What it had heard, and when.
    before: (u64, Instant),
}

struct WorkerPool {
    tasks: JoinSet<EndedWorker>,
    at_work: Vec<AtWork>,
    n_started: WorkerId,
    n_connections: usize,
}

impl WorkerPool {
    /// Starts whoever has something to do.
    fn start_workers(&mut self, download: &Arc<Download>, shared: &Arc<GroupedState>, pool: &mut SourcePool) {
        let now = Instant::now();
        for source in pool.ready(now).into_iter().take(MAX_SOURCES) {
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
                let id = self.n_started;
                let sink = WorkerSink::new(Arc::clone(shared), source, Arc::clone(&member.client), id);
                // Claimed here, so that the next one sees what is left.
                let Some(run) = sink.claim(download.order.size_bytes) else { break };
                if member.n_workers == 0 {
                    member.state.note_attempt();
                }
                member.n_workers += 1;
                member.client.is_stopped.store(false, Ordering::Relaxed);
                self.at_work.push(AtWork { id, heard: sink.heard(), before: (0, now) });
                self.tasks.spawn(run_worker(Arc::clone(download), sink, run));
            }
        }
    }

    /// Notes which connections hang, so that others may take over what is left of their work.
    fn look_for_stuck(&mut self, shared: &GroupedState, least_speed: u64, now: Instant) {
        for worker in &mut self.at_work {
            let (before, since) = worker.before;
            if now.duration_since(since) >= STUCK_AFTER {
                let heard = worker.heard.load(Ordering::Relaxed);
                let is_stuck = heard - before < least_speed.saturating_mul(STUCK_AFTER.as_secs());
                shared.scheduler.lock().set_stuck(worker.id, is_stuck);
                worker.before = (heard, now);
            }
        }
    }
}

/// Writes the journal beside the work.
struct JournalWriter {
    shared: Arc<GroupedState>,
    at: Instant,
    n_recorded: u64,
    writing: Option<(GroupSet, JoinHandle<Result<(), FileError>>)>,
    /// What the journal says, and how often in a row the disk failed to keep more.
    sure: GroupSet,
    n_failed: u32,
}

impl JournalWriter {
    async fn record_now_and_then(&mut self, pool: &SourcePool) -> Result<(), FileError> {
        if self.writing.as_ref().is_some_and(|(_, writing)| writing.is_finished()) {
            match self.wait().await {
                // What a disk once failed to keep it may have lost, whatever it says the next time.
                Err(error) if error.is_passing() && self.n_failed < MOST_FAILED => {
                    tracing::warn!("what came lately is fetched again: {error}");
                    self.n_failed += 1;
                    self.shared.part.doubt();
                    self.shared.scheduler.lock().doubt_since(&self.sure);
                }
                Err(error) if !error.is_full() => return Err(error),
                _ => {}
            }
        }
        let (there, n_bytes) = self.there(pool);
        if self.writing.is_none() && self.at.elapsed() >= RECORD_EVERY && n_bytes != self.n_recorded {
            (self.at, self.n_recorded) = (Instant::now(), n_bytes);
            self.start(there, true);
        }
        Ok(())
    }

    async fn record_last(&mut self, pool: &SourcePool) -> Result<(), FileError> {
        // What an earlier one could not write, this one does.
        drop(self.wait().await);
        let (there, _) = self.there(pool);
        self.start(there, false);
        self.wait().await
    }

    /// What is there, and who brought it: bytes are counted only while the scheduler is locked.
    fn there(&self, pool: &SourcePool) -> (Recorded, u64) {
        let scheduler = self.shared.scheduler.lock();
        let n_bytes = scheduler.held().n_held() * GROUP_BYTES + scheduler.partials.n_bytes();
        let name_of = |source| self.shared.clients.get(source).map(|client: &Arc<SourceClient>| client.name());
        let partial = scheduler.partials.to_keep(&name_of);
        (Recorded { verified: scheduler.held().clone(), partial, sources: pool.reports() }, n_bytes)
    }

    fn start(&mut self, there: Recorded, is_open: bool) {
        let (part, held) = (Arc::clone(&self.shared.part), there.verified.clone());
        let writing = tokio::task::spawn_blocking(move || part.record(there, is_open));
        self.writing = Some((held, writing));
    }

    async fn wait(&mut self) -> Result<(), FileError> {
        let Some((held, writing)) = self.writing.take() else { return Ok(()) };
        let result = writing.await.unwrap_or(Ok(()));
        if result.is_ok() {
            (self.sure, self.n_failed) = (held, 0);
        }
        result
    }
}
