//! Good files of every format, changed at random: nothing panics, nothing holds more memory than the bytes
//! that were read account for, nothing takes long, and what is told never contradicts itself. Files with
//! the headers of real models are the most of what is changed. `PROPTEST_CASES=1024` tries for a minute each.
//!
//! A fuzzer that follows the code's branches needs another compiler; changes to real files reach them too.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may unwrap, print and fail"
)]

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/changes.rs"]
mod changes;
#[path = "support/formats.rs"]
mod formats;
#[path = "support/header.rs"]
mod header;
#[path = "support/hurt.rs"]
mod hurt;
#[path = "support/tar.rs"]
mod tar;
#[path = "support/unpacked.rs"]
mod unpacked;

use std::collections::BTreeMap;

use changes::{Change, apply, changes, hold};
use hurt::{Seed, is_consistent, is_told_within_bounds};
use model_header::{FolderPart, describe_folder};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use unpacked::unpacked;

const LORA: [(&str, &[u64]); 3] = [
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight", &[4, 768]),
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight", &[1280, 4]),
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.alpha", &[]),
];

const SAFETENSORS: [&[u8]; 12] = [
    b"\"__metadata__\":{\"a\":\"b\"},",
    b"\"x\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,0]},",
    b"\"data_offsets\":[18446744073709551615,0]",
    b"\\ud800",
    b"-1",
    b"1e999",
    b"null",
    b"\"",
    b"__metadata__",
    b"ss_tag_frequency",
    b"modelspec.thumbnail\":\"data:image/png;base64,iVBO",
    b" ",
];

const GGUF: [&[u8]; 6] = [
    b"\x09\0\0\0\x09\0\0\0\x01\0\0\0\0\0\0\0",
    b"\x08\0\0\0\0\0\0\0\0\0\0\0",
    b"\x14\0\0\0\0\0\0\0general.architecture\x08\0\0\0",
    b"comfy.gguf.orig_shape.",
    b"GGUF",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
];

const PICKLE: [&[u8]; 14] = [
    b"(",
    b"2",
    b"\x94",
    b"h\0",
    b"j\0\0\0\0",
    b"}(",
    b"u",
    b"tR",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"cos\nsystem\n",
    b"ccollections\nOrderedDict\n",
    b"X\x01\0\0\0a",
    b"PK\x05\x06",
    b"PK\x01\x02",
];

const ONNX: [&[u8]; 6] =
    [b"\x2a\x00", b"\x3a\x7f", b"\x0a\xff\xff\xff\xff\x0f", b"\x42\x01a", b"\x08\x01", b"\x72\x04"];

/// Files of the corpus that are called so.
fn real(ends: &[&str]) -> Vec<Seed> {
    let Some(folder) = unpacked() else { return Vec::new() };
    let text = std::fs::read_to_string(folder.path().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let of_them = expected.iter().filter(|(file, _)| ends.iter().any(|end| file.ends_with(end)));
    of_them.filter_map(|(file, _)| Seed::of(&folder.path().join(file), file)).collect()
}

fn metadata() -> Value {
    json!({
        "ss_tag_frequency": "{\"a\":{\"b\":1}}", "modelspec.thumbnail": "data:image/png;base64,iVBORw==",
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora", "ss_network_alpha": "1", "ss_network_dim": "4",
        "modelspec.hash_sha256": "0x00", "ssmd_cover_images": "[\"iVBORw==\"]",
    })
}

/// Changes these files and looks at what is told of each.
fn change(seeds: &[Seed], words: &[&[u8]]) {
    let what = (any::<Index>(), any::<Index>(), any::<Index>(), changes());
    hold(&what, |(which, other, how, changes)| {
        let mut seed = which.get(seeds).clone();
        let other = other.get(seeds);
        // Archives are read from their end.
        if how.index(4) == 0 && !seed.end.is_empty() {
            apply(&mut seed.end, &changes, &other.end, words);
        } else {
            apply(&mut seed.start, &changes, &other.start, words);
        }
        if how.index(4) != 1 && seed.name.ends_with(".safetensors") {
            seed.mend_length();
        }
        if how.index(9) == 2 {
            "x".clone_into(&mut seed.name);
        }
        is_told_within_bounds(&seed)
    });
}

#[test]
fn safetensors() {
    let mut seeds = real(&[".safetensors"]);
    seeds.push(Seed::new(header::file(&LORA, "F16", Some(metadata())), "x.safetensors"));
    change(&seeds, &SAFETENSORS);
}

#[test]
fn gguf() {
    let mut seeds = real(&[".gguf"]);
    seeds.push(Seed::new(formats::gguf("flux", &LORA), "x.gguf"));
    change(&seeds, &GGUF);
}

#[test]
fn torch_zip() {
    let mut seeds: Vec<_> = real(&[".pt", ".pth", ".bin", ".ckpt"]);
    seeds.retain(|seed| seed.start.starts_with(b"PK"));
    seeds.push(Seed::new(formats::torch_zip(&LORA, None), "x.ckpt"));
    change(&seeds, &PICKLE);
}

#[test]
fn torch_legacy() {
    let mut seeds: Vec<_> = real(&[".pt", ".pth", ".bin", ".ckpt"]);
    seeds.retain(|seed| !seed.start.starts_with(b"PK"));
    // A pickle that seems to go on is read as far as one may: that takes longer than all the rest.
    for seed in &mut seeds {
        seed.hole = seed.hole.min(1 << 20);
    }
    seeds.push(Seed::new(formats::torch_legacy(&LORA, None), "x.pt"));
    change(&seeds, &PICKLE);
}

#[test]
fn pickles_and_tars() {
    let pickle = formats::pickle(&LORA, Some(("os", "system")), false);
    let old = tar::torch_tar(&[("sys_info", b"\x80\x02}."), ("pickle", &pickle), ("tensors", &pickle)]);
    change(&[Seed::new(pickle, "x.bin"), Seed::new(old, "x.pth")], &PICKLE);
}

#[test]
fn onnx() {
    change(&[Seed::new(formats::onnx(&LORA, 2), "x.onnx"), Seed::new(formats::onnx(&[("w", &[8, 3])], 4), "x")], &ONNX);
}

/// A header without its length.
fn weights(tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let bytes = header::file(tensors, "F16", None);
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap();
    bytes[8..8 + length].to_vec()
}

fn folder() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("model_index.json", br#"{"_class_name": "StableDiffusionXLPipeline"}"#.to_vec()),
        ("unet/config.json", br#"{"_class_name": "UNet2DConditionModel", "cross_attention_dim": 2048}"#.to_vec()),
        (
            "unet/model.safetensors",
            weights(&[("conv_in.weight", &[320, 4, 3, 3]), ("time_embedding.linear_1.weight", &[1280, 320])]),
        ),
        (
            "unet/model.safetensors.index.json",
            br#"{"weight_map": {"a": "model.safetensors", "b": "other.safetensors"}}"#.to_vec(),
        ),
        ("text_encoder/model.safetensors", weights(&[("text_model.encoder.layers.0.mlp.fc1.weight", &[3072, 768])])),
        ("config.json", br#"{"architectures": ["Qwen2ForCausalLM"]}"#.to_vec()),
        ("model.safetensors", weights(&LORA)),
    ]
}

fn is_folder_told(parts: &[(&str, Vec<u8>)], size_bytes: u64) -> Result<(), String> {
    let parts: Vec<FolderPart<'_>> = parts.iter().map(|(path, bytes)| FolderPart { path, bytes, size_bytes }).collect();
    let length: u64 = parts.iter().map(|part| part.bytes.len() as u64).sum();
    let (told, peak) = allocations::peak_of(|| describe_folder("x", &parts));
    if peak > (4 << 20) + 96 * length {
        return Err(format!("{peak} bytes held for {length}"));
    }
    if told != describe_folder("x", &parts) {
        return Err("told otherwise the second time".to_owned());
    }
    told.map_or(Ok(()), |told| is_consistent(&told))
}

#[test]
fn folders() {
    let what = (any::<Index>(), any::<Index>(), prop::collection::vec(any::<bool>(), 7), any::<u64>(), changes());
    hold(&what, |(which, other, are_there, size, changes): (_, _, _, _, Vec<Change>)| {
        let all = folder();
        let mut parts: Vec<_> =
            all.iter().zip(are_there).filter(|(_, is_there)| *is_there).map(|(part, _)| part.clone()).collect();
        if !parts.is_empty() {
            let at = which.index(parts.len());
            apply(&mut parts[at].1, &changes, &other.get(&all).1, &SAFETENSORS);
        }
        is_folder_told(&parts, size >> (size % 64))
    });
}
