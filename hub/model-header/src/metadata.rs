//! What a file's maker wrote into it. It comes from the internet: texts are cut, lists are bounded, and
//! nothing of it is believed where the tensors say otherwise.

mod claims;
mod lineage;
mod thumbnail;
mod triggers;

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::description::{Damage, MetadataEntry, Network, SourceHint, Thumbnail};
use crate::safetensors::{MAX_DEPTH, depth, shown, text_of, too_deep};
use crate::vocabulary::DamageCode;

pub(crate) use claims::{claimed_base, family_of};
pub use lineage::Lineage;
pub(crate) use lineage::{letters, lineage};
pub use thumbnail::read_thumbnail;

/// Bytes of a text that are kept.
const MAX_TEXT: usize = 64 * 1024;

/// Bytes of a text that is a fact of its own: a title, an author.
const MAX_FACT: usize = 2_000;

/// Entries that are kept, and bytes of them together.
const MAX_ENTRIES: usize = 1_024;
const MAX_ALL_TEXT: usize = 1 << 20;

/// Bytes of a tag frequency that are looked at.
const MAX_TAGS_TEXT: usize = 8 << 20;

/// Names under which tools note where a file came from.
const HINTS: [&str; 13] = [
    "air",
    "source_url",
    "repo_id",
    "revision",
    "resolve_url",
    "source_hash",
    "civitai_model_version_id",
    "general.url",
    "general.repo_url",
    "general.source.url",
    "general.source.repo_url",
    "general.source.huggingface.repository",
    "general.base_model.0.repo_url",
];

/// What a file's maker wrote into it.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) entries: Vec<MetadataEntry>,
    pub(crate) n_left_out: u64,
    pub(crate) thumbnail: Option<Thumbnail>,
    tag_words: Vec<String>,
    pub(crate) top_tags: Vec<(String, u64)>,
    text_bytes: usize,
}

impl Metadata {
    /// Reads the `__metadata__` of safetensors, and tells what is wrong with it.
    pub(crate) fn of_json(json: &str) -> (Self, Vec<Damage>) {
        let mut reading = Reading { metadata: Self::default(), faults: Vec::new() };
        let mut deserializer = serde_json::Deserializer::from_str(json);
        match json.trim_start().bytes().next() {
            Some(b'{') => {
                if deserializer.deserialize_map(&mut reading).is_err() {
                    reading.fault(DamageCode::MetadataType, "Its metadata can't be read.".to_owned());
                }
            }
            // `null` is seen in the wild, and the library takes it.
            Some(b'n') => {}
            _ if depth(json) > MAX_DEPTH => reading.faults.push(too_deep()),
            _ => reading.fault(DamageCode::MetadataType, "Its metadata is no list of named texts.".to_owned()),
        }
        (reading.metadata, reading.faults)
    }

    /// Keeps a text.
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        if key == "ss_tag_frequency" && value.len() <= MAX_TAGS_TEXT {
            (self.tag_words, self.top_tags) = triggers::of_tag_frequency(value);
        }
        if let Some(found) = thumbnail::of_entry(key, value) {
            // The model specification's comes before that of others.
            if self.thumbnail.is_none() || key == thumbnail::SPECIFICATION {
                self.thumbnail = Some(found);
            }
            return;
        }
        let kept = cut(value, MAX_TEXT);
        let room = MAX_ALL_TEXT.saturating_sub(self.text_bytes);
        if self.entries.len() >= MAX_ENTRIES || kept.len() > room {
            self.n_left_out += 1;
            return;
        }
        self.text_bytes += kept.len();
        let key = cut(key, 256).to_owned();
        self.entries.push(MetadataEntry { key, value: kept.to_owned(), n_bytes: value.len() as u64 });
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let entry = self.entries.iter().rev().find(|entry| entry.key == key)?;
        Some(entry.value.trim()).filter(|value| !value.is_empty())
    }

    /// The first of these that says something, short enough to be a fact.
    pub(crate) fn fact(&self, keys: &[&str]) -> Option<String> {
        let value = keys.iter().find_map(|key| self.get(key))?;
        (value != "None").then(|| cut(value, MAX_FACT).to_owned())
    }

    pub(crate) fn title(&self) -> Option<String> {
        self.fact(&["modelspec.title", "ss_output_name", "general.name", "name"])
    }

    pub(crate) fn author(&self) -> Option<String> {
        self.fact(&["modelspec.author", "general.author", "general.organization", "author"])
    }

    pub(crate) fn license(&self) -> Option<String> {
        self.fact(&["modelspec.license", "general.license", "license"])
    }

    pub(crate) fn description(&self) -> Option<String> {
        let keys = ["modelspec.description", "ss_training_comment", "general.description", "description"];
        let value = keys.iter().find_map(|key| self.get(key))?;
        (value != "None").then(|| value.to_owned())
    }

    pub(crate) fn resolution(&self) -> Option<String> {
        self.fact(&["modelspec.resolution", "ss_resolution"])
    }

    pub(crate) fn trigger_words(&self) -> Vec<String> {
        let said = self.fact(&["modelspec.trigger_phrase", "trigger_words", "trigger_word", "activation text"]);
        said.map_or_else(|| self.tag_words.clone(), |phrase| vec![phrase])
    }

    pub(crate) fn network(&self) -> Option<Network> {
        let number = |key| self.get(key).and_then(|value| value.parse::<f64>().ok()).filter(|value| value.is_finite());
        let module = self.fact(&["ss_network_module"]);
        let rank = self.get("ss_network_dim").and_then(|value| value.parse().ok());
        let alpha = number("ss_network_alpha");
        (module.is_some() || rank.is_some() || alpha.is_some()).then_some(Network { module, rank, alpha })
    }

    /// The digest of the data that kohya's trainer writes; zeros only are none.
    pub(crate) fn autov3(&self) -> Option<String> {
        self.digest("sshs_model_hash")
    }

    /// The digest that the data should have, by the model specification.
    pub(crate) fn declared_sha256(&self) -> Option<String> {
        self.digest("modelspec.hash_sha256")
    }

    fn digest(&self, key: &str) -> Option<String> {
        let value = self.get(key)?.to_ascii_lowercase();
        let digits = value.strip_prefix("0x").unwrap_or(&value);
        let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_digest && digits.bytes().any(|byte| byte != b'0')).then(|| digits.to_owned())
    }

    pub(crate) fn source_hints(&self) -> Vec<SourceHint> {
        let hint = |name: &&str| {
            let value = cut(self.get(name)?, MAX_FACT).to_owned();
            Some(SourceHint { name: (*name).to_owned(), value })
        };
        HINTS.iter().filter_map(hint).collect()
    }
}

struct Reading {
    metadata: Metadata,
    faults: Vec<Damage>,
}

impl Reading {
    fn fault(&mut self, code: DamageCode, detail: String) {
        if self.faults.iter().all(|fault| fault.code != code) {
            self.faults.push(Damage::new(code, detail));
        }
    }

    fn entry(&mut self, key: &[u8], raw: &str) {
        let is_whole_key = std::str::from_utf8(key).is_ok();
        let key_text = String::from_utf8_lossy(key);
        if let Some(value) = text_of(raw) {
            if !is_whole_key || std::str::from_utf8(&value).is_err() {
                self.fault(DamageCode::LoneSurrogate, format!("Its metadata {} holds half a character.", shown(key)));
            }
            self.metadata.add(&key_text, &String::from_utf8_lossy(&value));
            return;
        }
        if raw.len() > MAX_DEPTH && depth(raw) > MAX_DEPTH {
            self.fault(DamageCode::DeepJson, too_deep().detail);
            return;
        }
        self.fault(DamageCode::MetadataType, format!("Its metadata {} is no text.", shown(key)));
        if raw != "null" {
            self.metadata.add(&key_text, raw);
        }
    }
}

impl<'de> Visitor<'de> for &mut Reading {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("named texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let value: &'de RawValue = map.next_value()?;
            let key = text_of(key.get()).unwrap_or_default();
            self.entry(&key, value.get());
        }
        Ok(())
    }
}

/// The first bytes of a text, as many as whole characters allow.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_bounded() {
        let long = format!(r#"{{"a":"{}","b":"x"}}"#, "é".repeat(100_000));
        let (metadata, faults) = Metadata::of_json(&long);
        assert!(faults.is_empty());
        let sizes: Vec<_> = metadata.entries.iter().map(|entry| (entry.value.len(), entry.n_bytes)).collect();
        assert_eq!(sizes, [(65_536, 200_000), (1, 1)]);
        let many: Vec<_> = (0..5_000).map(|n| format!(r#""{n}":"v""#)).collect();
        let (metadata, _) = Metadata::of_json(&format!("{{{}}}", many.join(",")));
        assert_eq!((metadata.entries.len(), metadata.n_left_out), (MAX_ENTRIES, 5_000 - MAX_ENTRIES as u64));
    }

    #[test]
    fn what_is_no_text_is_told() {
        let codes = |json: &str| Metadata::of_json(json).1.into_iter().map(|fault| fault.code).collect::<Vec<_>>();
        assert_eq!(codes("null"), []);
        assert_eq!(codes("[1]"), [DamageCode::MetadataType]);
        assert_eq!(codes(r#"{"a":1,"b":{},"c":null}"#), [DamageCode::MetadataType]);
        assert_eq!(codes(r#"{"a":"\ud800"}"#), [DamageCode::LoneSurrogate]);
        assert_eq!(codes(&format!(r#"{{"a":{}{}}}"#, "[".repeat(500), "]".repeat(500))), [DamageCode::DeepJson]);
        let (metadata, _) = Metadata::of_json(r#"{"modelspec.title":" T ","ss_epoch":7,"x":null}"#);
        assert_eq!((metadata.title().as_deref(), metadata.get("ss_epoch")), (Some("T"), Some("7")));
    }

    #[test]
    fn digests_are_read_in_both_forms() {
        let zeros = "0".repeat(64);
        let digits = "AB".repeat(32);
        let json = format!(r#"{{"sshs_model_hash":"{zeros}","modelspec.hash_sha256":"0x{digits}"}}"#);
        let (metadata, _) = Metadata::of_json(&json);
        assert_eq!((metadata.autov3(), metadata.declared_sha256()), (None, Some(digits.to_ascii_lowercase())));
    }
}
