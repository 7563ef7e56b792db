//! The sources of one download, in the order of their tiers, with what is known of each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shared_protocol::outcome::SourceReport;

use super::attempt_error::Consequence;
use super::source_client::{FailedAttempt, SourceClient, address_refused};
use super::source_state::{NextStep, SourceState};
use super::{Download, DownloadError};

/// Verified bytes after which a source that was given fewer connections gets one more.
const REGAIN: u64 = 256 << 20;

/// One source, with its connections.
pub(super) struct PooledSource {
    pub(super) client: Arc<SourceClient>,
    pub(super) state: SourceState,
    /// It is left alone until then.
    pub(super) not_before: Instant,
    /// Connections at work.
    pub(super) n_workers: usize,
    /// Most connections, and the bytes that it had brought when that was found out.
    limit: (usize, u64),
}

/// All sources, the hub last.
pub(super) struct SourcePool {
    pub(super) members: Vec<PooledSource>,
}

impl SourcePool {
    /// From an order. An address that may not be used is told like any other source that failed.
    pub(super) fn new(download: &Download) -> Self {
        let policy = &download.order.policy;
        let mut members = Vec::new();
        for source in &download.order.sources {
            let hub = download.tools.hub.as_ref();
            let Some(client) = SourceClient::new(source, download.allowed, hub) else { continue };
            let mut state = SourceState::new(client.name(), policy.retry_per_source, download.tools.patience);
            if let Some(why) = client.address_error() {
                let error = address_refused(why);
                download.report.warn(format!("{}: {}.", state.name(), error.detail));
                state.judge_failure(&error, 0, false, Instant::now());
            }
            let (client, not_before) = (Arc::new(client), Instant::now());
            members.push(PooledSource { client, state, not_before, n_workers: 0, limit: (usize::MAX, 0) });
        }
        // Public bandwidth is free, the way to the hub is someone's uplink.
        members.sort_by_key(|member| member.client.is_hub());
        Self { members }
    }

    /// Which sources may be asked at all now, best first: the hub only when nothing else is left.
    pub(super) fn live(&self) -> Vec<usize> {
        let live = |is_hub| {
            let members = self.members.iter().enumerate();
            members.filter(move |(_, m)| m.state.is_live() && m.client.is_hub() == is_hub).map(|(i, _)| i).collect()
        };
        let public: Vec<usize> = live(false);
        if public.is_empty() { live(true) } else { public }
    }

    pub(super) fn reports(&self) -> Vec<SourceReport> {
        let count =
            |m: &PooledSource| (m.client.verified.load(Ordering::Relaxed), m.client.wasted.load(Ordering::Relaxed));
        self.members.iter().map(|m| m.state.report(count(m).0, count(m).1)).collect()
    }

    /// Notes that the sources that are asked were at work for so long.
    pub(super) fn add_work_time(&mut self, time: Duration) {
        for member in self.members.iter_mut().filter(|member| member.n_workers > 0) {
            member.state.add_work_time(time);
        }
    }
}

impl PooledSource {
    /// How many connections it may have. One that has brought nothing yet gets a second only when it has, and so
    /// does one that sends the whole whatever is asked.
    pub(super) fn n_allowed(&self, n_connections: usize) -> usize {
        let verified = self.client.verified.load(Ordering::Relaxed);
        if verified == 0 || self.client.is_whole.load(Ordering::Relaxed) {
            return 1;
        }
        let (limit, since) = self.limit;
        let regained = usize::try_from(verified.saturating_sub(since) / REGAIN).unwrap_or(usize::MAX);
        n_connections.min(limit.saturating_add(regained)).max(1)
    }

    /// A connection ended without having brought anything, while others are at work: it is not replaced.
    fn limit_connections(&mut self) {
        self.limit = (self.n_workers, self.client.verified.load(Ordering::Relaxed));
    }

    /// Judges a failed attempt and tells people; the refusal that ends the session comes back. `verified` as in
    /// [`SourceState::judge_failure`]; `has_brought` tells whether this very connection brought something.
    pub(super) fn judge_failure(
        &mut self,
        download: &Download,
        failure: &FailedAttempt,
        verified: u64,
        has_brought: bool,
    ) -> Result<(), DownloadError> {
        let FailedAttempt { error, is_redirected } = failure;
        let (report, name) = (&download.report, self.state.name().to_owned());
        // Others of its connections go on: then this says nothing about the source as a whole.
        if self.n_workers > 0 && matches!(error.consequence, Consequence::Retry | Consequence::OutOfReach) {
            self.state.note_reason(error);
            // If it were replaced at once, a source that refuses would be asked without end: there would always
            // be another one at work.
            if !has_brought {
                self.limit_connections();
            }
            return Ok(());
        }
        // All of them met the same end of an address: it is resolved anew once, not counted once for each.
        if self.n_workers > 0 && error.consequence == Consequence::Address && *is_redirected {
            self.state.note_reason(error);
            self.client.forget_redirect();
            if !has_brought {
                self.limit_connections();
            }
            return Ok(());
        }
        match self.state.judge_failure(error, verified, *is_redirected, Instant::now()) {
            NextStep::Again { not_before, resolve } => {
                if resolve {
                    self.client.forget_redirect();
                }
                self.not_before = not_before;
                report.info(format!("{name}: {}; it is asked again.", error.detail));
            }
            NextStep::Leave => {
                self.client.is_left.store(true, Ordering::Relaxed);
                report.warn(format!("{name}: {}; it is not asked again.", error.detail));
            }
        }
        match &error.consequence {
            Consequence::SessionOver(refusal) => Err(DownloadError::SessionOver(refusal.clone())),
            _ => Ok(()),
        }
    }
}
