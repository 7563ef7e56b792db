//! Encoders of text and of pictures, in the order of `detect_te_model` in ComfyUI's `comfy/sd.py` and of
//! `load_clipvision_from_sd` in its `clip_vision.py`.

use super::Verdict;
use crate::base::Base;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

/// Names that encoders stand behind: alone, in checkpoints, inside of larger models.
const PREFIXES: [&str; 12] = [
    "",
    "text_encoder.",
    "cond_stage_model.transformer.",
    "cond_stage_model.",
    "cond_stage_model.model.",
    "conditioner.embedders.0.transformer.",
    "conditioner.embedders.0.model.",
    "text_encoders.clip_l.transformer.",
    "text_encoders.t5xxl.transformer.",
    "text_encoders.qwen25_7b.transformer.",
    "language_model.",
    "thinker.",
];

pub(super) fn text_encoder(table: &Table, _: &Tally) -> Option<Verdict> {
    PREFIXES.iter().find_map(|prefix| {
        let view = View::new(table, prefix);
        let base = clip(&view).or_else(|| t5(&view)).or_else(|| language_model(&view));
        let (base, also): (Base, &[Base]) = match base? {
            Base::Llama3_8b => (Base::Llama3_8b, &[Base::Llama31_8b]),
            base => (base, &[]),
        };
        Some(Verdict::new(Kind::TextEncoder, base).also(also))
    })
}

/// CLIP with both halves is taken for its text; one with pictures only for those.
pub(super) fn clip_vision_or_text(table: &Table, tally: &Tally) -> Option<Verdict> {
    let view = View::new(table, "");
    // SigLIP's text is never what a file with both is for.
    let is_siglip = view.columns("vision_model.embeddings.position_embedding.weight") == 1_152;
    let words = ["text_model.embeddings.token_embedding.weight", "token_embedding.weight", "model.embed_tokens.weight"];
    if view.any(&words) && !is_siglip {
        return None;
    }
    ["", "image_encoder.", "clip_vision.", "conditioner.embedders.0.open_clip.model."].iter().find_map(|prefix| {
        let base = vision(&View::new(table, prefix))?;
        (tally.n_lora == 0).then(|| Verdict::new(Kind::ClipVision, base))
    })
}

fn vision(view: &View<'_>) -> Option<Base> {
    // SigLIP before CLIP: it has as many layers as one of those.
    let position = view.rows_of("vision_model.embeddings.position_embedding.weight");
    if view.columns("vision_model.embeddings.position_embedding.weight") == 1_152 {
        let is_second = view.shape("vision_model.embeddings.patch_embedding.weight").len() == 2;
        return Some(if is_second { Base::Siglip2So400m } else { Base::SiglipSo400m });
    }
    let layers = view.blocks("vision_model.encoder.layers.");
    if position > 0 || layers > 0 {
        return match layers {
            48 => Some(Base::ClipVitG),
            32 => Some(Base::ClipVitH),
            24 => Some(Base::ClipVitL),
            _ => None,
        };
    }
    let first = view.blocks("visual.transformer.resblocks.");
    if first > 0 {
        return match first {
            48 => Some(Base::ClipVitG),
            32 => Some(Base::ClipVitH),
            24 => Some(Base::ClipVitL),
            _ => None,
        };
    }
    if view.has("embeddings.patch_embeddings.projection.weight") || view.has("encoder.layer.39.layer_scale2.lambda1") {
        return Some(Base::Dinov2);
    }
    view.has("layer.0.layer_scale1.lambda1").then_some(Base::Dinov3)
}

/// CLIP by its depth, also in the names of OpenCLIP.
fn clip(view: &View<'_>) -> Option<Base> {
    if view.has("model.encoder.layers.0.mixer.Wqkv.weight") {
        return Some(Base::JinaClip2);
    }
    let is_clip = view.has("text_model.encoder.layers.0.mlp.fc1.weight");
    let is_open = view.has("transformer.resblocks.0.ln_1.weight") && !view.begins("visual.");
    if !is_clip && !is_open {
        return None;
    }
    let layers = view.blocks("text_model.encoder.layers.").max(view.blocks("transformer.resblocks."));
    match layers {
        31.. => Some(Base::ClipG),
        23.. => Some(Base::ClipH),
        _ => Some(Base::ClipL),
    }
}

fn t5(view: &View<'_>) -> Option<Base> {
    if view.has("model.encoder.layers.0.pre_self_attn_layernorm.weight") {
        return Some(Base::T5Gemma);
    }
    let attention = view.shape("encoder.block.0.layer.0.SelfAttention.k.weight");
    let (rows, width) = (*attention.first()?, attention.get(1).copied().unwrap_or(0));
    if rows == 384 && width == 1_472 {
        return Some(Base::Byt5Small);
    }
    // UMT5 has a table of positions in every layer, and a vocabulary of 256,384.
    let is_multilingual = view.rows_of("shared.weight") > 200_000
        || view.has("encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight");
    match (width, is_multilingual) {
        (4_096, true) => Some(Base::Umt5Xxl),
        (768, true) => Some(Base::Umt5Base),
        // The first T5-XXL has heads of twice the width, and no gate.
        (4_096, false) => Some(Base::T5Xxl),
        (1_024, false) if rows > 4_096 => Some(Base::T5Xxl),
        (2_048, false) => Some(Base::T5Xl),
        (768, false) => Some(Base::T5Base),
        _ => None,
    }
}

/// Language models by their width and what only some have.
pub(super) fn language_model(view: &View<'_>) -> Option<Base> {
    if view.has("thinker.layers.1.mlp.image_gate.proj.weight") {
        return Some(Base::MingImage);
    }
    // SD: `load_text_encoder_state_dicts`; both are language models that make sound.
    if view.has("model.audio_decoder.projection.weight") {
        return Some(Base::MinimaxMusic3);
    }
    if view.has("yue2_tokenizer_json") {
        return Some(Base::Yue2);
    }
    if view.any(&["layers.0.self_attn.sinks", "model.layers.0.self_attn.sinks"]) {
        return Some(Base::GptOss20b);
    }
    let prefixes = [
        "model.layers.",
        "model.language_model.layers.",
        "layers.",
        "language_model.model.layers.",
        "language_model.layers.",
    ];
    let prefix = prefixes.iter().find(|prefix| view.has(&format!("{prefix}0.input_layernorm.weight")))?;
    let first = |name: &str| view.rows_of(&format!("{prefix}0.{name}"));
    let has = |name: &str| first(name) > 0;
    let width = first("input_layernorm.weight");
    let layers = view.blocks(prefix);
    if has("post_feedforward_layernorm.weight") {
        return gemma(view, width, layers, has("self_attn.q_norm.weight"));
    }
    if has("self_attn.k_proj.bias") {
        return match first("self_attn.k_proj.bias") {
            256 => Some(Base::Qwen25Vl3b),
            512 => Some(Base::Qwen25Vl7b),
            _ => None,
        };
    }
    if has("linear_attn.A_log") {
        return Some(match width {
            1_024 => Base::Qwen35_0_8b,
            2_560 => Base::Qwen35_4b,
            4_096 => Base::Qwen35_9b,
            5_120 => Base::Qwen35_27b,
            _ => Base::Qwen35_2b,
        });
    }
    let has_deepstack = ["model.visual.", "visual."]
        .iter()
        .any(|start| view.has(&format!("{start}deepstack_merger_list.0.norm.weight")));
    if has_deepstack {
        return Some(match width {
            2_560 => Base::Qwen3Vl4b,
            5_120 => Base::Qwen3Vl32b,
            _ => Base::Qwen3Vl8b,
        });
    }
    match (width, has("self_attn.q_norm.weight")) {
        (1_024, true) => Some(Base::Qwen3_0_6b),
        (2_048, true) => Some(Base::Qwen3_2b),
        (2_560, true) => Some(Base::Qwen3_4b),
        (4_096, true) => Some(Base::Qwen3_8b),
        (5_120, false) => Some(Base::Mistral3_24b),
        (3_072, false) if first("mlp.gate_proj.weight") == 9_216 => Some(Base::Ministral3_3b),
        (4_096, false) if first("mlp.gate_proj.weight") == 14_336 => Some(Base::Llama3_8b),
        _ => None,
    }
}

fn gemma(view: &View<'_>, width: u64, layers: u64, has_norms: bool) -> Option<Base> {
    match (width, layers, has_norms) {
        (2_304, _, false) => Some(Base::Gemma2_2b),
        (2_560, 42, true) => Some(Base::Gemma4E4b),
        (1_536, _, true) => Some(Base::Gemma4E2b),
        (2_560, _, true) => Some(Base::Gemma3_4b),
        (3_840, _, true) if !view.has("model.layers.5.self_attn.v_proj.weight") && layers == 48 => {
            Some(Base::Gemma4_12b)
        }
        (3_840, _, true) => Some(Base::Gemma3_12b),
        (_, 60, true) => Some(Base::Gemma4_31b),
        _ => None,
    }
}
