//! `properties.models` of a workflow's nodes, and its `models`: `{name, url, directory, hash?, hash_type?}`, as
//! ComfyUI's frontend writes them (`ModelFile` of its workflow schema; `hash` is of `hash_type` `SHA256` or `BLAKE3`).

use serde::Deserialize;
use shared_protocol::{Blake3, Sha256};

use super::Hint;
use crate::address::{Address, file_name_from};
use crate::claim::Origin;
use crate::json::{Entries, Maybe, Text, blake3, parse, sha256};
use crate::sites::Sites;

/// A workflow names a few dozen.
const MAX_MODELS: usize = 2_000;

/// Bytes of the list.
const MAX_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
struct Named {
    name: Text,
    #[serde(default)]
    url: Maybe<Text>,
    #[serde(default)]
    hash: Maybe<Text>,
    #[serde(default)]
    hash_type: Maybe<Text>,
}

/// Reads such a list. Entries that name neither an address that may be used nor a digest say nothing.
pub fn from_workflow_models(list: &[u8], sites: &Sites) -> Vec<Hint> {
    let read = |list| parse::<Entries<'_, MAX_MODELS>>(list).ok();
    let Some(entries) = Some(list).filter(|list| list.len() <= MAX_BYTES).and_then(read) else { return Vec::new() };
    entries.read::<Named>().0.iter().filter_map(|named| hint(named, sites)).collect()
}

fn hint(named: &Named, sites: &Sites) -> Option<Hint> {
    let (sha256, blake3) = digests(named);
    let url = named.url.0.as_ref();
    let hint = Hint {
        address: url.and_then(|url| Address::parse(&url.0, sites).ok()),
        file_name: file_name_from(&named.name.0),
        sha256,
        blake3,
        ..Hint::new(Origin::Workflow)
    };
    (hint.address.is_some() || sha256.is_some() || blake3.is_some()).then_some(hint)
}

fn digests(named: &Named) -> (Option<Sha256>, Option<Blake3>) {
    let Some(hash) = named.hash.0.as_ref().map(|hash| hash.0.as_str()) else { return (None, None) };
    let kind = named.hash_type.0.as_ref().map_or("", |kind| kind.0.as_str()).to_ascii_lowercase();
    match kind.replace('-', "").as_str() {
        "sha256" => (sha256(hash), None),
        "blake3" => (None, blake3(hash)),
        // Then only what names itself.
        _ if hash.starts_with("blake3:") => (None, blake3(hash)),
        _ if hash.starts_with("sha256:") => (sha256(hash), None),
        _ => (None, None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_read_by_itself() {
        let digest = "ab".repeat(32);
        let list = format!(
            r#"[{{"name": "x.safetensors", "url": "https://hf.co/a/b/resolve/main/x.safetensors", "directory": "vae"}},
                {{"name": "sub\\y.pt", "hash": "{digest}", "hash_type": "SHA256"}},
                {{"name": "z.pt", "hash": "{digest}"}}, {{"name": 7}}, null,
                {{"name": "w", "url": "javascript:x", "hash": "blake3:{digest}"}}]"#
        );
        let found = from_workflow_models(list.as_bytes(), &Sites::public());
        assert_eq!(found.len(), 3);
        let names: Vec<_> = found.iter().filter_map(|hint| hint.file_name.as_deref()).collect();
        assert_eq!(names, ["x.safetensors", "y.pt", "w"]);
        assert!(found.last().unwrap().blake3.is_some() && found.last().unwrap().address.is_none());
        assert!(from_workflow_models(b"{}", &Sites::public()).is_empty());
    }
}
