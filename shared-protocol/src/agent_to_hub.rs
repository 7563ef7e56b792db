//! What an agent says.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::envelope::Message;
use crate::facts::Facts;
use crate::hub_to_agent::{JobRef, Ping};
use crate::job::JobPhase;
use crate::outcome::Outcome;
use crate::{AgentId, Blake3};

/// A message of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "d", rename_all = "snake_case")]
pub enum AgentToHub {
    /// Who it is and what it has; the agent's frame 1.
    Hello(Box<Hello>),
    /// A job is written down here and will be done.
    JobAccepted(JobRef),
    /// A job can't be taken.
    JobRejected(JobRejected),
    /// How far all jobs are, latest wins. May be lost.
    Progress(Progress),
    /// Lines for people about one job. May be lost.
    JobLog(JobLog),
    /// A job ended; said again on every connection until `result_ack`.
    JobResult(JobResult),
    /// A cancel has arrived; the `job_result` follows.
    CancelAck(JobRef),
    /// The machine, when something about it changed.
    Facts(Box<Facts>),
    /// A part of the list of files.
    Inventory(Inventory),
    /// Are you there? May be lost.
    Ping(Ping),
    /// The answer to a `ping` of the hub. May be lost.
    Pong(Ping),
    /// The agent ends.
    Bye(Bye),
}

/// Who an agent is and what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest version of the protocol that it speaks.
    pub proto_min: u32,
    /// Newest one.
    pub proto_max: u32,
    /// Its own version.
    pub agent_version: String,
    /// Kept on its disk.
    pub agent_id: AgentId,
    /// Random at each start of the agent: the same id with two of these in turn is a cloned disk.
    pub boot_id: Uuid,
    /// Highest number it had received on its connection before this one, 0 for none.
    pub last_in_seq: u64,
    /// Jobs that it will hold at once, working and waiting.
    pub slots: u32,
    /// Jobs that it has.
    pub active: Vec<ActiveJob>,
    /// Jobs whose results it still has; the results follow as `job_result`.
    pub unacked_results: Vec<JobRef>,
    /// Its machine.
    pub facts: Facts,
}

/// A job that an agent has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveJob {
    /// Which.
    #[serde(flatten)]
    pub job: JobRef,
    /// Where it is.
    pub phase: JobPhase,
    /// Bytes that are there and verified, of a download.
    pub bytes: u64,
}

/// A job can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRejected {
    /// Which.
    #[serde(flatten)]
    pub job: JobRef,
    /// Why.
    pub reason: RejectReason,
    /// For a person.
    pub detail: String,
}

/// Why a job can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// It holds as many as it will: ask again later.
    Busy,
    /// No room for it.
    Disk,
    /// It can't be written down, and room is not what is missing.
    Storage,
    /// It does not do such things.
    Policy,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

/// How far all jobs are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// One per job whose state changed since the last frame.
    pub jobs: Vec<JobProgress>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Which.
    #[serde(flatten)]
    pub job: JobRef,
    /// Where it is.
    pub phase: JobPhase,
    /// Bytes that are there and verified; of git, bytes received.
    pub bytes_done: u64,
    /// All bytes, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
    /// Lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// What it is at, for a person: a source's address without its query, `hub`, or a step of git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
}

/// Lines for people about one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLog {
    /// Which.
    #[serde(flatten)]
    pub job: JobRef,
    /// Oldest first.
    pub lines: Vec<LogLine>,
}

/// A line for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Since the job's start on the agent, in milliseconds.
    pub after_ms: u64,
    /// How bad.
    pub level: LogLevel,
    /// What happened; no query strings, no secrets.
    pub text: String,
}

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// As expected.
    Info,
    /// Something was worked around.
    Warning,
    /// Something failed.
    Error,
}

/// A job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    /// Which.
    #[serde(flatten)]
    pub job: JobRef,
    /// How.
    pub outcome: Outcome,
}

/// A part of the list of files below the folder of models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The number of the request.
    pub request: u64,
    /// Files of this part.
    pub files: Vec<InventoryFile>,
    /// Whether this is the last part.
    pub last: bool,
    /// Folders that could not be listed; only in the last part.
    #[serde(default)]
    pub n_errors: u64,
}

/// Most files in one `inventory` frame, so that it stays below the longest frame.
pub const INVENTORY_FILES: usize = 400;

/// A file below the folder of models. A name that the protocol can't carry is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryFile {
    /// Where.
    pub path: crate::RelPath,
    /// Its size.
    pub size_bytes: u64,
    /// Its content, if the agent has read it at this size and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blake3: Option<Blake3>,
}

/// The agent ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// For a person.
    pub reason: String,
}

impl Message for AgentToHub {
    const TYPES: &'static [&'static str] = &[
        "hello",
        "job_accepted",
        "job_rejected",
        "progress",
        "job_log",
        "job_result",
        "cancel_ack",
        "facts",
        "inventory",
        "ping",
        "pong",
        "bye",
    ];

    fn is_sequenced(&self) -> bool {
        !matches!(self, Self::Progress(_) | Self::JobLog(_) | Self::Ping(_) | Self::Pong(_))
    }
}
