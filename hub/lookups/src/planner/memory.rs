//! How long an answer is remembered.

use std::time::{Duration, SystemTime};

/// How long what was found is believed.
pub const FOUND_KEPT: Duration = Duration::from_hours(30 * 24);

/// How long it is believed that there is nothing.
pub const NOT_FOUND_KEPT: Duration = Duration::from_hours(7 * 24);

/// What a site answered about one digest or address. That nothing came of asking is not remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// It has it.
    Found,
    /// It does not.
    NotFound,
}

impl Remembered {
    /// Whether it still counts. What was answered in the future, by a clock that was put back since, does not.
    pub fn is_fresh(self, answered_at: SystemTime, now: SystemTime) -> bool {
        let kept = match self {
            Self::Found => FOUND_KEPT,
            Self::NotFound => NOT_FOUND_KEPT,
        };
        now.duration_since(answered_at).is_ok_and(|age| age < kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_asked_for_sooner() {
        let answered_at = SystemTime::UNIX_EPOCH + Duration::from_hours(24_000);
        let after = |days: u64| answered_at + Duration::from_hours(24 * days);
        for (said, days, is_fresh) in [
            (Remembered::Found, 29, true),
            (Remembered::Found, 30, false),
            (Remembered::NotFound, 6, true),
            (Remembered::NotFound, 7, false),
        ] {
            assert_eq!(said.is_fresh(answered_at, after(days)), is_fresh, "{said:?} {days}");
        }
        assert!(!Remembered::Found.is_fresh(after(1), answered_at));
    }
}
