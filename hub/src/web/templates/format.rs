//! How sizes, rates and times are written for people. Pure functions, so that the wording is tested.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use crate::domain::size::{bytes, count};
pub use crate::domain::span::duration;

/// `1 file` or `12,345 files`.
pub fn n_files(number: impl TryInto<i64>) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    format!("{} {}", count(number), if number == 1 { "file" } else { "files" })
}

/// How long ago something was, in one unit: `5 min ago`; the date itself after a month.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - time.as_second();
    match seconds {
        ..-5 => date(time),
        -5..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        86_400..172_800 => "yesterday".to_owned(),
        172_800..2_592_000 => format!("{} days ago", seconds / 86_400),
        _ => date(time),
    }
}

/// The day, in the hub's time zone: `2026-03-01`.
pub fn date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d").to_string()
}

/// The full local time: `2026-03-01 14:02:33`.
pub fn absolute(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time of day: `14:02:33`.
pub fn clock(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

/// When something began that still lasts: the time of today, else the day too.
pub fn since(time: Timestamp, now: Timestamp) -> String {
    let pattern = if date(time) == date(now) { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    time.to_zoned(TimeZone::system()).strftime(pattern).to_string()
}

/// How much of the whole a part is, in whole percent; all of nothing is 100.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 100;
    }
    let percent = u128::from(part.min(whole)) * 100 / u128::from(whole);
    u64::try_from(percent).unwrap_or(100)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(5, "5 s")]
    #[case(65, "1 min 5 s")]
    #[case(725, "12 min")]
    #[case(3660, "1 h 1 min")]
    #[case(7200, "2 h")]
    #[case(90_000, "1 d 1 h")]
    fn durations_have_two_units(#[case] seconds: u64, #[case] text: &str) {
        assert_eq!(duration(seconds), text);
    }

    #[rstest]
    #[case(0, "just now")]
    #[case(59, "59 s ago")]
    #[case(3599, "59 min ago")]
    #[case(90_000, "yesterday")]
    #[case(864_000, "10 days ago")]
    fn times_are_relative(#[case] seconds: i64, #[case] text: &str) {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(ago(Timestamp::from_second(1_800_000_000 - seconds).unwrap(), now), text);
    }

    #[test]
    fn a_share_never_leaves_the_scale() {
        assert_eq!([percent(0, 0), percent(1, 3), percent(9, 3), percent(u64::MAX, u64::MAX)], [100, 33, 100, 100]);
    }
}
