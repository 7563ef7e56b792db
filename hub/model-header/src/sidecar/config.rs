//! The `.yaml` beside a checkpoint: how its network is built, for programs that can't tell. The layouts are
//! those of `Stability-AI/stablediffusion` (`configs/stable-diffusion/v2-inference-v.yaml`) and
//! `Stability-AI/generative-models` (`configs/inference/sd_xl_base.yaml`).
//!
//! Lines are looked at, not the tree: a few names tell, and no parser has to be trusted with the rest.

use super::SidecarFacts;
use crate::base::Base;

/// Lines that are looked at; such a file has about a hundred.
const MAX_LINES: usize = 5_000;

/// What classes of text encoders are for.
const ENCODERS: [(&str, Base); 4] = [
    ("FrozenOpenCLIPEmbedder2", Base::Sdxl),
    ("FrozenOpenCLIPEmbedder", Base::Sd21),
    ("FrozenOpenCLIPImageEmbedder", Base::Svd),
    ("FrozenCLIPEmbedder", Base::Sd15),
];

pub(super) fn read(text: &str, facts: &mut SidecarFacts) {
    let (mut is_model, mut encoder, mut width, mut velocity) = (false, None, None, None);
    for line in text.lines().take(MAX_LINES) {
        let line = line.split_once(" #").map_or(line, |(before, _)| before).trim_start_matches(['-', ' ', '\t']);
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match name.trim() {
            "target" => {
                is_model |= value.starts_with("ldm.") || value.starts_with("sgm.");
                let class = value.rsplit('.').next().unwrap_or(value);
                // Two encoders stand in SDXL's: the second tells.
                let of_class = ENCODERS.iter().find(|(known, _)| class == *known).map(|(_, base)| *base);
                encoder = if encoder == Some(Base::Sdxl) { encoder } else { of_class.or(encoder) };
                match class {
                    "VScaling" | "VScalingWithEDMcNoise" => velocity = Some(true),
                    "EpsScaling" => velocity = Some(false),
                    _ => {}
                }
            }
            "parameterization" => velocity = Some(value == "v"),
            "context_dim" => width = value.trim_matches(['[', ']']).parse::<u32>().ok().or(width),
            _ => {}
        }
    }
    if !is_model {
        return;
    }
    facts.v_prediction = velocity;
    facts.base = match (encoder, width) {
        (Some(Base::Svd), _) => Some(Base::Svd),
        (_, Some(2_048 | 1_280)) => Some(Base::Sdxl),
        (_, Some(1_024)) => Some(Base::Sd21),
        (_, Some(768)) => Some(Base::Sd15),
        (told, _) => told,
    };
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::super::read;
    use crate::base::Base;

    #[test]
    fn layouts_tell_families() {
        let v2 = "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    parameterization: \"v\"\n    \
                  unet_config:\n      params:\n        context_dim: 1024 # wide\n    cond_stage_config:\n      \
                  target: ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder\n";
        let facts = read("m.ckpt", "m.yaml", v2.as_bytes()).unwrap();
        assert_eq!((facts.base, facts.v_prediction), (Some(Base::Sd21), Some(true)));
        let xl = "model:\n  target: sgm.models.diffusion.DiffusionEngine\n  emb_models:\n    - is_trainable: False\n      \
                  target: sgm.modules.encoders.modules.FrozenCLIPEmbedder\n    - target: \
                  sgm.modules.encoders.modules.FrozenOpenCLIPEmbedder2\n    - target: sgm.modules.X\n";
        assert_eq!(read("m.ckpt", "m.yml", xl.as_bytes()).unwrap().base, Some(Base::Sdxl));
        let v1 = "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    context_dim: 768\n";
        assert_eq!(read("m.ckpt", "m.yaml", v1.as_bytes()).unwrap().base, Some(Base::Sd15));
        for other in ["a: 1", "context_dim: 768", "target: evil.Class\ncontext_dim: 768", "&a [*a, *a]"] {
            assert_eq!(read("m.ckpt", "m.yaml", other.as_bytes()), None, "{other}");
        }
    }
}
