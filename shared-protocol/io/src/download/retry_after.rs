//! How long a source asks to be left alone, in all the ways in which servers say that. Pure.
//!
//! `Retry-After` is a number of seconds, with a fraction at some sites, or a date; dates are taken against the
//! answer's own `Date`, because clocks differ. Where it is missing, `RateLimit` (Hugging Face's
//! `"resolvers";r=0;t=7` and the older `limit=…, remaining=0, reset=7`) and the `…-Reset` headers tell it: seconds
//! from now or, where the number is that large, a moment since 1970.

use std::time::{Duration, SystemTime};

/// Numbers from here on are moments since 1970: as a wait it would be thirty years.
const LEAST_MOMENT: f64 = 1e9;

/// Moments from here on are told in milliseconds.
const LEAST_MILLIS: f64 = 1e11;

/// Headers that tell when a used-up budget is full again, with those that tell what is left of it.
const RESETS: [(&str, &str); 4] = [
    ("x-ratelimit-reset-after", "x-ratelimit-remaining"),
    ("ratelimit-reset", "ratelimit-remaining"),
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ("x-rate-limit-reset", "x-rate-limit-remaining"),
];

/// The wait that an answer asks for; none if it asks for none. `header` finds a header by its lower-case name.
pub fn wait_asked_for(header: impl Fn(&str) -> Option<String>, clock: SystemTime) -> Option<Duration> {
    let now = header("date").and_then(|text| httpdate::parse_http_date(text.trim()).ok()).unwrap_or(clock);
    let millis = || header("retry-after-ms").and_then(|text| number(&text)).map(|millis| millis / 1_000.0);
    let after = || header("retry-after").and_then(|text| seconds(&text, now));
    let budget = || header("ratelimit").and_then(|text| of_budget(&text));
    let reset = || {
        RESETS.iter().find_map(|(reset, left)| {
            let is_used_up = header(left).and_then(|left| number(&left)).is_none_or(|left| left < 1.0);
            header(reset).filter(|_| is_used_up).and_then(|text| seconds(&text, now))
        })
    };
    let seconds = after().or_else(millis).or_else(budget).or_else(reset)?;
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero())
}

/// Whether an answer says that a budget of requests is used up.
pub(super) fn is_used_up(header: impl Fn(&str) -> Option<String>) -> bool {
    header("retry-after").is_some()
        || RESETS.iter().any(|(_, left)| header(left).and_then(|left| number(&left)).is_some_and(|left| left < 1.0))
}

/// A number, with a fraction or without.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// Seconds from now: of a number of seconds, a moment since 1970, or a date.
fn seconds(text: &str, now: SystemTime) -> Option<f64> {
    let since =
        |moment: Duration| moment.saturating_sub(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    let text = text.trim();
    match number(text.strip_suffix('s').unwrap_or(text)) {
        Some(wait) if wait < LEAST_MOMENT => Some(wait),
        Some(moment) => {
            let moment = if moment < LEAST_MILLIS { moment } else { moment / 1_000.0 };
            Duration::try_from_secs_f64(moment).ok().map(|moment| since(moment).as_secs_f64())
        }
        None => {
            let at = httpdate::parse_http_date(text).ok()?;
            Some(at.duration_since(now).unwrap_or_default().as_secs_f64())
        }
    }
}

/// The longest `t` or `reset` among the budgets of `RateLimit` that are used up. A name may hold anything.
fn of_budget(text: &str) -> Option<f64> {
    let mut quoted = false;
    let bare: String = text
        .chars()
        .filter(|c| {
            quoted ^= *c == '"';
            !quoted && *c != '"'
        })
        .collect();
    let find = |part: &str, separator: char, names: [&str; 2]| {
        let mut pairs = part.split(separator).filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| names.contains(&name.trim())).and_then(|(_, value)| number(value))
    };
    let wait = |part: &str, separator| {
        let is_used_up = find(part, separator, ["r", "remaining"]).is_none_or(|left| left < 1.0);
        find(part, separator, ["t", "reset"]).filter(|_| is_used_up)
    };
    let budgets = bare.split(',').filter_map(|part| wait(part, ';').filter(|_| part.contains(';')));
    budgets.reduce(f64::max).or_else(|| if bare.contains(';') { None } else { wait(&bare, ',') })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 2026-01-27 12:00:00 UTC.
    const NOW: u64 = 1_769_515_200;

    fn asked(headers: &[(&str, &str)]) -> Option<f64> {
        let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let wait = wait_asked_for(find, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
        wait.map(|wait| (wait.as_secs_f64() * 1_000.0).round() / 1_000.0)
    }

    #[rstest]
    #[case::seconds("retry-after", "7", Some(7.0))]
    #[case::a_fraction("retry-after", "7.0", Some(7.0))]
    #[case::half_a_second("retry-after", " 0.5 ", Some(0.5))]
    #[case::unit("retry-after", "7s", Some(7.0))]
    #[case::date("retry-after", "Tue, 27 Jan 2026 12:00:07 GMT", Some(7.0))]
    #[case::old_date("retry-after", "Tuesday, 27-Jan-26 12:00:07 GMT", Some(7.0))]
    #[case::asctime("retry-after", "Tue Jan 27 12:00:07 2026", Some(7.0))]
    #[case::past("retry-after", "Tue, 27 Jan 2026 11:00:00 GMT", None)]
    #[case::zero("retry-after", "0", None)]
    #[case::negative("retry-after", "-3", None)]
    #[case::endless("retry-after", "inf", None)]
    #[case::words("retry-after", "soon", None)]
    #[case::millis("retry-after-ms", "7000", Some(7.0))]
    #[case::hugging_face("ratelimit", "\"api\";r=0;t=7", Some(7.0))]
    #[case::spaces("ratelimit", "\"resolvers\"; r=0; t=7", Some(7.0))]
    #[case::order("ratelimit", "\"api\";t=7;r=0", Some(7.0))]
    #[case::two("ratelimit", "\"a\";r=50;t=30, \"b\";r=0;t=7", Some(7.0))]
    #[case::strange_name("ratelimit", "\"a;t=9,r=1\";r=0;t=7", Some(7.0))]
    #[case::something_left("ratelimit", "\"api\";r=1;t=7", None)]
    #[case::draft_three("ratelimit", "limit=100, remaining=0, reset=7", Some(7.0))]
    #[case::draft_three_left("ratelimit", "limit=100, remaining=3, reset=7", None)]
    #[case::reset("ratelimit-reset", "7", Some(7.0))]
    #[case::reset_moment("x-ratelimit-reset", "1769515207", Some(7.0))]
    #[case::reset_fraction("x-ratelimit-reset", "1769515207.5", Some(7.5))]
    #[case::reset_millis("x-ratelimit-reset", "1769515207000", Some(7.0))]
    #[case::reset_date("x-ratelimit-reset", "Tue, 27 Jan 2026 12:00:07 GMT", Some(7.0))]
    #[case::reset_past("x-ratelimit-reset", "1700000000", None)]
    #[case::reset_after("x-ratelimit-reset-after", "7.25", Some(7.25))]
    #[case::nothing("x-other", "7", None)]
    fn every_form_is_read(#[case] name: &str, #[case] value: &str, #[case] expected: Option<f64>) {
        assert_eq!(asked(&[(name, value)]), expected);
    }

    #[test]
    fn the_source_tells_by_which_clock() {
        let date = ("date", "Tue, 27 Jan 2026 10:00:00 GMT");
        assert_eq!(asked(&[date, ("retry-after", "Tue, 27 Jan 2026 10:00:07 GMT")]), Some(7.0));
        assert_eq!(asked(&[date, ("x-ratelimit-reset", "1769508007")]), Some(7.0));
    }

    #[test]
    fn retry_after_comes_first_and_a_budget_that_is_not_used_up_says_nothing() {
        assert_eq!(asked(&[("retry-after", "2"), ("ratelimit", "\"api\";r=0;t=70")]), Some(2.0));
        assert_eq!(asked(&[("retry-after", "0"), ("ratelimit", "\"api\";r=0;t=70")]), None);
        assert_eq!(asked(&[("x-ratelimit-reset", "60"), ("x-ratelimit-remaining", "12")]), None);
        assert_eq!(asked(&[("x-ratelimit-reset", "60"), ("x-ratelimit-remaining", "0")]), Some(60.0));
    }
}
