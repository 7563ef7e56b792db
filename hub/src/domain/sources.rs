//! The Lake's file of addresses, `.model_sources.json`: which content can be had where.
//!
//! Written by the hub and by others, so whatever is not known here stays as it is: a value is read only where it is asked for, and an entry that can't be read takes nothing from its neighbours.
//! What an address is, and what a look at it means, is told in [`record`] and [`verdict`].

pub mod record;
pub mod said;
pub mod verdict;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use shared_protocol::Blake3;

pub use record::{Address, Facts, Record, Unusable};
pub use said::Said;
pub use verdict::{CheckStatus, SourceVerdict, Standing};

/// The version of the file's form.
const VERSION: u64 = 1;

/// A JSON object whose values were not read.
pub(super) type Fields = BTreeMap<String, Box<RawValue>>;

/// Why the file, or an entry of it, can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourcesError {
    /// It is no JSON, or not of the form.
    #[error(
        "it is damaged: {0}. Nothing is written to it: mend it, or put its copy .model_sources.json.bak in its place"
    )]
    Damaged(String),
    /// A later hub wrote it.
    #[error("its version is {0}, and this hub knows version {VERSION}. Nothing is written to it: use the later hub")]
    Version(u64),
    /// One entry is not of the form.
    #[error("its entry for this content is damaged: {0}. Nothing is written to it: mend or remove that entry")]
    Entry(String),
    /// A value can't be written as JSON.
    #[error("it can't be written: {0}")]
    Unwritable(String),
}

/// The whole file.
#[derive(Debug, Clone)]
pub struct SourcesFile {
    /// Everything beside `models`, the version among it.
    fields: Fields,
    models: BTreeMap<String, Model>,
}

/// An entry of `models`. What is not of the form is kept, with the reason.
#[derive(Debug, Clone)]
enum Model {
    Known(Record),
    Damaged(Box<RawValue>, SourcesError),
}

#[derive(Deserialize)]
struct Head {
    version: u64,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    fields: &'a Fields,
    models: &'a BTreeMap<String, Model>,
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(record) => record.serialize(serializer),
            Self::Damaged(value, _) => value.serialize(serializer),
        }
    }
}

impl Default for SourcesFile {
    fn default() -> Self {
        let fields = raw(&VERSION).map(|version| BTreeMap::from([("version".to_owned(), version)]));
        Self { fields: fields.unwrap_or_default(), models: BTreeMap::new() }
    }
}

impl SourcesFile {
    /// Reads the file. Editors on Windows put a mark in front; it is not kept.
    pub fn parse(bytes: &[u8]) -> Result<Self, SourcesError> {
        let damaged = |error: serde_json::Error| SourcesError::Damaged(error.to_string());
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // The version first: what a later one means by `models` is not known.
        let Head { version } = serde_json::from_slice(text).map_err(damaged)?;
        if version != VERSION {
            return Err(SourcesError::Version(version));
        }
        let mut fields = fields_of(text).map_err(damaged)?;
        let models = fields.remove("models").ok_or_else(|| SourcesError::Damaged("it has no \"models\"".into()))?;
        let models = fields_of(models.get().as_bytes()).map_err(damaged)?;
        let model = |value: Box<RawValue>| match Record::parse(&value) {
            Ok(record) => Model::Known(record),
            Err(error) => Model::Damaged(value, error),
        };
        Ok(Self { fields, models: models.into_iter().map(|(name, value)| (name, model(value))).collect() })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SourcesError> {
        let whole = Whole { fields: &self.fields, models: &self.models };
        let mut bytes = serde_json::to_vec_pretty(&whole).map_err(unwritable)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// What is written of a content.
    pub fn record(&self, hash: &Blake3) -> Result<Option<&Record>, SourcesError> {
        match self.models.get(&hash.to_string()) {
            None => Ok(None),
            Some(Model::Known(record)) => Ok(Some(record)),
            Some(Model::Damaged(_, error)) => Err(error.clone()),
        }
    }

    /// Writes what is known of a content.
    pub fn set(&mut self, hash: &Blake3, record: Record) {
        self.models.insert(hash.to_string(), Model::Known(record));
    }

    /// Forgets a content; tells whether it was there.
    pub fn remove(&mut self, hash: &Blake3) -> bool {
        self.models.remove(&hash.to_string()).is_some()
    }

    /// Every content whose entry can be read, by hash.
    pub fn records(&self) -> impl Iterator<Item = (Blake3, &Record)> {
        self.models.iter().filter_map(|(name, model)| match model {
            Model::Known(record) => Some((name.parse().ok()?, record)),
            Model::Damaged(..) => None,
        })
    }
}

/// The values of an object, each on one line: a line break in JSON is never part of a text, and what is
/// written in between by way of ornament would grow with each change.
fn fields_of(text: &[u8]) -> Result<Fields, serde_json::Error> {
    let fields: Fields = serde_json::from_slice(text)?;
    fields.into_iter().map(|(name, value)| Ok((name, on_one_line(value)?))).collect()
}

fn on_one_line(value: Box<RawValue>) -> Result<Box<RawValue>, serde_json::Error> {
    if !value.get().contains('\n') {
        return Ok(value);
    }
    let parts: Vec<&str> = value.get().lines().map(str::trim).collect();
    RawValue::from_string(parts.join(" "))
}

/// A value as JSON that is not read again.
fn raw(value: &impl Serialize) -> Result<Box<RawValue>, SourcesError> {
    serde_json::value::to_raw_value(value).map_err(unwritable)
}

#[allow(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
fn unwritable(error: serde_json::Error) -> SourcesError {
    SourcesError::Unwritable(error.to_string())
}

/// Whether a text that a model's own header names may be shown as a link.
pub fn is_plain(url: &str) -> bool {
    url.starts_with("https://") && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
#[path = "sources/tests.rs"]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests;
