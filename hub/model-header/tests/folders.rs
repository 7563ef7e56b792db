//! Folders as diffusers and transformers write them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may unwrap and fail")]

#[path = "support/header.rs"]
mod header;

use header::file;
use model_header::{Base, DamageCode, FolderPart, Format, Kind, describe_folder};

/// A header without its length, and the size of its file.
fn weights(tensors: &[(&str, &[u64])]) -> (Vec<u8>, u64) {
    let bytes = file(tensors, "F16", None);
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let data: u64 = tensors.iter().map(|(_, shape)| shape.iter().product::<u64>() * 2).sum();
    (bytes[8..8 + length].to_vec(), 8 + length as u64 + data)
}

fn part<'a>(path: &'a str, bytes: &'a [u8]) -> FolderPart<'a> {
    FolderPart { path, bytes, size_bytes: bytes.len() as u64 }
}

#[test]
fn a_pipeline_is_one_model() {
    let (unet, unet_size) = weights(&[
        ("conv_in.weight", &[320, 4, 3, 3]),
        ("time_embedding.linear_1.weight", &[1280, 320]),
        ("down_blocks.0.resnets.0.conv1.weight", &[320, 320, 3, 3]),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", &[640, 2048]),
    ]);
    let (text, text_size) = weights(&[("text_model.encoder.layers.0.mlp.fc1.weight", &[3072, 768])]);
    let parts = [
        part("model_index.json", br#"{"_class_name": "StableDiffusionXLPipeline"}"#),
        part("unet/config.json", br#"{"_class_name": "UNet2DConditionModel", "cross_attention_dim": 2048}"#),
        FolderPart { path: "unet/model.safetensors", bytes: &unet, size_bytes: unet_size },
        FolderPart { path: "text_encoder/model.safetensors", bytes: &text, size_bytes: text_size },
    ];
    let told = describe_folder("sdxl", &parts).unwrap();
    assert_eq!((told.format, told.kind, told.base), (Format::Diffusers, Kind::Checkpoint, Some(Base::Sdxl)));
    assert_eq!((told.n_tensors, told.precision.as_deref(), told.comfyui_opens), (Some(5), Some("fp16"), Some(true)));
    let elements = 320 * 36 + 1280 * 320 + 320 * 320 * 9 + 640 * 2048 + 3072 * 768;
    assert_eq!(told.n_parameters, Some(elements));
}

#[test]
fn class_names_tell_where_tensors_do_not() {
    let told =
        describe_folder("x", &[part("model_index.json", br#"{"_class_name": "Kandinsky5T2VPipeline"}"#)]).unwrap();
    assert_eq!((told.kind, told.base), (Kind::Checkpoint, Some(Base::Kandinsky5)));
    let told = describe_folder("x", &[part("config.json", br#"{"_class_name": "AutoencoderKL"}"#)]).unwrap();
    assert_eq!(told.kind, Kind::Vae);
    assert!(describe_folder("x", &[part("readme.txt", b"hello")]).is_none());
    assert!(describe_folder("x", &[part("config.json", b"not json")]).is_none());
    for (class, base) in [
        ("QwenImage21Pipeline", Base::QwenImage21),
        ("QwenImageEditPlusPipeline", Base::QwenImage),
        ("Flux3Transformer2DModel", Base::Flux3),
        ("FluxPipeline", Base::Flux1),
        ("Kandinsky6TI2VAPipeline", Base::Kandinsky6),
        ("MiniMaxMusic3Transformer1DModel", Base::MinimaxMusic3),
    ] {
        let index = format!("{{\"_class_name\": \"{class}\"}}");
        let told = describe_folder("x", &[part("model_index.json", index.as_bytes())]).unwrap();
        assert_eq!(told.base, Some(base), "{class}");
    }
}

#[test]
fn shards_that_are_missing_are_told() {
    let index = br#"{"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}"#;
    let (first, size) = weights(&[
        ("model.layers.0.input_layernorm.weight", &[2560]),
        ("model.layers.0.self_attn.q_norm.weight", &[128]),
    ]);
    let parts = [
        part("config.json", br#"{"architectures": ["Qwen3ForCausalLM"]}"#),
        part("model.safetensors.index.json", index),
        FolderPart { path: "model-1-of-2.safetensors", bytes: &first, size_bytes: size },
    ];
    let told = describe_folder("qwen", &parts).unwrap();
    assert_eq!((told.kind, told.base), (Kind::TextEncoder, Some(Base::Qwen3_4b)));
    let damage = told.damage.unwrap();
    assert_eq!(
        (damage.code, damage.detail.as_str()),
        (DamageCode::TruncatedData, "1 of 2 files with weights are not there.")
    );
}
