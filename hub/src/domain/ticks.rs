//! Modification times, at the resolution Windows keeps them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// Ticks in a second.
const PER_SECOND: i64 = 10_000_000;

/// FAT keeps even seconds and SMB servers round: times this close count as equal.
pub const TOLERANCE: i64 = 2 * PER_SECOND;

const HOUR: i64 = 3_600 * PER_SECOND;

/// The beginning of the year 0.
const FIRST_SECOND: i64 = -62_167_219_200;

/// The first moment that RFC 3339 can tell.
pub fn first() -> jiff::Timestamp {
    jiff::Timestamp::from_second(FIRST_SECOND).unwrap_or(jiff::Timestamp::MIN)
}

/// Programs and pages are told it as RFC 3339 can.
impl Serialize for Ticks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_timestamp().serialize(serializer)
    }
}

/// A point in time in units of 100 ns since 1970-01-01T00:00:00Z; may be negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

    /// The time as RFC 3339 can tell it: what lies outside of the years 0 to 9999 is the first or the
    /// last of its moments.
    pub fn to_timestamp(self) -> jiff::Timestamp {
        let nanos = i32::try_from(self.0.rem_euclid(PER_SECOND) * 100).unwrap_or(0);
        let seconds = self.0.div_euclid(PER_SECOND);
        if seconds < FIRST_SECOND {
            return first();
        }
        jiff::Timestamp::new(seconds, nanos).unwrap_or(jiff::Timestamp::MAX)
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

    impl Ticks {
        /// The time at which the tick begins.
        pub(crate) fn to_system_time(self) -> SystemTime {
            let duration =
                |ticks: u64| Duration::new(ticks / 10_000_000, u32::try_from(ticks % 10_000_000).unwrap_or(0) * 100);
            let time = if self.0 >= 0 {
                UNIX_EPOCH.checked_add(duration(self.0.unsigned_abs()))
            } else {
                UNIX_EPOCH.checked_sub(duration(self.0.unsigned_abs()))
            };
            time.unwrap_or(UNIX_EPOCH)
        }
    }

    proptest! {
        #[test]
        fn any_time_is_one_of_rfc_3339(ticks in any::<i64>()) {
            let time = Ticks(ticks).to_timestamp().to_string();
            prop_assert!(!time.starts_with(['+', '-']), "{}", time);
        }

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
    fn no_time_is_taken_for_1970() {
        let at = |seconds: i64| Ticks(seconds * PER_SECOND);
        assert_eq!(at(0).to_timestamp().to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(at(FIRST_SECOND).to_timestamp().to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(at(FIRST_SECOND - 1).to_timestamp(), first());
        assert_eq!(at(253_402_300_800).to_timestamp(), jiff::Timestamp::MAX);
        assert_eq!(Ticks(i64::MAX).to_timestamp(), jiff::Timestamp::MAX);
        assert_eq!(Ticks(i64::MIN).to_timestamp(), first());
        // Not every system can tell such a time.
        if let Some(far) = UNIX_EPOCH.checked_add(Duration::from_secs(1 << 60)) {
            assert_eq!(Ticks::from_system_time(far), Ticks(i64::MAX));
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
