//! A limit on failed attempts, all together: behind a tunnel every peer has the same address.
//!
//! Only failures are counted, and only they are answered differently. Whoever has the key never
//! notices that others try to guess it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Failures at once that are still answered each.
const BURST: u32 = 30;

/// One more failure is forgiven in this time.
const EVERY: Duration = Duration::from_secs(2);

/// Counts failures; the count goes down by itself.
#[derive(Debug)]
pub(super) struct Limiter {
    /// Failures that are not forgiven yet, and when that was counted.
    count: Mutex<(u32, Instant)>,
}

impl Limiter {
    /// Nothing has failed yet.
    pub(super) fn new() -> Self {
        Self { count: Mutex::new((0, Instant::now())) }
    }

    /// Counts a failure. Beyond the limit it says how long to wait.
    pub(super) fn failed(&self) -> Option<Duration> {
        self.failed_at(Instant::now())
    }

    fn failed_at(&self, now: Instant) -> Option<Duration> {
        let mut count = self.count.lock();
        let forgiven = now.saturating_duration_since(count.1).as_secs() / EVERY.as_secs();
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        if forgiven > 0 {
            // The rest of a started interval is given away: the limit is no clock.
            *count = (count.0.saturating_sub(forgiven), now);
        }
        if count.0 >= BURST {
            return Some(EVERY);
        }
        count.0 += 1;
        None
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_beyond_the_limit_wait_and_are_forgiven_in_time() {
        let limiter = Limiter::new();
        let start = Instant::now();
        for _ in 0..BURST {
            assert_eq!(limiter.failed_at(start), None);
        }
        assert_eq!(limiter.failed_at(start), Some(EVERY));
        assert_eq!(limiter.failed_at(start + EVERY), None);
        assert_eq!(limiter.failed_at(start + EVERY), Some(EVERY));
        for _ in 0..BURST {
            assert_eq!(limiter.failed_at(start + EVERY * (BURST + 1)), None);
        }
    }
}
