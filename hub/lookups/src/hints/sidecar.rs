//! Files beside a model, as `model_header::sidecar` reads them, and the little of them that only this crate asks for.

use model_header::sidecar::{MAX_SIDECAR_BYTES, SidecarFacts};
use serde::Deserialize;

use super::Hint;
use crate::address::{Address, CivitaiFile};
use crate::claim::Origin;
use crate::json::{Maybe, blake3, parse, sha256};

/// What a file beside a model says about where it is from; `None` if that is nothing.
pub fn from_sidecar(facts: &SidecarFacts) -> Option<Hint> {
    let (model, version) = (facts.civitai_model_id, facts.civitai_version_id);
    let file = match (model, version) {
        (model, Some(version)) => Some(CivitaiFile::of_version(model, version, None)),
        (Some(model), None) => Some(CivitaiFile::of_model(model)),
        (None, None) => None,
    };
    let hint = Hint {
        address: file.map(Address::Civitai),
        sha256: facts.sha256.as_deref().and_then(sha256),
        blake3: facts.blake3.as_deref().and_then(blake3),
        ..Hint::new(Origin::Sidecar)
    };
    (hint != Hint::new(Origin::Sidecar)).then_some(hint)
}

#[derive(Deserialize)]
struct LoraManagerFile {
    #[serde(default)]
    civitai_deleted: Maybe<bool>,
}

/// Whether LoRA Manager noted in a `.metadata.json` that Civitai has deleted the model: `civitai_deleted` of
/// `willmiao/ComfyUI-Lora-Manager`, `py/services/metadata_sync_service.py`. Anything else says nothing.
pub fn is_deleted_on_civitai(metadata_json: &[u8]) -> bool {
    let is_small = metadata_json.len() <= MAX_SIDECAR_BYTES;
    is_small && parse::<LoraManagerFile>(metadata_json).is_ok_and(|file| file.civitai_deleted.0 == Some(true))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use model_header::sidecar;

    use super::*;

    #[test]
    fn numbers_and_digests_are_taken_over() {
        let sha = "ab".repeat(32);
        let info = format!(
            r#"{{"id": 12, "modelId": 3, "files": [{{"name": "m.safetensors", "hashes": {{"SHA256": "{sha}"}}}}]}}"#
        );
        let facts = sidecar::read("m.safetensors", "m.civitai.info", info.as_bytes()).unwrap();
        let hint = from_sidecar(&facts).unwrap();
        assert_eq!(hint.address.unwrap().to_string(), "civitai:@12");
        assert_eq!(hint.sha256.unwrap().to_hex(), sha);
        let digest_only = sidecar::read("m.pt", "m.sha256", sha.as_bytes()).unwrap();
        assert_eq!(from_sidecar(&digest_only).unwrap().address, None);
        let words_only = sidecar::read("m.pt", "m.txt", b"one, two").unwrap();
        assert_eq!(from_sidecar(&words_only), None);
    }

    #[test]
    fn what_lora_manager_notes() {
        assert!(is_deleted_on_civitai(br#"{"civitai_deleted": true, "x": [1]}"#));
        for other in [&b"{}"[..], b"", b"[]", br#"{"civitai_deleted": "yes"}"#, br#"{"civitai_deleted": false}"#] {
            assert!(!is_deleted_on_civitai(other));
        }
    }
}
