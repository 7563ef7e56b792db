//! Free space over time as a curve, drawn here so that the page needs no script for it.

use jiff::Timestamp;
use serde::Serialize;

use crate::web::api::space::SpaceSample;
use crate::web::pages::curve::{self, Point};

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// Samples are taken every hour. Of the last two days all are kept, of the days before the last one:
/// further apart than this they have a time between them in which nothing was measured.
const GAP_MS: i64 = 3 * HOUR_MS;
const OLD_GAP_MS: i64 = 49 * HOUR_MS;
const RECENT_MS: i64 = 48 * HOUR_MS;

/// A curve with what its axes mean.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct SpaceChart {
    path: String,
    from: Timestamp,
    to: Timestamp,
    least: u64,
    most: u64,
    last: u64,
}

/// The curve of these samples, the oldest first; none while there are not two times.
pub(super) fn chart(samples: &[SpaceSample]) -> Option<SpaceChart> {
    let (first, last) = (samples.first()?, samples.last()?);
    let span = last.at.as_millisecond() - first.at.as_millisecond();
    if span <= 0 {
        return None;
    }
    let free = || samples.iter().map(|sample| sample.free_bytes);
    let (least, most) = (free().min()?, free().max()?);
    let at = |sample: &SpaceSample| sample.at.as_millisecond() - first.at.as_millisecond();
    let follows = |n: usize, sample: &SpaceSample| {
        let before = n.checked_sub(1).and_then(|before| samples.get(before)).map(at);
        before.is_some_and(|before| at(sample) - before <= if span - before < RECENT_MS { GAP_MS } else { OLD_GAP_MS })
    };
    let points: Vec<Point> = samples
        .iter()
        .enumerate()
        .map(|(n, sample)| Point {
            at: u64::try_from(at(sample)).unwrap_or(0),
            value: sample.free_bytes,
            follows: follows(n, sample),
        })
        .collect();
    let path = curve::path(&points, u64::try_from(span).unwrap_or(0), most);
    Some(SpaceChart { path, from: first.at, to: last.at, least, most, last: last.free_bytes })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn sample(second: i64, free_bytes: u64) -> SpaceSample {
        let at = Timestamp::from_second(second).unwrap();
        SpaceSample { at, free_bytes, total_bytes: 200, size_bytes: 0, trash_bytes: 0 }
    }

    #[test]
    fn hours_without_a_sample_are_a_gap_and_thinned_days_are_none() {
        let hour = 60 * 60;
        let path = |seconds: &[i64]| {
            let samples: Vec<_> = seconds.iter().map(|second| sample(*second, 100)).collect();
            chart(&samples).unwrap().path.matches('M').count()
        };
        assert_eq!(path(&[0, hour, 2 * hour, 3 * hour]), 1);
        assert_eq!(path(&[0, hour, 9 * hour, 10 * hour]), 2, "the hub was off overnight");
        assert_eq!(
            path(&[0, 24 * hour, 48 * hour, 72 * hour, 96 * hour, 97 * hour]),
            2,
            "the last two days are hourly"
        );
        assert_eq!(path(&[0, 24 * hour, 10 * 24 * hour, 11 * 24 * hour, 30 * 24 * hour]), 3);
    }

    #[test]
    fn time_runs_to_the_right_and_the_most_is_on_top() {
        let chart = chart(&[sample(100, 100), sample(150, 50), sample(300, 0)]).unwrap();
        assert_eq!(chart.path, "M0 100 L0 4 L250 52 L1000 100 L1000 100 Z");
        assert_eq!((chart.least, chart.most, chart.last), (0, 100, 0));
    }

    #[test]
    fn one_moment_is_no_curve() {
        assert_eq!(chart(&[]), None);
        assert_eq!(chart(&[sample(1, 5)]), None);
        assert_eq!(chart(&[sample(1, 5), sample(1, 6)]), None);
    }
}
