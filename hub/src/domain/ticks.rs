//! Modification times, at the resolution Windows keeps them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Ticks in a second.
const PER_SECOND: i64 = 10_000_000;

/// FAT keeps even seconds and SMB servers round: times this close count as equal.
const TOLERANCE: i64 = 2 * PER_SECOND;

const HOUR: i64 = 3_600 * PER_SECOND;

/// A point in time in units of 100 ns since 1970-01-01T00:00:00Z; may be negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticks(pub i64);

impl Ticks {
    /// The tick that a time falls into.
    pub fn from_system_time(time: SystemTime) -> Self {
        let ticks = |d: Duration| i64::try_from(d.as_nanos() / 100).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(ticks(since)),
            Err(before) => Self(-ticks(before.duration() + Duration::from_nanos(99))),
        }
    }

    /// The tick of a time as Unix tells it; the same one as [`Self::from_system_time`] gives.
    pub const fn from_unix(seconds: i64, nanoseconds: i64) -> Self {
        Self(seconds.saturating_mul(PER_SECOND).saturating_add(nanoseconds / 100))
    }

    /// The time at which the tick begins.
    pub fn to_system_time(self) -> SystemTime {
        let duration =
            |ticks: u64| Duration::new(ticks / 10_000_000, u32::try_from(ticks % 10_000_000).unwrap_or(0) * 100);
        let time = if self.0 >= 0 {
            UNIX_EPOCH.checked_add(duration(self.0.unsigned_abs()))
        } else {
            UNIX_EPOCH.checked_sub(duration(self.0.unsigned_abs()))
        };
        time.unwrap_or(UNIX_EPOCH)
    }

    /// The time as a timestamp for people and the API.
    pub fn to_timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::try_from(self.to_system_time()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Equal as far as FAT and SMB can tell.
    pub const fn same(self, other: Self) -> bool {
        self.0.abs_diff(other.0) <= TOLERANCE.unsigned_abs()
    }

    /// Exactly an hour apart: a file system that keeps local time went through a clock change.
    pub const fn hour_apart(self, other: Self) -> bool {
        self.0.abs_diff(other.0).abs_diff(HOUR.unsigned_abs()) <= TOLERANCE.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tick_survives_the_system_time(ticks in -1_000_000_000_000_000_i64..100_000_000_000_000_000) {
            prop_assert_eq!(Ticks::from_system_time(Ticks(ticks).to_system_time()), Ticks(ticks));
        }

        #[test]
        fn both_ways_to_a_tick_agree(seconds in -10_000_000_000_i64..10_000_000_000, nanos in 0_i64..1_000_000_000) {
            let whole = Duration::from_secs(seconds.unsigned_abs());
            let start = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
            let time = start + Duration::from_nanos(nanos.unsigned_abs());
            prop_assert_eq!(Ticks::from_unix(seconds, nanos), Ticks::from_system_time(time));
        }
    }

    #[test]
    fn two_seconds_are_the_same_time() {
        let time = Ticks(17_000_000_000_000_000);
        assert!(time.same(Ticks(time.0 + 2 * PER_SECOND)));
        assert!(!time.same(Ticks(time.0 + 2 * PER_SECOND + 1)));
        assert!(time.hour_apart(Ticks(time.0 - HOUR + PER_SECOND)));
        assert!(!time.hour_apart(time));
    }
}
