//! Throughput over time as a curve, drawn here so that the page needs no script for it.

use std::fmt::Write;

use serde::Serialize;

use crate::services::throughput::{INTERVAL, KEPT};

/// Height of the curve, in its own units.
const HEIGHT: u64 = 100;

/// A curve with what its axis means.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Chart {
    width: usize,
    span_seconds: u64,
    peak: u64,
    path: String,
}

/// The curve of these rates, the oldest first; none while there is nothing to see.
pub(super) fn chart(rates: &[u64]) -> Option<Chart> {
    let peak = rates.iter().copied().max().filter(|peak| *peak > 0)?;
    // A short run begins at the left and grows; a long one fills the whole width.
    let width = KEPT.min(rates.len().max(30));
    let mut path = format!("M0 {HEIGHT}");
    for (x, rate) in rates.iter().enumerate() {
        let y = HEIGHT - u64::try_from(u128::from(*rate) * u128::from(HEIGHT - 4) / u128::from(peak)).unwrap_or(0);
        // Writing to a String can't fail.
        write!(path, " L{x} {y}").ok();
    }
    write!(path, " L{} {HEIGHT} Z", rates.len().saturating_sub(1)).ok();
    let span_seconds = INTERVAL.as_secs() * width as u64;
    Some(Chart { width: width.saturating_sub(1), span_seconds, peak, path })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_peak_reaches_the_top_and_nothing_is_the_ground() {
        let chart = chart(&[0, 50, 100]).unwrap();
        assert_eq!(chart.path, "M0 100 L0 100 L1 52 L2 4 L2 100 Z");
        assert_eq!(chart.peak, 100);
    }

    #[test]
    fn without_a_rate_there_is_no_curve() {
        assert_eq!(chart(&[]), None);
        assert_eq!(chart(&[0, 0]), None);
    }
}
