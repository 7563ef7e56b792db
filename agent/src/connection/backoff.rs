//! How long to wait before the next try: a random time in a window that doubles, so that agents do not
//! come back all at once when a hub does.

use std::time::Duration;

use crate::timing::Timing;

/// The window of the next wait.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    window: Duration,
}

impl Backoff {
    /// Starts with the narrowest window.
    pub(super) fn new(timing: &Timing) -> Self {
        Self { first: timing.retry_first, most: timing.retry_most, window: timing.retry_first }
    }

    /// The wait before the next try; `chance` is a random number from 0 to 1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let wait = self.window.mul_f64(chance.clamp(0.0, 1.0));
        self.window = self.most.min(self.window * 2);
        wait
    }

    /// Starts over: the connection was healthy.
    pub(super) fn reset(&mut self) {
        self.window = self.first;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_window_doubles_to_its_widest_and_starts_over() {
        let mut backoff = Backoff::new(&Timing::default());
        let widest: Vec<u64> = (0..7).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(widest, [1, 2, 4, 8, 16, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.next(1.0).as_secs(), 1);
        assert_eq!(backoff.next(0.0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_widest_window(chances in prop::collection::vec(0.0_f64..1.0, 1..40)) {
            let timing = Timing::default();
            let mut backoff = Backoff::new(&timing);
            for chance in chances {
                prop_assert!(backoff.next(chance) <= timing.retry_most);
            }
        }
    }
}
