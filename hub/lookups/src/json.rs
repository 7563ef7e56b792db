//! JSON that may hold anything, read without a tree of all of it: lists are cut into entries that are parsed one by
//! one, and what is of another type than expected is as if it were not there.
//!
//! The parser's own bound on depth holds.

use core::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use shared_protocol::{Blake3, Sha256};

use crate::answer::AnswerError;

/// Bytes of a text that is kept.
const MAX_TEXT: usize = 2_000;

/// Entries of one list inside an entry.
const MAX_INNER: usize = 1_000;

/// A field that may be of another type than expected: then it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

/// A list whose entries were not read; at most `MAX` of them, an answer with more is refused.
#[derive(Debug, Default)]
pub(crate) struct Entries<'a, const MAX: usize>(Vec<&'a RawValue>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Entries<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const MAX: usize>;
        impl<'de, const MAX: usize> Visitor<'de> for Reader<MAX> {
            type Value = Entries<'de, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while entries.len() < MAX {
                    match seq.next_element()? {
                        Some(entry) => entries.push(entry),
                        None => return Ok(Entries(entries)),
                    }
                }
                match seq.next_element::<IgnoredAny>()? {
                    Some(_) => Err(serde::de::Error::custom(format_args!("{TOO_MANY}{MAX}"))),
                    None => Ok(Entries(entries)),
                }
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

/// How the error for too many entries begins.
const TOO_MANY: &str = "more entries than ";

impl<'a, const MAX: usize> Entries<'a, MAX> {
    /// The entries that are of the form, and how many are not.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> (Vec<T>, usize) {
        let read: Vec<T> = self.0.iter().filter_map(|entry| serde_json::from_str(entry.get()).ok()).collect();
        let n_others = self.0.len() - read.len();
        (read, n_others)
    }
}

/// A list inside an entry: what in it is not of the form is left out, and so is what is too much.
#[derive(Debug)]
pub(crate) struct Inner<T>(pub(crate) Vec<T>);

impl<T> Default for Inner<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Inner<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let entries: Option<Entries<'_, MAX_INNER>> = serde_json::from_str(raw.get()).ok();
        Ok(Self(entries.map(|entries| entries.read().0).unwrap_or_default()))
    }
}

/// Parses an answer.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, AnswerError> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(text).map_err(|error| {
        let said = error.to_string();
        let most = said.strip_prefix(TOO_MANY).and_then(|rest| rest.split(' ').next()?.parse().ok());
        // What the site wrote may stand in the message: a fact is enough.
        most.map_or_else(
            || AnswerError::Unreadable(format!("line {}, column {}", error.line(), error.column())),
            AnswerError::TooMany,
        )
    })
}

/// A short text, cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let mut end = MAX_TEXT.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.shrink_to_fit();
        Ok(Self(text))
    }
}

/// A number that something is known by: positive, also where it is written as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Told {
            Number(u64),
            Text(String),
        }
        let number = match Told::deserialize(deserializer)? {
            Told::Number(number) => Some(number),
            Told::Text(text) => text.parse().ok(),
        };
        number.filter(|number| *number > 0).map(Self).ok_or_else(|| serde::de::Error::custom("no number of a thing"))
    }
}

/// A SHA-256 as sites write it: 64 digits of any case, some with `sha256:` in front. Zeros only are none.
pub(crate) fn sha256(text: &str) -> Option<Sha256> {
    let digits = digits(text, "sha256:")?;
    format!("sha256:{digits}").parse().ok()
}

/// A BLAKE3, likewise.
pub(crate) fn blake3(text: &str) -> Option<Blake3> {
    let digits = digits(text, "blake3:")?;
    format!("blake3:{digits}").parse().ok()
}

fn digits(text: &str, prefix: &str) -> Option<String> {
    let text = text.trim().trim_matches('"');
    let text = match text.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => text.split_at(prefix.len()).1,
        _ => text,
    };
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_digest && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Thing {
        id: Id,
        #[serde(default)]
        name: Maybe<Text>,
        #[serde(default)]
        tags: Inner<Text>,
    }

    #[test]
    fn an_odd_entry_takes_nothing_from_its_neighbours() {
        let list = br#"[{"id": 1, "name": 7, "tags": ["a", 3, null]}, 5, {"id": -1}, {"id": "2", "name": "b"}, {}]"#;
        let entries: Entries<'_, 5> = parse(list).unwrap();
        let (things, n_others) = entries.read::<Thing>();
        assert_eq!((things.len(), n_others), (2, 3));
        let first = things.first().unwrap();
        assert_eq!((first.id, first.name.0.clone(), first.tags.0.len()), (Id(1), None, 1));
        let second = things.get(1).unwrap();
        assert_eq!((second.id.0, second.name.0.clone().unwrap().0, second.tags.0.len()), (2, "b".to_owned(), 0));
    }

    #[test]
    fn lists_texts_and_depth_are_bounded() {
        assert_eq!(parse::<Entries<'_, 2>>(b"[1,2,3]").unwrap_err(), AnswerError::TooMany(2));
        let Text(text) = parse(format!("\"{}\"", "é".repeat(5_000)).as_bytes()).unwrap();
        assert_eq!(text.len(), MAX_TEXT);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse::<Entries<'_, 2>>(deep.as_bytes()).unwrap().read::<Thing>().1, 1);
        assert!(
            matches!(parse::<Entries<'_, 2>>(b"{\"secret\": 1}"), Err(AnswerError::Unreadable(why)) if !why.contains("secret"))
        );
    }

    #[test]
    fn digests_in_all_spellings() {
        let hex = "0F".repeat(32);
        for text in [hex.clone(), hex.to_lowercase(), format!("sha256:{hex}"), format!("\"{hex}\""), format!(" {hex} ")]
        {
            assert_eq!(sha256(&text).unwrap().to_hex(), "0f".repeat(32), "{text}");
        }
        for other in ["", "0f", &"0".repeat(64), &"é".repeat(32), &format!("blake3:{hex}")] {
            assert_eq!(sha256(other), None, "{other}");
        }
        assert!(blake3(&hex).is_some());
    }
}
