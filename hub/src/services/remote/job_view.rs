//! A job as people and tools see it.

use std::time::Instant;

use serde::Serialize;
use shared_protocol::agent_to_hub::RejectReason;
use shared_protocol::job::JobPhase;
use shared_protocol::outcome::{FailureCode, Outcome, SourceReport};
use shared_protocol::{AgentId, JobId};

use crate::domain::described::UuidText;
use crate::domain::remote_job::{JobKind, JobState};
use crate::domain::root::Root;
use crate::storage::jobs::{JobLine, JobRow, JobTask};

/// How far a job is, as its agent told last.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) attempt: u32,
    pub(super) state: JobState,
    pub(super) bytes_done: u64,
    pub(super) bytes_total: Option<u64>,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) doing: Option<String>,
    /// The database has not heard of it.
    pub(super) is_new: bool,
    pub(super) at: Instant,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RemoteJobError)]
pub struct JobError {
    /// A stable word: `no_source`, `disk_full`, `policy`, `in_the_way`, `disk`, `git`, `internal`.
    pub code: String,
    /// For a person: what was tried, and why it failed.
    pub detail: String,
}

/// Why attempts at a source ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ReasonView {
    /// A stable word: `stalled`, `truncated`, `wrong_bytes` …
    pub code: String,
    /// For a person.
    pub detail: String,
    /// How often.
    pub n: u32,
}

/// What one source did for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SourceReportView {
    /// The address without its query, or `hub`.
    pub source: String,
    /// Bytes that came from it and were verified.
    pub bytes: u64,
    /// Bytes that came from it and were thrown away.
    pub wasted_bytes: u64,
    /// Attempts made.
    pub attempts: u32,
    /// Time spent on it.
    pub duration_ms: u64,
    /// `used`, `not_tried`, `gave_up` or `banned`.
    pub outcome: String,
    /// Why attempts ended.
    pub reasons: Vec<ReasonView>,
}

/// A job as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RemoteJobView)]
pub struct JobView {
    /// Its id.
    #[schema(value_type = UuidText)]
    pub id: JobId,
    /// Whose it is.
    #[schema(value_type = UuidText)]
    pub agent_id: AgentId,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// Which try it is, 0 before the first.
    pub attempt: u32,
    /// It was dropped, and its agent has not said yet that it stopped.
    pub cancelling: bool,
    /// The root of its file.
    pub root: Option<Root>,
    /// Its file: the path in its root, and below the agent's folder of models.
    pub path: Option<String>,
    /// What the file holds.
    pub hash: Option<String>,
    /// The repository.
    pub url: Option<String>,
    /// Branch, tag or commit.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Folder below `ComfyUI`'s; its own if none.
    pub dir: Option<String>,
    /// Bytes that are there and verified.
    pub bytes_done: u64,
    /// All bytes, if that is known.
    pub size_bytes: Option<u64>,
    /// How fast it goes.
    pub bytes_per_second: Option<u64>,
    /// How long it will take at this rate.
    pub eta_seconds: Option<u64>,
    /// What its agent is at.
    pub doing: Option<String>,
    /// Why it is not assigned.
    pub waiting: Option<String>,
    /// Why it failed.
    pub error: Option<JobError>,
    /// How it came about: `downloaded`, `already_there`, `linked`, `copied`, `cloned`, `updated`.
    pub how: Option<String>,
    /// The commit that is checked out.
    pub commit: Option<String>,
    /// Time of the work on the agent.
    pub duration_ms: Option<u64>,
    /// What each source gave, in the order they were tried.
    pub sources: Vec<SourceReportView>,
    /// Lines for people; only when one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<JobLine>>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
    /// When its agent got it first.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<jiff::Timestamp>,
}

impl JobView {
    pub(super) fn of(job: JobRow, moment: Option<&Moment>, waiting: Option<String>) -> Self {
        let moment = moment.filter(|moment| moment.attempt == job.life.attempt && job.life.state.is_with_agent());
        let bytes_done = moment.map_or(job.bytes_done, |moment| moment.bytes_done);
        let size_bytes = moment.and_then(|moment| moment.bytes_total).or(job.bytes_total);
        // A rate that is not told any more is no rate.
        let is_fresh = |moment: &&Moment| moment.at.elapsed().as_secs() < 5;
        let rate = moment.filter(is_fresh).and_then(|moment| moment.bytes_per_second);
        let left = size_bytes.map(|size| size.saturating_sub(bytes_done));
        let kind = job.task.kind();
        let (file, clone) = match job.task {
            JobTask::AssetDownload(file) => (Some(file), None),
            JobTask::ComfyGitClone(clone) => (None, Some(clone)),
        };
        let ended = Ended::of(job.outcome);
        Self {
            id: job.id,
            agent_id: job.agent,
            kind,
            state: job.life.state,
            attempt: job.life.attempt,
            cancelling: job.life.cancel,
            root: file.as_ref().map(|file| file.root),
            path: file.as_ref().map(|file| file.path.to_string()),
            hash: file.and_then(|file| file.hash).map(|hash| hash.to_string()),
            reference: clone.as_ref().and_then(|clone| clone.reference.clone()),
            dir: clone.as_ref().and_then(|clone| clone.dir.as_ref().map(ToString::to_string)),
            url: clone.map(|clone| clone.url),
            bytes_done,
            size_bytes,
            bytes_per_second: rate,
            eta_seconds: left.zip(rate.filter(|rate| *rate > 0)).map(|(left, rate)| left.div_ceil(rate)),
            doing: moment.and_then(|moment| moment.doing.clone()),
            waiting: waiting.filter(|_| job.life.state == JobState::Queued),
            error: ended.error,
            how: ended.how,
            commit: ended.commit,
            duration_ms: ended.duration_ms,
            sources: ended.sources,
            log: None,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

#[derive(Default)]
struct Ended {
    error: Option<JobError>,
    how: Option<String>,
    commit: Option<String>,
    duration_ms: Option<u64>,
    sources: Vec<SourceReportView>,
}

impl Ended {
    fn of(outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(Outcome::Succeeded { how, duration_ms, sources, commit }) => Self {
                how: Some(word(&how)),
                commit,
                duration_ms: Some(duration_ms),
                sources: sources.into_iter().map(report).collect(),
                error: None,
            },
            Some(Outcome::Failed { code, detail, duration_ms, sources }) => Self {
                error: Some(JobError { code: word(&code), detail }),
                duration_ms: Some(duration_ms),
                sources: sources.into_iter().map(report).collect(),
                ..Self::default()
            },
            Some(Outcome::Cancelled {}) | None => Self::default(),
        }
    }
}

fn report(report: SourceReport) -> SourceReportView {
    let SourceReport { source, bytes, wasted_bytes, attempts, duration_ms, verdict, reasons } = report;
    let reasons = reasons
        .into_iter()
        .map(|reason| ReasonView { code: reason.code, detail: reason.detail, n: reason.n })
        .collect();
    SourceReportView { source, bytes, wasted_bytes, attempts, duration_ms, outcome: word(&verdict), reasons }
}

/// The word by which the protocol calls it.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "other".to_owned(),
    }
}

/// What a rejection ends as. A busy agent ends nothing.
pub(super) fn rejection(reason: RejectReason, detail: String) -> Option<Outcome> {
    let code = match reason {
        RejectReason::Busy => return None,
        RejectReason::Disk => FailureCode::DiskFull,
        RejectReason::Storage => FailureCode::Disk,
        RejectReason::Policy => FailureCode::Policy,
        RejectReason::Other => FailureCode::Other,
    };
    Some(Outcome::Failed { code, detail, duration_ms: 0, sources: Vec::new() })
}

/// The state that a phase is; none for a phase that this version does not know.
pub(super) const fn state_of(phase: JobPhase) -> JobState {
    match phase {
        JobPhase::Waiting => JobState::Assigned,
        JobPhase::Running | JobPhase::Other => JobState::Running,
        JobPhase::Verifying => JobState::Verifying,
        JobPhase::Paused => JobState::Paused,
    }
}
