//! The Lake's file of addresses: which content can be had where.
//!
//! Written by the hub and by others, so whatever is not known here is passed over, and an entry that
//! can't be read takes nothing from its neighbours.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use shared_protocol::Blake3;

/// The version of the file's form.
const VERSION: u64 = 1;

/// Why the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourcesError {
    /// It is no JSON, or not of the form.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A later hub wrote it.
    #[error("its version is {0}, and this hub reads version {VERSION}")]
    Version(u64),
}

/// An address of a content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Address {
    /// Where it can be had.
    pub url: String,
    /// Who says so.
    #[serde(default)]
    pub origin: String,
    /// When it was last looked at.
    #[serde(default)]
    pub checked_at: Option<jiff::Timestamp>,
    /// What was found then.
    #[serde(default)]
    pub status: Option<String>,
}

#[derive(Deserialize)]
struct File {
    version: u64,
    models: BTreeMap<String, Value>,
}

/// The addresses of one content. Only plain `https` ones: they end up as links.
pub fn addresses(file: &[u8], hash: &Blake3) -> Result<Vec<Address>, SourcesError> {
    // Editors on Windows put a mark in front.
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let file: File = serde_json::from_slice(text).map_err(|error| SourcesError::Damaged(error.to_string()))?;
    if file.version != VERSION {
        return Err(SourcesError::Version(file.version));
    }
    let listed = file.models.get(&hash.to_string()).and_then(|model| model.get("urls")).and_then(Value::as_array);
    Ok(listed
        .into_iter()
        .flatten()
        .filter_map(|entry| Address::deserialize(entry).ok())
        .filter(|address| is_plain(&address.url))
        .collect())
}

/// Whether an address may be shown as a link.
pub fn is_plain(url: &str) -> bool {
    url.starts_with("https://") && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn hash() -> Blake3 {
        Blake3::from_bytes([7; 32])
    }

    fn file(urls: &str) -> Vec<u8> {
        format!(
            r#"{{"version": 1, "made_by": "x", "models": {{"{}": {{"names": [], "urls": {urls}}}, "odd": 5}}}}"#,
            hash()
        )
        .into_bytes()
    }

    #[test]
    fn the_addresses_of_a_content_are_found_and_the_unknown_passed_over() {
        let urls = r#"[{"url": "https://a.example/x", "origin": "hf", "added_at": "2026-01-01T00:00:00Z",
                        "checked_at": "2026-02-01T00:00:00Z", "status": "ok", "mood": "good"},
                       {"url": "https://b.example/x"}, {"address": 1}, 7,
                       {"url": "javascript:alert(1)"}, {"url": "https://c.example/a b"}]"#;
        let found = addresses(&file(urls), &hash()).unwrap();
        let told: Vec<_> = found.iter().map(|a| (a.url.as_str(), a.origin.as_str(), a.status.as_deref())).collect();
        assert_eq!(told, [("https://a.example/x", "hf", Some("ok")), ("https://b.example/x", "", None)]);
        assert!(addresses(&file("{}"), &hash()).unwrap().is_empty());
        assert!(addresses(&file(urls), &Blake3::from_bytes([8; 32])).unwrap().is_empty());
        let marked = [b"\xef\xbb\xbf".as_slice(), &file(urls)].concat();
        assert_eq!(addresses(&marked, &hash()).unwrap().len(), 2);
    }

    #[test]
    fn a_broken_file_says_why() {
        for broken in ["", "{", "[]", "{\"version\": 1}", "{\"version\": \"1\", \"models\": {}}"] {
            assert!(matches!(addresses(broken.as_bytes(), &hash()), Err(SourcesError::Damaged(_))), "{broken}");
        }
        let later = br#"{"version": 2, "models": {}}"#;
        assert_eq!(addresses(later, &hash()), Err(SourcesError::Version(2)));
    }
}
