//! Hours of the day in which something may be done.

const DAY: u16 = 24 * 60;

/// Hours of a day in which something may be done: from the one minute, before the other. They may pass midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// Reads `01:00-06:00`. Nothing stands for the whole day, and so do two equal times.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.trim().split_once('-')?;
        Some(Self { from: minute(from)?, to: minute(to)? })
    }

    /// Whether this minute of the day is among them.
    pub const fn contain(self, minute: u16) -> bool {
        let Self { from, to } = self;
        if from < to { from <= minute && minute < to } else { minute >= from || minute < to }
    }
}

impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.to / 60, self.to % 60)
    }
}

/// `6:00`, `06:00`, and `24:00` for the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hour) || minute.len() != 2 || !is_number(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour * 60 + minute;
    (minute < 60 && of_day <= DAY).then_some(of_day % DAY)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hours_are_read_strictly() {
        for (text, shown) in
            [("01:00-06:00", "01:00-06:00"), (" 1:05 - 24:00 ", "01:05-00:00"), ("22:00-6:30", "22:00-06:30")]
        {
            assert_eq!(Hours::parse(text).unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "1-6",
            "01:00",
            "25:00-06:00",
            "01:60-02:00",
            "24:01-02:00",
            "1:0-2:00",
            "+1:00-2:00",
            "01:00-06:00-07:00",
        ] {
            assert_eq!(Hours::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hours_may_pass_midnight() {
        let of = |text: &str, hour: u16| Hours::parse(text).unwrap().contain(hour * 60);
        assert!(of("01:00-06:00", 1) && of("01:00-06:00", 5) && !of("01:00-06:00", 6) && !of("01:00-06:00", 0));
        assert!(of("22:00-06:00", 23) && of("22:00-06:00", 0) && of("22:00-06:00", 5));
        assert!(!of("22:00-06:00", 6) && !of("22:00-06:00", 21));
        assert!(of("00:00-24:00", 0) && of("00:00-24:00", 23), "the whole day");
    }

    proptest! {
        /// On each minute either these hours or those from their end to their begin are open.
        #[test]
        fn hours_and_their_rest_make_a_day(from in 0..DAY, to in 0..DAY, minute in 0..DAY) {
            prop_assume!(from != to);
            prop_assert_ne!(Hours { from, to }.contain(minute), Hours { from: to, to: from }.contain(minute));
        }
    }
}
