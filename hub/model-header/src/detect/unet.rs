//! The U-Nets of Stable Diffusion in their first names, `input_blocks` and so on, told apart by the width
//! of what they attend to (`context_dim` in ComfyUI's `model_detection.py`).

use super::Verdict;
use crate::base::Base;
use crate::table::View;

/// Blocks whose attention tells the width; SDXL has none in its first.
const ATTENTION: [&str; 5] = [
    "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
    "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight",
    "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight",
    "input_blocks.5.1.transformer_blocks.0.attn2.to_k.weight",
    "middle_block.1.transformer_blocks.0.attn2.to_k.weight",
];

/// The family of a U-Net by the width of the text it attends to.
pub(super) fn by_context(width: u64) -> Option<Base> {
    match width {
        768 => Some(Base::Sd15),
        1_024 => Some(Base::Sd21),
        1_280 | 2_048 => Some(Base::Sdxl),
        _ => None,
    }
}

/// Width of the text that a U-Net, or the half of it that a ControlNet is, attends to.
pub(super) fn context_width(view: &View<'_>) -> u64 {
    ATTENTION.iter().map(|name| view.columns(name)).find(|width| *width > 0).unwrap_or(0)
}

pub(super) fn unet(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    let width = context_width(view);
    let inputs = view.columns("input_blocks.0.0.weight");
    let classes = view.columns("label_emb.0.0.weight");
    if is_video(view) {
        found.base = Some(Base::Svd);
        // SV3D takes where the camera stands in place of how much moves.
        return Some(found.variant(match classes {
            256 => "sv3d_u",
            1_280 => "sv3d_p",
            _ => "",
        }));
    }
    found.base = Some(by_context(width)?);
    if inputs == 8 && width == 768 && has_camera(view) {
        found.base = Some(Base::StableZero123);
        return Some(found);
    }
    Some(found.variant(match (width, inputs, classes) {
        (1_280, ..) => "refiner",
        (_, 9, _) => "inpaint",
        (_, 8, _) => "edit",
        (1_024, 7, _) => "upscale_x4",
        (1_024, _, 2_048) => "unclip_h",
        (1_024, _, 1_536) => "unclip_l",
        (1_024, _, 4) => "lotus",
        (2_048, ..) => sdxl_variant(view),
        _ => "",
    }))
}

/// `time_stack` in the blocks, as `calculate_transformer_depth` looks for it.
fn is_video(view: &View<'_>) -> bool {
    view.any(&[
        "input_blocks.1.1.time_stack.0.attn1.to_q.weight",
        "input_blocks.1.1.time_mix_blocks.0.attn1.to_q.weight",
        "input_blocks.4.1.time_stack.0.attn1.to_q.weight",
    ])
}

/// The projection of the camera stands beside the U-Net, outside of its prefix.
fn has_camera(view: &View<'_>) -> bool {
    view.table.get(b"cc_projection.weight").is_some()
}

/// Smaller relatives by the depth of their transformers (`SSD1B`, `Segmind_Vega`, `KOALA_700M` in
/// `supported_models.py`), and what the loader takes as signs of another way of noise.
fn sdxl_variant(view: &View<'_>) -> &'static str {
    let last =
        view.blocks("input_blocks.7.1.transformer_blocks.").max(view.blocks("input_blocks.8.1.transformer_blocks."));
    let koala = view.blocks("input_blocks.5.1.transformer_blocks.");
    match (last, koala) {
        (4, _) => return "ssd_1b",
        (2, _) => return "vega",
        (0, 5) => return "koala_700m",
        (0, 6) => return "koala_1b",
        _ => {}
    }
    let beside = |name: &str| view.has(name) || view.table.get(name.as_bytes()).is_some();
    if beside("edm_mean") {
        "edm"
    } else if beside("v_pred") {
        "v_pred"
    } else {
        ""
    }
}
