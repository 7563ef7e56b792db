//! The sources of one download, in the order of their tiers, with what is known of each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shared_protocol::outcome::SourceReport;

use super::Job;
use super::fault::Weight;
use super::source::{SourceState, Step};
use super::supply::{NotOpened, Supply, refusal};

/// Proved bytes after which a source that was given fewer connections gets one more.
const REGAIN: u64 = 256 << 20;

/// One source.
pub(super) struct Member {
    pub(super) supply: Arc<Supply>,
    pub(super) state: SourceState,
    /// It is left alone until then.
    pub(super) not_before: Instant,
    /// Connections at work.
    pub(super) n_workers: usize,
    /// Most connections, and the bytes that it had brought when that was found out.
    limit: (usize, u64),
}

/// All sources.
pub(super) struct Fleet {
    pub(super) members: Vec<Member>,
}

impl Fleet {
    /// From an order. An address that may not be used is told like any other source that failed.
    pub(super) fn new(job: &Job) -> Self {
        let policy = &job.order.policy;
        let mut members = Vec::new();
        for source in &job.order.sources {
            let Some(supply) = Supply::new(source, job.allowed) else { continue };
            let mut state = SourceState::new(supply.name(), policy.retry_per_source, job.tools.patience);
            if let Some(why) = supply.refused() {
                let fault = refusal(why);
                job.context.report.warn(format!("{}: {}.", state.name(), fault.detail));
                state.fail(&fault, 0, false, Instant::now());
            }
            let (supply, not_before) = (Arc::new(supply), Instant::now());
            members.push(Member { supply, state, not_before, n_workers: 0, limit: (usize::MAX, 0) });
        }
        // Public bandwidth is free, the way to the hub is someone's uplink.
        members.sort_by_key(|member| member.supply.is_hub());
        Self { members }
    }

    /// Which sources may be asked at all now, best first: the hub only when nothing else is left.
    pub(super) fn live(&self) -> Vec<usize> {
        let live = |is_hub| {
            let members = self.members.iter().enumerate();
            members.filter(move |(_, m)| m.state.is_live() && m.supply.is_hub() == is_hub).map(|(i, _)| i).collect()
        };
        let public: Vec<usize> = live(false);
        if public.is_empty() { live(true) } else { public }
    }

    /// What each did.
    pub(super) fn reports(&self) -> Vec<SourceReport> {
        let count = |m: &Member| (m.supply.proved.load(Ordering::Relaxed), m.supply.wasted.load(Ordering::Relaxed));
        self.members.iter().map(|m| m.state.report(count(m).0, count(m).1)).collect()
    }

    /// Time has passed.
    pub(super) fn worked(&mut self, time: Duration) {
        for member in self.members.iter_mut().filter(|member| member.n_workers > 0) {
            member.state.worked(time);
        }
    }
}

impl Member {
    /// How many connections it may have. One that has brought nothing yet gets a second only when it has, and so
    /// does one that sends the whole whatever is asked.
    pub(super) fn n_allowed(&self, n_connections: usize) -> usize {
        let proved = self.supply.proved.load(Ordering::Relaxed);
        if proved == 0 || self.supply.is_whole.load(Ordering::Relaxed) {
            return 1;
        }
        let (limit, since) = self.limit;
        let regained = usize::try_from(proved.saturating_sub(since) / REGAIN).unwrap_or(usize::MAX);
        n_connections.min(limit.saturating_add(regained)).max(1)
    }

    /// A connection ended without having brought anything, while others are at work: it is not replaced.
    fn limit(&mut self) {
        self.limit = (self.n_workers, self.supply.proved.load(Ordering::Relaxed));
    }

    /// Judges a failed attempt and tells people; the refusal that ends the session comes back. `proved` as in
    /// [`SourceState::fail`]; `has_brought` tells whether this very connection brought something.
    pub(super) fn failed(
        &mut self,
        job: &Job,
        failure: &NotOpened,
        proved: u64,
        has_brought: bool,
    ) -> Result<(), Weight> {
        let NotOpened { fault, is_redirected } = failure;
        let (report, name) = (&job.context.report, self.state.name().to_owned());
        // Others of its connections go on: then this says nothing about the source as a whole.
        if self.n_workers > 0 && matches!(fault.weight, Weight::Retry | Weight::OutOfReach) {
            self.state.note(fault);
            // If it were replaced at once, a source that refuses would be asked without end: there would always
            // be another one at work.
            if !has_brought {
                self.limit();
            }
            return Ok(());
        }
        // All of them met the same end of an address: it is resolved anew once, not counted once for each.
        if self.n_workers > 0 && fault.weight == Weight::Address && *is_redirected {
            self.state.note(fault);
            self.supply.forget_redirect();
            if !has_brought {
                self.limit();
            }
            return Ok(());
        }
        match self.state.fail(fault, proved, *is_redirected, Instant::now()) {
            Step::Again { not_before, resolve } => {
                if resolve {
                    self.supply.forget_redirect();
                }
                self.not_before = not_before;
                report.info(format!("{name}: {}; it is asked again.", fault.detail));
            }
            Step::Leave => {
                self.supply.is_left.store(true, Ordering::Relaxed);
                report.warn(format!("{name}: {}; it is not asked again.", fault.detail));
            }
        }
        match &fault.weight {
            Weight::SessionOver(_) => Err(fault.weight.clone()),
            _ => Ok(()),
        }
    }
}
