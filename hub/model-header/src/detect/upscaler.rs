//! Models that make pictures larger or mend them, by the names that spandrel looks for
//! (`libs/spandrel/spandrel/architectures/*/__init__.py`); the folder's name stands with each row.

use super::{Verdict, wrapped};
use crate::base::Base;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

struct Rule {
    base: Base,
    needs: &'static [&'static str],
    /// How many times larger; `None` where that is not told.
    scale: fn(&View<'_>) -> Option<u64>,
}

const fn rule(base: Base, needs: &'static [&'static str], scale: fn(&View<'_>) -> Option<u64>) -> Rule {
    Rule { base, needs, scale }
}

fn unknown(_: &View<'_>) -> Option<u64> {
    None
}

const RULES: [Rule; 31] = [
    // ESRGAN, in its old names, in those of Real-ESRGAN, and in those between.
    rule(Base::Esrgan, &["model.1.sub.0.RDB1.conv1.0.weight", "model.0.weight"], old_esrgan),
    rule(Base::Esrgan, &["body.0.rdb1.conv1.weight", "conv_first.weight"], esrgan),
    rule(Base::Esrgan, &["RRDB_trunk.0.RDB1.conv1.weight", "conv_first.weight"], esrgan),
    // HAT, ATD, SRFormer and Swin2SR before SwinIR, whose names they have.
    rule(Base::Hat, &["layers.0.residual_group.blocks.0.conv_block.cab.0.weight", "conv_first.weight"], pixel_shuffle),
    rule(Base::Atd, &["layers.0.residual_group.layers.0.sigma", "conv_first.weight"], pixel_shuffle),
    rule(Base::Srformer, &["layers.0.residual_group.blocks.0.attn.aligned_relative_position_index"], pixel_shuffle),
    rule(
        Base::Swin2sr,
        &["layers.0.residual_group.blocks.0.attn.logit_scale", "patch_embed.proj.weight"],
        pixel_shuffle,
    ),
    rule(Base::Swinir, &["layers.0.residual_group.blocks.0.norm1.weight"], pixel_shuffle),
    // DAT; RGT has the same names and a factor.
    rule(
        Base::Rgt,
        &["before_RG.1.weight", "layers.0.blocks.0.gamma", "layers.0.blocks.0.mlp.fc1.weight"],
        pixel_shuffle,
    ),
    rule(Base::Dat, &["before_RG.1.weight", "layers.0.blocks.0.attn.attns.0.rpe_biases"], pixel_shuffle),
    rule(Base::Dat, &["layers.0.blocks.0.attn.attns.0.pos.pos_proj.weight"], pixel_shuffle),
    // DRCT and GRL.
    rule(Base::Drct, &["layers.0.swin1.norm1.weight", "layers.0.adjust1.weight"], pixel_shuffle),
    rule(
        Base::Grl,
        &["norm_start.weight", "layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale"],
        pixel_shuffle,
    ),
    // SPAN.
    rule(Base::Span, &["block_1.c1_r.sk.weight", "upsampler.0.weight"], |view| {
        root(view.rows_of("upsampler.0.weight") / 3)
    }),
    // PLKSR and RealPLKSR.
    rule(Base::Plksr, &["feats.0.weight", "feats.1.refine.weight"], unknown),
    rule(Base::Plksr, &["feats.0.weight", "feats.1.lk.conv.weight"], unknown),
    // OmniSR.
    rule(Base::Omnisr, &["residual_layer.0.residual_layer.0.layer.0.fn.0.weight", "up.0.weight"], |view| {
        root(view.rows_of("up.0.weight") / 3)
    }),
    // RealCUGAN.
    rule(Base::Realcugan, &["unet1.conv1.conv.0.weight", "unet2.conv1.conv.0.weight"], unknown),
    // MoSR, MoESR, FDAT.
    rule(Base::Mosr, &["gblocks.0.weight", "gblocks.1.fc1.weight"], unknown),
    rule(Base::Moesr, &["in_to_dim.weight", "blocks.0.blocks.0.gamma"], unknown),
    rule(Base::Fdat, &["conv_first.weight", "groups.0.blocks.0.attn.bias"], unknown),
    // SAFMN.
    rule(Base::Safmn, &["to_feat.weight", "feats.0.safm.mfr.0.weight"], |view| {
        root(view.rows_of("to_img.0.weight") / 3)
    }),
    // RCAN.
    rule(Base::Rcan, &["tail.1.weight", "body.0.body.0.body.3.conv_du.0.weight"], unknown),
    // SCUNet and Restormer.
    rule(Base::Scunet, &["m_head.0.weight", "m_tail.0.weight"], |_| Some(1)),
    rule(Base::Restormer, &["encoder_level1.0.attn.temperature", "patch_embed.proj.weight"], |_| Some(1)),
    // AuraSR.
    rule(Base::Aurasr, &["mid_attn.layers.0.0.to_out.weight", "final_res_block.block1.proj.weights"], |_| Some(4)),
    // GFPGAN, CodeFormer, RestoreFormer: faces.
    rule(Base::Gfpgan, &["toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"], unknown),
    rule(Base::Codeformer, &["position_emb", "idx_pred_layer.1.weight", "quantize.embedding.weight"], unknown),
    rule(Base::Restoreformer, &["quantize.embedding.weight", "encoder.down.0.block.0.norm1.weight"], unknown),
    // LaMa: what was painted out.
    rule(Base::Lama, &["model.model.1.bn_l.running_mean"], unknown),
    // Compact (SRVGGNet), which has only numbers for names.
    rule(Base::Compact, &["body.0.weight", "body.1.weight", "body.0.bias"], compact),
];

pub(super) fn upscaler(table: &Table, _: &Tally) -> Option<Verdict> {
    wrapped(table).find_map(|view| {
        let rule = RULES.iter().find(|rule| view.all(rule.needs) && fits(rule, &view))?;
        let scale = (rule.scale)(&view).filter(|scale| (1..=16).contains(scale));
        let variant = scale.map(|scale| format!("{scale}x")).unwrap_or_default();
        Some(Verdict::new(Kind::Upscaler, rule.base).variant(variant))
    })
}

/// Compact has a first convolution of pictures, and slopes for each channel.
fn fits(rule: &Rule, view: &View<'_>) -> bool {
    let first = view.shape("body.0.weight");
    rule.base != Base::Compact || (matches!(first, [_, 1 | 3 | 4 | 12, 3, 3]) && view.shape("body.1.weight").len() == 1)
}

fn root(square: u64) -> Option<u64> {
    (1..=16).find(|scale| scale * scale == square)
}

/// One doubling for each convolution between the trunk and the last two.
fn old_esrgan(view: &View<'_>) -> Option<u64> {
    let last = view.blocks("model.").checked_sub(1)?;
    let doublings = last.checked_sub(4)? / 3;
    let shuffled = shuffled_in(view.columns("model.0.weight"))?;
    1_u64.checked_shl(u32::try_from(doublings).ok()?).map(|scale| scale / shuffled)
}

fn esrgan(view: &View<'_>) -> Option<u64> {
    let doublings =
        (1..=4).filter(|n| view.any(&[&format!("conv_up{n}.weight"), &format!("upconv{n}.weight")])).count();
    let shuffled = shuffled_in(view.columns("conv_first.weight"))?;
    1_u64.checked_shl(u32::try_from(doublings).ok()?).map(|scale| scale / shuffled)
}

/// A model may take squares of two by two or four by four pixels as one.
fn shuffled_in(channels: u64) -> Option<u64> {
    match channels {
        1 | 3 | 4 => Some(1),
        12 => Some(2),
        48 => Some(4),
        _ => None,
    }
}

/// SwinIR and its kin make larger by doubling convolutions, in steps, or at once.
fn pixel_shuffle(view: &View<'_>) -> Option<u64> {
    if view.has("conv_up1.weight") {
        return Some(if view.has("conv_up2.weight") { 4 } else { 2 });
    }
    if view.has("conv_before_upsample.0.weight") {
        // `get_pixelshuffle_params`: factors of each step, as squares of channels.
        let steps = (0..10).step_by(2).map(|at| view.shape(&format!("upsample.{at}.weight")));
        let factors = steps.filter_map(|shape| root(shape.first()? / shape.get(1)?.max(&1)));
        return Some(factors.product());
    }
    let direct = view.rows_of("upsample.0.weight").max(view.rows_of("upsample.0.bias"));
    if direct > 0 { root(direct / 3) } else { view.has("conv_last.weight").then_some(1) }
}

/// The last convolution makes the pixels of a square for each channel.
fn compact(view: &View<'_>) -> Option<u64> {
    let last = view.blocks("body.").checked_sub(1)?;
    let channels = view.columns("body.0.weight");
    let rows = view.rows_of(&format!("body.{last}.weight"));
    root(rows / channels.clamp(1, 3))
}
