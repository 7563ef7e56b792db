//! Small networks that stand beside a model: IP-Adapters, T2I-Adapters, motion modules, style models.

use super::{Verdict, unet};
use crate::base::Base;
use crate::table::{Table, View};
use crate::tally::Tally;
use crate::vocabulary::Kind;

/// IP-Adapters, told before LoRAs because those for faces hold some
/// (`IPAdapterModelLoader` of `ComfyUI_IPAdapter_plus`; xlabs' and InstantX's for Flux and SD3).
pub(super) fn ip_adapter(table: &Table, _: &Tally) -> Option<Verdict> {
    let view = View::new(table, "");
    let plain = ["ip_adapter.1.to_k_ip.weight", "ip_adapter.0.to_k_ip.weight", "ip_adapter.3.to_k_ip.weight"];
    if let Some(width) = plain.iter().map(|name| view.columns(name)).find(|width| *width > 0) {
        let base = unet::by_context(width).or_else(|| (width == 4_096).then_some(Base::Flux1));
        return Some(Verdict::new(Kind::IpAdapter, base).variant(ip_variant(&view)));
    }
    if view.any(&["double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight"]) {
        return Some(Verdict::new(Kind::IpAdapter, Base::Flux1).variant("xlabs"));
    }
    if view.begins("ip_adapter.") && view.begins("image_proj.") {
        let width = view.columns("ip_adapter.0.to_k_ip.weight").max(view.columns("ip_adapter.0.to_k.weight"));
        let base = match width {
            3_072 => Some(Base::Flux1),
            1_536 | 2_432 => Some(Base::Sd35),
            _ => None,
        };
        return Some(Verdict::new(Kind::IpAdapter, base));
    }
    // PuLID and PhotoMaker, which put faces in their own way.
    if view.has("pulid_ca.0.to_q.weight") {
        return Some(Verdict::new(Kind::IpAdapter, Base::Flux1).variant("pulid"));
    }
    if view.begins("id_encoder.") && view.begins("lora_weights.") {
        return Some(Verdict::new(Kind::IpAdapter, Base::Sdxl).variant("photomaker"));
    }
    None
}

fn ip_variant(view: &View<'_>) -> &'static str {
    let has_lora = view.begins("ip_adapter.0.to_k_lora.") || view.begins("ip_adapter.1.to_k_lora.");
    let has_perceiver = view.has("image_proj.perceiver_resampler.proj_in.weight");
    if has_lora {
        return if has_perceiver { "faceid_plus" } else { "faceid" };
    }
    if view.has("image_proj.proj.3.weight") {
        "full"
    } else if view.has("image_proj.latents") {
        "plus"
    } else if view.has("image_proj.proj.0.weight") {
        "faceid"
    } else {
        ""
    }
}

pub(super) fn adapter(table: &Table, _: &Tally) -> Option<Verdict> {
    t2i_adapter(table).or_else(|| motion_module(table)).or_else(|| style(table))
}

/// `load_t2i_adapter` in ComfyUI's controlnet.py.
fn t2i_adapter(table: &Table) -> Option<Verdict> {
    ["", "adapter."].iter().find_map(|prefix| {
        let view = View::new(table, prefix);
        let is_light = view.has("body.0.in_conv.weight");
        let is_full =
            view.has("conv_in.weight") && view.any(&["body.0.block1.weight", "body.0.resnets.0.block1.weight"]);
        if !is_light && !is_full {
            return None;
        }
        // 8 by 8 pixels in three channels or one; SDXL's takes 16 by 16.
        let base = match view.columns("conv_in.weight") {
            64 | 192 => Some(Base::Sd15),
            256 | 768 => Some(Base::Sdxl),
            _ if is_light => Some(Base::Sd15),
            _ => None,
        };
        Some(Verdict::new(Kind::T2iAdapter, base))
    })
}

/// AnimateDiff by `is_hotshotxl` and `get_ad_sd_model_type` of ComfyUI-AnimateDiff-Evolved.
fn motion_module(table: &Table) -> Option<Verdict> {
    let view = View::new(table, "");
    let mark = b".motion_modules.0.temporal_transformer.";
    let temporal = b".temporal_attentions.0.";
    let has = |mark: &[u8]| view.names().any(|name| memchr::memmem::find(name, mark).is_some());
    if !view.begins("down_blocks.") && !view.begins("mid_block.") && !view.begins("module.") {
        return None;
    }
    if has(mark) {
        let prefix = if view.begins("module.") { "module." } else { "" };
        let base = if View::new(table, prefix).begins("down_blocks.3.") { Base::Sd15 } else { Base::Sdxl };
        return Some(Verdict::new(Kind::MotionModule, base).variant("animatediff"));
    }
    has(temporal).then(|| Verdict::new(Kind::MotionModule, Base::Sdxl).variant("hotshot"))
}

/// `load_style_model` in ComfyUI's sd.py.
fn style(table: &Table) -> Option<Verdict> {
    let view = View::new(table, "");
    if view.has("redux_down.weight") {
        return Some(Verdict::new(Kind::StyleModel, Base::Flux1).variant("redux"));
    }
    view.has("style_embedding").then(|| Verdict::new(Kind::StyleModel, Base::Sd15))
}
