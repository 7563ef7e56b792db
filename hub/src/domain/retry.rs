//! When a failed transfer is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// How often and after what time the queue tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first for failures that may go away.
    pub tries: u32,
    /// Pause before a file that another program holds, or one whose disk is full, is tried again.
    pub in_use: Duration,
    /// Pause before a root that can't be reached is looked at again.
    pub offline: Duration,
}

/// How long a file in use is tried inside one attempt before the transfer is parked: about ten
/// seconds, the time a virus scanner takes over a fresh file.
pub fn in_use_backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(150))
        .with_max_delay(Duration::from_secs(3))
        .with_factor(2.0)
        .with_max_times(7)
}

impl RetryPolicy {
    /// The policy with so many tries after the first.
    pub const fn with_tries(tries: u32) -> Self {
        Self { tries, in_use: Duration::from_mins(1), offline: Duration::from_secs(15) }
    }

    /// The pause after a failed try, or `None` when the tries are used up. `attempts` are the
    /// retries so far.
    pub fn delay_after(&self, attempts: u32) -> Option<Duration> {
        if attempts >= self.tries {
            return None;
        }
        ExponentialBuilder::new()
            .with_min_delay(Duration::from_secs(2))
            .with_max_delay(Duration::from_mins(5))
            .with_factor(3.0)
            .without_max_times()
            .build()
            .nth(attempts as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_minutes_and_end() {
        let policy = RetryPolicy::with_tries(8);
        let pauses: Vec<_> = (0..10).map_while(|n| policy.delay_after(n)).map(|d| d.as_secs()).collect();
        assert_eq!(pauses, [2, 6, 18, 54, 162, 300, 300, 300]);
        assert_eq!(RetryPolicy::with_tries(0).delay_after(0), None);
    }

    #[test]
    fn a_held_file_is_tried_for_about_ten_seconds() {
        let total: Duration = in_use_backoff().build().sum();
        assert!((8..=13).contains(&total.as_secs()), "{total:?}");
    }
}
