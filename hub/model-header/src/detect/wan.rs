//! Wan: one set of names for a dozen models, told apart by what goes into the first layer and by parts
//! that only some have (`detect_unet_config` in ComfyUI's `model_detection.py`, "Wan 2.1").

use super::Verdict;
use crate::base::Base;
use crate::table::View;

/// Parts that tell what a model is for, in the order in which ComfyUI looks for them.
const PARTS: [(&str, &str, Base); 9] = [
    ("vace_patch_embedding.weight", "vace", Base::Wan21),
    ("casual_audio_encoder.encoder.final_linear.weight", "s2v", Base::Wan22),
    ("audio_proj.audio_proj_glob_1.layer.bias", "humo", Base::Wan21),
    ("face_adapter.fuser_blocks.0.k_norm.weight", "animate", Base::Wan22),
    ("patch_embedding_mask.weight", "scail2", Base::Wan21),
    ("patch_embedding_pose.weight", "scail", Base::Wan21),
    ("patch_embedding_global.weight", "wandancer", Base::Wan21),
    ("img_emb.emb_pos", "flf2v", Base::Wan21),
    ("audio_proj.proj1.weight", "multitalk", Base::Wan21),
];

/// The size by the width of the layers.
pub(super) fn size(width: u64) -> &'static str {
    match width {
        1_536 => "1.3b",
        2_048 => "2b",
        3_072 => "5b",
        5_120 => "14b",
        _ => "",
    }
}

pub(super) fn wan(view: &View<'_>, mut found: Verdict) -> Option<Verdict> {
    let width = *view.shape("head.modulation").last()?;
    let inputs = view.columns("patch_embedding.weight");
    let has_image = view.has("img_emb.proj.0.bias");
    let (task, base) = task(view, inputs, has_image);
    found.base = Some(base);
    if task == "t2v" && width != 3_072 {
        // The 14B of 2.1 and those of 2.2 have the same tensors.
        found = found.also(&[Base::Wan22]);
    }
    Some(found.variant(format!("{task}_{}", size(width)).trim_matches('_')))
}

fn task(view: &View<'_>, inputs: u64, has_image: bool) -> (&'static str, Base) {
    if let Some((_, task, base)) = PARTS.iter().find(|(part, ..)| view.has(part)) {
        return (task, *base);
    }
    if view.has("control_adapter.conv.weight") {
        return if has_image { ("camera", Base::Wan21) } else { ("camera", Base::Wan22) };
    }
    match (inputs, has_image) {
        (48, false) => ("ti2v", Base::Wan22),
        (36, false) => ("i2v", Base::Wan22),
        (52, false) => ("fun_control", Base::Wan22),
        (48, true) => ("fun_control", Base::Wan21),
        (_, true) => ("i2v", Base::Wan21),
        _ => ("t2v", Base::Wan21),
    }
}

/// The same in the names of diffusers, which ComfyUI has no loader for.
pub(super) fn of_diffusers(view: &View<'_>, found: Verdict) -> Verdict {
    let width = view.rows_of("patch_embedding.weight");
    let inputs = view.columns("patch_embedding.weight");
    let has_image = view.begins("condition_embedder.image_embedder.");
    let (task, base) = if view.has("vace_patch_embedding.weight") {
        ("vace", Base::Wan21)
    } else {
        match (inputs, has_image) {
            (48, false) => ("ti2v", Base::Wan22),
            (36, false) => ("i2v", Base::Wan22),
            (_, true) => ("i2v", Base::Wan21),
            _ => ("t2v", Base::Wan21),
        }
    };
    let mut found = found.diffusers().not_loadable();
    found.base = Some(base);
    found.variant(format!("{task}_{}", size(width)).trim_matches('_'))
}
