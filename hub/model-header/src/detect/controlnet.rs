//! ControlNets and the patches that take their place in newer families, as ComfyUI's
//! `comfy/controlnet.py` (`load_controlnet_state_dict`) and its model patch loader tell them apart.

use super::{Verdict, unet};
use crate::base::Base;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

/// A ControlNet kept as the difference of low rank to its U-Net.
pub(super) fn control_lora(table: &Table, _: &Tally) -> Option<Verdict> {
    let view = View::new(table, "");
    if !view.has("lora_controlnet") {
        return None;
    }
    let attention = ["input_blocks.1.1", "input_blocks.4.1", "input_blocks.7.1", "middle_block.1"];
    let width = attention.iter().map(|block| {
        let stem = format!("{block}.transformer_blocks.0.attn2.to_k");
        view.columns(&format!("{stem}.down")).max(view.columns(&format!("{stem}.weight")))
    });
    let base = width.filter(|width| *width > 0).find_map(unet::by_context);
    Some(Verdict::new(Kind::Controlnet, base).variant("control_lora"))
}

pub(super) fn controlnet(table: &Table, _: &Tally) -> Option<Verdict> {
    patch(table).or_else(|| {
        ["", "controlnet."].iter().find_map(|prefix| {
            let view = View::new(table, prefix);
            first_names(&view).or_else(|| diffusers_unet(&view)).or_else(|| transformer(&view))
        })
    })
}

/// Patches of models: Qwen-Image and Z-Image of DiffSynth and of Fun, USO and others.
fn patch(table: &Table) -> Option<Verdict> {
    let view = View::new(table, "");
    let found = |base| Some(Verdict::new(Kind::ModelPatch, base));
    if view.has("controlnet_blocks.0.y_rms.weight") {
        return found(Base::QwenImage).map(|found| found.variant("diffsynth_controlnet"));
    }
    if view.any(&["control_all_x_embedder.2-1.weight", "control_layers.0.after_proj.weight"]) {
        return found(Base::ZImage).map(|found| found.variant("fun_controlnet"));
    }
    if view.all(&["control_blocks.0.after_proj.weight", "control_img_in.weight"]) {
        return found(Base::QwenImage).map(|found| found.variant("fun_controlnet"));
    }
    if view.has("feature_embedder.mid_layer_norm.bias") {
        return found(Base::Flux1).map(|found| found.variant("uso"));
    }
    None
}

/// In the first names, a half U-Net behind `control_model.`.
fn first_names(view: &View<'_>) -> Option<Verdict> {
    let prefixes = ["control_model.", "model.control_model.", ""];
    let marks = ["input_blocks.0.0.weight", "zero_convs.0.0.weight"];
    let is_behind = |prefix: &&&str| marks.iter().all(|name| view.has(&format!("{prefix}{name}")));
    let prefix = prefixes.iter().find(is_behind)?;
    if view.begins("model.diffusion_model.input_blocks.") && !view.begins("model.diffusion_model.project_modules.") {
        return None;
    }
    let half = View::new(view.table, prefix);
    let base = unet::by_context(unet::context_width(&half));
    let found = Verdict::new(Kind::Controlnet, base);
    // SUPIR, a ControlNet of SDXL with its own connections.
    let is_supir =
        ["project_modules.", "model.diffusion_model.project_modules."].iter().any(|start| view.begins(start));
    Some(if is_supir { found.variant("supir") } else { found })
}

/// In the names of diffusers, also with several tasks in one (`task_embedding`).
fn diffusers_unet(view: &View<'_>) -> Option<Verdict> {
    if !view.has("controlnet_cond_embedding.conv_in.weight") {
        return None;
    }
    let attention = [
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    ];
    let width = attention.iter().map(|name| view.columns(name)).find(|width| *width > 0).unwrap_or(0);
    let by_classes = || (view.columns("add_embedding.linear_1.weight") == 2_816).then_some(Base::Sdxl);
    let mut found = Verdict::new(Kind::Controlnet, unet::by_context(width).or_else(by_classes)).diffusers();
    if view.any(&["task_embedding", "control_type_proj.weight", "control_add_embedding.linear_1.weight"]) {
        found = found.variant("union");
    } else if view.begins("down_blocks.0.motion_modules.") {
        found = found.variant("sparsectrl");
    }
    Some(found)
}

/// Of models that are transformers.
fn transformer(view: &View<'_>) -> Option<Verdict> {
    let found = |base| Verdict::new(Kind::Controlnet, base);
    if view.has("after_proj_list.18.bias") {
        return Some(found(Base::HunyuanDit));
    }
    let is_mistoline = view.has("controlnet_blocks.0.linear.weight");
    if !is_mistoline && !view.has("controlnet_blocks.0.weight") {
        return None;
    }
    let keys = ["double_blocks.0.img_attn.norm.key_norm.scale", "double_blocks.0.img_attn.norm.key_norm.weight"];
    if view.any(&keys) {
        let variant = if is_mistoline { "mistoline" } else { "xlabs" };
        return Some(found(Base::Flux1).variant(variant));
    }
    if view.has("pos_embed_input.proj.weight") {
        // Stability's for 3.5 have layers of their own kind; others are SD3's of diffusers.
        let is_large = view.has("transformer_blocks.0.adaLN_modulation.1.bias");
        let has_norms = view.has("transformer_blocks.0.attn.norm_added_q.weight");
        let base = if is_large || has_norms { Base::Sd35 } else { Base::Sd3 };
        return Some(found(base).diffusers());
    }
    let is_union = view.has("controlnet_mode_embedder.weight");
    let in_diffusers = |base| {
        let found = found(base).diffusers();
        if is_union { found.variant("union") } else { found }
    };
    if view.any(&["transformer_blocks.0.img_mlp.net.0.proj.weight", "txt_norm.weight"]) {
        return Some(in_diffusers(Base::QwenImage));
    }
    if view.has("controlnet_x_embedder.weight") {
        return Some(in_diffusers(Base::Flux1));
    }
    view.begins("patch_embedding.").then(|| found(Base::Wan21).not_loadable())
}
