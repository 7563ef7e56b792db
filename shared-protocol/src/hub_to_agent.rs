//! What the hub says. Times are durations: the clocks of the two machines need not agree.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Message;
use crate::job::JobSpec;
use crate::refusal::Refusal;
use crate::{AgentId, JobId};

/// A message of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", content = "d", rename_all = "snake_case")]
pub enum HubToAgent {
    /// The answer to `hello`, the hub's frame 1.
    Welcome(Welcome),
    /// No. The connection ends after it.
    Refuse(Refusal),
    /// Do this.
    JobAssign(JobAssign),
    /// Stop this: acknowledged at once, and final within [`CANCEL_WITHIN`].
    JobCancel(JobRef),
    /// A result is safe; the agent may forget it.
    ResultAck(JobRef),
    /// The session ends later, or sooner, than said.
    SessionUpdate(SessionUpdate),
    /// The hub is about to go away: work on, and come back after it.
    Drain(Drain),
    /// Tell what lies in the folder of models.
    InventoryRequest(InventoryRequest),
    /// Are you there? May be lost.
    Ping(Ping),
    /// The answer to a `ping` of the agent. May be lost.
    Pong(Ping),
}

/// How soon a cancelled job is over.
pub const CANCEL_WITHIN: core::time::Duration = core::time::Duration::from_secs(10);

/// The answer to `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that is spoken from here on.
    pub proto: u32,
    /// Which session; tells an agent that its jobs' hub is still the same.
    pub session: Uuid,
    /// This connection, larger than all before it: what comes from an older one is dropped.
    pub generation: u64,
    /// How often both sides ping, in seconds.
    pub heartbeat_s: u64,
    /// How long the hub waits for an agent that is out of touch, in seconds.
    pub lease_s: u64,
    /// When the session ends, in seconds from now.
    pub expires_in_s: u64,
    /// What not to exceed.
    pub limits: Limits,
    /// The id to go by from now on, and to keep: another than the agent's own if that is in use by the
    /// disk that this one was cloned from.
    pub agent_id: AgentId,
    /// For each job of `hello.active`, in its order. What goes on is assigned again right after, with
    /// fresh tokens.
    #[serde(default)]
    pub jobs: Vec<Reconciled>,
}

/// What not to exceed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of one frame.
    pub max_frame_bytes: u64,
    /// Milliseconds between two progress frames.
    pub progress_every_ms: u64,
}

/// Whether a job that an agent has goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Which.
    #[serde(flatten)]
    pub job: JobRef,
    /// What to do with it.
    pub answer: Answer,
}

/// What to do with a job after a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Go on.
    Continue,
    /// Stop: it was cancelled, or someone else does it.
    Cancel,
}

/// One try of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobRef {
    /// The job.
    pub job: JobId,
    /// Which try, from 1. What belongs to another than the newest is dropped.
    pub attempt: u32,
}

/// Do this. A repeat of the same try is accepted again, brings fresh tokens and starts nothing twice;
/// a later try of the same job replaces the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAssign {
    /// Which try of which job.
    #[serde(flatten)]
    pub job: JobRef,
    /// What to do.
    pub spec: JobSpec,
}

/// When the session ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUpdate {
    /// In seconds from now.
    pub expires_in_s: u64,
}

/// The hub goes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// In seconds from now.
    pub deadline_s: u64,
}

/// Asks for the list of files; answered by `inventory` frames with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryRequest {
    /// Chosen by the hub.
    pub request: u64,
}

/// A sign of life; the other side answers with `pong` and the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Any number.
    pub n: u64,
}

impl Message for HubToAgent {
    const TYPES: &'static [&'static str] = &[
        "welcome",
        "refuse",
        "job_assign",
        "job_cancel",
        "result_ack",
        "session_update",
        "drain",
        "inventory_request",
        "ping",
        "pong",
    ];

    fn is_sequenced(&self) -> bool {
        !matches!(self, Self::Ping(_) | Self::Pong(_))
    }
}
