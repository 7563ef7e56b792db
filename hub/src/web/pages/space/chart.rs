//! Free space over time as a curve, drawn here so that the page needs no script for it.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::web::api::space::SpaceSample;

/// Width and height of the curve, in its own units.
const WIDTH: i64 = 1_000;
const HEIGHT: u64 = 100;

/// A curve with what its axes mean.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Chart {
    path: String,
    from: Timestamp,
    to: Timestamp,
    least: u64,
    most: u64,
    last: u64,
}

/// The curve of these samples, the oldest first; none while there are not two times.
pub(super) fn chart(samples: &[SpaceSample]) -> Option<Chart> {
    let (first, last) = (samples.first()?, samples.last()?);
    let span = last.at.as_millisecond() - first.at.as_millisecond();
    if span <= 0 {
        return None;
    }
    let free = || samples.iter().map(|sample| sample.free_bytes);
    let (least, most) = (free().min()?, free().max()?);
    let mut path = format!("M0 {HEIGHT}");
    for sample in samples {
        let x = (sample.at.as_millisecond() - first.at.as_millisecond()) * WIDTH / span;
        let height = u128::from(sample.free_bytes) * u128::from(HEIGHT - 4) / u128::from(most.max(1));
        let y = HEIGHT - u64::try_from(height).unwrap_or(0);
        // Writing to a String can't fail.
        write!(path, " L{x} {y}").ok();
    }
    write!(path, " L{WIDTH} {HEIGHT} Z").ok();
    Some(Chart { path, from: first.at, to: last.at, least, most, last: last.free_bytes })
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
