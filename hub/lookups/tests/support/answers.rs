//! Answers as the sites give them, shortened: what they are made of is cited in each finder.
#![allow(dead_code, reason = "each test includes all of them and uses some")]

use lookups::Answer;
use serde_json::{Value, json};
use shared_protocol::Sha256;

/// The digest that most of these are about.
pub(crate) fn ours() -> Sha256 {
    Sha256::from_bytes([0xab; 32])
}

/// A commit.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// With 200 and the type that belongs to it.
pub(crate) fn ok(body: &Value) -> Answer {
    Answer {
        status: 200,
        content_type: Some("application/json".into()),
        error_code: None,
        body: body.to_string().into(),
    }
}

/// Without data.
pub(crate) fn status(status: u16, code: Option<&str>) -> Answer {
    let body = br#"{"error":"no"}"#.to_vec();
    Answer { status, content_type: Some("application/json".into()), error_code: code.map(str::to_owned), body }
}

pub(crate) fn civitai_ids() -> Value {
    json!([
        {"modelVersionId": 128_713, "modelId": 4_384, "hash": ours().to_hex().to_uppercase()},
        {"modelVersionId": 999, "hash": "CD".repeat(32)},
        {"modelVersionId": 7, "hash": null},
    ])
}

/// A version; its hashes are in capitals there.
pub(crate) fn civitai_version(id: u64, published_at: &str) -> Value {
    json!({
        "id": id, "modelId": 4_384, "name": "8", "nsfwLevel": 1, "status": "Published", "availability": "Public",
        "publishedAt": published_at, "createdAt": "2023-07-29T20:10:32.168Z", "trainedWords": ["x"],
        "baseModel": "SD 1.5", "baseModelType": "Standard", "earlyAccessEndsAt": null, "usageControl": "Download",
        "description": "<p>x</p>", "uploadType": "Created", "air": format!("urn:air:sd1:checkpoint:civitai:4384@{id}"),
        "stats": {"downloadCount": 1, "thumbsUpCount": 2}, "model": {"name": "DreamShaper", "type": "Checkpoint", "nsfw": false, "poi": false},
        "files": [
            {"id": 9_001, "sizeKB": 323_440.109_375, "name": "dreamshaper_8.vae.pt", "type": "VAE",
             "hashes": {"SHA256": "EF".repeat(32)}, "primary": false, "metadata": {}},
            {"id": 9_000, "sizeKB": 2_082_642.474_609_375, "name": "dreamshaper_8.safetensors", "type": "Model",
             "pickleScanResult": "Success", "virusScanResult": "Success", "scannedAt": "2023-07-29T20:15:45.000Z",
             "metadata": {"fp": "fp16", "size": "pruned", "format": "SafeTensor"},
             "hashes": {"AutoV1": "6E6E1E1B", "AutoV2": "879DB523C3", "SHA256": ours().to_hex().to_uppercase(),
                        "CRC32": "7F1F1C3D", "BLAKE3": "12".repeat(32), "AutoV3": "0123456789AB"},
             "primary": true, "downloadUrl": format!("https://civitai.com/api/download/models/{id}")},
        ],
        "images": [{"url": "https://image.civitai.com/x.jpeg", "nsfwLevel": 1, "width": 512, "height": 768, "hash": "U", "type": "image",
                    "meta": {"prompt": "a", "seed": 1}}],
        "downloadUrl": format!("https://civitai.com/api/download/models/{id}"),
    })
}

pub(crate) fn civitai_model() -> Value {
    let mut newest = civitai_version(200, "2024-01-01T00:00:00.000Z");
    // The model stands around its versions there.
    newest.as_object_mut().map(|version| (version.remove("model"), version.remove("modelId")));
    json!({"id": 4_384, "name": "DreamShaper", "type": "Checkpoint", "mode": null, "tags": ["a"],
           "creator": {"username": "Lykon"}, "modelVersions": [newest, civitai_version(128_713, "2023-07-29T20:00:00.000Z")]})
}

pub(crate) fn civarchive() -> Value {
    json!({"data": {
        "id": 1_746_460, "name": "Mixplin Style", "type": "LORA", "is_nsfw": true, "tags": ["art"], "creator_username": "Ty_Lee",
        "deletedAt": "2025-05-01T00:00:00Z",
        "version": {
            "id": 1_976_567, "modelId": 1_746_460, "name": "v1.0", "baseModel": "Illustrious", "trigger": ["mxpln"],
            "files": [{
                "id": 1_874_043, "name": "mxpln.safetensors", "type": "Model", "sizeKB": 223_124.371_093_75,
                "downloadUrl": "https://civitai.com/api/download/models/1976567", "sha256": ours().to_hex(), "is_primary": false,
                "mirrors": [
                    {"filename": "mxpln.safetensors", "url": "https://civitai.com/api/download/models/1976567", "deletedAt": "2025-05-01T00:00:00Z"},
                    {"filename": "mxpln.safetensors", "url": "https://huggingface.co/x/y/resolve/main/mxpln.safetensors", "deletedAt": null},
                    {"filename": "z", "url": "magnet:?xt=urn:btih:0", "deletedAt": null},
                ],
            }],
            "images": [{"id": 1, "url": "https://img.example/x.png"}],
        },
        "versions": [{"id": 1_976_567, "name": "v1.0"}],
    }})
}

pub(crate) fn hugging_face() -> Value {
    json!([
        {"type": "file", "oid": "aa".repeat(20), "size": 7_000_000_000_u64, "path": "d/x.safetensors",
         "lfs": {"oid": ours().to_hex(), "size": 7_000_000_000_u64, "pointerSize": 135}, "xetHash": "34".repeat(32),
         "lastCommit": {"id": COMMIT, "title": "up", "date": "2024-01-01T00:00:00.000Z"},
         "securityFileStatus": {"status": "safe"}},
        {"type": "file", "oid": "bb".repeat(20), "size": 665, "path": "config.json"},
        {"type": "directory", "oid": "cc".repeat(20), "size": 0, "path": "d"},
        {"type": "file", "oid": "dd".repeat(20), "size": 5, "path": "not-asked-for.pt", "lfs": {"oid": "ee".repeat(32), "size": 5}},
    ])
}

pub(crate) fn modelscope() -> Value {
    json!({"Code": 200, "Success": true, "Message": "success", "RequestId": "x", "Data": {"Files": [
        {"Type": "tree", "Name": "d", "Path": "d", "Size": 0, "Sha256": "", "Revision": COMMIT},
        {"Type": "blob", "Name": "x.safetensors", "Path": "d/x.safetensors", "Size": 7_000_000_000_u64, "IsLFS": true,
         "Sha256": ours().to_hex(), "Revision": COMMIT, "CommittedDate": 1_700_000_000},
        {"Type": "blob", "Name": "configuration.json", "Path": "configuration.json", "Size": 48, "Sha256": null, "Revision": COMMIT},
    ]}})
}

pub(crate) fn manager_list() -> Value {
    json!({"models": [
        {"name": "TAESDXL Decoder", "type": "TAESD", "base": "SDXL", "save_path": "vae_approx", "description": "x", "reference": "https://github.com/x",
         "filename": "taesdxl_decoder.pth", "url": "https://github.com/madebyollin/taesd/raw/main/taesdxl_decoder.pth", "size": "4.91MB"},
        {"name": "x", "type": "checkpoint", "base": "SD1.5", "save_path": "default", "filename": "X.safetensors",
         "url": "https://huggingface.co/a/b/blob/main/X.safetensors"},
        {"name": "broken", "filename": "X.safetensors", "url": "ttps://huggingface.co/a"},
        {"name": "no url", "filename": "X.safetensors"},
    ]})
}
