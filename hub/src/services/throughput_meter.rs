//! How fast all who share a piece of work go together.

use std::time::{Duration, Instant};

use crate::domain::rate::Rate;

/// Shortest time that the rate is taken over.
const SAMPLE: Duration = Duration::from_millis(100);

/// What each of them has moved, added up to one rate.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ThroughputMeter {
    rate: Rate,
    moved: u64,
    since: Option<Instant>,
}

impl ThroughputMeter {
    /// One of them has moved so many bytes more.
    pub(super) fn add(&mut self, bytes: u64, now: Instant) {
        self.moved += bytes;
        let passed = now.duration_since(*self.since.get_or_insert(now));
        if passed >= SAMPLE {
            self.rate.add(self.moved, passed);
            (self.moved, self.since) = (0, Some(now));
        }
    }

    /// What passed until now was no work.
    pub(super) const fn begin_anew(&mut self, now: Instant) {
        (self.moved, self.since) = (0, Some(now));
    }

    /// All of them together.
    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_go_at_once_are_twice_as_fast_and_a_pause_slows_neither() {
        let (mut meter, mut now) = (ThroughputMeter::default(), Instant::now());
        for second in 0..4 {
            if second == 2 {
                now += Duration::from_mins(1);
                meter.begin_anew(now);
            }
            for _ in 0..10 {
                now += Duration::from_millis(50);
                meter.add(1_000_000, now);
                now += Duration::from_millis(50);
                meter.add(1_000_000, now);
            }
        }
        assert!(meter.rate().bytes_per_second().abs_diff(20_000_000) < 2_000_000, "{meter:?}");
    }
}
