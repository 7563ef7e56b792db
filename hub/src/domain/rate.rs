//! How fast something goes and how long it still takes.

use std::time::Duration;

/// The weight of the past halves in this time.
const HALF_LIFE: f64 = 4.0;

/// A rate that follows changes within seconds without jumping at every block.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    bytes_per_second: f64,
    weight: f64,
}

impl Rate {
    /// So many bytes took this long.
    #[allow(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
    pub fn add(&mut self, bytes: u64, time: Duration) {
        let seconds = time.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let keep = 0.5_f64.powf(seconds / HALF_LIFE);
        self.bytes_per_second = self.bytes_per_second * keep + (bytes as f64 / seconds) * (1.0 - keep);
        self.weight = self.weight * keep + (1.0 - keep);
    }

    /// Bytes per second, as far as it is known.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and far below 2^63")]
    pub fn bytes_per_second(&self) -> u64 {
        // Divided by the weight so that the first second counts in full.
        if self.weight < 1e-6 { 0 } else { (self.bytes_per_second / self.weight).round() as u64 }
    }

    /// Seconds for so many bytes at this rate; none while nothing moves.
    pub fn seconds_for(&self, bytes: u64) -> Option<u64> {
        let rate = self.bytes_per_second();
        (rate > 0).then(|| bytes.div_ceil(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_shows_its_rate_at_once_and_later() {
        let mut rate = Rate::default();
        assert_eq!(rate.seconds_for(1), None);
        for _ in 0..100 {
            rate.add(1_000_000, Duration::from_millis(100));
            assert!(rate.bytes_per_second().abs_diff(10_000_000) < 1_000);
        }
        assert_eq!(rate.seconds_for(20_000_000), Some(2));
    }

    #[test]
    fn a_stop_is_felt_within_seconds() {
        let mut rate = Rate::default();
        rate.add(100_000_000, Duration::from_secs(10));
        for _ in 0..20 {
            rate.add(0, Duration::from_secs(1));
        }
        assert!(rate.bytes_per_second() < 1_000_000);
    }
}
