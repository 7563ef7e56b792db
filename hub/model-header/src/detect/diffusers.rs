//! Denoisers in the names of diffusers, and what the class names in its folders tell.

use super::{Verdict, denoiser, unet, wan};
use crate::base::Base;
use crate::table::View;
use crate::vocabulary::Kind;

/// Families that ComfyUI has no loader for, by the modules of diffusers' `transformer_flux3.py`,
/// `transformer_bria_fibo.py`, `transformer_glm_image.py` and `sana_transformer.py` (0.42).
const NOT_LOADED: [(Base, &[&str]); 4] = [
    (Base::Flux3, &["early_stream_modulations.image.linear.weight", "early_stream_modulations.txt.linear.weight"]),
    // Its other modules have the names of Flux, and this one that of HiDream.
    (Base::BriaFibo, &["caption_projection.0.linear.weight", "context_embedder.weight", "x_embedder.weight"]),
    (Base::GlmImage, &["prior_token_embedding.weight", "glyph_projector.net.0.proj.weight"]),
    (Base::Sana, &["caption_norm.weight", "caption_projection.linear_1.weight", "patch_embed.proj.weight"]),
];

/// A denoiser whose names another family's could be taken for: looked for before those.
pub(super) fn not_loaded(view: &View<'_>) -> Option<Verdict> {
    let (base, _) = NOT_LOADED.iter().find(|(_, needs)| view.all(needs))?;
    Some(Verdict::new(Kind::DiffusionModel, *base).diffusers().not_loadable())
}

pub(super) fn denoiser(view: &View<'_>) -> Option<Verdict> {
    let found = |base| Verdict::new(Kind::DiffusionModel, base).diffusers();
    // `convert_diffusers_mmdit` in ComfyUI's model_detection.py: AuraFlow, Flux, SD3.
    if view.has("joint_transformer_blocks.0.attn.add_k_proj.weight") {
        return Some(found(Base::Auraflow));
    }
    // diffusers' transformer_flux2.py.
    if view.has("single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight") {
        let variant = match view.rows_of("x_embedder.weight") {
            6_144 => "dev",
            4_096 => "klein_9b",
            3_072 => "klein_4b",
            _ => "",
        };
        return Some(found(Base::Flux2).variant(variant));
    }
    let adds = ["transformer_blocks.0.attn.add_q_proj.weight", "transformer_blocks.0.attn.add_k_proj.weight"];
    // diffusers' transformer_hunyuan_video.py; FramePack adds pictures that are clean.
    if view.begins("context_embedder.token_refiner.") {
        // transformer_hunyuan_video15.py.
        let variant = if view.begins("clean_x_embedder.") {
            "framepack"
        } else if view.has("cond_type_embed.weight") {
            "1.5"
        } else {
            ""
        };
        return Some(found(Base::HunyuanVideo).variant(variant).not_loadable());
    }
    if view.all(&adds) && view.has("x_embedder.weight") && view.begins("single_transformer_blocks.") {
        let variant = match view.columns("x_embedder.weight") {
            384 => "fill",
            128 => "canny_depth",
            _ if view.begins("time_text_embed.guidance_embedder.") => "dev",
            _ => "schnell",
        };
        return Some(found(Base::Flux1).variant(variant));
    }
    if view.all(&adds) && view.has("pos_embed.proj.weight") {
        let base = if view.has("transformer_blocks.0.attn.norm_added_q.weight") { Base::Sd35 } else { Base::Sd3 };
        let variant = match view.rows_of("pos_embed.proj.weight") / 64 {
            24 => "medium",
            38 => "large",
            _ => "",
        };
        return Some(found(base).variant(variant));
    }
    // `z_image_to_diffusers` in ComfyUI's utils.py.
    if view.all(&["all_x_embedder.2-1.weight", "cap_embedder.1.weight"]) {
        return Some(found(Base::ZImage));
    }
    if view.all(&["condition_embedder.time_embedder.linear_1.weight", "blocks.0.attn1.to_q.weight"]) {
        return Some(wan::of_diffusers(view, found(Base::Wan21)));
    }
    // diffusers' transformer_lumina2.py and transformer_ltx.py.
    if view.all(&["time_caption_embed.caption_embedder.1.weight", "noise_refiner.0.attn.to_q.weight"]) {
        return Some(found(Base::Lumina2).not_loadable());
    }
    if view.all(&["time_embed.emb.timestep_embedder.linear_1.weight", "proj_in.weight", "scale_shift_table"]) {
        return Some(found(Base::Ltxv).not_loadable());
    }
    if view.all(&["transformer_blocks.0.norm1.linear.weight", "patch_embed.text_proj.weight"]) {
        return denoiser::cogvideox(view, found(Base::Cogvideox)).map(Verdict::not_loadable);
    }
    unet_of_diffusers(view, found(Base::Sd15))
}

/// `unet_config_from_diffusers_unet` in ComfyUI's `model_detection.py`.
fn unet_of_diffusers(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    let is_unet = ["down_blocks.0.resnets.0.conv1.weight", "conv_in.weight", "time_embedding.linear_1.weight"];
    if !view.all(&is_unet) || view.begins("controlnet_") {
        return None;
    }
    let attention = [
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    ];
    let width = attention.iter().map(|name| view.columns(name)).find(|width| *width > 0).unwrap_or(0);
    if view.begins("down_blocks.0.attentions.0.temporal_transformer_blocks.") {
        found.base = Some(Base::Svd);
        return Some(found.not_loadable());
    }
    found.base = Some(unet::by_context(width)?);
    Some(found.variant(match (width, view.columns("conv_in.weight")) {
        (1_280, _) => "refiner",
        (_, 9) => "inpaint",
        (_, 8) => "edit",
        (1_024, 7) => "upscale_x4",
        _ => "",
    }))
}

/// Beginnings of class names of pipelines and transformers, the longer before the shorter.
const CLASSES: [(&str, Base); 48] = [
    ("StableDiffusionXL", Base::Sdxl),
    ("StableDiffusion3", Base::Sd3),
    ("SD3", Base::Sd3),
    ("StableVideoDiffusion", Base::Svd),
    ("StableCascade", Base::StableCascade),
    ("StableAudio", Base::StableAudio),
    ("Flux3", Base::Flux3),
    ("Flux2", Base::Flux2),
    ("Flux", Base::Flux1),
    ("Chroma", Base::Chroma),
    ("AuraFlow", Base::Auraflow),
    ("PixArt", Base::Pixart),
    ("HunyuanDiT", Base::HunyuanDit),
    ("HunyuanVideo", Base::HunyuanVideo),
    ("HunyuanImage", Base::HunyuanImage),
    ("WanVACE", Base::Wan21),
    ("WanAnimate", Base::Wan22),
    ("Wan", Base::Wan21),
    ("LTX2", Base::Ltxv2),
    ("LTX", Base::Ltxv),
    ("Mochi", Base::Mochi),
    ("QwenImage21", Base::QwenImage21),
    ("QwenImage", Base::QwenImage),
    ("ZImage", Base::ZImage),
    ("Lumina2", Base::Lumina2),
    ("OmniGen2", Base::Omnigen2),
    ("HiDream", Base::Hidream),
    ("Cosmos2", Base::CosmosPredict2),
    ("Cosmos", Base::Cosmos),
    ("Kandinsky5", Base::Kandinsky5),
    ("Kandinsky6", Base::Kandinsky6),
    ("MiniMaxH3", Base::MinimaxH3),
    ("MiniMaxMusic3", Base::MinimaxMusic3),
    ("SanaTransformer", Base::Sana),
    ("SanaPipeline", Base::Sana),
    ("BriaFiboTransformer", Base::BriaFibo),
    ("GlmImage", Base::GlmImage),
    ("OvisImage", Base::Ovis),
    ("LongCatImage", Base::LongcatImage),
    ("CogVideoX", Base::Cogvideox),
    ("ACEStep", Base::AceStep),
    ("Krea2", Base::Krea2),
    ("Ideogram4", Base::Ideogram4),
    ("ErnieImage", Base::ErnieImage),
    ("JoyImage", Base::Joyimage),
    ("Lens", Base::Lens),
    ("Hunyuan3D", Base::Hunyuan3d),
    ("Anima", Base::Anima),
];

/// The family that a class name of diffusers stands for.
pub(crate) fn of_class_names<'n>(names: impl Iterator<Item = &'n str>) -> Option<Base> {
    let known = |name: &str| CLASSES.iter().find(|(start, _)| name.starts_with(start)).map(|(_, base)| *base);
    { names }.find_map(known)
}
