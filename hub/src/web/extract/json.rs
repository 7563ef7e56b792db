//! JSON that is read to the letter.
//!
//! serde alone lets the last of two equal keys win and fills a struct from a list by position. Here a
//! document becomes a tree in which every key stands once, and a struct is read from an object only.
//! What is wrong is told with its place and in plain words.

use std::fmt::{self, Display};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Number;

/// Up to here each whole number is a floating-point number of its own: 2 to the power of 53.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A value with its members in the order in which they were written.
#[derive(Debug)]
enum JsonNode {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<JsonNode>),
    Object(Vec<(String, JsonNode)>),
}

/// Why a document can't be read: where, and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    place: String,
    what: String,
}

/// Reads one value and nothing behind it.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| Wrong::custom("the text is not UTF-8"))?;
    let tree: JsonNode = serde_json::from_str(text).map_err(Wrong::custom)?;
    match tree {
        JsonNode::Object(_) => T::deserialize(tree),
        other => Err(Wrong::invalid_type(other.unexpected(), &"an object")),
    }
}

impl JsonNode {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => Unexpected::Unsigned(value),
                (None, Some(value)) => Unexpected::Signed(value),
                (None, None) => Unexpected::Float(number.as_f64().unwrap_or_default()),
            },
            Self::Text(text) => Unexpected::Str(text),
            Self::List(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserialize<'de> for JsonNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = JsonNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<JsonNode, E> {
        Ok(JsonNode::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonNode, E> {
        Ok(JsonNode::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<JsonNode, E> {
        // What the database holds.
        i64::try_from(value).map(|value| JsonNode::Number(value.into())).map_err(|_| E::custom("a number is too large"))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonNode, E> {
        Ok(JsonNode::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<JsonNode, E> {
        // `5.0` is a whole number, as far as these are exact.
        let is_whole = value.fract() == 0.0 && value.abs() <= MOST_EXACT;
        let whole = is_whole.then(|| format!("{value:.0}").parse::<i64>().ok()).flatten();
        let number = whole.map(Number::from).or_else(|| Number::from_f64(value));
        number.map(JsonNode::Number).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonNode, E> {
        Ok(JsonNode::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<JsonNode, E> {
        Ok(JsonNode::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<JsonNode, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(JsonNode::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonNode, A::Error> {
        let mut members: Vec<(String, JsonNode)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some((name, value)) = map.next_entry::<String, JsonNode>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("the key \"{name}\" stands there twice")));
            }
            members.push((name, value));
        }
        Ok(JsonNode::Object(members))
    }
}

impl Wrong {
    fn inside(mut self, step: &str) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{step}{dot}{}", self.place);
        self
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", self.place, self.what) }
    }
}

impl std::error::Error for Wrong {}

/// What a type is called by people.
pub(super) fn in_plain_words(expected: &str) -> String {
    let most: u64 = match expected {
        "u8" => u8::MAX.into(),
        "u16" => u16::MAX.into(),
        "u32" => u32::MAX.into(),
        "u64" | "usize" => return "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => return "a whole number".to_owned(),
        "f32" | "f64" => return "a number".to_owned(),
        "a boolean" | "bool" => return "true or false".to_owned(),
        "a string" | "String" | "str" => return "a text".to_owned(),
        "a sequence" => return "a list".to_owned(),
        "a map" => return "an object".to_owned(),
        _ if expected.starts_with("struct ") => return "an object".to_owned(),
        _ => return expected.to_owned(),
    };
    format!("a whole number from 0 to {most}")
}

fn given(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Unit => "null".to_owned(),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(text) => format!("the text \"{text}\""),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        other => other.to_string(),
    }
}

impl serde::de::Error for Wrong {
    fn custom<T: Display>(text: T) -> Self {
        Self { place: String::new(), what: text.to_string() }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {}, not {}", in_plain_words(&expected.to_string()), given(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("expected one of {}, not the text \"{variant}\"", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("\"{field}\" is not known here; known are: {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("\"{field}\" is missing"))
    }
}

impl<'de> Deserializer<'de> for JsonNode {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Self::Text(text) => visitor.visit_string(text),
            Self::List(items) => visitor.visit_seq(Items { items: items.into_iter(), at: 0 }),
            Self::Object(members) => visitor.visit_map(Members { members: members.into_iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Null => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    /// From an object only: a list would be taken by position.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            Self::Object(_) => self.deserialize_any(visitor),
            other => Err(Wrong::invalid_type(other.unexpected(), &"an object")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            Self::Text(text) => visitor.visit_enum(text.into_deserializer()),
            Self::Object(mut members) if members.len() == 1 => match members.pop() {
                Some((name, value)) => visitor.visit_enum(Variant { name, value }),
                None => Err(Wrong::custom("expected a text")),
            },
            other => Err(Wrong::invalid_type(other.unexpected(), &"a text")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

struct Items {
    items: std::vec::IntoIter<JsonNode>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        seed.deserialize(item).map(Some).map_err(|wrong| wrong.inside(&format!("[{at}]")))
    }
}

struct Members {
    members: std::vec::IntoIter<(String, JsonNode)>,
    value: Option<(String, JsonNode)>,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Wrong;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        let key = name.clone();
        self.value = Some((name, value));
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let (name, value) = self.value.take().ok_or_else(|| Wrong::custom("a key without a value"))?;
        seed.deserialize(value).map_err(|wrong| wrong.inside(&name))
    }
}

struct Variant {
    name: String,
    value: JsonNode,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Wrong;
    type Variant = JsonNode;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, JsonNode), Wrong> {
        let name = seed.deserialize(self.name.into_deserializer())?;
        Ok((name, self.value))
    }
}

impl<'de> VariantAccess<'de> for JsonNode {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Err(Wrong::custom("expected a text"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Wrong> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_struct("", &[], visitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use rstest::rstest;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        name: String,
        size: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        pairs: Vec<Pair>,
        #[serde(default)]
        on: Option<bool>,
    }

    #[test]
    fn what_is_right_is_read() {
        let read: Asked = read(br#" {"pairs": [{"size": 7, "name": "a"}], "on": null} "#).unwrap();
        assert_eq!(read, Asked { pairs: vec![Pair { name: "a".into(), size: 7 }], on: None });
    }

    #[rstest]
    #[case("[[], null]", "expected an object, not a list")]
    #[case(r#"{"pairs": [["a", 7]]}"#, "pairs[0]: expected an object, not a list")]
    #[case(r#"{"pairs": [], "pairs": []}"#, "twice")]
    #[case(r#"{"pairs": [{"name": "a", "name": "b", "size": 7}]}"#, "twice")]
    #[case(r#"{"pairs": [{"name": "a", "size": -1}]}"#, "pairs[0].size: expected a whole number from 0 to 4294967295")]
    #[case(r#"{"pairs": [{"name": "a", "size": 7.5}]}"#, "whole number")]
    #[case(r#"{"pairs": [{"name": "a", "size": 4294967296}]}"#, "whole number")]
    #[case(r#"{"pairs": [{"name": "a", "size": "7"}]}"#, "not the text \"7\"")]
    #[case(r#"{"pairs": [{"name": 1, "size": 7}]}"#, "pairs[0].name: expected a text, not 1")]
    #[case(r#"{"pairs": {}}"#, "pairs: expected a list, not an object")]
    #[case(r#"{"pairs": [], "more": 1}"#, "\"more\" is not known here")]
    #[case(r#"{"pairs": [], "on": "yes"}"#, "on: expected true or false")]
    #[case("{}", "\"pairs\" is missing")]
    #[case(r#"{"pairs": []} x"#, "trailing")]
    #[case(r#"{"pairs": []"#, "EOF")]
    #[case("null", "expected an object, not null")]
    #[case("\"text\"", "expected an object")]
    fn what_is_wrong_is_told_with_its_place(#[case] text: &str, #[case] told: &str) {
        let wrong = read::<Asked>(text.as_bytes()).unwrap_err().to_string();
        assert!(wrong.contains(told), "{text}: {wrong}");
    }

    #[test]
    fn what_is_no_utf8_is_no_json() {
        assert!(read::<Asked>(b"{\"pairs\": [{\"name\": \"\xff\", \"size\": 1}]}").is_err());
    }
}
