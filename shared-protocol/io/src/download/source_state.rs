//! What is known of a source while a download goes on, and what follows from its faults. Pure.
//!
//! Patience is time: the tries that an order allows are spread over the time that it allows, at growing intervals,
//! and only then the source rests. It is asked again when the rest is over, for as long as the download lasts; what
//! ends a source is its own word (it does not have the file, it refuses) or wrong bytes. What comes at the least
//! speed or faster starts the budget anew, and a source that has brought something has twice the tries. While
//! nobody else answers either, this machine is cut off and no source is at fault.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use shared_protocol::job::SourcePolicy;
use shared_protocol::outcome::{Reason, SourceReport, Verdict};

use super::attempt_error::{AttemptError, Consequence};

/// How often an address that expired is resolved again without anything having come.
const MAX_RESOLUTIONS: u32 = 3;

/// Most kinds of reasons kept.
const MAX_REASONS: usize = 16;

/// Who brings so much before it breaks off is asked on at once.
const WORTH_A_REQUEST: u64 = 256 << 10;

/// How often a machine that is cut off looks whether it still is.
const CUT_OFF: Duration = Duration::from_secs(5);

/// How many times longer each interval between tries is than the one before.
const GROWTH: f64 = 3.0;

/// How patient a download is, beside what its order says.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first interval between attempts.
    pub first_delay: Duration,
    /// The longest one, where it is not for the order to say.
    pub longest_delay: Duration,
    /// Longest wait that a source may ask for, and longest rest.
    pub longest_rest: Duration,
    /// How long others may take to show that it is not this machine that is cut off.
    pub witness: Duration,
    /// How long the group list is waited for before bytes are taken unverified, from who is not the hub.
    pub list: Duration,
    /// After so long without a byte a download ends that can't hope for the hub.
    pub give_up: Duration,
    /// How often a full disk is looked at.
    pub full_disk: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            longest_rest: Duration::from_mins(10),
            witness: Duration::from_secs(5),
            list: Duration::from_secs(5),
            give_up: Duration::from_mins(30),
            full_disk: Duration::from_secs(5),
        }
    }
}

/// What one connection brought before it failed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Brought {
    /// Bytes that are kept, verified or not.
    pub(super) bytes: u64,
    /// For how long it was at work.
    pub(super) time: Duration,
}

/// What to do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Try again, not before this.
    Again {
        not_before: Instant,
        /// Whether the original address has to be resolved again.
        resolve: bool,
    },
    /// It rests until then; others may take over.
    Rest { until: Instant },
    /// It is over.
    Leave,
}

/// What is known of a source.
#[derive(Debug)]
pub(super) struct SourceState {
    name: String,
    attempts_allowed: u32,
    spread: Duration,
    least_speed: u64,
    patience: Patience,
    delays: ExponentialBackoff,
    failing_since: Option<Instant>,
    failures: u32,
    rests: u32,
    resolutions: u32,
    has_brought: bool,
    is_slow: bool,
    is_out_of_reach: bool,
    verdict: Option<Verdict>,
    attempts: u32,
    reasons: Vec<Reason>,
    worked: Duration,
}

impl SourceState {
    /// A source by its name for people.
    pub(super) fn new(name: String, policy: &SourcePolicy, patience: Patience) -> Self {
        Self {
            name,
            attempts_allowed: policy.retry_per_source.max(1),
            spread: Duration::from_secs(policy.source_patience_s),
            least_speed: policy.min_speed,
            patience,
            delays: delays(patience),
            failing_since: None,
            failures: 0,
            rests: 0,
            resolutions: 0,
            has_brought: false,
            is_slow: false,
            is_out_of_reach: false,
            verdict: None,
            attempts: 0,
            reasons: Vec::new(),
            worked: Duration::ZERO,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may still be asked, now or later.
    pub(super) const fn is_live(&self) -> bool {
        self.verdict.is_none()
    }

    /// Whether its tries are used up, so that others may take over. It stays so until it brings something.
    pub(super) const fn is_resting(&self) -> bool {
        self.rests > 0
    }

    /// Whether it rests for nothing but its speed: better than nobody.
    pub(super) const fn is_only_slow(&self) -> bool {
        self.is_slow
    }

    /// Whether nobody answered for the hub when it was asked last.
    pub(super) const fn is_out_of_reach(&self) -> bool {
        self.is_out_of_reach
    }

    pub(super) const fn note_attempt(&mut self) {
        self.attempts += 1;
    }

    pub(super) fn add_work_time(&mut self, time: Duration) {
        self.worked += time;
    }

    /// It brings what it should: whatever was is forgiven.
    pub(super) fn note_progress(&mut self) {
        self.failing_since = None;
        (self.failures, self.rests, self.resolutions) = (0, 0, 0);
        (self.has_brought, self.is_slow, self.is_out_of_reach) = (true, false, false);
        self.delays = delays(self.patience);
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

    /// Says what follows from a failed attempt: what it had `brought`, since when it was `failing`, and whether a
    /// redirect led to the address that failed.
    pub(super) fn judge_failure(
        &mut self,
        error: &AttemptError,
        brought: Brought,
        failing: Instant,
        is_redirected: bool,
        now: Instant,
    ) -> NextStep {
        self.note_reason(error);
        let is_earned = self.is_earned(brought);
        if is_earned {
            self.note_progress();
        }
        let mut resolve = false;
        match error.consequence {
            Consequence::Lied => return self.leave(Verdict::Banned),
            Consequence::Address if is_redirected && self.resolutions < MAX_RESOLUTIONS => {
                self.resolutions += 1;
                resolve = true;
            }
            Consequence::Address | Consequence::Final | Consequence::SessionOver(_) => {
                return self.leave(Verdict::GaveUp);
            }
            Consequence::OutOfReach => self.is_out_of_reach = true,
            Consequence::CutOff => {}
            Consequence::Retry if is_earned => {}
            Consequence::Retry | Consequence::Slow => return self.count_failure(error, failing, now),
        }
        if is_earned && brought.bytes >= WORTH_A_REQUEST && error.retry_after.is_none() {
            return NextStep::Again { not_before: now, resolve };
        }
        let asked = error.retry_after.unwrap_or_default().min(self.patience.longest_rest);
        let longest = if error.consequence == Consequence::CutOff { CUT_OFF } else { self.patience.longest_delay * 2 };
        NextStep::Again { not_before: now + self.next_delay().min(longest).max(asked), resolve }
    }

    /// Whether so much came that it is worth going on at once: what the least speed would have brought, in a second
    /// at least.
    fn is_earned(&self, brought: Brought) -> bool {
        let millis = brought.time.max(Duration::from_secs(1)).as_millis();
        brought.bytes > 0 && u128::from(brought.bytes) >= u128::from(self.least_speed) * millis / 1_000
    }

    /// One of its tries is used up.
    fn count_failure(&mut self, error: &AttemptError, failing: Instant, now: Instant) -> NextStep {
        let since = *self.failing_since.get_or_insert(failing);
        self.failures += 1;
        self.is_slow = error.consequence == Consequence::Slow;
        let allowed = self.attempts_allowed.saturating_mul(if self.has_brought { 2 } else { 1 });
        let asked = error.retry_after.map(|asked| asked.min(self.patience.longest_rest));
        let is_used_up = self.failures >= allowed && now >= since + self.spread;
        // Waits of about that time are worth it, longer ones are as good as none.
        let is_too_long = |asked| asked > (self.spread + self.spread / 2).max(self.patience.first_delay);
        if self.is_resting() || is_used_up || asked.is_some_and(is_too_long) {
            return NextStep::Rest { until: now + self.next_rest().max(asked.unwrap_or_default()) };
        }
        let delay = self.next_delay();
        let planned = match asked {
            Some(asked) => now + asked,
            None => since + self.spread.mul_f64(share(self.failures, allowed)),
        };
        let least = if self.failures >= allowed { since + self.spread } else { now };
        NextStep::Again { not_before: planned.max(least).max(now + delay), resolve: false }
    }

    fn next_delay(&mut self) -> Duration {
        self.delays.next().unwrap_or(self.patience.longest_delay)
    }

    /// Rests grow, too.
    fn next_rest(&mut self) -> Duration {
        let rest = self.spread.max(self.patience.first_delay).saturating_mul(1 << self.rests.min(16));
        self.rests += 1;
        rest.min(self.patience.longest_rest)
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
            None if self.is_resting() => Verdict::GaveUp,
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

/// Which share of the time has passed when the try after so many is due; the last one is due when all has.
fn share(failures: u32, allowed: u32) -> f64 {
    let reach = |n: u32| GROWTH.powi(i32::try_from(n).unwrap_or(i32::MAX)) - 1.0;
    let last = allowed.saturating_sub(1).clamp(1, 500);
    (reach(failures.min(last)) / reach(last)).clamp(0.0, 1.0)
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
#[allow(clippy::indexing_slicing, reason = "tests may panic")]
mod tests;
