//! A download whose group list is known: several connections and sources at once, each MiB proved before
//! it is written.
//!
//! One task decides ([`run`]): it starts workers, hears how they ended, judges their sources, writes the journal
//! and tells how far it is. A worker takes runs of groups from the board until there are none or its source
//! fails. A source begins with one connection and gets more once it has brought something.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared_protocol::GroupList;
use shared_protocol::groups::{GROUP_BYTES, group_value};
use tokio::task::{JoinHandle, JoinSet};

use super::board::{Board, GroupSet, Worker};
use super::fetch::{End, Sink, Unaccepted, attempt};
use super::fleet::Fleet;
use super::part::{Part, PartError};
use super::progress::{Meter, TICK};
use super::room::Reservation;
use super::supply::{Supply, Wanted};
use super::{Job, Stop};

/// Sources asked at the same time.
const MAX_SOURCES: usize = 2;

/// Connections of one download, which bounds its memory.
const MAX_WORKERS: usize = 6;

/// Shortest and longest run handed out, in groups.
const SEGMENT: (u64, u64) = (16, 64);

/// How often the journal is written while something comes.
const RECORD_EVERY: Duration = Duration::from_secs(2);

struct Shared {
    board: Mutex<Board>,
    list: GroupList,
    part: Arc<Part>,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> GroupSet {
        self.board().held().clone()
    }
}

struct Claimed {
    shared: Arc<Shared>,
    supply: Arc<Supply>,
    worker: Worker,
    has_brought: AtomicBool,
}

impl Sink for Claimed {
    fn wants(&self, offset: u64) -> bool {
        self.shared.board().wants(self.worker, offset / GROUP_BYTES)
    }

    fn end(&self) -> u64 {
        if self.supply.is_left.load(Ordering::Relaxed) {
            return 0;
        }
        self.shared.board().end_of(self.worker) * GROUP_BYTES
    }

    fn expect_all(&self) {
        self.shared.board().claim_all(self.worker);
    }

    fn accept(&self, offset: u64, bytes: &[u8]) -> Result<bool, Unaccepted> {
        let group = offset / GROUP_BYTES;
        let value = usize::try_from(group).ok().and_then(|group| self.shared.list.values().get(group));
        if value != Some(&group_value(offset, bytes)) {
            return Err(Unaccepted::Wrong);
        }
        if self.shared.board().held().has(group) {
            return Ok(false);
        }
        self.shared.part.write(offset, bytes).map_err(Unaccepted::Disk)?;
        let mut board = self.shared.board();
        let is_new = board.arrived(group);
        if is_new {
            self.supply.proved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.has_brought.store(true, Ordering::Relaxed);
        }
        drop(board);
        Ok(is_new)
    }
}

/// The work is taken back however the worker ends.
impl Drop for Claimed {
    fn drop(&mut self) {
        self.shared.board().release(self.worker);
    }
}

struct Ended {
    source: usize,
    end: End,
    /// Whether this connection brought something.
    has_brought: bool,
}

/// Fetches what is missing.
pub(super) async fn run(
    job: &Arc<Job>,
    part: &Arc<Part>,
    list: GroupList,
    held: GroupSet,
    fleet: &mut Fleet,
    room: &Reservation,
) -> Result<(), Stop> {
    let n_connections = job.tools.connections.clamp(1, 4);
    let segment = (held.n_groups() / (4 * n_connections as u64)).clamp(SEGMENT.0, SEGMENT.1);
    let board = Mutex::new(Board::new(held, segment));
    let shared = Arc::new(Shared { board, list, part: Arc::clone(part) });
    let mut crew = Crew { workers: JoinSet::new(), n_started: 0, n_connections };
    let mut scribe = Scribe { shared: Arc::clone(&shared), at: Instant::now(), n_recorded: 0, writing: None };
    let mut meter = Meter::new(bytes(&shared.held(), job.order.size_bytes));
    let mut tick = tokio::time::interval(TICK);
    let result = loop {
        if shared.board().held().is_full() {
            break Ok(());
        }
        crew.staff(job, &shared, fleet);
        if crew.workers.is_empty() && fleet.live().is_empty() {
            break Err(Stop::NoSource);
        }
        tokio::select! {
            biased;
            () = job.context.cancel.cancelled() => break Err(Stop::Cancelled),
            Some(ended) = crew.workers.join_next(), if !crew.workers.is_empty() => {
                // A worker that was given up with the runtime tells nothing.
                if let Ok(ended) = ended && let Err(stop) = judge(job, fleet, ended) {
                    break Err(stop);
                }
            }
            _ = tick.tick() => {
                fleet.worked(TICK);
                let done = bytes(&shared.held(), job.order.size_bytes);
                room.left(job.order.size_bytes - done);
                meter.tell(job, done, doing(fleet));
                if let Err(error) = scribe.record_now_and_then().await {
                    break Err(Stop::Disk(error));
                }
            }
        }
    };
    crew.workers.shutdown().await;
    meter.tell(job, bytes(&shared.held(), job.order.size_bytes), None);
    if result.is_err() {
        scribe.record_last().await.or_else(|error| if error.is_full() { Ok(()) } else { Err(Stop::Disk(error)) })?;
    }
    result
}

fn bytes(held: &GroupSet, size_bytes: u64) -> u64 {
    let last = held.n_groups().saturating_sub(1);
    let whole = held.n_held() * GROUP_BYTES;
    if held.has(last) { whole - (held.n_groups() * GROUP_BYTES - size_bytes) } else { whole }
}

fn doing(fleet: &Fleet) -> Option<String> {
    let names: Vec<&str> = fleet.members.iter().filter(|m| m.n_workers > 0).map(|m| m.state.name()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn judge(job: &Job, fleet: &mut Fleet, Ended { source, end, has_brought }: Ended) -> Result<(), Stop> {
    let Some(member) = fleet.members.get_mut(source) else { return Ok(()) };
    member.n_workers -= 1;
    match end {
        End::Done => Ok(()),
        End::Disk(error) => Err(Stop::Disk(error)),
        End::Failed(failure) => {
            let proved = member.supply.proved.load(Ordering::Relaxed);
            member.failed(job, &failure, proved, has_brought).map_err(Stop::of_weight)
        }
    }
}

struct Crew {
    workers: JoinSet<Ended>,
    n_started: Worker,
    n_connections: usize,
}

impl Crew {
    /// Starts whoever has something to do.
    fn staff(&mut self, job: &Arc<Job>, shared: &Arc<Shared>, fleet: &mut Fleet) {
        let now = Instant::now();
        let ready = fleet.live().into_iter().filter(|i| fleet.members.get(*i).is_some_and(|m| m.not_before <= now));
        for source in ready.take(MAX_SOURCES).collect::<Vec<_>>() {
            let Some(member) = fleet.members.get_mut(source) else { continue };
            let is_whole = member.supply.is_whole.load(Ordering::Relaxed);
            let n_wanted = member.n_allowed(self.n_connections);
            while member.n_workers < n_wanted && self.workers.len() < MAX_WORKERS {
                let board = shared.board();
                let has_work = board.has_fresh() || (!is_whole && member.n_workers == 0 && board.has_shareable());
                drop(board);
                if !has_work {
                    break;
                }
                self.n_started += 1;
                let (shared, supply) = (Arc::clone(shared), Arc::clone(&member.supply));
                let has_brought = AtomicBool::new(false);
                let claimed = Claimed { shared, supply, worker: self.n_started, has_brought };
                // Claimed here, so that the next one sees what is left.
                let mut board = claimed.shared.board();
                let run = if is_whole {
                    board.claim_all(self.n_started);
                    Some((0, job.order.size_bytes))
                } else {
                    board.claim(self.n_started).map(|run| within(run.from, run.to, job))
                };
                drop(board);
                let Some(run) = run else { break };
                if member.n_workers == 0 {
                    member.state.begins();
                }
                member.n_workers += 1;
                let work = work(Arc::clone(job), claimed, source, run);
                self.workers.spawn(work);
            }
        }
    }
}

fn within(from: u64, to: u64, job: &Job) -> (u64, u64) {
    (from * GROUP_BYTES, (to * GROUP_BYTES).min(job.order.size_bytes))
}

async fn work(job: Arc<Job>, claimed: Claimed, source: usize, first: (u64, u64)) -> Ended {
    let (worker, shared, supply) = (claimed.worker, Arc::clone(&claimed.shared), Arc::clone(&claimed.supply));
    let claimed = Arc::new(claimed);
    let ended = |end| Ended { source, end, has_brought: claimed.has_brought.load(Ordering::Relaxed) };
    let sink: Arc<dyn Sink> = Arc::<Claimed>::clone(&claimed);
    let mut run = Some(first);
    while let Some((from, to)) = run {
        let end = attempt(&job, &supply, Wanted { from, to, same_file: false }, Arc::clone(&sink)).await;
        if !matches!(end, End::Done) {
            return ended(end);
        }
        // A source that sends the whole is started anew by whoever decides, if anything is left.
        let goes_on = !supply.is_whole.load(Ordering::Relaxed) && !supply.is_left.load(Ordering::Relaxed);
        run = if goes_on { shared.board().claim(worker).map(|run| within(run.from, run.to, &job)) } else { None };
    }
    ended(End::Done)
}

/// Writes the journal beside the work.
struct Scribe {
    shared: Arc<Shared>,
    at: Instant,
    n_recorded: u64,
    writing: Option<JoinHandle<Result<(), PartError>>>,
}

impl Scribe {
    async fn record_now_and_then(&mut self) -> Result<(), PartError> {
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

    async fn record_last(&mut self) -> Result<(), PartError> {
        // What an earlier one could not write, this one does.
        drop(self.wait().await);
        self.start(self.shared.held(), false);
        self.wait().await
    }

    fn start(&mut self, held: GroupSet, is_open: bool) {
        let part = Arc::clone(&self.shared.part);
        self.writing = Some(tokio::task::spawn_blocking(move || part.record(&held, is_open)));
    }

    async fn wait(&mut self) -> Result<(), PartError> {
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
