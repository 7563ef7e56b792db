//! Models that tell what is in a picture, in the names under which ComfyUI loads them beside denoisers
//! (`detect_unet_config` in its `model_detection.py`). Their family is told; there is no kind for them.

use super::Verdict;
use crate::base::Base;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

/// Names that ComfyUI leaves out in front.
const PREFIXES: [&str; 3] = ["", "model.diffusion_model.", "model."];

pub(super) fn perception(table: &Table, _: &Tally) -> Option<Verdict> {
    let found = |base| Verdict::new(Kind::None, base);
    let view = View::new(table, "");
    // SAM3 / SAM3.1.
    let sam3 = [
        "detector.backbone.vision_backbone.trunk.blocks.0.attn.qkv.weight",
        "detector.transformer.decoder.query_embed.weight",
    ];
    if view.all(&sam3) {
        let is_later = view.has("detector.backbone.vision_backbone.propagation_convs.0.conv_1x1.weight");
        return Some(found(Base::Sam3).variant(if is_later { "3.1" } else { "" }));
    }
    PREFIXES.iter().map(|prefix| View::new(table, prefix)).find_map(|view| {
        // RT-DETR_v4.
        if view.has("encoder.pan_blocks.1.cv4.conv.weight") {
            return Some(found(Base::RtDetr4));
        }
        // Depth Anything 3: other models have the same backbone, but not its head.
        let width = view.rows_of("backbone.embeddings.patch_embeddings.projection.weight");
        if !view.has("head.projects.0.weight") {
            return None;
        }
        let size = match width {
            384 => "small",
            768 => "base",
            1_024 => "large",
            1_536 => "giant",
            _ => return None,
        };
        Some(found(Base::DepthAnything3).variant(size))
    })
}
