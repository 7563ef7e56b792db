//! In which folder of models a model is looked for, by what it is.
//!
//! The folders are those of ComfyUI's `folder_paths.py`, with those that common custom nodes add. Only a model that
//! lies in a folder for another kind is told of: what lies elsewhere was put there by a person with a reason.

use model_header::Kind;
use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

/// The folders in which a kind is looked for, the usual one first.
const fn folders(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Checkpoint => &["checkpoints"],
        Kind::DiffusionModel => &["diffusion_models", "unet"],
        Kind::Lora => &["loras"],
        Kind::Vae => &["vae"],
        Kind::VaeApprox => &["vae_approx"],
        // Language models are encoders of text to ComfyUI; other nodes look for the same files in `LLM`.
        Kind::TextEncoder | Kind::Mmproj | Kind::Llm => &["text_encoders", "clip", "llm"],
        Kind::ClipVision => &["clip_vision"],
        Kind::Controlnet | Kind::T2iAdapter => &["controlnet", "t2i_adapter"],
        Kind::IpAdapter => &["ipadapter"],
        Kind::Upscaler => &["upscale_models", "latent_upscale_models"],
        Kind::Embedding => &["embeddings"],
        Kind::MotionModule => &["animatediff_models"],
        Kind::StyleModel => &["style_models"],
        Kind::ModelPatch => &["model_patches"],
        Kind::None => &[],
    }
}

/// All kinds whose folders are told apart.
const KINDS: [Kind; 14] = [
    Kind::Checkpoint,
    Kind::DiffusionModel,
    Kind::Lora,
    Kind::Vae,
    Kind::VaeApprox,
    Kind::Llm,
    Kind::ClipVision,
    Kind::Controlnet,
    Kind::IpAdapter,
    Kind::Upscaler,
    Kind::Embedding,
    Kind::MotionModule,
    Kind::StyleModel,
    Kind::ModelPatch,
];

/// The folder in which ComfyUI looks for a kind first; none for what it does not look for.
pub fn usual_folder(kind: Kind) -> Option<&'static str> {
    folders(kind).first().copied()
}

/// The path that a model should have in its root, if it lies in a folder where ComfyUI looks for another kind.
pub fn belongs_at(kind: Kind, path: &RelPath) -> Option<RelPath> {
    let wanted = folders(kind);
    let usual = wanted.first()?;
    let (first, rest) = path.as_str().split_once('/')?;
    let first = match_key(first);
    let is_of_kinds = KINDS.iter().any(|kind| folders(*kind).contains(&first.as_str()));
    if !is_of_kinds || wanted.contains(&first.as_str()) {
        return None;
    }
    RelPath::parse(&format!("{usual}/{rest}")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_a_folder_for_another_kind_is_told_of() {
        let at = |kind, path: &str| belongs_at(kind, &RelPath::parse(path).unwrap()).map(|path| path.to_string());
        assert_eq!(at(Kind::Lora, "checkpoints/sdxl/x.safetensors"), Some("loras/sdxl/x.safetensors".to_owned()));
        assert_eq!(at(Kind::Vae, "Loras/x.pt"), Some("vae/x.pt".to_owned()));
        assert_eq!(at(Kind::DiffusionModel, "unet/x.gguf"), None, "both folders are for it");
        assert_eq!(at(Kind::TextEncoder, "clip/x.safetensors"), None);
        assert_eq!(at(Kind::TextEncoder, "LLM/qwen/x.safetensors"), None);
        assert_eq!(at(Kind::Lora, "my own/x.safetensors"), None, "nobody looks for anything there");
        assert_eq!(at(Kind::Lora, "x.safetensors"), None);
        assert_eq!(at(Kind::None, "loras/x.safetensors"), None);
    }
}
