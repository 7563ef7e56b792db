//! A curve over time as the path of an SVG, drawn here so that pages need no script for it. Its axis is
//! time itself: where nothing was measured there is a gap.

use std::fmt::Write;

/// Width of a curve, in its own units.
pub(in crate::web) const WIDTH: u64 = 1_000;

/// Height of a curve, in its own units.
const HEIGHT: u64 = 100;

/// Width of what was measured once only, so that it is seen.
const LEAST: u64 = 2;

/// What was measured at one time; the time is counted from the left end of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct Point {
    /// In the units of the span.
    pub at: u64,
    pub value: u64,
    /// It belongs to the one before it: nothing is missing between the two.
    pub follows: bool,
}

/// The path of these points, the oldest first, on an axis of this span. Each run without a gap is a
/// closed piece; `most` reaches the top.
pub(in crate::web) fn path(points: &[Point], span: u64, most: u64) -> String {
    let x = |at: u64| scaled(at.min(span), WIDTH, span);
    let y = |value: u64| HEIGHT - scaled(value.min(most), HEIGHT - 4, most);
    let mut path = String::new();
    let mut rest = points;
    while let Some((first, others)) = rest.split_first() {
        let n = 1 + others.iter().take_while(|point| point.follows).count();
        let (run, after) = rest.split_at(n);
        rest = after;
        let (from, to) = (x(first.at), x(run.last().unwrap_or(first).at));
        // Writing to a String can't fail.
        write!(path, "M{from} {HEIGHT}").ok();
        for point in run {
            write!(path, " L{} {}", x(point.at), y(point.value)).ok();
        }
        let to = if to - from < LEAST {
            let end = (from + LEAST).min(WIDTH);
            write!(path, " L{end} {}", y(run.last().unwrap_or(first).value)).ok();
            end
        } else {
            to
        };
        write!(path, " L{to} {HEIGHT} Z").ok();
    }
    path
}

fn scaled(part: u64, of: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(of) / u128::from(whole.max(1))).unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn point(at: u64, value: u64, follows: bool) -> Point {
        Point { at, value, follows }
    }

    #[test]
    fn time_runs_to_the_right_and_the_most_is_on_top() {
        let points = [point(0, 100, false), point(50, 50, true), point(200, 0, true)];
        assert_eq!(path(&points, 200, 100), "M0 100 L0 4 L250 52 L1000 100 L1000 100 Z");
        assert_eq!(path(&[], 200, 100), "");
    }

    #[test]
    fn what_was_not_measured_is_a_gap() {
        let points = [point(0, 100, false), point(10, 100, true), point(90, 100, false), point(100, 100, true)];
        assert_eq!(path(&points, 100, 100), "M0 100 L0 4 L100 4 L100 100 ZM900 100 L900 4 L1000 4 L1000 100 Z");
    }

    #[test]
    fn what_was_measured_once_is_seen() {
        assert_eq!(path(&[point(50, 5, false)], 100, 5), "M500 100 L500 4 L502 4 L502 100 Z");
        assert_eq!(path(&[point(9, 0, false)], 0, 0), "M0 100 L0 100 L2 100 L2 100 Z");
    }
}
