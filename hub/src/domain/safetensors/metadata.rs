//! The texts in a header that are worth showing: the model specification's, the trainer's, and
//! hints where the file came from.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Characters of a text that are kept.
const MAX_TEXT: usize = 2_000;

/// Entries of the model specification that are kept; it has about twenty.
const MAX_ENTRIES: usize = 64;

/// Tags that are told.
const MAX_TAGS: usize = 20;

/// Names under which tools note where a file came from.
const HINTS: [&str; 6] = ["air", "source_url", "repo_id", "revision", "resolve_url", "source_hash"];

const SPECIFICATION: &str = "modelspec.";

/// Pictures inside the header are no text.
const THUMBNAIL: &str = "thumbnail";

/// What a file's maker wrote into it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Metadata {
    /// The model specification: `title`, `architecture`, `author`, `license` and so on.
    pub modelspec: BTreeMap<String, String>,
    /// What it was trained on, by kohya's trainer: `sdxl_base_v1-0`, `flux1` …
    pub base_model: Option<String>,
    /// The tags it was trained with, the most frequent first.
    pub top_tags: Vec<TagCount>,
    /// Where it may have come from.
    pub source_hints: Vec<SourceHint>,
}

/// A tag of the training pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TagCount {
    pub tag: String,
    /// Pictures that had it.
    pub n: u64,
}

/// A note on where a file came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SourceHint {
    /// `air`, `source_url`, `repo_id` and the like.
    pub name: String,
    pub value: String,
}

/// The first characters of a text.
pub(super) fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

impl Metadata {
    fn take(&mut self, name: &str, value: &str) {
        let text = || cut(value.trim(), MAX_TEXT);
        if value.trim().is_empty() {
            return;
        }
        if let Some(entry) = name.strip_prefix(SPECIFICATION) {
            if entry != THUMBNAIL && self.modelspec.len() < MAX_ENTRIES {
                self.modelspec.insert(cut(entry, 64), text());
            }
        } else if name == "ss_base_model_version" {
            self.base_model = Some(text());
        } else if name == "ss_tag_frequency" {
            self.top_tags = top_tags(value);
        } else if HINTS.contains(&name) {
            self.source_hints.push(SourceHint { name: name.to_owned(), value: text() });
        }
    }

    fn is_wanted(name: &str) -> bool {
        name.starts_with(SPECIFICATION)
            || HINTS.contains(&name)
            || matches!(name, "ss_base_model_version" | "ss_tag_frequency")
    }
}

/// Adds the counts of all folders of pictures up. Another shape than expected has no tags.
fn top_tags(json: &str) -> Vec<TagCount> {
    let folders: HashMap<String, HashMap<String, u64>> = serde_json::from_str(json).unwrap_or_default();
    let mut sums: HashMap<String, u64> = HashMap::new();
    for (tag, n) in folders.into_values().flatten() {
        let sum = sums.entry(tag.trim().to_owned()).or_default();
        *sum = sum.saturating_add(n);
    }
    let mut tags: Vec<TagCount> =
        sums.into_iter().filter(|(tag, _)| !tag.is_empty()).map(|(tag, n)| TagCount { tag, n }).collect();
    tags.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.tag.cmp(&b.tag)));
    tags.truncate(MAX_TAGS);
    for tag in &mut tags {
        tag.tag = cut(&tag.tag, 120);
    }
    tags
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetadataVisitor;

        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut metadata = Metadata::default();
                while let Some(name) = map.next_key::<String>()? {
                    if Metadata::is_wanted(&name) {
                        // The format allows texts only; some tools write numbers and objects.
                        match map.next_value::<serde_json::Value>()? {
                            serde_json::Value::String(text) => metadata.take(&name, &text),
                            serde_json::Value::Null => {}
                            other => metadata.take(&name, &other.to_string()),
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                metadata.source_hints.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(metadata)
            }

            // `"__metadata__": null` is seen in the wild.
            fn visit_unit<E>(self) -> Result<Metadata, E> {
                Ok(Metadata::default())
            }
        }

        deserializer.deserialize_any(MetadataVisitor)
    }
}
