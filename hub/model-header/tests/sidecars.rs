//! Files beside a model, one of each sort as programs write them, and what hostile ones do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]

use std::io::Cursor;
use std::time::{Duration, Instant};

use model_header::sidecar::{MAX_SIDECAR_BYTES, SidecarFacts, SidecarSource, disagreement, other_content, read};
use model_header::{Base, Description, Lineage, describe};
use proptest::prelude::*;
use serde_json::{Value, json};

fn facts(sidecar: &str, value: &Value) -> SidecarFacts {
    read("style.safetensors", sidecar, &serde_json::to_vec(value).unwrap()).unwrap()
}

/// A version as the site's API gives it.
fn version() -> Value {
    json!({
        "id": 135_867, "modelId": 122_359, "name": "v2.0", "baseModel": "Illustrious",
        "description": "<p>More <b>data</b> &amp; steps.</p>", "trainedWords": ["ohwx style", " ", 7],
        "model": {"name": "A Style", "type": "LORA", "nsfw": false, "tags": ["style", "anime"],
                  "allowNoCredit": true, "allowCommercialUse": ["Image", "RentCivit"], "allowDerivatives": false},
        "creator": {"username": "someone"},
        "files": [
            {"name": "style_training_data.zip", "type": "Training Data", "hashes": {"SHA256": "C".repeat(64)}},
            {"name": "style.safetensors", "type": "Model", "primary": true, "hashes": {
                "SHA256": "AB".repeat(32), "BLAKE3": "CD".repeat(32), "AutoV3": "0123456789AB", "CRC32": "01234567"}},
        ],
        "images": [{"url": "https://image.example/1.jpeg", "nsfwLevel": 1}, {"url": "https://image.example/2.jpeg"}, {}],
    })
}

#[test]
fn civitai_helper() {
    let told = facts("style.civitai.info", &version());
    assert_eq!(told.source, SidecarSource::CivitaiInfo);
    assert_eq!((told.title.as_deref(), told.version_name.as_deref()), (Some("A Style"), Some("v2.0")));
    assert_eq!((told.base, told.lineage), (Some(Base::Sdxl), Some(Lineage::Illustrious)));
    assert_eq!(
        (told.trigger_words, told.tags),
        (vec!["ohwx style".to_owned()], vec!["style".to_owned(), "anime".to_owned()])
    );
    assert_eq!(told.description.as_deref(), Some("More data & steps."));
    assert_eq!((told.author.as_deref(), told.nsfw, told.n_previews), (Some("someone"), Some(false), 2));
    let license = "commercial use: Image, RentCivit; credit not needed; may not be changed";
    assert_eq!(told.license.as_deref(), Some(license));
    assert_eq!((told.civitai_model_id, told.civitai_version_id), (Some(122_359), Some(135_867)));
    assert_eq!((told.sha256, told.blake3), (Some("ab".repeat(32)), Some("cd".repeat(32))));
    assert_eq!(told.autov3.as_deref(), Some("0123456789ab"));
}

#[test]
fn of_several_files_only_the_named_one_has_digests() {
    let mut several = version();
    several["files"] = json!([
        {"name": "a.safetensors", "type": "Model", "hashes": {"SHA256": "A".repeat(64)}},
        {"name": "b.safetensors", "type": "Pruned Model", "hashes": {"SHA256": "B".repeat(64)}},
    ]);
    assert_eq!(facts("style.civitai.info", &several).sha256, None);
    several["files"].as_array_mut().unwrap().pop();
    assert_eq!(facts("style.civitai.info", &several).sha256, Some("a".repeat(64)));
}

#[test]
fn lora_manager() {
    let told = facts(
        "style.metadata.json",
        &json!({
            "file_name": "style", "model_name": "My Style", "file_path": "/loras/style.safetensors", "size": 228_456_789,
            "modified": 1_740_000_000.5, "sha256": "ab".repeat(32), "base_model": "Flux.1 D", "preview_url": "style.webp",
            "preview_nsfw_level": 1, "notes": "mine", "from_civitai": true, "civitai": version(), "tags": ["owner's"],
            "modelDescription": "<h2>About</h2><p>Text</p>", "civitai_deleted": false, "favorite": true, "exclude": false,
            "db_checked": false, "usage_tips": "{\"strength\": 0.8, \"clip_skip\": 2}",
        }),
    );
    assert_eq!((told.source, told.title.as_deref()), (SidecarSource::LoraManager, Some("My Style")));
    assert_eq!((told.base, told.base_words.as_deref()), (Some(Base::Flux1), Some("Flux.1 D")));
    assert_eq!((told.description.as_deref(), told.notes.as_deref()), (Some("About\n\nText"), Some("mine")));
    assert_eq!((told.trigger_words, told.tags), (vec!["ohwx style".to_owned()], vec!["owner's".to_owned()]));
    assert_eq!((told.preferred_weight, told.civitai_version_id), (Some(0.8), Some(135_867)));
    assert_eq!((told.sha256, told.n_previews), (Some("ab".repeat(32)), 2));
    let unknown = facts("style.metadata.json", &json!({"model_name": "x", "base_model": "Unknown", "civitai": null}));
    assert_eq!((unknown.base, unknown.base_words), (None, None));
}

#[test]
fn web_ui() {
    let told = facts(
        "style.json",
        &json!({
            "description": "A style", "sd version": "SDXL", "activation text": "ohwx style, flat colors",
            "preferred weight": 0.75, "negative text": "3d", "notes": "https://civitai.com/models/122359",
            "extensions": {"sd_civitai_helper": {"version": "1.8.3", "last_update": 1_700_000_000}},
            "modelId": 122_359, "modelVersionId": "135867", "sha256": "AB".repeat(32),
        }),
    );
    assert_eq!((told.source, told.base), (SidecarSource::Webui, Some(Base::Sdxl)));
    assert_eq!((told.trigger_words, told.preferred_weight), (vec!["ohwx style, flat colors".to_owned()], Some(0.75)));
    assert_eq!((told.civitai_model_id, told.civitai_version_id), (Some(122_359), Some(135_867)));
    assert!(told.notes.is_some() && told.description.is_some() && told.sha256.is_some());
    let unset = json!({"description": "", "sd version": "Unknown", "activation text": "", "preferred weight": 0});
    assert_eq!(read("m.pt", "m.json", unset.to_string().as_bytes()), None);
    let training = json!({"pretrained_model_name_or_path": "x", "network_dim": 32, "description": "run", "notes": "y"});
    assert_eq!(read("m.pt", "m.json", training.to_string().as_bytes()), None);
}

#[test]
fn a_whole_model_in_json() {
    let mut other = version();
    other["files"] = json!([{"name": "other.safetensors"}]);
    other["name"] = json!("v1.0");
    let model = json!({"id": 122_359, "name": "A Style", "description": "<p>Of all</p>", "nsfw": true,
        "creator": {"username": "someone"}, "tags": ["style"], "modelVersions": [other, version()]});
    let told = facts("style.json", &model);
    assert_eq!((told.version_name.as_deref(), told.title.as_deref()), (Some("v2.0"), Some("A Style")));
    assert_eq!((told.civitai_model_id, told.civitai_version_id), (Some(122_359), Some(135_867)));
    assert_eq!((told.description.as_deref(), told.nsfw), (Some("Of all"), Some(true)));
}

#[test]
fn stability_matrix() {
    let told = facts(
        "style.cm-info.json",
        &json!({
            "ModelId": 122_359, "ModelName": "A Style", "ModelDescription": "<p>One</p>", "Nsfw": true, "Tags": ["style"],
            "ModelType": "LORA", "VersionId": 135_867, "VersionName": "v2.0", "VersionDescription": "<p>Two</p>",
            "BaseModel": "Wan Video 14B t2v", "FileMetadata": {"fp": "fp16", "size": "full", "format": "SafeTensor"},
            "ImportedAt": "2026-03-01T12:00:00+00:00", "Hashes": {"SHA256": "AB".repeat(32), "CRC32": "0A1B2C3D",
            "BLAKE3": "CD".repeat(32)}, "TrainedWords": ["ohwx"], "Stats": {"downloadCount": 12}, "UserTitle": null,
            "ThumbnailImageUrl": "https://image.example/1.jpeg", "Source": "Civitai",
        }),
    );
    assert_eq!((told.source, told.title.as_deref()), (SidecarSource::StabilityMatrix, Some("A Style")));
    assert_eq!((told.base, told.description.as_deref()), (Some(Base::Wan21), Some("One\n\nTwo")));
    assert_eq!((told.nsfw, told.n_previews, told.trigger_words.len()), (Some(true), 1, 1));
    assert_eq!((told.sha256, told.blake3), (Some("ab".repeat(32)), Some("cd".repeat(32))));
}

/// An adapter of SD 1.5, or so its tensors say.
fn described() -> Description {
    let header = json!({
        "__metadata__": {"sshs_model_hash": format!("0123456789ff{}", "0".repeat(52))},
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight":
            {"dtype": "F16", "shape": [4, 768], "data_offsets": [0, 6144]},
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight":
            {"dtype": "F16", "shape": [320, 4], "data_offsets": [6144, 8704]},
    });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 8_704, 1);
    let size = bytes.len() as u64;
    describe(&mut Cursor::new(bytes), size, "style.safetensors").unwrap()
}

#[test]
fn contradictions_are_told() {
    let mut description = described();
    assert_eq!(description.base, Some(Base::Sd15), "{:?}", description.kind);
    let told = facts("style.civitai.info", &version());
    assert_eq!(
        disagreement(&description, &told),
        [
            "The CivitAI info file says Illustrious, its tensors say SD 1.5.",
            "The CivitAI info file says AutoV3 0123456789ab, its own metadata says 0123456789ff.",
        ]
    );
    description.base = Some(Base::Sdxl);
    description.autov3 = None;
    description.lineage = Some(Lineage::NoobAi);
    assert!(disagreement(&description, &told).is_empty());
    description.lineage = Some(Lineage::Pony);
    assert_eq!(
        disagreement(&description, &told),
        ["The CivitAI info file says Illustrious, its own metadata says Pony."]
    );
    assert_eq!(other_content(&told, Some(&"AB".repeat(32)), Some(&"cd".repeat(32))), None);
    let note = "The CivitAI info file was written for other content: its SHA-256 is not this file's.";
    assert_eq!(other_content(&told, Some(&"ee".repeat(32)), None).as_deref(), Some(note));
    assert_eq!(other_content(&told, None, None), None);
}

#[test]
fn other_encodings_are_read() {
    let text = version().to_string();
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for bytes in [utf16, marked] {
        let told = read("style.safetensors", "style.civitai.info", &bytes).unwrap();
        assert_eq!(told, facts("style.civitai.info", &version()));
    }
}

#[test]
fn hostile_files_say_little() {
    let long = json!({"model": {"name": "x".repeat(100_000)}, "description": "y".repeat(200_000),
        "trainedWords": vec!["w"; 5_000], "modelId": -1, "id": 1.5, "files": [[], 3, {"hashes": "no"}], "images": {}});
    let told = facts("style.civitai.info", &long);
    assert_eq!((told.title.unwrap().len(), told.description.unwrap().len()), (2_000, 65_536));
    assert_eq!((told.trigger_words.len(), told.civitai_model_id, told.civitai_version_id), (1_000, None, None));
    let script = json!({"description": "<img src=x onerror=alert(1)><script>alert(2)</script>Hi <a href='javascript:x'>you</a>"});
    assert_eq!(facts("style.civitai.info", &script).description.as_deref(), Some("Hi you"));
    let twice = br#"{"model":{"name":"a"},"model":7,"name":"b","baseModel":["SDXL"]}"#;
    let told = read("style.safetensors", "style.civitai.info", twice).unwrap();
    assert_eq!((told.title.as_deref(), told.base), (Some("b"), None));
}

#[test]
fn large_files_take_no_long_time() {
    for part in ["[", "{\"a\":", "\"\\ud800\",", "<a ", "context_dim: 1\n", "&amp;", "\\", "{\"images\":[{}],\"x\":"] {
        let whole = part.repeat(MAX_SIDECAR_BYTES / part.len());
        let prose = json!({"description": whole.get(..MAX_SIDECAR_BYTES / 3).unwrap()}).to_string();
        let start = Instant::now();
        for text in [&whole, &prose] {
            for name in ["m.civitai.info", "m.metadata.json", "m.json", "m.sha256", "m.txt", "m.yaml"] {
                read("m.pt", name, text.as_bytes());
            }
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{part}");
    }
}

/// JSON with the names that are read and anything behind them.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "name",
        "model",
        "baseModel",
        "trainedWords",
        "files",
        "hashes",
        "SHA256",
        "AutoV3",
        "images",
        "url",
        "civitai",
        "model_name",
        "usage_tips",
        "sd version",
        "activation text",
        "preferred weight",
        "ModelName",
        "Hashes",
        "Tags",
        "modelVersions",
        "creator",
        "username",
        "description",
        "tags",
        "nsfw",
        "id",
        "allowCommercialUse",
        "notes",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[<>&;#a-z/ é\"']{0,30}".prop_map(Value::from),
        Just(Value::from("{\"strength\": 1e999}")),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|entries| entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

const NAMES: [&str; 7] =
    ["m.civitai.info", "m.metadata.json", "m.cm-info.json", "m.json", "m.sha256", "m.txt", "m.yaml"];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for name in NAMES {
            read("m.pt", name, &bytes);
        }
    }

    #[test]
    fn no_json_makes_it_panic(value in any_json()) {
        for name in NAMES {
            if let Some(told) = read("m.pt", name, value.to_string().as_bytes()) {
                let stored = serde_json::to_string(&told).unwrap();
                prop_assert_eq!(serde_json::from_str::<SidecarFacts>(&stored).unwrap().source, told.source);
            }
        }
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..1_400, byte in any::<u8>(), end in 0_usize..1_400) {
        let mut bytes = version().to_string().into_bytes();
        bytes.truncate(end.max(1));
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        read("style.safetensors", "style.civitai.info", &bytes);
    }

    #[test]
    fn no_names_make_it_panic(model in ".{0,12}", sidecar in ".{0,20}") {
        read(&model, &sidecar, b"{\"name\":\"x\"}");
        read(&model, &format!("{model}{sidecar}.json"), b"{\"name\":\"x\"}");
    }
}
