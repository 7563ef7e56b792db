//! Throughput over time as a curve.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::services::throughput::{INTERVAL, ThroughputSample};
use crate::web::pages::curve::{self, Point, WIDTH};

/// Rates further apart than this were not measured in between.
const GAP: Duration = INTERVAL.saturating_mul(3);

/// The shortest axis: a few seconds of work are no curve over the whole width.
const SHORTEST: Duration = Duration::from_mins(1);

/// A curve with what its axis means. It is true whenever it is looked at: it names both of its ends.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ThroughputChart {
    width: u64,
    span_seconds: u64,
    peak: u64,
    path: String,
    from: Timestamp,
    to: Timestamp,
}

/// The curve of these rates up to now, the oldest first; none while there is nothing to see.
pub(super) fn chart(samples: &[ThroughputSample], now: Instant, clock: Timestamp) -> Option<ThroughputChart> {
    let peak = samples.iter().map(|sample| sample.rate).max().filter(|peak| *peak > 0)?;
    let oldest = now.saturating_duration_since(samples.first()?.at);
    // Whole minutes, so that the axis does not stretch with every look.
    let span = Duration::from_secs(oldest.as_secs().div_ceil(60) * 60).max(SHORTEST);
    let at = |sample: &ThroughputSample| {
        let ago = now.saturating_duration_since(sample.at);
        u64::try_from(span.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX)
    };
    let follows = |n: usize, sample: &ThroughputSample| {
        let before = n.checked_sub(1).and_then(|before| samples.get(before));
        before.is_some_and(|before| sample.at.saturating_duration_since(before.at) <= GAP)
    };
    let points: Vec<Point> = samples
        .iter()
        .enumerate()
        .map(|(n, sample)| Point { at: at(sample), value: sample.rate, follows: follows(n, sample) })
        .collect();
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Some(ThroughputChart {
        width: WIDTH,
        span_seconds: span.as_secs(),
        peak,
        path: curve::path(&points, span_ms, peak),
        from: clock.checked_sub(span).unwrap_or(clock),
        to: clock,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    const CLOCK: Timestamp = Timestamp::UNIX_EPOCH;

    /// Rates of 100 so many seconds after a start.
    fn rates(start: Instant, seconds: &[u64]) -> Vec<ThroughputSample> {
        seconds.iter().map(|after| ThroughputSample { at: start + Duration::from_secs(*after), rate: 100 }).collect()
    }

    #[test]
    fn three_copies_over_three_minutes_are_three_pieces_of_three_minutes() {
        let start = Instant::now();
        let samples = rates(start, &[0, 2, 4, 84, 86, 170, 172]);
        let chart = chart(&samples, start + Duration::from_secs(175), CLOCK).unwrap();
        assert_eq!((chart.span_seconds, chart.path.matches('M').count()), (180, 3), "{}", chart.path);
        assert_eq!(chart.to.duration_since(chart.from).as_secs(), 180);
        assert!(chart.path.starts_with("M27 100 L27 4 L38 4 L50 4"), "{}", chart.path);
    }

    #[test]
    fn a_curve_ends_where_nothing_runs_any_more() {
        let start = Instant::now();
        let chart = chart(&rates(start, &[0, 2]), start + Duration::from_secs(30), CLOCK).unwrap();
        assert_eq!((chart.span_seconds, chart.path.as_str()), (60, "M500 100 L500 4 L533 4 L533 100 Z"));
    }

    #[test]
    fn without_a_rate_there_is_no_curve() {
        let now = Instant::now();
        assert_eq!(chart(&[], now, CLOCK), None);
        assert_eq!(chart(&[ThroughputSample { at: now, rate: 0 }], now, CLOCK), None);
    }
}
