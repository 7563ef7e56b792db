//! Which jobs there are and what happens to them next: a pure function from what happened to what is to
//! be done. The effects are carried out in order by [`super`].

use std::collections::BTreeSet;

use shared_protocol::agent_to_hub::{AgentToHub, JobRejected, JobResult, RejectReason};
use shared_protocol::groups::GROUP_BYTES;
use shared_protocol::hub_to_agent::{Answer, JobAssign, JobRef, Reconciled};
use shared_protocol::job::JobSpec;
use shared_protocol::outcome::Outcome;
use shared_protocol::{JobId, RelPath};

use crate::journal::Record;

/// Results that may wait for the hub before no more work is taken.
pub const MAX_RESULTS: usize = 1_000;

/// Downloads of at most one group: their time goes by in asking, so several of them are under way at once.
const SMALL: u64 = GROUP_BYTES;

/// As many, besides the jobs that are worked on at once anyway.
const SMALL_AT_ONCE: usize = 16;

/// Why a job could not be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotWritten {
    /// Whether the disk is full.
    pub is_full: bool,
    /// What the system said.
    pub why: String,
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// The hub wants a job done.
    Assigned(JobAssign),
    /// The hub's order is against the rules of this machine.
    Forbidden(JobRef, String),
    /// The hub wants a job stopped.
    Cancelled(JobRef),
    /// The hub has a result.
    Acknowledged(JobRef),
    /// The hub told what becomes of the jobs that it was told of.
    Welcomed(Vec<Reconciled>),
    /// A job's work ended.
    Ended(JobRef, Outcome),
    /// A job could not be written down.
    NotWritten(JobRef, NotWritten),
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write a job down. If that fails, all later effects on this job are void.
    Write(Box<Record>),
    /// Write a result down.
    WriteResult(Box<Record>),
    /// Remove what was written down.
    Forget(JobId),
    /// Begin the work.
    Start(JobRef, Box<JobSpec>),
    /// Ask the work to end.
    Stop(JobRef),
    /// Tell the hub.
    Say(AgentToHub),
}

impl Effect {
    /// The job that it is about.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Write(record) | Self::WriteResult(record) => Some(record.job.job),
            Self::Forget(job) => Some(*job),
            Self::Start(job, _)
            | Self::Stop(job)
            | Self::Say(AgentToHub::JobAccepted(job) | AgentToHub::CancelAck(job)) => Some(job.job),
            Self::Say(AgentToHub::JobResult(result)) => Some(result.job.job),
            Self::Say(_) => None,
        }
    }
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// For its turn.
    Waiting,
    /// For the hub to bring its tokens, after a restart.
    WaitingForTokens,
    /// Its work goes on.
    Running,
    /// Its work was asked to end.
    Stopping,
    /// The hub has not yet acknowledged how it ended.
    Ended(Outcome),
}

/// A job.
#[derive(Debug, Clone)]
pub struct Held {
    /// Which try.
    pub job: JobRef,
    /// Where it is.
    pub stage: Stage,
    spec: JobSpec,
    order: u64,
}

impl Held {
    /// Whether it is still to be done.
    pub const fn is_active(&self) -> bool {
        !matches!(self.stage, Stage::Ended(_))
    }

    fn record(&self) -> Record {
        Record::new(self.job, self.order, self.spec.clone())
    }

    fn result(&self) -> Option<Effect> {
        let Stage::Ended(outcome) = &self.stage else { return None };
        Some(Effect::Say(AgentToHub::JobResult(JobResult { job: self.job, outcome: outcome.clone() })))
    }
}

/// Work that goes on.
#[derive(Debug)]
struct Working {
    job: JobRef,
    /// Where it writes.
    place: String,
    is_small: bool,
}

/// All jobs, in the order they came.
#[derive(Debug)]
pub struct Table {
    slots: usize,
    parallel: usize,
    jobs: Vec<Held>,
    /// Work that goes on, that of replaced tries too, with where it writes.
    working: Vec<Working>,
    next_order: u64,
}

impl Table {
    /// Takes what the journal holds, and begins.
    pub fn restore(slots: usize, parallel: usize, records: Vec<Record>) -> (Self, Vec<Effect>) {
        let next_order = records.iter().map(|record| record.order + 1).max().unwrap_or(0);
        let jobs = records.into_iter().map(|Record { job, order, spec, had_tokens, outcome }| {
            let stage = match outcome {
                Some(outcome) => Stage::Ended(outcome),
                None if had_tokens => Stage::WaitingForTokens,
                None => Stage::Waiting,
            };
            Held { job, stage, spec, order }
        });
        let mut table = Self { slots, parallel, jobs: jobs.collect(), working: Vec::new(), next_order };
        let effects = table.start();
        (table, effects)
    }

    /// All jobs.
    pub fn jobs(&self) -> &[Held] {
        &self.jobs
    }

    /// How many it holds at once, working and waiting.
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// What follows from what happened.
    pub fn apply(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = match input {
            Input::Assigned(assign) => self.assigned(assign),
            Input::Forbidden(job, detail) => vec![reject(job, RejectReason::Policy, detail)],
            Input::Cancelled(job) => self.cancelled(job, true),
            Input::Acknowledged(job) => self.acknowledged(job),
            Input::Welcomed(jobs) => self.welcomed(jobs),
            Input::Ended(job, outcome) => self.ended(job, outcome),
            Input::NotWritten(job, NotWritten { is_full, why }) => {
                self.jobs.retain(|held| held.job != job);
                self.working.retain(|working| working.job != job);
                vec![reject(job, if is_full { RejectReason::Disk } else { RejectReason::Storage }, why)]
            }
        };
        effects.extend(self.start());
        effects
    }

    fn find(&mut self, job: JobId) -> Option<&mut Held> {
        self.jobs.iter_mut().find(|held| held.job.job == job)
    }

    fn assigned(&mut self, JobAssign { job, spec }: JobAssign) -> Vec<Effect> {
        if spec == JobSpec::Unknown {
            let detail = "This version of the agent does not know such jobs.".to_owned();
            return vec![reject(job, RejectReason::Policy, detail)];
        }
        let (n_active, n_jobs) = (self.jobs.iter().filter(|held| held.is_active()).count(), self.jobs.len());
        let accepted = Effect::Say(AgentToHub::JobAccepted(job));
        let (order, slots) = (self.next_order, self.slots);
        let replaced = self.working.iter().map(|working| working.job).find(|working| working.job == job.job);
        match self.find(job.job) {
            Some(held) if held.job.attempt > job.attempt => Vec::new(),
            Some(held) if held.job.attempt == job.attempt => {
                if matches!(held.stage, Stage::Waiting | Stage::WaitingForTokens) {
                    // The same order, with fresh tokens.
                    held.spec = spec;
                    held.stage = Stage::Waiting;
                }
                [accepted].into_iter().chain(held.result()).collect()
            }
            // A try that is still active has its slot; one whose result waits has given it back.
            found
                if found.as_ref().is_none_or(|held| !held.is_active())
                    && (n_active >= slots || (found.is_none() && n_jobs >= slots + MAX_RESULTS)) =>
            {
                vec![reject(job, RejectReason::Busy, format!("{n_active} jobs are held already."))]
            }
            Some(held) => {
                *held = Held { job, stage: Stage::Waiting, spec, order };
                let write = Effect::Write(Box::new(held.record()));
                self.next_order += 1;
                replaced.map(Effect::Stop).into_iter().chain([write, accepted]).collect()
            }
            None => {
                let held = Held { job, stage: Stage::Waiting, spec, order };
                let write = Effect::Write(Box::new(held.record()));
                self.next_order += 1;
                self.jobs.push(held);
                vec![write, accepted]
            }
        }
    }

    fn cancelled(&mut self, job: JobRef, is_acknowledged: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        if is_acknowledged {
            effects.push(Effect::Say(AgentToHub::CancelAck(job)));
        }
        match self.find(job.job) {
            Some(held) if held.job.attempt > job.attempt => {}
            Some(held) if held.job.attempt == job.attempt => match held.stage {
                Stage::Waiting | Stage::WaitingForTokens => effects.extend(end(held, Outcome::Cancelled {})),
                Stage::Running => {
                    held.stage = Stage::Stopping;
                    effects.push(Effect::Stop(job));
                }
                Stage::Stopping => {}
                Stage::Ended(_) => effects.extend(held.result()),
            },
            // Never arrived here, or forgotten: then it is over, and the hub waits to hear that.
            _ => {
                let outcome = Outcome::Cancelled {};
                effects.push(Effect::Say(AgentToHub::JobResult(JobResult { job, outcome })));
            }
        }
        effects
    }

    fn acknowledged(&mut self, job: JobRef) -> Vec<Effect> {
        let n_before = self.jobs.len();
        self.jobs.retain(|held| held.job != job || held.is_active());
        if self.jobs.len() < n_before { vec![Effect::Forget(job.job)] } else { Vec::new() }
    }

    fn welcomed(&mut self, jobs: Vec<Reconciled>) -> Vec<Effect> {
        // Results first: those that the answers bring about follow by themselves.
        let mut effects: Vec<Effect> = self.jobs.iter().filter_map(Held::result).collect();
        for Reconciled { job, answer } in jobs {
            let is_current = self.find(job.job).is_some_and(|held| held.job == job && held.is_active());
            if answer == Answer::Cancel && is_current {
                effects.extend(self.cancelled(job, false));
            }
        }
        effects
    }

    fn ended(&mut self, job: JobRef, outcome: Outcome) -> Vec<Effect> {
        self.working.retain(|working| working.job != job);
        match self.find(job.job) {
            Some(held) if held.job == job && held.is_active() => end(held, outcome),
            // A try that was replaced.
            _ => Vec::new(),
        }
    }

    /// Begins what there is room for. No two write to the same place, and no job runs twice at once.
    fn start(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let n_small = self.working.iter().filter(|working| working.is_small).count();
        let mut room_for_small = (SMALL_AT_ONCE + self.parallel).saturating_sub(n_small);
        let mut room_for_large = self.parallel.saturating_sub(self.working.len() - n_small);
        let mut jobs_at_work: BTreeSet<JobId> = self.working.iter().map(|working| working.job.job).collect();
        for held in &mut self.jobs {
            let is_small = is_small(&held.spec);
            let room = if is_small { &mut room_for_small } else { &mut room_for_large };
            if *room == 0 || held.stage != Stage::Waiting {
                continue;
            }
            let place = destination(&held.spec);
            let is_taken = self.working.iter().any(|working| working.place == place);
            if is_taken || !jobs_at_work.insert(held.job.job) {
                continue;
            }
            *room -= 1;
            held.stage = Stage::Running;
            self.working.push(Working { job: held.job, place, is_small });
            effects.push(Effect::Start(held.job, Box::new(held.spec.clone())));
        }
        effects
    }
}

const fn is_small(spec: &JobSpec) -> bool {
    matches!(spec, JobSpec::AssetDownload(order) if order.size_bytes <= SMALL)
}

/// A name for where a job writes: no two may work there at the same time.
fn destination(spec: &JobSpec) -> String {
    match spec {
        JobSpec::AssetDownload(order) => format!("models/{}", order.dest.as_str()),
        JobSpec::ComfyGitClone(order) => format!("comfy/{}", order.dir.as_ref().map_or("", RelPath::as_str)),
        JobSpec::Unknown => String::new(),
    }
}

fn end(held: &mut Held, outcome: Outcome) -> Vec<Effect> {
    let mut record = held.record();
    record.outcome = Some(outcome.clone());
    held.stage = Stage::Ended(outcome);
    [Effect::WriteResult(Box::new(record))].into_iter().chain(held.result()).collect()
}

fn reject(job: JobRef, reason: RejectReason, detail: String) -> Effect {
    Effect::Say(AgentToHub::JobRejected(JobRejected { job, reason, detail }))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
