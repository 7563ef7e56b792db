//! JSON that may hold anything: what is of another type than asked for is as if it were not there.
//!
//! The parser's own bound on depth holds; a file that is deeper says nothing.

use serde_json::Value;

use super::html;
use super::texts::{MAX_FACT, MAX_TEXT, digest, kept};

/// Entries of a list that are kept.
const MAX_LIST: usize = 1_000;

/// Parses a file. Half characters, which Python writes and the parser refuses, are replaced.
pub(super) fn parse(text: &str) -> Option<Value> {
    let value = serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_half_characters(text)));
    value.ok().filter(Value::is_object)
}

fn without_half_characters(json: &str) -> String {
    let mut whole = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        let unit = unit_of(escape);
        let is_pair =
            matches!(unit, Some(0xd800..=0xdbff)) && matches!(escape.get(6..).and_then(unit_of), Some(0xdc00..=0xdfff));
        let length = match unit {
            Some(_) if is_pair => 12,
            Some(0xd800..=0xdfff) => {
                whole.push_str("\\ufffd");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            Some(_) => 6,
            None => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (taken, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        whole.push_str(taken);
        rest = after;
    }
    whole.push_str(rest);
    whole
}

/// The unit of an escape `\uXXXX` at the beginning.
fn unit_of(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// What is at a path of names.
pub(super) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.as_object()?.get(*name))
}

/// A short text.
pub(super) fn fact(value: &Value, path: &[&str]) -> Option<String> {
    kept(at(value, path)?.as_str()?, MAX_FACT)
}

/// A long text as it is.
pub(super) fn text(value: &Value, path: &[&str]) -> Option<String> {
    kept(at(value, path)?.as_str()?, MAX_TEXT)
}

/// A long text that may be HTML, as plain text.
pub(super) fn prose(value: &Value, path: &[&str]) -> Option<String> {
    kept(&html::plain(at(value, path)?.as_str()?), MAX_TEXT)
}

/// The texts of a list; a text by itself is a list of one.
pub(super) fn list(value: &Value, path: &[&str]) -> Vec<String> {
    match at(value, path) {
        Some(Value::Array(entries)) => {
            entries.iter().filter_map(Value::as_str).filter_map(|entry| kept(entry, MAX_TEXT)).take(MAX_LIST).collect()
        }
        Some(Value::String(only)) => kept(only, MAX_TEXT).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The number that something is known by: positive, also where it was written as a text.
pub(super) fn id(value: &Value, path: &[&str]) -> Option<u64> {
    let number = match at(value, path)? {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (number > 0).then_some(number)
}

/// A finite number other than zero, which is what programs write for none.
pub(super) fn weight(value: &Value, path: &[&str]) -> Option<f64> {
    let number = match at(value, path)? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (number.is_finite() && number != 0.0 && number.abs() <= 100.0).then_some(number)
}

pub(super) fn truth(value: &Value, path: &[&str]) -> Option<bool> {
    at(value, path)?.as_bool()
}

/// A digest of so many digits.
pub(super) fn hash(value: &Value, path: &[&str], digits: usize) -> Option<String> {
    digest(at(value, path)?.as_str()?, digits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn half_characters_are_replaced() {
        let value = parse(r#"{"a":"x\ud800y","b":"\ud83d\ude00\\ud800","c":"\u00e9\udc00"}"#).unwrap();
        assert_eq!(fact(&value, &["a"]).as_deref(), Some("x\u{fffd}y"));
        assert_eq!(fact(&value, &["b"]).as_deref(), Some("😀\\ud800"));
        assert_eq!(fact(&value, &["c"]).as_deref(), Some("é\u{fffd}"));
        for odd in ["{\"a\":\"\\ud8", "\\", "\\é", "\\ué", "\\ud800\\u"] {
            assert!(parse(odd).is_none());
        }
    }

    #[test]
    fn other_types_are_passed_over() {
        let value = parse(r#"{"t":7,"l":["a",7,null,["b"]," "],"i":-3,"s":"12","w":"0.8","z":0,"t":[1]}"#).unwrap();
        assert_eq!((fact(&value, &["t"]), list(&value, &["l"])), (None, vec!["a".to_owned()]));
        assert_eq!((id(&value, &["i"]), id(&value, &["s"])), (None, Some(12)));
        assert_eq!((weight(&value, &["w"]), weight(&value, &["z"])), (Some(0.8), None));
        assert_eq!(at(&value, &["t", "x", "y"]), None);
    }

    #[test]
    fn lists_texts_and_depth_are_bounded() {
        let words: Vec<_> = (0..5_000).map(|n| format!("\"w{n}\"")).collect();
        let json = format!(r#"{{"l":[{}],"t":"{}"}}"#, words.join(","), "é".repeat(100_000));
        let value = parse(&json).unwrap();
        assert_eq!(list(&value, &["l"]).len(), MAX_LIST);
        assert_eq!(text(&value, &["t"]).unwrap().len(), MAX_TEXT);
        assert!(parse(&format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000))).is_none());
    }
}
