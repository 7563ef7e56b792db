//! `If-Match`, `If-None-Match` and `If-Range` against a content's tag (RFC 9110, section 13).
//!
//! The tag is the content's digest, so it is strong and the same for as long as there are files. There
//! is no `Last-Modified`: a condition on a date never holds.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use shared_protocol::Blake3;

/// What the conditions lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConditionVerdict {
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
pub(super) fn judge(headers: &HeaderMap, tag: &HeaderValue) -> ConditionVerdict {
    if headers.contains_key(header::IF_MATCH) && !lists(headers, &header::IF_MATCH, tag, false) {
        return ConditionVerdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) && lists(headers, &header::IF_NONE_MATCH, tag, true) {
        return ConditionVerdict::NotModified;
    }
    match headers.get(header::IF_RANGE) {
        Some(range_of) if range_of != tag => ConditionVerdict::AnswerWhole,
        _ => ConditionVerdict::Answer,
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
    #[case(&[], ConditionVerdict::Answer)]
    #[case(&[("if-match", "TAG")], ConditionVerdict::Answer)]
    #[case(&[("if-match", "\"x\", TAG")], ConditionVerdict::Answer)]
    #[case(&[("if-match", "*")], ConditionVerdict::Answer)]
    #[case(&[("if-match", "\"x\"")], ConditionVerdict::Failed)]
    #[case(&[("if-match", "W/TAG")], ConditionVerdict::Failed)]
    #[case(&[("if-none-match", "TAG")], ConditionVerdict::NotModified)]
    #[case(&[("if-none-match", "W/TAG")], ConditionVerdict::NotModified)]
    #[case(&[("if-none-match", "*")], ConditionVerdict::NotModified)]
    #[case(&[("if-none-match", "\"x\"")], ConditionVerdict::Answer)]
    #[case(&[("if-match", "\"x\""), ("if-none-match", "TAG")], ConditionVerdict::Failed)]
    #[case(&[("if-range", "TAG")], ConditionVerdict::Answer)]
    #[case(&[("if-range", "W/TAG")], ConditionVerdict::AnswerWhole)]
    #[case(&[("if-range", "\"x\"")], ConditionVerdict::AnswerWhole)]
    #[case(&[("if-range", "Wed, 21 Oct 2015 07:28:00 GMT")], ConditionVerdict::AnswerWhole)]
    #[case(&[("if-none-match", "TAG"), ("if-range", "\"x\"")], ConditionVerdict::NotModified)]
    fn conditions_are_judged_in_order(#[case] headers: &[(&'static str, &str)], #[case] verdict: ConditionVerdict) {
        let tag = tag(&Blake3::from_bytes([7; 32]));
        let text = tag.to_str().unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.replace("TAG", text).parse().unwrap()))
            .collect();
        assert_eq!(judge(&headers, &tag), verdict);
    }
}
