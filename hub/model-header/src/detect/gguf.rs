//! What GGUF says of itself decides the kind, because its names are those of llama.cpp for language
//! models and those of the model itself for denoisers (`loader.py` of ComfyUI-GGUF). The family of a
//! denoiser is told from its tensors: some files say `flux` of Chroma, or `lumina2` of Z-Image.

use super::{Verdict, text_encoder};
use crate::base::Base;
use crate::contents::Gguf;
use crate::table::{Table, View};
use crate::vocabulary::Kind;

/// Architectures whose models encode text for pictures (`TXT_ARCH_LIST`).
const ENCODERS: [&str; 9] = ["t5", "t5encoder", "llama", "qwen2vl", "qwen3", "qwen3vl", "gemma2", "gemma3", "mistral3"];

pub(super) fn judge_gguf(told: &Gguf, table: &Table) -> Option<Verdict> {
    if told.kind == "mmproj" || told.architecture == "clip" {
        return Some(mmproj(told, table));
    }
    if told.architecture.starts_with("t5") {
        return Some(Verdict::new(Kind::TextEncoder, t5(&View::new(table, ""))));
    }
    let view = View::new(table, "");
    if !view.has("token_embd.weight") && !view.has("blk.0.attn_norm.weight") {
        return None;
    }
    let base = language_model(told, &view);
    let is_encoder = base.is_some() && ENCODERS.contains(&told.architecture.as_str());
    let kind = if is_encoder { Kind::TextEncoder } else { Kind::Llm };
    let also: &[Base] = if base == Some(Base::Llama3_8b) { &[Base::Llama31_8b] } else { &[] };
    Some(
        Verdict::new(kind, base)
            .also(also)
            .variant(told.size_label.clone().filter(|_| kind == Kind::Llm).unwrap_or_default()),
    )
}

/// The part that sees, by the width of the model that it sees for.
fn mmproj(told: &Gguf, table: &Table) -> Verdict {
    let view = View::new(table, "");
    let width = ["mm.2.weight", "mm.1.weight", "mm.input_projection.weight", "mm.0.weight"]
        .iter()
        .map(|name| view.rows_of(name))
        .find(|width| *width > 0)
        .unwrap_or(0);
    let projector = told.projector.as_deref().unwrap_or_default();
    let base = match (projector, width) {
        ("qwen2.5vl_merger", 3_584) => Some(Base::Qwen25Vl7b),
        ("qwen2.5vl_merger", 2_048) => Some(Base::Qwen25Vl3b),
        ("qwen3vl_merger", 2_560) => Some(Base::Qwen3Vl4b),
        ("qwen3vl_merger", 4_096) => Some(Base::Qwen3Vl8b),
        ("qwen3vl_merger", 5_120) => Some(Base::Qwen3Vl32b),
        ("gemma3", _) => match view.columns("mm.input_projection.weight").max(width) {
            2_560 => Some(Base::Gemma3_4b),
            3_840 => Some(Base::Gemma3_12b),
            _ => None,
        },
        ("pixtral", 5_120) => Some(Base::Mistral3_24b),
        _ => None,
    };
    Verdict::new(Kind::Mmproj, base)
}

/// T5 in llama.cpp's names (`T5_SD_MAP`).
fn t5(view: &View<'_>) -> Option<Base> {
    let width = view.columns("enc.blk.0.attn_q.weight");
    let is_multilingual = view.rows_of("token_embd.weight") > 200_000 || view.has("enc.blk.1.attn_rel_b.weight");
    match (width, is_multilingual) {
        (4_096, true) => Some(Base::Umt5Xxl),
        (4_096, false) => Some(Base::T5Xxl),
        (2_048, false) => Some(Base::T5Xl),
        (1_472, _) => Some(Base::Byt5Small),
        (768, true) => Some(Base::Umt5Base),
        (768, false) => Some(Base::T5Base),
        _ => None,
    }
}

/// Language models in llama.cpp's names (`LLAMA_SD_MAP`), then in their own.
fn language_model(told: &Gguf, view: &View<'_>) -> Option<Base> {
    let width = view.columns("token_embd.weight");
    let feed = view.rows_of("blk.0.ffn_gate.weight");
    let layers = view.blocks("blk.");
    match (told.architecture.as_str(), width) {
        ("qwen2vl", 3_584) => Some(Base::Qwen25Vl7b),
        ("qwen2vl", 2_048) => Some(Base::Qwen25Vl3b),
        ("qwen3", 1_024) => Some(Base::Qwen3_0_6b),
        ("qwen3", 2_048) => Some(Base::Qwen3_2b),
        ("qwen3", 2_560) => Some(Base::Qwen3_4b),
        ("qwen3", 4_096) => Some(Base::Qwen3_8b),
        ("qwen3vl", 2_560) => Some(Base::Qwen3Vl4b),
        ("qwen3vl", 4_096) => Some(Base::Qwen3Vl8b),
        ("qwen3vl", 5_120) => Some(Base::Qwen3Vl32b),
        ("gemma2", 2_304) => Some(Base::Gemma2_2b),
        ("gemma3", 2_560) => Some(Base::Gemma3_4b),
        ("gemma3", 3_840) => Some(Base::Gemma3_12b),
        ("llama" | "mistral3", 5_120) if feed == 32_768 => Some(Base::Mistral3_24b),
        ("llama" | "mistral3", 3_072) if feed == 9_216 => Some(Base::Ministral3_3b),
        ("llama", 4_096) if feed == 14_336 && layers == 32 => Some(Base::Llama3_8b),
        ("gpt-oss", 2_880) => Some(Base::GptOss20b),
        _ => text_encoder::language_model(view),
    }
}
