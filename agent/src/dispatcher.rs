//! Does the jobs: takes the hub's orders, writes them down, works on a few at a time, and tells how far
//! they are and how they ended.
//!
//! One task owns everything. What follows from what is decided by the pure [`table`]; here its effects
//! are carried out: the disk, the work, the words to the hub. Without a connection the work goes on, what
//! would be said is dropped, and results are said again with the next welcome.

pub mod table;
mod talk;
pub mod work;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared_io::FileError;
use shared_io::report::{self, Reports};
use shared_protocol::agent_to_hub::{ActiveJob, AgentToHub};
use shared_protocol::facts::Facts;
use shared_protocol::hub_to_agent::{HubToAgent, InventoryRequest, JobRef, Welcome};
use shared_protocol::job::{JobPhase, JobSpec};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::table::{Effect, Held, Input, NotWritten, Stage, Table};
use self::talk::Talk;
use self::work::{JobContext, Work, list_files, run_to_end};
use crate::journal::{Journal, Note};
use crate::status::Board;
use crate::timing::Timing;

/// Events that may wait; whoever has one more waits.
const MAX_EVENTS: usize = 64;

/// While much happens, what comes within this time is written down together.
const GATHERED: Duration = Duration::from_millis(8);

/// Much happens when something was written down so lately.
const BUSY: Duration = Duration::from_millis(100);

/// What a `hello` tells of the jobs.
#[derive(Debug, Default)]
pub struct Holdings {
    /// Jobs held at once.
    pub slots: u32,
    /// Jobs to be done.
    pub active: Vec<ActiveJob>,
    /// Results that the hub has not acknowledged.
    pub unacked_results: Vec<JobRef>,
}

enum Event {
    Holdings(oneshot::Sender<Holdings>),
    Welcomed(Box<Welcome>, mpsc::Sender<AgentToHub>),
    Said(HubToAgent),
    Facts(Box<Facts>),
    Ended(JobRef, shared_protocol::outcome::Outcome),
}

/// The way to the task that does the jobs.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    events: mpsc::Sender<Event>,
    ended: Arc<Notify>,
}

/// What the task needs.
#[derive(Debug)]
pub struct Setup<W> {
    /// What the jobs are.
    pub work: Arc<W>,
    /// Where they are written down.
    pub journal: Journal,
    /// How many are worked on at once.
    pub parallel: usize,
    /// How many are held at once.
    pub slots: usize,
    /// The times to keep to.
    pub timing: Timing,
    /// Where people see how it goes.
    pub board: Arc<Board>,
}

impl Dispatcher {
    /// Reads the journal and begins. The task ends with `shutdown`; the work is left as it is then, and
    /// goes on from there at the next start.
    pub fn start<W: Work>(
        setup: Setup<W>,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<Self, FileError> {
        let (events, inbox) = mpsc::channel(MAX_EVENTS);
        let records = setup.journal.read()?;
        let (table, effects) = Table::restore(setup.slots, setup.parallel, records);
        let ended = Arc::new(Notify::new());
        let actor = Actor {
            ended: Arc::clone(&ended),
            talk: Talk::default(),
            table,
            running: HashMap::new(),
            changed: Arc::new(Notify::new()),
            events: events.clone(),
            inventory: CancellationToken::new(),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
            written_at: None,
            setup,
        };
        tasks.spawn(actor.run(inbox, effects));
        Ok(Self { events, ended })
    }

    /// What there is.
    pub async fn holdings(&self) -> Holdings {
        let (sender, holdings) = oneshot::channel();
        self.tell(Event::Holdings(sender)).await;
        holdings.await.unwrap_or_default()
    }

    /// A connection begins; what is to be said goes to `outbox` from now on.
    pub async fn welcomed(&self, welcome: Welcome, outbox: mpsc::Sender<AgentToHub>) {
        self.tell(Event::Welcomed(Box::new(welcome), outbox)).await;
    }

    /// The hub said something about jobs.
    pub async fn said(&self, message: HubToAgent) {
        self.tell(Event::Said(message)).await;
    }

    /// The machine changed.
    pub async fn facts(&self, facts: Facts) {
        self.tell(Event::Facts(Box::new(facts))).await;
    }

    /// A job ended since this was last waited for, and what is to be said of it has been said. For one that
    /// waits.
    pub async fn job_ended(&self) {
        self.ended.notified().await;
    }

    async fn tell(&self, event: Event) {
        // The task is gone only when the agent ends.
        self.events.send(event).await.ok();
    }
}

/// A job whose work goes on.
struct Running {
    stop: CancellationToken,
    reports: Reports,
}

struct Actor<W> {
    setup: Setup<W>,
    table: Table,
    talk: Talk,
    running: HashMap<JobRef, Running>,
    /// Some job has something new to report.
    changed: Arc<Notify>,
    /// Some job has ended.
    ended: Arc<Notify>,
    events: mpsc::Sender<Event>,
    /// Ends the listing of files that goes on.
    inventory: CancellationToken,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// When something was written down last.
    written_at: Option<Instant>,
}

impl<W: Work> Actor<W> {
    async fn run(mut self, mut inbox: mpsc::Receiver<Event>, effects: Vec<Effect>) {
        self.carry_out(effects).await;
        let changed = Arc::clone(&self.changed);
        let every = self.setup.timing.progress_every;
        let mut tell_at = Instant::now();
        let mut is_news = false;
        let mut events = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                n = inbox.recv_many(&mut events, MAX_EVENTS) => {
                    if n == 0 {
                        return;
                    }
                    if self.written_at.is_some_and(|at| at.elapsed() < BUSY) {
                        tokio::time::sleep(GATHERED).await;
                        while events.len() < MAX_EVENTS && let Ok(event) = inbox.try_recv() {
                            events.push(event);
                        }
                    }
                    self.take_all(&mut events).await;
                }
                () = changed.notified(), if !is_news => is_news = true,
                () = tokio::time::sleep_until(tell_at.into()), if is_news && self.talk.is_open() => {
                    is_news = false;
                    tell_at = Instant::now() + every;
                    self.talk.progress(self.running.iter().map(|(job, running)| (*job, &running.reports)));
                }
            }
        }
    }

    /// What came together is written down together: one sync for all of it.
    async fn take_all(&mut self, events: &mut Vec<Event>) {
        let (mut effects, mut has_ended) = (Vec::new(), false);
        for event in events.drain(..) {
            if let Some(input) = self.input_of(event) {
                has_ended |= matches!(input, Input::Ended(..));
                effects.extend(self.table.apply(input));
            }
        }
        self.carry_out(effects).await;
        if has_ended {
            self.ended.notify_one();
        }
        self.setup.board.jobs(self.running.len(), self.table.jobs().len());
    }

    /// What an event means to the table; none if it is answered right here.
    fn input_of(&mut self, event: Event) -> Option<Input> {
        Some(match event {
            Event::Holdings(sender) => {
                // Who asked may be gone.
                sender.send(self.holdings()).ok();
                return None;
            }
            Event::Facts(facts) => {
                self.talk.say(AgentToHub::Facts(facts));
                return None;
            }
            Event::Welcomed(welcome, outbox) => {
                self.inventory.cancel();
                self.talk = Talk::open(outbox);
                // Whatever was reported while nobody listened is told now.
                self.changed.notify_one();
                Input::Welcomed(welcome.jobs)
            }
            Event::Said(HubToAgent::JobAssign(assign)) => match self.setup.work.check(&assign.spec) {
                Ok(()) => Input::Assigned(assign),
                Err(why) => Input::Forbidden(assign.job, why),
            },
            Event::Said(HubToAgent::JobCancel(job)) => Input::Cancelled(job),
            Event::Said(HubToAgent::ResultAck(job)) => Input::Acknowledged(job),
            Event::Said(HubToAgent::InventoryRequest(InventoryRequest { request })) => {
                self.inventory.cancel();
                self.inventory = self.shutdown.child_token();
                if let Some(outbox) = self.talk.outbox() {
                    let work = Arc::clone(&self.setup.work);
                    self.tasks.spawn(list_files(work, request, outbox, self.inventory.clone()));
                }
                return None;
            }
            Event::Said(_) => return None,
            Event::Ended(job, outcome) => {
                if let Some(ended) = self.running.remove(&job) {
                    // How far a job was that is done, its result tells.
                    let is_done = matches!(outcome, shared_protocol::outcome::Outcome::Succeeded { .. });
                    self.talk.last_words(job, &ended.reports, is_done);
                }
                tracing::info!(job = %job.job, attempt = job.attempt, "a job ended: {}", work::summary(&outcome));
                Input::Ended(job, outcome)
            }
        })
    }

    /// Writes down what has to last, then does the rest in its order.
    async fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut pending = VecDeque::from(self.write_down(effects).await);
        while let Some(effect) = pending.pop_front() {
            match effect {
                Effect::Write(_) | Effect::WriteResult(_) | Effect::Forget(_) => {
                    // Of what followed from a failed write.
                    let rest = std::mem::take(&mut pending);
                    pending = VecDeque::from(self.write_down([effect].into_iter().chain(rest).collect()).await);
                }
                Effect::Start(job, spec) => self.begin(job, *spec),
                Effect::Stop(job) => {
                    if let Some(running) = self.running.get(&job) {
                        running.stop.cancel();
                    }
                }
                Effect::Say(message) => self.talk.say(message),
            }
        }
    }

    /// Writes all that is to be written among these effects, and tells what is left to do. A job that can't be written
    /// down is not taken: its effects are void. A result is told all the same; only after a restart its work would be
    /// done again.
    async fn write_down(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let (written, mut left): (Vec<Effect>, Vec<Effect>) = effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Write(_) | Effect::WriteResult(_) | Effect::Forget(_)));
        let notes: Vec<Note> = written.iter().filter_map(note_of).collect();
        if notes.is_empty() {
            return left;
        }
        let journal = self.setup.journal.clone();
        let noted = on_disk(move || journal.note(&notes)).await;
        self.written_at = Some(Instant::now());
        let Err(error) = noted else { return left };
        for effect in written {
            match effect {
                Effect::Write(record) => {
                    let job = record.job;
                    tracing::error!(job = %job.job, "a job is not taken: {}", error.why);
                    left.retain(|effect| effect.job() != Some(job.job));
                    left.extend(self.table.apply(Input::NotWritten(job, error.clone())));
                }
                Effect::WriteResult(record) => {
                    tracing::error!(job = %record.job.job, "a result is not on disk: {}", error.why);
                }
                Effect::Forget(job) => tracing::warn!(%job, "a job stays written down: {}", error.why),
                _ => {}
            }
        }
        left
    }

    fn begin(&mut self, job: JobRef, spec: JobSpec) {
        tracing::info!(job = %job.job, attempt = job.attempt, "a job begins: {}", work::describe(&spec));
        let (report, reports) = report::channel(Arc::clone(&self.changed));
        let stop = CancellationToken::new();
        self.running.insert(job, Running { stop: stop.clone(), reports });
        let work = self.setup.work.run(spec, JobContext { job, cancel: stop.clone(), report });
        let (events, shutdown) = (self.events.clone(), self.shutdown.clone());
        let grace = self.setup.timing.cancel_grace;
        self.tasks.spawn(async move {
            // Nobody is told of work that is broken off because the agent ends.
            if let Some(outcome) = run_to_end(work, stop, grace, shutdown).await {
                events.send(Event::Ended(job, outcome)).await.ok();
            }
        });
    }

    fn holdings(&self) -> Holdings {
        let (active, ended): (Vec<&Held>, Vec<&Held>) = self.table.jobs().iter().partition(|held| held.is_active());
        let active = active.into_iter().map(|held| {
            let state = self.running.get(&held.job).map(|running| running.reports.state());
            let phase = match held.stage {
                Stage::Waiting | Stage::WaitingForTokens => JobPhase::Waiting,
                _ => state.as_ref().map_or(JobPhase::Waiting, |state| state.phase),
            };
            ActiveJob { job: held.job, phase, bytes: state.map_or(0, |state| state.bytes_done) }
        });
        Holdings {
            slots: u32::try_from(self.table.slots()).unwrap_or(u32::MAX),
            active: active.collect(),
            unacked_results: ended.into_iter().map(|held| held.job).collect(),
        }
    }
}

fn note_of(effect: &Effect) -> Option<Note> {
    match effect {
        Effect::Write(record) => Some(Note::Taken(record.clone())),
        Effect::WriteResult(record) => {
            Some(Note::Ended { job: record.job, outcome: Box::new(record.outcome.clone()?) })
        }
        Effect::Forget(job) => Some(Note::Forgotten(*job)),
        Effect::Start(..) | Effect::Stop(_) | Effect::Say(_) => None,
    }
}

async fn on_disk(write: impl FnOnce() -> Result<(), FileError> + Send + 'static) -> Result<(), NotWritten> {
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(NotWritten { is_full: error.is_full(), why: error.to_string() }),
        Err(error) => Err(NotWritten { is_full: false, why: error.to_string() }),
    }
}

#[cfg(test)]
#[path = "dispatcher/tests.rs"]
mod tests;
