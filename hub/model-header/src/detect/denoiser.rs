//! Denoisers: a row for each family, in the order of `detect_unet_config` in ComfyUI's
//! `comfy/model_detection.py` (called MD in the rows), because later marks are looser.

use super::{Verdict, diffusers, kandinsky, unet, wan};
use crate::base::Base;
use crate::table::View;
use crate::vocabulary::Kind;

/// One family of denoisers.
struct Rule {
    base: Base,
    /// Tensors that all have to be there.
    needs: &'static [&'static str],
    /// Tells which of the family it is; `None` if it is none after all.
    tell: fn(&View<'_>, Verdict) -> Option<Verdict>,
}

const fn row(base: Base, needs: &'static [&'static str]) -> Rule {
    Rule { base, needs, tell: plain }
}

const fn rule(base: Base, needs: &'static [&'static str], tell: fn(&View<'_>, Verdict) -> Option<Verdict>) -> Rule {
    Rule { base, needs, tell }
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn plain(_: &View<'_>, found: Verdict) -> Option<Verdict> {
    Some(found)
}

const RULES: [Rule; 52] = [
    // MD: MiniMax Music 3.
    row(
        Base::MinimaxMusic3,
        &[
            "cond_layer_logits",
            "latent_conditioners.0.weight",
            "diffusion_transformer.transformer.layers.0.self_attn.to_qkv.weight",
        ],
    ),
    // MD: mmdit model; supported_models: SD3, and qk_norm of 3.5.
    rule(Base::Sd3, &["joint_blocks.0.context_block.attn.qkv.weight"], sd3),
    // MD: stable cascade.
    rule(Base::StableCascade, &["clf.1.weight"], cascade),
    // MD: trellis2 / pixal3d.
    rule(Base::Trellis2, &[], trellis2),
    // MD: stable audio dit.
    row(Base::StableAudio, &["transformer.rotary_pos_emb.inv_freq"]),
    // MD: aura flow dit.
    row(Base::Auraflow, &["double_layers.0.attn.w1q.weight"]),
    // MD: Hunyuan DiT.
    rule(Base::HunyuanDit, &["mlp_t5.0.weight"], hunyuan_dit),
    // MD: Hunyuan Video, with Image 2.1 and Video 1.5.
    rule(Base::HunyuanVideo, &["txt_in.individual_token_refiner.blocks.0.norm1.weight"], hunyuan_video),
    // MD: Flux, Chroma or Chroma Radiance; Flux.2 inside.
    rule(Base::Flux2, &["double_stream_modulation_img.lin.weight", "img_in.weight"], flux2),
    rule(Base::Chroma, &[], chroma),
    rule(Base::Flux1, &["img_in.weight"], flux1),
    // MD: Genmo mochi preview.
    row(Base::Mochi, &["t5_yproj.weight"]),
    // MD: PixArt diffusers.
    rule(Base::Pixart, &["adaln_single.emb.timestep_embedder.linear_1.bias", "pos_embed.proj.bias"], pixart_diffusers),
    // MD: MiniMax H3.
    row(Base::MinimaxH3, &["video_patch_proj.weight", "audio_patch_proj.weight"]),
    // MD: Lightricks ltxv, with ltxav inside.
    rule(Base::Ltxv, &["adaln_single.emb.timestep_embedder.linear_1.bias"], ltxv),
    // MD: ACE-Step model. Before PixArt: it too has `t_block.1`.
    row(Base::AceStep, &["genre_embedder.weight"]),
    // MD: PixArt.
    rule(Base::Pixart, &["t_block.1.weight"], pixart),
    // MD: Cosmos.
    rule(Base::Cosmos, &["blocks.block0.blocks.0.block.attn.to_q.0.weight"], cosmos),
    // MD: PiD and PixelDiT T2I.
    rule(Base::Pid, &["lq_proj.latent_proj.0.weight"], |view, found| {
        Some(found.variant(if view.has("lq_proj.pit_head.weight") { "1.5" } else { "" }))
    }),
    row(Base::Pixeldit, &["core.pixel_embedder.proj.weight"]),
    // MD: Lumina 2, with NewBie and Z-Image inside.
    rule(Base::Lumina2, &["cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight"], lumina2),
    // MD: CogVideoX.
    rule(Base::Cogvideox, &["blocks.0.norm1.linear.weight", "patch_embed.text_proj.weight"], cogvideox),
    // MD: SeedVR2, 7B in two layouts and 3B.
    rule(Base::Seedvr2, &["blocks.35.mlp.vid.proj_out.weight"], seedvr2),
    rule(Base::Seedvr2, &["blocks.35.mlp.all.proj_in_gate.weight"], seedvr2),
    rule(Base::Seedvr2, &["blocks.31.mlp.all.proj_in_gate.weight"], seedvr2),
    // MD: Wan 2.1.
    rule(Base::Wan21, &["head.modulation"], wan::wan),
    // MD: Hunyuan 3D, and 2.1.
    rule(Base::Hunyuan3d, &["latent_in.weight", "cond_in.weight"], |_, found| Some(found.variant("2.0"))),
    rule(Base::Hunyuan3d, &["t_embedder.mlp.2.weight", "blocks.0.attn1.k_norm.weight"], |_, found| {
        Some(found.variant("2.1"))
    }),
    // MD: TripoSplat.
    row(Base::Triposplat, &["cam_out_layer.weight", "repo_layers.0.final_map.weight"]),
    // MD: HiDream-O1.
    row(Base::HidreamO1, &["t_embedder1.mlp.0.weight", "x_embedder.proj1.weight"]),
    // MD: SenseNova U1.5.
    row(Base::SensenovaU15, &["fm_modules.vision_model_mot_gen.embeddings.patch_embedding.weight"]),
    rule(Base::BriaFibo, &[], |view, _| diffusers::not_loaded(view)),
    // MD: HiDream.
    row(Base::Hidream, &["caption_projection.0.linear.weight"]),
    // MD: Cosmos predict2, and Anima by its adapter.
    row(Base::Anima, &["blocks.0.mlp.layer1.weight", "llm_adapter.blocks.0.cross_attn.q_proj.weight"]),
    rule(Base::CosmosPredict2, &["blocks.0.mlp.layer1.weight"], cosmos_predict2),
    // MD: Boogu-Image. Before OmniGen2, from which it is made.
    row(Base::Boogu, &["double_stream_layers.0.img_instruct_attn.processor.img_to_q.weight"]),
    // MD: Omnigen2. Lumina 2 in diffusers has the same time embedding, but no reference pictures.
    row(Base::Omnigen2, &["time_caption_embed.timestep_embedder.linear_1.bias", "image_index_embedding"]),
    // MD: Lens.
    row(Base::Lens, &["transformer_blocks.0.attn.norm_added_q.weight", "transformer_blocks.0.img_mlp.w1.weight"]),
    // MD: Mage-Flow, then Qwen Image 2.1, then Qwen Image.
    rule(Base::MageFlow, &["txt_norm.weight", "proj_out.weight"], |view, found| {
        (view.rows_of("txt_norm.weight") == 2_560 && view.rows_of("proj_out.weight") == 128).then_some(found)
    }),
    row(
        Base::QwenImage21,
        &["txt_in.text_norm.weight", "modulation.1.weight", "transformer_blocks.0.attn.norm_q.weight"],
    ),
    rule(Base::QwenImage, &["txt_norm.weight", "transformer_blocks.0.attn.add_k_proj.weight"], qwen_image),
    // MD: Ideogram 4, Krea 2, Kandinsky 6 in its own names and those of diffusers, Kandinsky 5, ACE-Step 1.5.
    row(Base::Ideogram4, &["embed_image_indicator.weight"]),
    row(Base::Krea2, &["txtfusion.projector.weight"]),
    rule(Base::Kandinsky6, &["visual_blocks.0.va_cross_attention.to_key.weight"], kandinsky::six),
    rule(Base::Kandinsky6, &["visual_transformer_blocks.0.va_cross_attention.to_key.weight"], kandinsky::six),
    rule(Base::Kandinsky5, &["visual_transformer_blocks.0.cross_attention.key_norm.weight"], kandinsky::five),
    row(
        Base::AceStep15,
        &["encoder.lyric_encoder.layers.0.input_layernorm.weight", "decoder.layers.0.self_attn_norm.weight"],
    ),
    // MD: Ernie Image, JoyImage, YuE 2.
    row(Base::ErnieImage, &["layers.0.mlp.linear_fc2.weight"]),
    row(
        Base::Joyimage,
        &["double_blocks.0.attn.img_attn_qkv.weight", "condition_embedder.time_embedder.linear_1.weight"],
    ),
    row(Base::Yue2, &["vae2llm.weight", "llm2vae.weight", "latent_pos_embed.pe"]),
    // MD: the U-Nets of Stable Diffusion.
    rule(Base::Sd15, &["input_blocks.0.0.weight"], unet::unet),
    // Names of diffusers.
    rule(Base::Sd15, &[], |view, _| diffusers::denoiser(view)),
];

/// The denoiser whose names stand in this view.
pub(super) fn denoiser(view: &View<'_>) -> Option<Verdict> {
    RULES.iter().filter(|rule| view.all(rule.needs)).find_map(|rule| {
        let found = Verdict::new(Kind::DiffusionModel, rule.base);
        (rule.tell)(view, found)
    })
}

/// A norm is called by either name.
fn has_norm(view: &View<'_>, stem: &str) -> bool {
    view.has(&format!("{stem}.scale")) || view.has(&format!("{stem}.weight"))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn sd3(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    if view.has("joint_blocks.0.context_block.attn.ln_q.weight") {
        found.base = Some(Base::Sd35);
    }
    let variant = match view.rows_of("x_embedder.proj.weight") / 64 {
        24 => "medium",
        38 => "large",
        _ => "",
    };
    Some(found.variant(variant))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn cascade(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let variant = if view.has("clip_txt_mapper.weight") {
        if view.rows_of("clip_txt_mapper.weight") == 1_536 { "stage_c_lite" } else { "stage_c" }
    } else if view.has("clip_mapper.weight") {
        let width = view.shape("down_blocks.1.0.channelwise.0.weight").last();
        if width == Some(&576) { "stage_b_lite" } else { "stage_b" }
    } else {
        ""
    };
    Some(found.variant(variant))
}

/// One of two parts is there at least; `Pixal3D` looks at its picture through one more layer.
fn trellis2(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let parts = ["img2shape", "shape2txt", "structure_model"];
    let has = |part: &&str, name: &str| view.has(&format!("{part}.{name}"));
    if !parts.iter().take(2).any(|part| has(part, "t_embedder.mlp.0.weight")) {
        return None;
    }
    let is_pixal = parts.iter().any(|part| has(part, "blocks.0.cross_attn.proj_linear.weight"));
    Some(if is_pixal { found.variant("pixal3d") } else { found })
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn hunyuan_dit(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    // 1.0 and 1.1 are told the size of the picture and its style.
    let variant = if view.columns("extra_embedder.0.weight") == 3_968 { "1.1" } else { "1.2" };
    Some(found.variant(variant))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn hunyuan_video(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    let inputs = view.columns("img_in.proj.weight");
    if view.has("vision_in.proj.0.weight") || inputs == 65 {
        // supported_models: HunyuanVideo15_SR_Distilled.
        return Some(found.variant(if inputs == 98 { "1.5_sr" } else { "1.5" }));
    }
    if !view.begins("vector_in.") {
        found.base = Some(Base::HunyuanImage);
        let is_refiner = view.shape("img_in.proj.weight").len() == 5;
        let is_distilled = view.begins("time_r_in.");
        return Some(found.variant(if is_refiner {
            "refiner"
        } else if is_distilled {
            "distilled"
        } else {
            ""
        }));
    }
    Some(found.variant(match inputs {
        16 => "t2v",
        32 => "skyreels_i2v",
        33 => "i2v",
        _ => "",
    }))
}

/// Flux.2 by its width: `supported_models.Flux2`.
fn flux2(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    has_norm(view, "double_blocks.0.img_attn.norm.key_norm").then(|| {
        found.variant(match view.rows_of("img_in.weight") {
            6_144 => "dev",
            4_096 => "klein_9b",
            3_072 => "klein_4b",
            _ => "",
        })
    })
}

fn chroma(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let is_chroma = ["distilled_guidance_layer.norms.0", "distilled_guidance_layer.0.norms.0"];
    if !is_chroma.iter().any(|stem| has_norm(view, stem)) {
        return None;
    }
    let found = if view.has("transformer_blocks.0.attn.to_q.weight") { found.diffusers() } else { found };
    let is_radiance = has_norm(view, "nerf_blocks.0.norm") || view.has("img_in_patch.weight");
    Some(if is_radiance { found.variant("radiance") } else { found })
}

fn flux1(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    if !has_norm(view, "double_blocks.0.img_attn.norm.key_norm") {
        return None;
    }
    if view.has("double_blocks.0.img_mlp.gate_proj.weight") && has_norm(view, "txt_norm") {
        found.base = Some(Base::Ovis);
        return Some(found);
    }
    if view.columns("txt_in.weight") == 3_584 && !view.has("vector_in.in_layer.weight") {
        found.base = Some(Base::LongcatImage);
        return Some(found);
    }
    Some(found.variant(match view.columns("img_in.weight") {
        384 => "fill",
        128 => "canny_depth",
        _ if view.has("guidance_in.in_layer.weight") => "dev",
        _ => "schnell",
    }))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn pixart_diffusers(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let is_alpha = view.has("adaln_single.emb.resolution_embedder.linear_1.bias");
    Some(found.diffusers().variant(if is_alpha { "alpha" } else { "sigma" }))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn ltxv(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    let is_second = view.any(&["audio_adaln_single.linear.weight", "audio_adaln_single.linear.bias"]);
    let width = view.rows_of("adaln_single.emb.timestep_embedder.linear_1.bias");
    if is_second {
        found.base = Some(Base::Ltxv2);
        return Some(found.variant(if width == 4_096 { "19b" } else { "" }));
    }
    Some(found.variant(match width {
        2_048 => "2b",
        4_096 => "13b",
        _ => "",
    }))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn pixart(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    Some(found.variant(if view.has("ar_embedder.mlp.0.weight") { "alpha" } else { "sigma" }))
}

/// What goes into a Cosmos model: patches of two by two, and one channel that masks the padding.
fn cosmos_task(view: &View<'_>, still: &'static str) -> &'static str {
    match view.columns("x_embedder.proj.1.weight") / 4 {
        17 => still,
        18 => "v2w",
        _ => "",
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn cosmos(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let size = match view.rows_of("blocks.block0.blocks.0.block.attn.to_q.0.weight") {
        4_096 => "7b",
        5_120 => "14b",
        _ => "",
    };
    Some(found.variant(format!("{size}_{}", cosmos_task(view, "t2w")).trim_matches('_')))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn cosmos_predict2(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let size = match view.rows_of("x_embedder.proj.1.weight") {
        2_048 => "2b",
        5_120 => "14b",
        _ => "",
    };
    Some(found.variant(format!("{size}_{}", cosmos_task(view, "t2i")).trim_matches('_')))
}

fn lumina2(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    match view.rows_of("cap_embedder.1.weight") {
        3_840 => {}
        2_304 => {
            if view.has("clip_text_pooled_proj.0.weight") {
                found.base = Some(Base::Newbie);
            }
            return Some(found);
        }
        _ => return None,
    }
    found.base = Some(Base::ZImage);
    let is_pixel = view.has("dec_net.cond_embed.weight");
    if view.has("__ming_image__") || (!is_pixel && !view.has("cap_pad_token")) {
        found.base = Some(Base::MingImage);
    }
    let is_omni = view.has("siglip_embedder.0.weight");
    Some(found.variant(if is_pixel {
        "pixel"
    } else if is_omni {
        "omni"
    } else {
        ""
    }))
}

/// 1.0 in two sizes, with pictures in by its channels.
#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
pub(super) fn cogvideox(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let size = match view.rows_of("patch_embed.proj.weight") {
        1_920 => "2b",
        3_072 => "5b",
        _ => "",
    };
    let channels = match *view.shape("patch_embed.proj.weight") {
        [_, columns] => columns / 8,
        [_, columns, ..] => columns,
        _ => 0,
    };
    Some(found.variant(format!("{size}{}", if channels == 32 { "_i2v" } else { "" })))
}

fn seedvr2(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let separate = view.rows_of("blocks.35.mlp.vid.proj_out.weight");
    if separate != 0 && separate != 3_072 {
        return None;
    }
    let is_large = separate != 0 || view.has("blocks.35.mlp.all.proj_in_gate.weight");
    Some(found.variant(if is_large { "7b" } else { "3b" }))
}

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
fn qwen_image(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let variant = if view.has("__index_timestep_zero__") {
        "edit_2511"
    } else if view.has("time_text_embed.addition_t_embedding.weight") {
        "layered"
    } else {
        ""
    };
    Some(found.variant(variant))
}
