//! What is known of a source while a download goes on, and what follows from its faults. Pure.
//!
//! A source is forgiven as long as it brings something: every verified byte starts its budget anew. Without
//! any it has a few attempts, at growing and random intervals, and is then left.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use shared_protocol::outcome::{Reason, SourceReport, Verdict};

use super::attempt_error::{AttemptError, Consequence};

/// How often an address that expired is resolved again without anything having come.
const MAX_RESOLUTIONS: u32 = 3;

/// Most kinds of reasons kept.
const MAX_REASONS: usize = 16;

/// How patient a download is, beside what its order says.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first interval between attempts.
    pub first_delay: Duration,
    /// The longest one.
    pub longest_delay: Duration,
    /// Longest wait that a source may ask for.
    pub longest_retry_after: Duration,
    /// How long the hub may be out of reach, without anything coming from anywhere.
    pub hub: Duration,
    /// How often a full disk is looked at.
    pub full_disk: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            longest_retry_after: Duration::from_mins(2),
            hub: Duration::from_mins(10),
            full_disk: Duration::from_secs(5),
        }
    }
}

/// What to do after an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Try again, not before this.
    Again {
        not_before: Instant,
        /// Whether the original address has to be resolved again.
        resolve: bool,
    },
    Leave,
}

/// What is known of a source.
#[derive(Debug)]
pub(super) struct SourceState {
    name: String,
    attempts_allowed: u32,
    patience: Patience,
    delays: ExponentialBackoff,
    verified_before: u64,
    failures: u32,
    resolutions: u32,
    out_of_reach_since: Option<Instant>,
    verdict: Option<Verdict>,
    attempts: u32,
    reasons: Vec<Reason>,
    worked: Duration,
}

impl SourceState {
    /// A source by its name for people.
    pub(super) fn new(name: String, attempts_allowed: u32, patience: Patience) -> Self {
        Self {
            name,
            attempts_allowed: attempts_allowed.max(1),
            patience,
            delays: delays(patience),
            verified_before: 0,
            failures: 0,
            resolutions: 0,
            out_of_reach_since: None,
            verdict: None,
            attempts: 0,
            reasons: Vec::new(),
            worked: Duration::ZERO,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may still be asked.
    pub(super) const fn is_live(&self) -> bool {
        self.verdict.is_none()
    }

    pub(super) const fn note_attempt(&mut self) {
        self.attempts += 1;
    }

    pub(super) fn add_work_time(&mut self, time: Duration) {
        self.worked += time;
    }

    /// Notes why an attempt ended.
    pub(super) fn note_reason(&mut self, error: &AttemptError) {
        if let Some(known) = self.reasons.iter_mut().find(|reason| reason.code == error.code) {
            known.n += 1;
            known.detail.clone_from(&error.detail);
        } else if self.reasons.len() < MAX_REASONS {
            self.reasons.push(Reason { code: error.code.to_owned(), detail: error.detail.clone(), n: 1 });
        }
    }

    /// Says what follows from a failed attempt. `verified` are all bytes that came from the source and were verified, `is_redirected` tells
    /// whether the address that failed was reached by a redirect.
    pub(super) fn judge_failure(
        &mut self,
        error: &AttemptError,
        verified: u64,
        is_redirected: bool,
        now: Instant,
    ) -> NextStep {
        self.note_reason(error);
        if verified > self.verified_before {
            self.verified_before = verified;
            self.failures = 0;
            self.resolutions = 0;
            self.out_of_reach_since = None;
            self.delays = delays(self.patience);
        }
        let resolve = match error.consequence {
            Consequence::Retry => {
                self.failures += 1;
                if self.failures >= self.attempts_allowed {
                    return self.leave(Verdict::GaveUp);
                }
                false
            }
            Consequence::Address if is_redirected && self.resolutions < MAX_RESOLUTIONS => {
                self.resolutions += 1;
                true
            }
            Consequence::OutOfReach => {
                let since = *self.out_of_reach_since.get_or_insert(now);
                if now.duration_since(since) >= self.patience.hub {
                    return self.leave(Verdict::GaveUp);
                }
                false
            }
            Consequence::Lied => return self.leave(Verdict::Banned),
            Consequence::Address | Consequence::Final | Consequence::SessionOver(_) => {
                return self.leave(Verdict::GaveUp);
            }
        };
        let delay = self.delays.next().unwrap_or(self.patience.longest_delay);
        let asked = error.retry_after.unwrap_or_default().min(self.patience.longest_retry_after);
        NextStep::Again { not_before: now + delay.max(asked), resolve }
    }

    const fn leave(&mut self, verdict: Verdict) -> NextStep {
        self.verdict = Some(verdict);
        NextStep::Leave
    }

    /// What to tell of it in the end.
    pub(super) fn report(&self, verified: u64, wasted: u64) -> SourceReport {
        let verdict = match self.verdict {
            Some(verdict) => verdict,
            None if self.attempts == 0 => Verdict::NotTried,
            // Others were faster, which is no fault.
            None if verified > 0 || self.reasons.is_empty() => Verdict::Used,
            None => Verdict::GaveUp,
        };
        SourceReport {
            source: self.name.clone(),
            bytes: verified,
            wasted_bytes: wasted,
            attempts: self.attempts,
            duration_ms: u64::try_from(self.worked.as_millis()).unwrap_or(u64::MAX),
            verdict,
            reasons: self.reasons.clone(),
        }
    }
}

fn delays(patience: Patience) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(patience.first_delay)
        .with_max_delay(patience.longest_delay)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
#[path = "source_state_tests.rs"]
mod tests;
