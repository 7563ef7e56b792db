//! Which part of a content a `Range` header asks for (RFC 9110, section 14).
//!
//! One range of bytes is served. A request for several gets the whole content, which the standard
//! allows to any server: agents never ask for it, and a multipart body could not be gone on from. What
//! can't be read as a range is ignored, for the same reason.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, header};

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedRange {
    /// Everything: 200.
    Whole,
    /// These bytes, at least one: 206.
    Part(Range<u64>),
    /// Nothing that the content has: 416.
    Nothing,
}

/// What the headers ask for of a content of this size.
pub(super) fn wanted(headers: &HeaderMap, size_bytes: u64) -> WantedRange {
    let mut all = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return WantedRange::Whole };
    value.to_str().ok().and_then(|text| read(text, size_bytes)).unwrap_or(WantedRange::Whole)
}

/// `None` for what is no single range.
fn read(text: &str, size_bytes: u64) -> Option<WantedRange> {
    let (unit, spec) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim_matches([' ', '\t']).split_once('-')?;
    let part = |from: u64, to: u64| if from < to { WantedRange::Part(from..to) } else { WantedRange::Nothing };
    match (first, last) {
        ("", n) => {
            let n = number(n)?;
            Some(part(size_bytes.saturating_sub(n), size_bytes))
        }
        (first, "") => Some(part(number(first)?, size_bytes)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| part(first, last.saturating_add(1).min(size_bytes)))
        }
    }
}

/// Digits only; a number beyond what a file can have is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The `Content-Range` of a part.
pub(super) fn content_range(part: &Range<u64>, size_bytes: u64) -> HeaderValue {
    header_value(&format!("bytes {}-{}/{size_bytes}", part.start, part.end.saturating_sub(1)))
}

/// The `Content-Range` of a refusal, from which the client learns the size.
pub(super) fn no_range(size_bytes: u64) -> HeaderValue {
    header_value(&format!("bytes */{size_bytes}"))
}

fn header_value(ascii: &str) -> HeaderValue {
    HeaderValue::from_str(ascii).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn asked(value: &str, size_bytes: u64) -> WantedRange {
        wanted(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_str(value).unwrap())]), size_bytes)
    }

    #[rstest]
    #[case("bytes=0-0", 0..1)]
    #[case("bytes=0-", 0..10)]
    #[case("bytes=9-", 9..10)]
    #[case("bytes=3-5", 3..6)]
    #[case("bytes=3-99", 3..10)]
    #[case("bytes=3-99999999999999999999999", 3..10)]
    #[case("bytes=-1", 9..10)]
    #[case("bytes=-99", 0..10)]
    #[case("BYTES=2-3", 2..4)]
    #[case("bytes= 2-3 ", 2..4)]
    fn one_range_is_a_part(#[case] value: &str, #[case] part: Range<u64>) {
        assert_eq!(asked(value, 10), WantedRange::Part(part));
    }

    #[rstest]
    #[case("bytes=10-")]
    #[case("bytes=10-20")]
    #[case("bytes=-0")]
    #[case("bytes=99999999999999999999999-")]
    fn what_the_content_does_not_have_is_not_satisfiable(#[case] value: &str) {
        assert_eq!(asked(value, 10), WantedRange::Nothing);
    }

    #[rstest]
    #[case("bytes=0-1,3-4")]
    #[case("bytes=")]
    #[case("bytes=-")]
    #[case("bytes=5-3")]
    #[case("bytes=+1-2")]
    #[case("bytes=1-2-3")]
    #[case("bytes=0x1-")]
    #[case("bytes=1.5-")]
    #[case("bytes 1-2")]
    #[case("lines=1-2")]
    #[case("1-2")]
    fn anything_else_is_passed_over(#[case] value: &str) {
        assert_eq!(asked(value, 10), WantedRange::Whole);
    }

    #[test]
    fn two_headers_are_no_single_range() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        headers.append(header::RANGE, HeaderValue::from_static("bytes=3-4"));
        assert_eq!(wanted(&headers, 10), WantedRange::Whole);
    }

    #[test]
    fn an_empty_content_has_no_parts() {
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(asked(value, 0), WantedRange::Nothing, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_and_is_what_was_asked(first in 0_u64..2_000, last in 0_u64..2_000, size in 0_u64..2_000) {
            let answer = asked(&format!("bytes={first}-{last}"), size);
            if first > last {
                prop_assert_eq!(answer, WantedRange::Whole);
            } else if first >= size {
                prop_assert_eq!(answer, WantedRange::Nothing);
            } else {
                prop_assert_eq!(answer, WantedRange::Part(first..size.min(last + 1)));
            }
        }

        #[test]
        fn no_text_asks_for_bytes_that_are_not_there(text in "[ -~]{0,40}", prefix in prop::bool::ANY, size: u64) {
            let text = if prefix { format!("bytes={text}") } else { text };
            if let WantedRange::Part(part) = asked(&text, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
