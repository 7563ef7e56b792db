//! VAEs, in the order of `VAE.__init__` in ComfyUI's `comfy/sd.py`. Those with four channels are the same
//! for SD 1.5, SD 2 and SDXL, those with sixteen for Flux.1, SD 3 and others: no base is told.

use super::Verdict;
use crate::base::Base;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

/// Names that whole files of a VAE stand behind.
const PREFIXES: [&str; 5] = ["", "first_stage_model.", "vae.", "pretransform.model.", "ae."];

const FOUR_CHANNELS: [Base; 3] = [Base::Sd15, Base::Sd21, Base::Sdxl];
const SIXTEEN_CHANNELS: [Base; 4] = [Base::Flux1, Base::Sd3, Base::Sd35, Base::ZImage];

pub(super) fn vae(table: &Table, _: &Tally) -> Option<Verdict> {
    PREFIXES.iter().find_map(|prefix| {
        let view = View::new(table, prefix);
        approximate(&view).or_else(|| named(&view)).or_else(|| kl(&view)).or_else(|| wan(&view))
    })
}

/// VAEs that one name tells: the name, the family, the variant.
const NAMES: [(&str, Base, &str); 30] = [
    ("decoder.mid.block_1.mix_factor", Base::Svd, ""),
    ("vquantizer.codebook.weight", Base::StableCascade, "stage_a"),
    ("backbone.1.0.block.0.1.num_batches_tracked", Base::StableCascade, "effnet"),
    ("encoder.backbone.1.0.block.0.1.num_batches_tracked", Base::StableCascade, "effnet"),
    ("blocks.11.num_batches_tracked", Base::StableCascade, "previewer"),
    ("shape_dec.blocks.1.16.to_subdiv.weight", Base::Trellis2, "shape"),
    ("txt_dec.blocks.3.4.conv2.weight", Base::Trellis2, "texture"),
    ("dec_in_proj.weight", Base::MinimaxMusic3, ""),
    ("decoder.up_blocks.2.upsamplers.0.upscale_conv.weight", Base::Seedvr2, ""),
    ("student.dconv_encoder.proj_out.weight", Base::MageFlow, ""),
    ("decoder.conv_in_x_t.weight", Base::Ltxv2, "2.4"),
    ("decoder.layers.1.layers.0.beta", Base::StableAudio, ""),
    ("decoder.layers.3.transformers.0.pre_norm.alpha", Base::StableAudio, "3"),
    ("decoder.blocks.2.blocks.3.stack.5.weight", Base::Mochi, ""),
    ("blocks.2.blocks.3.stack.5.weight", Base::Mochi, "decoder"),
    ("encoder.layers.4.layers.1.attn_block.attn.qkv.weight", Base::Mochi, ""),
    ("layers.4.layers.1.attn_block.attn.qkv.weight", Base::Mochi, "encoder"),
    ("decoder.up_blocks.0.res_blocks.0.conv1.conv.weight", Base::Ltxv, ""),
    ("decoder.mid_block.resnets.0.norm1.norm_layer.weight", Base::Cogvideox, ""),
    ("decoder.unpatcher3d.wavelets", Base::Cosmos, ""),
    ("geo_decoder.cross_attn_decoder.ln_1.bias", Base::Hunyuan3d, ""),
    ("vocoder.backbone.channel_layers.0.0.bias", Base::AceStep, ""),
    ("dcae.decoder.conv_in.weight", Base::AceStep, ""),
    ("vocoder.resblocks.0.convs1.0.weight", Base::Ltxv2, "audio"),
    ("vocoder.vocoder.resblocks.0.convs1.0.weight", Base::Ltxv2, "audio"),
    ("pre_block.attn.zero_k_bias", Base::MinimaxH3, "audio"),
    ("decoder.transformer_blocks.0.scale1", Base::MinimaxH3, ""),
    ("octree.out_proj.weight", Base::Triposplat, ""),
    ("decoder.up_blocks.0.resnets.0.conv1.conv.weight", Base::HunyuanVideo, ""),
    ("per_channel_statistics.mean-of-means", Base::Ltxv, ""),
];

fn named(view: &View<'_>) -> Option<Verdict> {
    let (name, base, variant) = NAMES.iter().find(|(name, ..)| view.has(name))?;
    if *base == Base::MinimaxMusic3 && !view.has("decoder.model.0.weight_g") {
        return None;
    }
    let mut found = Verdict::new(Kind::Vae, *base).variant(*variant);
    if *name == "decoder.layers.1.layers.0.beta" {
        // ACE-Step 1.5 has the same at other strides.
        let weights =
            ["decoder.layers.2.layers.1.weight_v", "decoder.layers.2.layers.1.parametrizations.weight.original1"];
        if weights.iter().any(|name| view.shape(name).last() == Some(&12)) {
            found.base = Some(Base::AceStep15);
        }
        // YuE 2 has one layer more.
        let more =
            ["decoder.layers.6.layers.1.weight_v", "decoder.layers.6.layers.1.parametrizations.weight.original1"];
        if view.any(&more) {
            found.base = Some(Base::Yue2);
        }
    }
    Some(found)
}

/// TAESD and its kin, for previews (`comfy/taesd`): bare numbers, or two halves with names.
fn approximate(view: &View<'_>) -> Option<Verdict> {
    let halves = ["taesd_decoder.1.weight", "decoder.1.weight", "1.weight"];
    let small = ["taesd_decoder.3.conv.0.weight", "decoder.3.conv.0.weight", "3.conv.0.weight"];
    let encoders = ["taesd_encoder.0.weight", "encoder.0.weight", "0.weight"];
    let encoder_blocks = ["taesd_encoder.1.conv.0.weight", "encoder.1.conv.0.weight", "1.conv.0.weight"];
    if view.has("decoder.22.bias") {
        return Some(of_channels(view.columns("decoder.1.weight"), true));
    }
    let decoder = halves.iter().zip(small).find(|(first, block)| view.has(first) && view.has(block));
    if let Some((first, _)) = decoder {
        return Some(of_channels(view.columns(first), false));
    }
    let encoder =
        encoders.iter().zip(encoder_blocks).find(|(first, block)| view.columns(first) == 3 && view.has(block));
    encoder.map(|_| Verdict::new(Kind::VaeApprox, None).also(&FOUR_CHANNELS))
}

fn of_channels(channels: u64, is_video: bool) -> Verdict {
    let found = |base| Verdict::new(Kind::VaeApprox, base);
    match (channels, is_video) {
        (4, false) => found(None).also(&FOUR_CHANNELS),
        (16, false) => found(None).also(&SIXTEEN_CHANNELS),
        (16, true) => found(None).also(&[Base::Wan21, Base::HunyuanVideo]),
        (32, false) => found(Some(Base::Flux2)),
        (32, true) => found(Some(Base::HunyuanVideo)).variant("1.5"),
        (48, true) => found(Some(Base::Wan22)),
        (64, false) => found(Some(Base::QwenImage21)),
        (128, true) => found(Some(Base::Ltxv2)),
        (24, true) => found(Some(Base::MinimaxH3)),
        _ => found(None),
    }
}

/// The VAE of latent diffusion, in its first names and those of diffusers.
fn kl(view: &View<'_>) -> Option<Verdict> {
    let flat = view.shape("decoder.conv_in.weight");
    let deep = view.shape("decoder.conv_in.conv.weight");
    let found = |base| Verdict::new(Kind::Vae, base);
    if flat.is_empty() && deep.is_empty() {
        return None;
    }
    if let Some(channels) = deep.get(1) {
        return Some(match channels {
            32 => found(Some(Base::HunyuanVideo)).variant("1.5"),
            128 => found(Some(Base::Ltxv)),
            _ => found(Some(Base::HunyuanVideo)),
        });
    }
    if !view.begins("encoder.") && !view.has("decoder.conv_out.weight") {
        return None;
    }
    let diffusers = view.has("decoder.up_blocks.0.resnets.0.norm1.weight");
    let mut verdict = match flat.get(1).copied().unwrap_or(0) {
        4 => {
            let is_upscaler = !view.has("encoder.down.2.downsample.conv.weight")
                && !view.has("decoder.up.3.upsample.conv.weight")
                && !diffusers
                && view.begins("encoder.");
            if is_upscaler { found(Some(Base::Sd21)).variant("upscale_x4") } else { found(None).also(&FOUR_CHANNELS) }
        }
        16 => found(None).also(&SIXTEEN_CHANNELS),
        32 if flat.len() == 5 => found(Some(Base::HunyuanImage)).variant("refiner"),
        32 if view.has("bn.running_mean") => found(Some(Base::Flux2)),
        64 => found(Some(Base::HunyuanImage)),
        _ => found(None),
    };
    verdict.is_diffusers = diffusers;
    Some(verdict)
}

/// Wan's, which Qwen-Image and others took over.
fn wan(view: &View<'_>) -> Option<Verdict> {
    let found = |base| Verdict::new(Kind::Vae, base);
    if view.has("decoder.middle.0.residual.0.gamma") {
        if !view.has("decoder.upsamples.0.upsamples.0.residual.2.weight") {
            return Some(found(Base::Wan21).also(&[Base::QwenImage, Base::Wan22, Base::Anima, Base::Krea2]));
        }
        let is_image = matches!(view.shape("decoder.head.2.weight"), [_, _, 1, ..]);
        return Some(found(if is_image { Base::QwenImage21 } else { Base::Wan22 }));
    }
    // diffusers' autoencoder_kl_wan.py and autoencoder_kl_qwenimage.py.
    if view.has("decoder.mid_block.resnets.0.norm1.gamma") {
        let channels = view.columns("decoder.conv_in.weight");
        let verdict = if channels == 48 { found(Base::Wan22) } else { found(Base::Wan21).also(&[Base::QwenImage]) };
        return Some(verdict.diffusers().not_loadable());
    }
    None
}
