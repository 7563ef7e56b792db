//! The life of an agent's job as a pure function: `(life, event) → (life, effects)`.
//!
//! Delivery is at least once in both directions, so every event may come twice, late, or from a try that
//! is long over. Tries are numbered and what belongs to another than the newest is [`Dropped::Stale`].
//! What has ended stays ended until a person asks again; a result that comes a second time is
//! acknowledged a second time and counted once.

use serde::{Deserialize, Serialize};
use shared_protocol::agent_to_hub::RejectReason;
use shared_protocol::job::JobPhase;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[schema(as = RemoteJobKind)]
pub enum JobKind {
    /// Brings a file to the agent's folder of models.
    AssetDownload,
    /// Clones or updates a git repository there.
    ComfyGitClone,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[schema(as = RemoteJobState)]
pub enum JobState {
    /// Its agent has no room for it yet, or its content is not known yet.
    Queued,
    /// Sent to its agent.
    Assigned,
    /// Its agent works on it.
    Running,
    /// Its agent reads the whole content again.
    Verifying,
    /// Its agent's disk is full; it goes on by itself.
    Paused,
    /// Its agent is out of touch.
    Unknown,
    /// Done and verified.
    Succeeded,
    /// Given up, with a reason.
    Failed,
    /// Dropped by a person.
    Cancelled,
}

impl JobState {
    /// Nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Its agent has it, as far as is known.
    pub const fn is_with_agent(self) -> bool {
        !self.is_final() && !matches!(self, Self::Queued)
    }
}

/// Everything that decides what may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    pub state: JobState,
    /// The newest try; 0 before the first.
    pub attempt: u32,
    /// A person dropped it, and its agent has not said yet that it stopped.
    pub cancel: bool,
}

#[cfg(test)]
impl Life {
    /// A job that was just made.
    pub const NEW: Self = Self { state: JobState::Queued, attempt: 0, cancel: false };
}

/// How an agent says that a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Done and verified.
    Succeeded,
    /// Given up.
    Failed,
    /// Stopped because the hub said so.
    Cancelled,
}

/// What an agent that is back says of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// It works on this try.
    Has(u32, JobPhase),
    /// It has the result of this try, which follows.
    HasResult(u32),
    /// Nothing: the order never arrived, or was lost.
    Nothing,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    /// Its agent has room.
    Assign,
    /// The agent wrote it down.
    Accepted(u32),
    /// The agent can't take it.
    Rejected(u32, RejectReason),
    /// The agent tells how far it is.
    Progress(u32, JobPhase),
    /// The agent says that it ended.
    Result(u32, Ending),
    /// The agent is out of touch for too long.
    LeaseOver,
    /// The agent is back.
    Back(Back),
    /// It can't even be sent: the file is gone, or is not what it was.
    Impossible,
    /// A person drops it.
    Cancel,
    /// The agent did not say in time that it stopped.
    CancelOverdue,
    /// A person tries it again.
    Retry,
}

/// What the hub has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEffect {
    /// Send the order of the newest try.
    SendOrder,
    /// Tell the agent to stop the newest try.
    SendCancel,
    /// Tell the agent that the result of this try is safe.
    AckResult(u32),
    /// Don't assign it again at once: the agent was busy.
    Wait,
}

/// Nothing comes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// It belongs to another try than the newest, or to a job that has ended.
    #[error("it is about a try that is over")]
    Stale,
    /// A person can't ask for this now.
    #[error("a job that is {} can't do that", .0.as_str())]
    Refused(JobState),
}

/// What follows from an event.
pub fn step(from: Life, event: JobEvent) -> Result<(Life, Vec<JobEffect>), Dropped> {
    let to = |state| Life { state, ..from };
    let ended = |state| Life { state, cancel: false, ..from };
    let (state, attempt) = (from.state, from.attempt);
    let is_open = state.is_with_agent();
    let next = match event {
        JobEvent::Assign if state == JobState::Queued => {
            (Life { state: JobState::Assigned, attempt: attempt + 1, cancel: false }, vec![JobEffect::SendOrder])
        }
        JobEvent::Accepted(of) if of == attempt && is_open => match state {
            JobState::Unknown => (to(JobState::Assigned), vec![]),
            _ => (from, vec![]),
        },
        JobEvent::Rejected(of, reason) if of == attempt && is_open => rejected(from, reason),
        JobEvent::Progress(of, phase) if of == attempt && is_open => (to(state_of(phase, state)), vec![]),
        // The agent keeps a result until it hears that it is safe: also of a try that no longer counts.
        JobEvent::Result(of, ending) if of == attempt && is_open => {
            let state = match ending {
                Ending::Succeeded => JobState::Succeeded,
                Ending::Failed if !from.cancel => JobState::Failed,
                Ending::Failed | Ending::Cancelled => JobState::Cancelled,
            };
            (ended(state), vec![JobEffect::AckResult(of)])
        }
        JobEvent::Result(of, _) => (from, vec![JobEffect::AckResult(of)]),
        JobEvent::LeaseOver | JobEvent::CancelOverdue if is_open && from.cancel => (ended(JobState::Cancelled), vec![]),
        JobEvent::LeaseOver if is_open => (to(JobState::Unknown), vec![]),
        JobEvent::Back(back) if is_open => returned(from, back),
        JobEvent::Impossible if state == JobState::Queued => (ended(JobState::Failed), vec![]),
        JobEvent::Cancel if matches!(state, JobState::Queued | JobState::Unknown) => {
            (ended(JobState::Cancelled), vec![JobEffect::SendCancel])
        }
        JobEvent::Cancel if is_open => (Life { cancel: true, ..from }, vec![JobEffect::SendCancel]),
        JobEvent::Retry if matches!(state, JobState::Failed | JobState::Cancelled) => (ended(JobState::Queued), vec![]),
        JobEvent::Cancel | JobEvent::Retry => return Err(Dropped::Refused(state)),
        _ => return Err(Dropped::Stale),
    };
    Ok(next)
}

fn rejected(from: Life, reason: RejectReason) -> (Life, Vec<JobEffect>) {
    let ended = |state| Life { state, cancel: false, ..from };
    match reason {
        _ if from.cancel => (ended(JobState::Cancelled), vec![]),
        RejectReason::Busy => (ended(JobState::Queued), vec![JobEffect::Wait]),
        _ => (ended(JobState::Failed), vec![]),
    }
}

/// Waiting for its turn at the agent is no step forward.
const fn state_of(phase: JobPhase, before: JobState) -> JobState {
    match phase {
        JobPhase::Waiting => JobState::Assigned,
        JobPhase::Running => JobState::Running,
        JobPhase::Verifying => JobState::Verifying,
        JobPhase::Paused => JobState::Paused,
        JobPhase::Other => match before {
            JobState::Unknown | JobState::Assigned => JobState::Running,
            _ => before,
        },
    }
}

fn returned(from: Life, back: Back) -> (Life, Vec<JobEffect>) {
    let ended = Life { state: JobState::Cancelled, cancel: false, ..from };
    match back {
        Back::Has(of, phase) if of == from.attempt => {
            let effect = if from.cancel { JobEffect::SendCancel } else { JobEffect::SendOrder };
            (Life { state: state_of(phase, from.state), ..from }, vec![effect])
        }
        Back::HasResult(of) if of == from.attempt => match from.state {
            JobState::Unknown => (Life { state: JobState::Assigned, ..from }, vec![]),
            _ => (from, vec![]),
        },
        // What it has of an older try is replaced by the order, or nothing at all is there.
        _ if from.cancel => (ended, vec![]),
        _ => (Life { state: JobState::Assigned, ..from }, vec![JobEffect::SendOrder]),
    }
}

#[cfg(test)]
#[path = "remote_job_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
