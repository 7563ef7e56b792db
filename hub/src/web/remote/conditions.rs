//! `If-Match`, `If-None-Match` and `If-Range` against a content's tag (RFC 9110, section 13).
//!
//! The tag is the content's digest, so it is strong and the same for as long as there are files. There
//! is no `Last-Modified`: a condition on a date never holds.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use shared_protocol::Blake3;

/// What the conditions lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer; a range counts.
    Answer,
    /// Answer with the whole: the range was meant for another content.
    AnswerWhole,
    NotModified,
    Failed,
}

/// The entity tag of a content.
pub(super) fn tag(content: &Blake3) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", content.to_hex())).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Judges the conditions of a GET or HEAD, in the order of the standard.
pub(super) fn judge(headers: &HeaderMap, tag: &HeaderValue) -> Verdict {
    if headers.contains_key(header::IF_MATCH) && !lists(headers, &header::IF_MATCH, tag, false) {
        return Verdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) && lists(headers, &header::IF_NONE_MATCH, tag, true) {
        return Verdict::NotModified;
    }
    match headers.get(header::IF_RANGE) {
        Some(range_of) if range_of != tag => Verdict::AnswerWhole,
        _ => Verdict::Answer,
    }
}

/// Whether a list of tags names ours. Ours has no comma in it, so a plain split is enough.
fn lists(headers: &HeaderMap, name: &HeaderName, tag: &HeaderValue, weak: bool) -> bool {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).any(|item| {
        let item = item.trim_matches([' ', '\t']);
        let item = if weak { item.strip_prefix("W/").unwrap_or(item) } else { item };
        item == "*" || item.as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], Verdict::Answer)]
    #[case(&[("if-match", "TAG")], Verdict::Answer)]
    #[case(&[("if-match", "\"x\", TAG")], Verdict::Answer)]
    #[case(&[("if-match", "*")], Verdict::Answer)]
    #[case(&[("if-match", "\"x\"")], Verdict::Failed)]
    #[case(&[("if-match", "W/TAG")], Verdict::Failed)]
    #[case(&[("if-none-match", "TAG")], Verdict::NotModified)]
    #[case(&[("if-none-match", "W/TAG")], Verdict::NotModified)]
    #[case(&[("if-none-match", "*")], Verdict::NotModified)]
    #[case(&[("if-none-match", "\"x\"")], Verdict::Answer)]
    #[case(&[("if-match", "\"x\""), ("if-none-match", "TAG")], Verdict::Failed)]
    #[case(&[("if-range", "TAG")], Verdict::Answer)]
    #[case(&[("if-range", "W/TAG")], Verdict::AnswerWhole)]
    #[case(&[("if-range", "\"x\"")], Verdict::AnswerWhole)]
    #[case(&[("if-range", "Wed, 21 Oct 2015 07:28:00 GMT")], Verdict::AnswerWhole)]
    #[case(&[("if-none-match", "TAG"), ("if-range", "\"x\"")], Verdict::NotModified)]
    fn conditions_are_judged_in_order(#[case] headers: &[(&'static str, &str)], #[case] verdict: Verdict) {
        let tag = tag(&Blake3::from_bytes([7; 32]));
        let text = tag.to_str().unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.replace("TAG", text).parse().unwrap()))
            .collect();
        assert_eq!(judge(&headers, &tag), verdict);
    }
}
