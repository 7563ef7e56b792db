//! When a site may be asked again: at once while it answers, after 1 to 30 seconds where it fails, and never sooner
//! than it asks for. A site that asks for too much peace, or only fails, is left alone for the rest of the run.

use std::time::Duration;

/// The wait after the first failure.
pub const MIN_BACK_OFF: Duration = Duration::from_secs(1);

/// The longest wait that a site did not ask for.
pub const MAX_BACK_OFF: Duration = Duration::from_secs(30);

/// The longest wait that a site may ask for within one run: Hugging Face and Civitai count in windows of five minutes.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// Failures one after the other that end the asking.
pub const MOST_FAILURES: u32 = 8;

/// One site's pace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    n_failures: u32,
    not_before: Duration,
}

impl Pace {
    /// The moment from which on it may be asked.
    pub const fn not_before(&self) -> Duration {
        self.not_before
    }

    /// It answered, whatever it said. `asked` is how long it asks to be left alone even so.
    pub fn answered(&mut self, now: Duration, asked: Option<Duration>) {
        self.n_failures = 0;
        self.not_before = now.saturating_add(asked.unwrap_or_default().min(PATIENCE));
    }

    /// It failed. Tells whether it is worth asking again in this run.
    pub fn failed(&mut self, now: Duration, asked: Option<Duration>) -> bool {
        let doubled = MIN_BACK_OFF.saturating_mul(1_u32.checked_shl(self.n_failures).unwrap_or(u32::MAX));
        let wait = doubled.min(MAX_BACK_OFF).max(asked.unwrap_or_default());
        self.n_failures = self.n_failures.saturating_add(1);
        self.not_before = now.saturating_add(wait);
        self.n_failures < MOST_FAILURES && wait <= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut pace = Pace::default();
        let mut waits = Vec::new();
        while pace.failed(s(100), None) {
            waits.push(pace.not_before().as_secs() - 100);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        pace.answered(s(200), None);
        assert_eq!(pace.not_before(), s(200));
        assert!(pace.failed(s(200), None));
        assert_eq!(pace.not_before(), s(201));
    }

    #[test]
    fn what_a_site_asks_for_is_kept() {
        let mut pace = Pace::default();
        assert!(pace.failed(s(0), Some(s(90))));
        assert_eq!(pace.not_before(), s(90));
        assert!(!pace.failed(s(0), Some(PATIENCE + s(1))), "longer than a run is patient");
        pace.answered(s(0), Some(s(7)));
        assert_eq!(pace.not_before(), s(7));
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_asked_for(steps in prop::collection::vec((any::<bool>(), prop::option::of(0..2_000_u64)), 0..40)) {
            let (mut pace, mut now) = (Pace::default(), Duration::ZERO);
            for (is_failure, asked) in steps {
                let asked = asked.map(Duration::from_secs);
                if is_failure {
                    pace.failed(now, asked);
                    prop_assert!(pace.not_before() >= now + asked.unwrap_or_default().max(MIN_BACK_OFF));
                } else {
                    pace.answered(now, asked);
                    prop_assert!(pace.not_before() >= now + asked.unwrap_or_default().min(PATIENCE));
                }
                now = pace.not_before();
            }
        }
    }
}
