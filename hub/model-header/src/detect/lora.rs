//! The family that an adapter is for, told from the names of the modules it changes and their widths.
//! Names as in kohya's and musubi's trainers (`networks/lora*.py`), diffusers' `lora_conversion_utils.py`,
//! InvokeAI's `configs/lora.py`, and ComfyUI's `comfy/lora.py`, which loads all of them.

use super::lora_modules::{Module, Modules};
use super::{Verdict, unet, wan};
use crate::base::Base;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

/// Families in the order in which their names are looked for.
const RULES: [fn(&Modules) -> Option<Verdict>; 15] = [
    encoders_only,
    motion,
    stable_diffusion,
    flux,
    joint,
    diffusers_blocks,
    video_blocks,
    krea2,
    wan_blocks,
    z_image,
    hidream,
    kandinsky5,
    omnigen2,
    cascade,
    ace_step15,
];

pub(super) fn lora(table: &Table, tally: &Tally) -> Option<Verdict> {
    // Some models hold a few such names; in an adapter they are the most but for scales.
    if tally.n_lora == 0 || tally.n_lora.saturating_mul(4) < table.rows().len() as u64 {
        return None;
    }
    let modules = Modules::of(table);
    let mut verdict = RULES.iter().find_map(|rule| rule(&modules)).unwrap_or_else(|| found(None));
    verdict.rank = modules.rank();
    if let Some(algorithm) = modules.algorithm() {
        verdict.variant = Some(algorithm.to_owned());
    }
    // Flux's own adapters for edges and depth widen the first layer.
    let is_control = View::new(table, "").columns("img_in.lora_A.weight") == 128;
    if is_control && verdict.base == Some(Base::Flux1) {
        verdict.variant = Some("canny_depth".to_owned());
    }
    Some(verdict)
}

fn found(base: impl Into<Option<Base>>) -> Verdict {
    Verdict::new(Kind::Lora, base)
}

fn is_encoder(name: &[u8]) -> bool {
    name.starts_with(b"lora_te") || name.starts_with(b"text_encoder") || name.starts_with(b"text_model")
}

/// Only text encoders are changed: two of them are SDXL's, the width of one tells SD.
fn encoders_only(modules: &Modules) -> Option<Verdict> {
    if !modules.iter().all(|(name, _)| is_encoder(name)) {
        return None;
    }
    if modules.begins("lora_te2") || modules.begins("text_encoder_2") {
        let is_t5 = modules.any("SelfAttention") || modules.any("DenseReluDense");
        return Some(if is_t5 { found(Base::Flux1) } else { found(Base::Sdxl) });
    }
    Some(match modules.input_of(&["self_attn_q_proj", "mlp_fc1"]) {
        768 if modules.begins("lora_te_") => found(Base::Sd15),
        1_024 => found(Base::Sd21),
        _ => found(None),
    })
}

/// Adapters of AnimateDiff's motion modules, for how the camera moves.
fn motion(modules: &Modules) -> Option<Verdict> {
    (modules.any("motion_modules") && modules.any("temporal")).then(|| found(Base::Sd15).variant("motion"))
}

/// The U-Nets, by the width of the text they attend to.
fn stable_diffusion(modules: &Modules) -> Option<Verdict> {
    let blocks =
        ["down_blocks_#_", "up_blocks_#_", "mid_block_", "input_blocks_#_", "output_blocks_#_", "middle_block_#_"];
    let is_unet = modules.iter().any(|(name, _)| blocks.iter().any(|start| name.starts_with(start.as_bytes())));
    if !is_unet || modules.any("channelwise") {
        return None;
    }
    let context = modules.input_of(&["attn2_to_k", "attn2_to_v", "attn2_processor_to_k", "attn2_processor_to_v"]);
    if let Some(base) = unet::by_context(context) {
        return Some(if context == 1_280 { found(base).variant("refiner") } else { found(base) });
    }
    // Without that, only SDXL has several transformers in a row, or a second text encoder.
    let is_attention =
        |name: &[u8]| [&b"attn1_to_q"[..], b"attn1_to_k", b"attn1_to_v"].iter().any(|end| name.ends_with(end));
    let is_deep = modules.iter().any(|(name, module)| is_attention(name) && module.depth > 1);
    if modules.begins("lora_te2") || modules.begins("text_encoder_2") || is_deep {
        return Some(found(Base::Sdxl));
    }
    Some(match modules.input_of(&["lora_te_text_model_encoder_layers_#_self_attn_q_proj"]) {
        768 => found(Base::Sd15),
        1_024 => found(Base::Sd21),
        _ => found(None),
    })
}

/// Flux in its own names, which Hunyuan Video, Flux.2, Chroma and others share.
fn flux(modules: &Modules) -> Option<Verdict> {
    if !modules.begins("double_blocks_#_") && !modules.begins("single_blocks_#_") {
        return None;
    }
    let double = modules.with("double_blocks_#_");
    let single = modules.with("single_blocks_#_");
    let width = modules.input_of(&[
        "img_attn_proj",
        "img_attn_qkv",
        "txt_attn_qkv",
        "processor_qkv",
        "single_blocks_#_linear1",
    ]);
    // HunyuanVideo in musubi-tuner: 20 and 40 blocks, a norm of its own name, another feed-forward.
    let is_hunyuan =
        modules.any("img_mlp_fc") || modules.any("img_mod_linear") || modules.any("individual_token_refiner");
    if is_hunyuan || double.blocks > 19 || single.blocks > 48 {
        return Some(hunyuan(width, double.blocks));
    }
    if modules.any("distilled_guidance_layer") {
        return Some(found(Base::Chroma));
    }
    // Flux.2: linear1 has nine times the width, mlp.0 six times; Flux.1 seven and four.
    let ratio = |module: Module| module.output.checked_div(module.input).unwrap_or(0);
    let is_second = ratio(modules.with("single_blocks_#_linear1")) == 9
        || ratio(modules.with("img_mlp_#")).max(ratio(modules.with("txt_mlp_#"))) == 6
        || modules.any("double_stream_modulation")
        || width == 4_096
        || width == 6_144;
    if is_second {
        let variant = match width {
            6_144 => "dev",
            4_096 => "klein_9b",
            3_072 => "klein_4b",
            _ => "",
        };
        return Some(found(Base::Flux2).variant(variant));
    }
    if modules.any("img_mlp_gate_proj") {
        return Some(found(Base::Ovis));
    }
    let has_modulation = modules.any("_mod_lin") || modules.any("modulation_lin");
    Some(match width {
        // Chroma has the same layers but those of modulation.
        3_072 if has_modulation => found(Base::Flux1),
        3_072 | 0 => found(Base::Flux1).also(&[Base::Chroma, Base::LongcatImage]),
        1_024 | 2_048 if modules.any("latent_in") => found(Base::Hunyuan3d),
        _ => found(None),
    })
}

fn hunyuan(width: u64, blocks: u64) -> Verdict {
    match width {
        3_584 => found(Base::HunyuanImage),
        2_048 => found(Base::HunyuanVideo).variant("1.5"),
        3_072 | 0 => found(Base::HunyuanVideo),
        _ if blocks > 20 => found(Base::HunyuanVideo),
        _ => found(None),
    }
}

/// SD3 and AuraFlow in their own names and those of diffusers.
fn joint(modules: &Modules) -> Option<Verdict> {
    if modules.begins("joint_blocks_#_") {
        return Some(sd3(modules.input_of(&["x_block_attn_qkv", "context_block_attn_qkv", "attn_proj"]), modules));
    }
    let is_auraflow = ["joint_transformer_blocks_#_", "double_layers_#_", "single_layers_#_"];
    is_auraflow.iter().any(|start| modules.begins(start)).then(|| found(Base::Auraflow))
}

fn sd3(width: u64, modules: &Modules) -> Verdict {
    match width {
        2_432 => found(Base::Sd35).variant("large"),
        1_536 if modules.any("attn2") => found(Base::Sd35).variant("medium"),
        1_536 => found(Base::Sd3).variant("medium").also(&[Base::Sd35]),
        _ => found(None),
    }
}

/// Transformers of two streams as diffusers names them: Flux, Qwen-Image, SD3, Hunyuan Video.
fn diffusers_blocks(modules: &Modules) -> Option<Verdict> {
    let has_single = modules.begins("single_transformer_blocks_#_");
    let has_adds = modules.any("attn_add_k_proj") || modules.any("attn_add_q_proj") || modules.any("attn_to_add_out");
    let is_qwen = ["_img_mlp_", "_txt_mlp_", "_img_mod_", "_txt_mod_"].iter().any(|part| modules.any(part));
    if !modules.begins("transformer_blocks_#_") && !has_single {
        return None;
    }
    if !has_single && !has_adds && !is_qwen {
        return None;
    }
    if modules.any("to_qkv_mlp_proj") || modules.any("double_stream_modulation") {
        return Some(found(Base::Flux2));
    }
    let double =
        modules.with("transformer_blocks_#_attn_add").blocks.max(modules.with("transformer_blocks_#_ff").blocks);
    let single = modules.iter().filter(|(name, _)| name.starts_with(b"single_transformer_blocks_#_"));
    let single = single.map(|(_, module)| module.blocks).max().unwrap_or(0);
    let width = modules.input_of(&[
        "attn_to_q",
        "attn_add_q_proj",
        "attn_to_k",
        "attn_to_out_#",
        "attn_add_k_proj",
        "attn_add_v_proj",
        "proj_mlp",
    ]);
    if has_single {
        let is_hunyuan = modules.any("token_refiner") || single > 38;
        return Some(match width {
            _ if is_hunyuan => found(Base::HunyuanVideo),
            3_072 if modules.any("norm1_linear") || modules.any("norm_linear") => found(Base::Flux1),
            _ => found(Base::Flux1).also(&[Base::Chroma]),
        });
    }
    match width {
        1_536 | 2_432 => Some(sd3(width, modules)),
        _ if is_qwen || double > 19 => Some(found(Base::QwenImage)),
        3_072 => Some(found(None).also(&[Base::QwenImage, Base::Flux1])),
        _ => Some(found(None)),
    }
}

/// Transformers of one stream with text beside it: LTX-Video, PixArt, ACE-Step, Mochi, CogVideoX.
fn video_blocks(modules: &Modules) -> Option<Verdict> {
    if !modules.begins("transformer_blocks_#_") {
        return None;
    }
    if modules.any("audio_attn")
        || modules.any("video_to_audio")
        || modules.any("audio_to_video")
        || modules.any("audio_ff")
    {
        return Some(found(Base::Ltxv2));
    }
    if ["speaker_embedder", "genre_embedder", "lyric_"].iter().any(|part| modules.any(part)) {
        return Some(found(Base::AceStep));
    }
    let width = modules.input_of(&["attn1_to_q", "attn1_to_k", "attn_to_q", "cross_attn_to_q", "attn2_to_q"]);
    Some(match width {
        1_152 => found(Base::Pixart),
        2_048 => found(Base::Ltxv).variant("2b"),
        4_096 => found(Base::Ltxv).variant("13b").also(&[Base::Ltxv2]),
        2_560 => found(Base::AceStep),
        1_920 => found(Base::Cogvideox).variant("2b"),
        3_072 if modules.any("attn1_to_q") => found(None).also(&[Base::Cogvideox, Base::Mochi]),
        1_408 => found(Base::HunyuanDit),
        _ => found(None),
    })
}

/// `blocks.0.attn.wq` and a gate: Krea 2.
fn krea2(modules: &Modules) -> Option<Verdict> {
    (modules.begins("txtfusion_") || (modules.begins("blocks_#_attn_wq") && modules.any("_attn_")))
        .then(|| found(Base::Krea2))
}

/// `blocks.0.self_attn`: Wan by q, k and v, Cosmos and Anima by `q_proj`; Wan of diffusers by `attn1`.
fn wan_blocks(modules: &Modules) -> Option<Verdict> {
    if !modules.begins("blocks_#_") && !modules.begins("vace_blocks_#_") {
        return None;
    }
    if modules.any("attn_q_proj") || modules.any("mlp_layer1") || modules.begins("llm_adapter_") {
        let base = if modules.begins("llm_adapter_") { Base::Anima } else { Base::CosmosPredict2 };
        let verdict = found(base);
        return Some(match modules.input_of(&["self_attn_q_proj", "cross_attn_q_proj", "mlp_layer1"]) {
            2_048 if base == Base::CosmosPredict2 => verdict.variant("2b").also(&[Base::Anima]),
            5_120 => verdict.variant("14b"),
            _ => verdict,
        });
    }
    let width = modules.input_of(&[
        "self_attn_q",
        "self_attn_k",
        "self_attn_v",
        "attn1_to_q",
        "cross_attn_q",
        "attn2_to_q",
        "ffn_#",
    ]);
    let has_image = modules.any("cross_attn_k_img") || modules.any("attn2_add_k_proj") || modules.begins("img_emb_");
    Some(match width {
        1_536 => found(Base::Wan21).variant("1.3b"),
        3_072 => found(Base::Wan22).variant("ti2v_5b"),
        5_120 if has_image => found(Base::Wan21).variant("i2v_14b"),
        5_120 => found(Base::Wan21).variant(wan::size(width)).also(&[Base::Wan22]),
        _ => found(None),
    })
}

/// `layers.0.attention`: Z-Image and Lumina 2 by their width.
fn z_image(modules: &Modules) -> Option<Verdict> {
    let starts =
        ["layers_#_attention_", "layers_#_feed_forward_", "noise_refiner_#_", "context_refiner_#_", "layers_#_adaLN"];
    if !starts.iter().any(|start| modules.begins(start)) {
        return None;
    }
    match modules.input_of(&["attention_qkv", "attention_to_q", "attention_out", "attention_to_out", "feed_forward_w1"])
    {
        3_840 => Some(found(Base::ZImage)),
        2_304 => Some(found(Base::Lumina2).also(&[Base::Newbie])),
        _ => None,
    }
}

fn hidream(modules: &Modules) -> Option<Verdict> {
    let starts = ["double_stream_blocks_#_", "single_stream_blocks_#_"];
    starts.iter().any(|start| modules.begins(start)).then(|| found(Base::Hidream))
}

fn kandinsky5(modules: &Modules) -> Option<Verdict> {
    let width = modules.input_of(&["visual_transformer_blocks_#_self_attention", "visual_transformer_blocks_#_"]);
    modules.begins("visual_transformer_blocks_#_").then(|| {
        found(Base::Kandinsky5).variant(match width {
            4_096 => "pro",
            2_560 => "image_lite",
            1_792 => "lite",
            _ => "",
        })
    })
}

fn omnigen2(modules: &Modules) -> Option<Verdict> {
    let width = modules.input_of(&["layers_#_attn_to_q", "layers_#_attn_to_k"]);
    (width == 2_520).then(|| found(Base::Omnigen2))
}

fn cascade(modules: &Modules) -> Option<Verdict> {
    (modules.any("channelwise") || modules.begins("lora_prior_")).then(|| found(Base::StableCascade))
}

fn ace_step15(modules: &Modules) -> Option<Verdict> {
    modules.begins("decoder_layers_#_").then(|| found(Base::AceStep15))
}
