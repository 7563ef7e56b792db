//! The sources of one download, in the order of their tiers, with what is known of each.
//!
//! The way to the hub is somebody's own line: it is used when every public source is over or rests, and no longer
//! than until one of them brings something again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared_protocol::outcome::SourceReport;

use super::attempt_error::{AttemptError, Consequence};
use super::earlier::{Earlier, Shares};
use super::source_client::{FailedAttempt, SourceClient, address_refused};
use super::source_state::{Brought, NextStep, SourceState};
use super::throughput::ThroughputMeter;
use super::{Download, DownloadError};

/// Verified bytes after which a source that was given fewer connections gets one more.
const REGAIN: u64 = 256 << 20;

/// Bytes per second that one more connection has to be worth: a slow line is not divided.
const WORTH_A_CONNECTION: u64 = 64 << 10;

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
    meter: ThroughputMeter,
    bytes_per_second: u64,
    verified_before: u64,
}

/// All sources, the hub last.
pub(super) struct SourcePool {
    pub(super) members: Vec<PooledSource>,
    /// All bytes that came, and when there was news of that.
    heard: (u64, Instant),
    /// What sources did in earlier runs.
    earlier: Earlier,
    /// What of earlier runs was verified only in this one.
    pub(super) settled: Arc<Mutex<Shares>>,
}

impl SourcePool {
    /// From an order. An address that may not be used is told like any other source that failed.
    pub(super) fn new(download: &Download) -> Self {
        let (policy, tools) = (&download.order.policy, &download.tools);
        let mut members = Vec::new();
        for source in &download.order.sources {
            let client = SourceClient::new(source, download.allowed, tools.hub.as_ref(), &tools.lines);
            let Some(client) = client else { continue };
            let mut state = SourceState::new(client.name(), policy, tools.patience);
            let now = Instant::now();
            if let Some(why) = client.address_error() {
                let error = address_refused(why);
                download.report.warn(format!("{}: {}.", state.name(), error.detail));
                state.judge_failure(&error, Brought::default(), now, false, now);
            }
            members.push(PooledSource {
                client: Arc::new(client),
                state,
                not_before: now,
                n_workers: 0,
                limit: (usize::MAX, 0),
                meter: ThroughputMeter::new(0),
                bytes_per_second: 0,
                verified_before: 0,
            });
        }
        members.sort_by_key(|member| member.client.is_hub());
        Self { members, heard: (0, Instant::now()), earlier: Earlier::default(), settled: Arc::default() }
    }

    fn live(&self) -> impl Iterator<Item = (usize, &PooledSource)> {
        self.members.iter().enumerate().filter(|(_, member)| member.state.is_live())
    }

    /// Whether there is anyone but the hub.
    pub(super) fn has_public(&self) -> bool {
        self.live().any(|(_, member)| !member.client.is_hub())
    }

    /// Whether the hub's line may be used.
    pub(super) fn may_use_hub(&self) -> bool {
        self.live().all(|(_, member)| member.client.is_hub() || member.state.is_resting())
    }

    /// Which sources may be asked now, best first.
    pub(super) fn ready(&self, now: Instant) -> Vec<usize> {
        let may_use_hub = self.may_use_hub();
        let usable = |member: &PooledSource| member.not_before <= now && (may_use_hub || !member.client.is_hub());
        let ready: Vec<usize> = self.live().filter(|(_, member)| usable(member)).map(|(i, _)| i).collect();
        if !ready.is_empty() || self.members.iter().any(|member| member.n_workers > 0) {
            return ready;
        }
        // Slow is better than nothing.
        self.live().filter(|(_, member)| member.state.is_only_slow()).map(|(i, _)| i).collect()
    }

    /// Whether nothing can be hoped for any more.
    pub(super) fn is_hopeless(&self, now: Instant, give_up: Duration) -> bool {
        let is_silent = now.duration_since(self.heard.1) >= give_up;
        self.live().next().is_none() || (is_silent && !self.live().any(|(_, member)| member.client.is_hub()))
    }

    /// Who is waited for, if nobody is at work.
    pub(super) fn waiting_for(&self) -> Option<String> {
        if self.members.iter().any(|member| member.n_workers > 0) {
            return None;
        }
        let next = self.live().min_by_key(|(_, member)| member.not_before);
        next.map(|(_, member)| format!("waiting until {} is asked again", member.state.name()))
    }

    /// Takes over what earlier runs had of each source.
    pub(super) fn go_on_from(&mut self, reports: Vec<SourceReport>) {
        self.earlier = Earlier::new(reports);
    }

    /// No more than so many bytes are there: what a disk has lost was brought by nobody.
    pub(super) fn limit_to(&mut self, n_bytes: u64) {
        let settled: u64 = self.settled.lock().values().sum();
        let now: u64 = self.members.iter().map(|member| member.client.verified.load(Ordering::Relaxed)).sum();
        self.earlier.take_off((self.earlier.n_bytes() + settled + now).saturating_sub(n_bytes));
    }

    /// What each source did, in all runs.
    pub(super) fn reports(&self) -> Vec<SourceReport> {
        let count =
            |m: &PooledSource| (m.client.verified.load(Ordering::Relaxed), m.client.wasted.load(Ordering::Relaxed));
        let now = self.members.iter().map(|m| m.state.report(count(m).0, count(m).1)).collect();
        self.earlier.with(now, &self.settled.lock())
    }

    /// Looks at what has come lately, a `time` after the last look, and says who goes on.
    pub(super) fn look_at_sources(&mut self, download: &Download, time: Duration, now: Instant) {
        for member in &mut self.members {
            if member.n_workers > 0 {
                member.state.add_work_time(time);
            }
            member.look_at_speed(download.order.policy.min_speed, now);
        }
        let heard = self.members.iter().map(|member| member.client.heard.load(Ordering::Relaxed)).sum();
        if heard != self.heard.0 {
            self.heard = (heard, now);
        }
        let may_use_hub = self.may_use_hub();
        let counts = |member: &PooledSource| {
            member.state.is_live() && !member.state.is_resting() && !member.state.is_out_of_reach()
        };
        let n_others = self.members.iter().filter(|member| counts(member)).count();
        for member in &self.members {
            let (client, is_hub) = (&member.client, member.client.is_hub());
            client.is_stopped.store(!member.state.is_live() || (is_hub && !may_use_hub), Ordering::Relaxed);
            let is_alone = is_hub || n_others == usize::from(counts(member));
            client.may_be_slow.store(is_alone, Ordering::Relaxed);
        }
    }
}

impl PooledSource {
    fn look_at_speed(&mut self, least_speed: u64, now: Instant) {
        self.bytes_per_second = self.meter.rate(self.client.heard.load(Ordering::Relaxed), now).unwrap_or(0);
        let verified = self.client.verified.load(Ordering::Relaxed);
        if verified > self.verified_before && self.bytes_per_second >= least_speed {
            self.state.note_progress();
        }
        self.verified_before = verified;
    }

    /// How many connections it may have. One that has brought nothing yet, or nothing lately, gets a second only when
    /// it has, and so does one that sends the whole whatever is asked. A slow line is not divided.
    pub(super) fn n_allowed(&self, n_connections: usize) -> usize {
        let verified = self.client.verified.load(Ordering::Relaxed);
        if verified == 0 || self.state.is_resting() || self.client.is_whole.load(Ordering::Relaxed) {
            return 1;
        }
        let (limit, since) = self.limit;
        let regained = usize::try_from(verified.saturating_sub(since) / REGAIN).unwrap_or(usize::MAX);
        let worth = usize::try_from(self.bytes_per_second / WORTH_A_CONNECTION).unwrap_or(usize::MAX);
        n_connections.min(limit.saturating_add(regained)).min(worth.saturating_add(1)).max(1)
    }

    /// A connection ended without having brought anything, while others are at work: it is not replaced.
    fn limit_connections(&mut self) {
        self.limit = (self.n_workers, self.client.verified.load(Ordering::Relaxed));
    }

    /// So much of what it brought, and was counted for it, turned out to be wrong.
    pub(super) fn has_lied(&mut self, download: &Download, n_bytes: u64) -> Result<(), DownloadError> {
        self.client.verified.fetch_sub(n_bytes, Ordering::Relaxed);
        self.client.wasted.fetch_add(n_bytes, Ordering::Relaxed);
        let error = AttemptError::wrong_bytes("what it sent before the list of parts came was wrong");
        self.judge_failure(download, &FailedAttempt::of(error), Brought::default())
    }

    /// Judges a failed attempt of a connection and tells people; the refusal that ends the session comes back.
    pub(super) fn judge_failure(
        &mut self,
        download: &Download,
        failure: &FailedAttempt,
        brought: Brought,
    ) -> Result<(), DownloadError> {
        let FailedAttempt { error, is_redirected, since } = failure;
        let (report, name, now) = (&download.report, self.state.name().to_owned(), Instant::now());
        // Others of its connections go on: then this says nothing about the source as a whole. Where all of them met
        // the same end of an address, it is resolved anew once, not counted once for each.
        let is_passing = match error.consequence {
            Consequence::Retry | Consequence::Slow | Consequence::CutOff | Consequence::OutOfReach => true,
            Consequence::Address => *is_redirected,
            _ => false,
        };
        if self.n_workers > 0 && is_passing {
            self.state.note_reason(error);
            if error.consequence == Consequence::Address {
                self.client.forget_redirect();
            }
            // If it were replaced at once, a source that refuses would be asked without end: there would always be
            // another one at work.
            if brought.bytes == 0 {
                self.limit_connections();
            }
            return Ok(());
        }
        let in_s = |at: Instant| at.saturating_duration_since(now).as_secs_f64().ceil();
        match self.state.judge_failure(error, brought, *since, *is_redirected, now) {
            NextStep::Again { not_before, resolve } => {
                if resolve {
                    self.client.forget_redirect();
                }
                self.not_before = not_before;
                let whose =
                    if error.consequence == Consequence::CutOff { ", and nobody else answers either" } else { "" };
                report.info(format!("{name}: {}{whose}; it is asked again in {} s.", error.detail, in_s(not_before)));
            }
            NextStep::Rest { until } => {
                self.not_before = until;
                report.warn(format!("{name}: {}; it rests for {} s.", error.detail, in_s(until)));
            }
            NextStep::Leave => {
                self.client.is_stopped.store(true, Ordering::Relaxed);
                report.warn(format!("{name}: {}; it is not asked again.", error.detail));
            }
        }
        match &error.consequence {
            Consequence::SessionOver(refusal) => Err(DownloadError::SessionOver(refusal.clone())),
            _ => Ok(()),
        }
    }
}
