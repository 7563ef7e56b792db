//! Files beside a model, changed at random, as `mutated.rs` does it with models.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may unwrap and fail")]

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/changes.rs"]
mod changes;

use changes::{apply, changes, hold};
use model_header::sidecar::{self, SidecarFacts};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// A file of each sort that stands beside a model, as the programs write them.
fn sidecars() -> Vec<(&'static str, Vec<u8>)> {
    let version = json!({
        "id": 12, "modelId": 3, "name": "v1", "baseModel": "Illustrious", "trainedWords": ["a", "b, c"],
        "model": {"name": "x", "type": "LORA", "nsfw": false}, "images": [{"url": "x"}],
        "files": [{"name": "m.pt", "hashes": {"SHA256": "ab".repeat(32), "AutoV3": "0123456789ab"}, "primary": true}],
        "description": "<p>of &amp; <b>it</b><script>x()</script></p>",
    });
    let bytes = |value: Value| value.to_string().into_bytes();
    vec![
        ("m.civitai.info", bytes(version.clone())),
        (
            "m.metadata.json",
            bytes(json!({"model_name": "x", "sha256": "ab".repeat(32), "civitai": version, "tags": ["t"],
            "base_model": "SDXL 1.0", "usage_tips": "{\"strength\": 0.7}", "notes": "n"})),
        ),
        (
            "m.cm-info.json",
            bytes(json!({"ModelName": "x", "BaseModel": "Flux.1 D", "TrainedWords": ["w"],
            "Hashes": {"SHA256": "ab".repeat(32)}, "ModelId": 7, "VersionId": 8})),
        ),
        (
            "m.json",
            bytes(json!({"description": "d", "sd version": "SD1", "activation text": "w", "preferred weight": 0.5})),
        ),
        ("m.sha256", format!("{}  m.pt\n", "ab".repeat(32)).into_bytes()),
        ("m.txt", b"one, two\nthree".to_vec()),
        ("m.yaml", b"model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    parameterization: \"v\"\n    context_dim: 1024\n".to_vec()),
    ]
}

fn is_sidecar_told(name: &str, bytes: &[u8]) -> Result<(), String> {
    let (told, peak) = allocations::peak_of(|| sidecar::read("m.pt", name, bytes));
    if peak > (1 << 20) + 96 * bytes.len() as u64 {
        return Err(format!("{peak} bytes held for {}", bytes.len()));
    }
    let Some(told) = told else { return Ok(()) };
    let texts = [&told.title, &told.version_name, &told.author, &told.license, &told.base_words];
    let stored: SidecarFacts = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
    let is_hash = |hash: &Option<String>, n| hash.as_ref().is_none_or(|hash| hash.len() == n);
    for (holds, what) in [
        (stored == told, "it can't be stored"),
        (texts.iter().all(|text| text.as_ref().is_none_or(|text| text.len() <= 2_000)), "a fact without end"),
        (is_hash(&told.sha256, 64) && is_hash(&told.blake3, 64) && is_hash(&told.autov3, 12), "a digest that is none"),
        (told.trigger_words.len() <= 1_000 && told.tags.len() <= 1_000, "lists without end"),
        (told.base.is_none() || told.base_words.is_some() || name == "m.yaml", "a family out of nothing"),
    ] {
        if !holds {
            return Err(format!("{what}: {told:?}"));
        }
    }
    Ok(())
}

#[test]
fn files_beside_a_model() {
    let seeds = sidecars();
    for (name, bytes) in &seeds {
        assert!(sidecar::read("m.pt", name, bytes).is_some(), "{name}");
    }
    let words: [&[u8]; 8] =
        [b"&lt;", b"<script>", b"\\ud800", b"null,", b"\"model\":{", b"1e400", b"\xef\xbb\xbf", b"\xff\xfe"];
    let what = (any::<Index>(), any::<Index>(), changes());
    hold(&what, |(which, other, changes)| {
        let (name, mut bytes) = which.get(&seeds).clone();
        apply(&mut bytes, &changes, &other.get(&seeds).1, &words);
        is_sidecar_told(name, &bytes)
    });
}
