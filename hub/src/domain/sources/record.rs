//! What is written of one content, and the changes that people and checks make to it.
//!
//! An address is the same as another if both name the same place, however they are spelled. What was
//! written of one that stays is kept; only what was asked for changes.

use jiff::Timestamp;
use lookups::{AddressState, Admission, Entry};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use shared_protocol::source_url::UrlError;
use shared_protocol::{Allowed, Sha256, SourceUrl, WebUrl};

use super::verdict::{CheckStatus, SourceVerdict};
use super::{Fields, SourcesError, fields_of, on_one_line, raw};

/// Origin of an address that a person added.
pub const MANUAL: &str = "manual";

/// The words for `proof`: by which the file there was shown to be the content.
const PROOFS: [(&str, Admission); 2] = [("digest", Admission::Public), ("range", Admission::Likely)];

/// An address that can be fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub url: SourceUrl,
    /// Who says so.
    pub origin: String,
    /// Since when.
    pub added_at: Option<Timestamp>,
    /// When it was last looked at.
    pub checked_at: Option<Timestamp>,
    /// What was found then: a word of [`CheckStatus`], or of another program.
    pub status: Option<String>,
    /// The same for people.
    pub detail: Option<String>,
    /// How sure it once was that the file there is the content.
    pub proof: Option<Admission>,
}

impl Address {
    /// Whether it may well have the content: the last look found neither nothing nor something else there.
    pub fn may_be_right(&self) -> bool {
        self.rank() < CheckStatus::NotFound.rank()
    }

    /// What it says about whether the content can be had. Nothing, if the file there was never seen to be the content.
    pub fn state(&self) -> Option<AddressState> {
        match self.status.as_deref().and_then(CheckStatus::of_word) {
            Some(CheckStatus::NotFound | CheckStatus::SizeDiffers | CheckStatus::ContentDiffers) => {
                self.proof.map(|_| AddressState::Gone)
            }
            // Of a person's address only the size was seen to be right.
            Some(CheckStatus::Ok) => Some(AddressState::There(self.proof.unwrap_or(Admission::Likely))),
            _ => self.proof.map(AddressState::There),
        }
    }

    /// How willingly it is used: those that were found to be right first, those that can't be last.
    pub fn rank(&self) -> u8 {
        match self.status.as_deref().map(CheckStatus::of_word) {
            Some(Some(status)) => status.rank(),
            Some(None) | None => CheckStatus::RANK_UNKNOWN,
        }
    }
}

/// An address in the file that is left alone, because it may not be fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Where it leads, without what stands behind its `?`.
    pub url: String,
    pub why: UrlError,
}

/// What the index knows of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub size_bytes: u64,
    /// What its files are called, each name once.
    pub names: Vec<String>,
    /// Its SHA-256, if it was taken.
    pub sha256: Option<Sha256>,
}

/// What is written of one content.
#[derive(Debug, Clone, Default)]
pub struct Record {
    fields: Fields,
    urls: Vec<RecordEntry>,
    /// There is a list, if only an empty one.
    has_list: bool,
}

/// An entry of `urls`. What is no object is kept and passed over.
#[derive(Debug, Clone)]
enum RecordEntry {
    Known(Fields),
    Other(Box<RawValue>),
}

impl Record {
    /// Reads an entry of the file.
    pub(super) fn parse(value: &RawValue) -> Result<Self, SourcesError> {
        let damaged = |error: serde_json::Error| SourcesError::Entry(error.to_string());
        let mut fields = fields_of(value.get().as_bytes()).map_err(damaged)?;
        let list = fields.remove("urls");
        let urls: Vec<Box<RawValue>> = match &list {
            Some(urls) => serde_json::from_str(urls.get()).map_err(damaged)?,
            None => Vec::new(),
        };
        let entry = |value: Box<RawValue>| match fields_of(value.get().as_bytes()) {
            Ok(fields) => Ok(RecordEntry::Known(fields)),
            Err(_) => on_one_line(value).map(RecordEntry::Other),
        };
        let urls = urls.into_iter().map(entry).collect::<Result<_, _>>().map_err(damaged)?;
        Ok(Self { fields, urls, has_list: list.is_some() })
    }

    /// Its size, as written.
    pub fn size_bytes(&self) -> Option<u64> {
        value(&self.fields, "size_bytes")
    }

    /// Its names, as written.
    pub fn names(&self) -> Vec<String> {
        value(&self.fields, "names").unwrap_or_default()
    }

    /// Its SHA-256, as written.
    pub fn sha256(&self) -> Option<Sha256> {
        value(&self.fields, "sha256")
    }

    /// The addresses that may be fetched from, each once, as written.
    pub fn addresses(&self, allowed: Allowed) -> Vec<Address> {
        let mut found: Vec<Address> = Vec::new();
        for address in self.urls.iter().filter_map(|entry| entry.address(allowed)) {
            if found.iter().all(|known| known.url != address.url) {
                found.push(address);
            }
        }
        found
    }

    /// The addresses that may not.
    pub fn unusable(&self, allowed: Allowed) -> Vec<Unusable> {
        let judge = |entry: &RecordEntry| {
            let url = entry.url()?;
            let why = SourceUrl::parse(&url, allowed).err()?;
            Some(Unusable { url: shown(&url), why })
        };
        self.urls.iter().filter_map(judge).collect()
    }

    /// Writes what the index knows.
    pub fn set_facts(&mut self, facts: &Facts) -> Result<(), SourcesError> {
        self.fields.insert("size_bytes".into(), raw(&facts.size_bytes)?);
        self.fields.insert("names".into(), raw(&facts.names)?);
        if let Some(sha256) = &facts.sha256 {
            self.fields.insert("sha256".into(), raw(sha256)?);
        }
        Ok(())
    }

    /// Makes the addresses be these, in this order. Those that are there already keep what is written
    /// of them; new ones are a person's.
    pub fn replace(&mut self, urls: &[SourceUrl], now: Timestamp) -> Result<(), SourcesError> {
        let mut entries: Vec<RecordEntry> = Vec::new();
        for (at, url) in urls.iter().enumerate() {
            if urls.iter().take(at).any(|before| before == url) {
                continue;
            }
            match self.urls.iter().find(|entry| entry.is_at(url)) {
                Some(known) => entries.push(known.clone()),
                None => entries.push(RecordEntry::new(url, MANUAL, now)?),
            }
        }
        // What is no address was written by others and is none of ours to drop.
        entries.extend(self.urls.iter().filter(|entry| entry.url().is_none()).cloned());
        self.urls = entries;
        Ok(())
    }

    /// Adds an address at the end; tells whether it was new.
    pub fn add(&mut self, url: &SourceUrl, origin: &str, now: Timestamp) -> Result<bool, SourcesError> {
        if self.urls.iter().any(|entry| entry.is_at(url)) {
            return Ok(false);
        }
        self.urls.push(RecordEntry::new(url, origin, now)?);
        Ok(true)
    }

    /// Adds an address that was proved, or writes that one that is there was; tells whether it was new.
    pub fn admit(&mut self, entry: &Entry, now: Timestamp) -> Result<bool, SourcesError> {
        let is_new = self.add(entry.url(), entry.origin().as_str(), now)?;
        let proof = PROOFS.iter().find(|(_, admission)| *admission == entry.admission()).map(|(word, _)| word);
        for fields in self.urls.iter_mut().filter_map(|known| known.fields_at(entry.url())) {
            fields.insert("checked_at".into(), raw(&now)?);
            fields.insert("status".into(), raw(&entry.admission().status())?);
            fields.insert("proof".into(), raw(&proof)?);
            fields.remove("detail");
        }
        Ok(is_new)
    }

    /// Removes an address as it was shown: a usable one by the whole of it, another by what was shown
    /// of it. Tells whether it was there.
    pub fn remove(&mut self, url: &str, allowed: Allowed) -> bool {
        let before = self.urls.len();
        let same = SourceUrl::parse(url, allowed).ok();
        self.urls.retain(|entry| match (&same, entry.url()) {
            (_, None) => true,
            (Some(same), Some(_)) if entry.is_at(same) => false,
            (_, Some(text)) => SourceUrl::parse(&text, allowed).is_ok() || shown(&text) != url,
        });
        self.urls.len() < before
    }

    /// Writes what a look at an address found; one that is gone by now stays gone.
    pub fn note(&mut self, url: &SourceUrl, verdict: &SourceVerdict, at: Timestamp) -> Result<bool, SourcesError> {
        let mut noted = false;
        for fields in self.urls.iter_mut().filter_map(|entry| entry.fields_at(url)) {
            let before = value::<String>(fields, "status").and_then(|word| CheckStatus::of_word(&word));
            let mut status = verdict.status;
            if verdict.is_proved {
                fields.insert("proof".into(), raw(&"digest")?);
            } else if status == CheckStatus::Ok
                && matches!(before, Some(CheckStatus::SizeDiffers | CheckStatus::ContentDiffers))
            {
                // It was another file meanwhile: what was proved before is no proof of this one.
                fields.remove("proof");
            } else if status == CheckStatus::Ok && before == Some(CheckStatus::Likely) {
                status = CheckStatus::Likely;
            }
            fields.insert("checked_at".into(), raw(&at)?);
            fields.insert("status".into(), raw(&status.as_str())?);
            match &verdict.detail {
                Some(detail) => fields.insert("detail".into(), raw(detail)?),
                None => fields.remove("detail"),
            };
            noted = true;
        }
        Ok(noted)
    }

    /// Whether no address is left.
    pub fn is_empty(&self) -> bool {
        self.urls.is_empty()
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        if self.has_list || !self.urls.is_empty() {
            map.serialize_entry("urls", &self.urls)?;
        }
        map.end()
    }
}

impl Serialize for RecordEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(fields) => fields.serialize(serializer),
            Self::Other(value) => value.serialize(serializer),
        }
    }
}

impl RecordEntry {
    fn new(url: &SourceUrl, origin: &str, now: Timestamp) -> Result<Self, SourcesError> {
        let fields = [("url", raw(&url.as_str())?), ("origin", raw(&origin)?), ("added_at", raw(&now)?)];
        Ok(Self::Known(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    fn fields(&self) -> Option<&Fields> {
        match self {
            Self::Known(fields) => Some(fields),
            Self::Other(_) => None,
        }
    }

    fn url(&self) -> Option<String> {
        value(self.fields()?, "url")
    }

    /// Whether it is this address. A private one is compared too, whether or not it may be used now.
    fn is_at(&self, url: &SourceUrl) -> bool {
        self.url().is_some_and(|text| SourceUrl::parse(&text, Allowed::PrivateToo).as_ref() == Ok(url))
    }

    fn fields_at(&mut self, url: &SourceUrl) -> Option<&mut Fields> {
        let is_it = self.is_at(url);
        match self {
            Self::Known(fields) if is_it => Some(fields),
            Self::Known(_) | Self::Other(_) => None,
        }
    }

    fn address(&self, allowed: Allowed) -> Option<Address> {
        let fields = self.fields()?;
        Some(Address {
            url: SourceUrl::parse(&self.url()?, allowed).ok()?,
            origin: value(fields, "origin").unwrap_or_default(),
            added_at: value(fields, "added_at"),
            checked_at: value(fields, "checked_at"),
            status: value(fields, "status"),
            detail: value(fields, "detail"),
            proof: value::<String>(fields, "proof").and_then(|word| proof_of(&word)),
        })
    }
}

fn proof_of(word: &str) -> Option<Admission> {
    PROOFS.iter().find(|(known, _)| *known == word).map(|(_, admission)| *admission)
}

/// A value, if it is there and of the type.
fn value<T: for<'de> Deserialize<'de>>(fields: &Fields, name: &str) -> Option<T> {
    fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

/// An address without what may be secret about it.
fn shown(url: &str) -> String {
    if let Ok(url) = WebUrl::parse(url, Allowed::PrivateToo) {
        return url.to_string();
    }
    // Before `@` a password may stand, behind `?` a token.
    let text = url.split(['?', '#']).next().unwrap_or_default();
    text.rsplit('@').next().unwrap_or_default().chars().take(200).collect()
}
