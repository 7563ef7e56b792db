//! How far a download is and how fast it is now, told to whoever listens.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use shared_protocol::job::JobPhase;

use super::Download;

/// How often it is told.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// Over how long the speed is taken.
const LATELY: Duration = Duration::from_secs(5);

/// Measures the speed.
#[derive(Debug)]
pub(super) struct ThroughputMeter {
    seen: VecDeque<(Instant, u64)>,
}

impl ThroughputMeter {
    /// Begins with what is there: that was not fetched now.
    pub(super) fn new(done: u64) -> Self {
        Self { seen: VecDeque::from([(Instant::now(), done)]) }
    }

    /// Tells how far it is.
    pub(super) fn report_progress(&mut self, download: &Download, done: u64, doing: Option<String>) {
        let rate = self.rate(done, Instant::now());
        download.report.update(|state| {
            if !download.is_paused() {
                state.phase = JobPhase::Running;
            }
            state.bytes_done = done;
            state.bytes_total = Some(download.order.size_bytes);
            state.bytes_per_second = rate;
            if doing.is_some() && !download.is_paused() {
                state.doing = doing;
            }
        });
    }

    /// Bytes per second over the last seconds.
    pub(super) fn rate(&mut self, done: u64, now: Instant) -> Option<u64> {
        self.seen.push_back((now, done));
        while self.seen.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= LATELY) {
            self.seen.pop_front();
        }
        let (since, before) = *self.seen.front()?;
        let millis = now.duration_since(since).as_millis();
        let came = u128::from(done.saturating_sub(before));
        (millis > 0).then(|| u64::try_from(came * 1_000 / millis).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut meter = ThroughputMeter::new(1_000);
        let began = Instant::now();
        meter.seen = VecDeque::from([(began, 1_000)]);
        assert_eq!(meter.rate(3_000, began + Duration::from_secs(2)), Some(1_000));
        assert_eq!(meter.rate(3_000, began + Duration::from_secs(20)), Some(0));
        assert_eq!(meter.rate(0, began + Duration::from_secs(21)), Some(0), "thrown away is not negative");
    }
}
