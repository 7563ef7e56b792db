//! What the dispatcher says to the hub, as long as there is a connection.

use shared_io::report::{ProgressState, Reports};
use shared_protocol::agent_to_hub::{AgentToHub, JobLog, JobProgress, JobResult, Progress};
use shared_protocol::envelope::Frame;
use shared_protocol::hub_to_agent::JobRef;
use shared_protocol::outcome::{Outcome, SourceReport};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Lines of one job in one frame: even of quotes and control characters only they fit.
const LINES_PER_FRAME: usize = 40;

/// Longest text for people in a result, in bytes.
const MAX_DETAIL: usize = 4_000;

/// Sources told of in a result that is too long otherwise.
const MAX_SOURCES: usize = 100;

/// The way to the hub.
#[derive(Debug, Default)]
pub(super) struct Talk(Option<mpsc::Sender<AgentToHub>>);

impl Talk {
    pub(super) const fn open(outbox: mpsc::Sender<AgentToHub>) -> Self {
        Self(Some(outbox))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(|outbox| !outbox.is_closed())
    }

    pub(super) fn outbox(&self) -> Option<mpsc::Sender<AgentToHub>> {
        self.0.clone()
    }

    /// Says what must arrive. A hub that takes nothing any more loses its connection: the next one begins
    /// with all that still holds.
    pub(super) fn say(&mut self, message: AgentToHub) {
        let Some(outbox) = &self.0 else { return };
        if outbox.try_send(fitting(message)).is_err() {
            self.0 = None;
        }
    }

    /// Tells what is new of these jobs. When the way is full, it is lost: newer will follow.
    pub(super) fn progress<'a>(&mut self, jobs: impl Iterator<Item = (JobRef, &'a Reports)>) {
        if !self.is_open() {
            return;
        }
        let (mut jobs_changed, mut logs) = (Vec::new(), Vec::new());
        for (job, reports) in jobs {
            jobs_changed.extend(reports.take_news().map(|state| progress_of(job, state)));
            let lines = reports.take_lines();
            logs.extend(lines.chunks(LINES_PER_FRAME).map(|lines| JobLog { job, lines: lines.to_vec() }));
        }
        if !jobs_changed.is_empty() {
            self.say_if_room(AgentToHub::Progress(Progress { jobs: jobs_changed }));
        }
        for log in logs {
            self.say_if_room(AgentToHub::JobLog(log));
        }
    }

    /// Tells what is new of a job that has ended, before its result: its lines, and how far it was unless it is done.
    pub(super) fn last_words(&mut self, job: JobRef, reports: &Reports, is_done: bool) {
        if is_done {
            drop(reports.take_news());
        }
        self.progress([(job, reports)].into_iter());
    }

    fn say_if_room(&mut self, message: AgentToHub) {
        let Some(outbox) = &self.0 else { return };
        if let Err(TrySendError::Closed(_)) = outbox.try_send(message) {
            self.0 = None;
        }
    }
}

fn progress_of(job: JobRef, state: ProgressState) -> JobProgress {
    let ProgressState { phase, bytes_done, bytes_total, bytes_per_second, doing } = state;
    JobProgress { job, phase, bytes_done, bytes_total, bytes_per_second, doing }
}

/// A result as long as a frame may be: details of sources go before the result does.
fn fitting(message: AgentToHub) -> AgentToHub {
    let AgentToHub::JobResult(mut result) = message else { return message };
    for shorten in [shorten_texts as fn(&mut JobResult), drop_reasons, drop_sources] {
        let frame = Frame { seq: Some(u64::MAX), ack: u64::MAX, message: AgentToHub::JobResult(result.clone()) };
        if frame.encode().is_ok() {
            break;
        }
        shorten(&mut result);
    }
    AgentToHub::JobResult(result)
}

fn sources(result: &mut JobResult) -> Option<&mut Vec<SourceReport>> {
    match &mut result.outcome {
        Outcome::Succeeded { sources, .. } | Outcome::Failed { sources, .. } => Some(sources),
        Outcome::Cancelled {} => None,
    }
}

fn shorten_texts(result: &mut JobResult) {
    if let Outcome::Failed { detail, .. } = &mut result.outcome {
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
    }
    for source in sources(result).into_iter().flatten() {
        source.source.truncate(source.source.floor_char_boundary(MAX_DETAIL));
        source.reasons.truncate(8);
        for reason in &mut source.reasons {
            reason.detail.truncate(reason.detail.floor_char_boundary(200));
        }
    }
}

fn drop_reasons(result: &mut JobResult) {
    for source in sources(result).into_iter().flatten() {
        source.reasons.clear();
        source.source.truncate(source.source.floor_char_boundary(300));
    }
}

fn drop_sources(result: &mut JobResult) {
    if let Some(sources) = sources(result) {
        sources.truncate(MAX_SOURCES);
    }
}

#[cfg(test)]
mod tests {
    use shared_protocol::JobId;
    use shared_protocol::outcome::{FailureCode, Reason, Verdict};

    use super::*;

    #[test]
    fn a_result_fits_its_frame_however_many_sources_failed() {
        let reason = Reason { code: "status".to_owned(), detail: "\u{1}".repeat(4_000), n: 1 };
        let source = SourceReport {
            source: "https://models.example/".repeat(100),
            bytes: 0,
            wasted_bytes: 0,
            attempts: 3,
            duration_ms: 1,
            verdict: Verdict::GaveUp,
            reasons: vec![reason; 20],
        };
        for n in [1, 40, 2_000] {
            let outcome = Outcome::Failed {
                code: FailureCode::NoSource,
                detail: "\"".repeat(300_000),
                duration_ms: 1,
                sources: vec![source.clone(); n],
            };
            let job = JobRef { job: JobId::new(), attempt: 1 };
            let message = fitting(AgentToHub::JobResult(JobResult { job, outcome }));
            assert!(Frame { seq: Some(1), ack: 1, message }.encode().is_ok(), "{n} sources");
        }
    }

    #[test]
    fn a_hub_that_takes_nothing_loses_its_connection_but_not_for_progress() {
        let (outbox, _queue) = mpsc::channel(1);
        let mut talk = Talk::open(outbox);
        let job = JobRef { job: JobId::new(), attempt: 1 };
        talk.say(AgentToHub::CancelAck(job));
        talk.say_if_room(AgentToHub::Progress(Progress { jobs: Vec::new() }));
        assert!(talk.is_open());
        talk.say(AgentToHub::CancelAck(job));
        assert!(!talk.is_open());
    }
}
