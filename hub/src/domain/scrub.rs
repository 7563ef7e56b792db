//! When and how much of the library is verified in idle hours.

use serde::{Deserialize, Serialize};

/// What was read on a day, and since when files count as due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The day, as days since some day.
    pub day: i32,
    /// Bytes read. More than a day's share, by a large file, counts for the days that follow.
    pub bytes: u64,
    /// When this day's work began, in milliseconds: what was verified before is due, so that each file is read once a day
    /// at most.
    pub since: i64,
}

impl Spent {
    /// As it stands on this day, at this time, with this share per day.
    #[must_use]
    pub fn on(self, day: i32, now: i64, share: u64) -> Self {
        if day == self.day {
            return self;
        }
        // A clock that was set back begins a new day, too.
        let days = u64::try_from(day - self.day).unwrap_or(1);
        Self { day, bytes: self.bytes.saturating_sub(share.saturating_mul(days)), since: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_too_much_counts_for_the_days_that_follow() {
        let spent = Spent { day: 10, bytes: 250, since: 5 };
        assert_eq!(spent.on(10, 9, 100), spent);
        assert_eq!(spent.on(11, 9, 100), Spent { day: 11, bytes: 150, since: 9 });
        assert_eq!(spent.on(13, 9, 100).bytes, 0);
        assert_eq!(spent.on(9, 9, 100).day, 9, "the clock was set back");
    }
}
