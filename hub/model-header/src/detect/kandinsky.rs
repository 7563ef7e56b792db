//! Kandinsky 5 and 6, of which the second makes sound beside its pictures (`detect_unet_config` in ComfyUI's
//! `model_detection.py`, and its `ldm/kandinsky6/detection.py` with the sizes in `core_contract.py`).

use super::Verdict;
use crate::table::View;

#[allow(clippy::unnecessary_wraps, reason = "it stands among rules that may find none")]
pub(super) fn five(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    Some(found.variant(match view.rows_of("visual_embeddings.in_layer.bias") {
        4_096 => "pro",
        2_560 => "image_lite",
        1_792 => "lite",
        _ => "",
    }))
}

/// Pictures and sound have blocks of their own, and attend to each other.
pub(super) fn six(view: &View<'_>, found: Verdict) -> Option<Verdict> {
    let is_both = view.all(&["audio_embeddings.in_layer.weight", "visual_embeddings.in_layer.weight"]);
    let found = if view.begins("visual_transformer_blocks.") { found.diffusers() } else { found };
    is_both.then(|| {
        found.variant(match view.rows_of("visual_embeddings.in_layer.weight") {
            4_096 => "pro",
            1_792 => "lite",
            _ => "",
        })
    })
}
