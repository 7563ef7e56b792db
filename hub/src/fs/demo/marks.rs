//! The few tensors by which real models of a family are known, so that the demo's are told as what they stand for. The
//! rules are those of the crate `model-header`.

use super::weights::Tensors;

/// Names in front of the denoiser in a checkpoint.
const DENOISER: &str = "model.diffusion_model.";

fn named(prefix: &str, marks: &[(&str, &[u64])]) -> Tensors {
    marks.iter().map(|(name, shape)| (format!("{prefix}{name}"), shape.to_vec())).collect()
}

/// A checkpoint of Stable Diffusion: U-Net, VAE and text encoder. `context` is the width of the text that it attends to.
fn stable_diffusion(context: u64) -> Tensors {
    let mut tensors = named(
        DENOISER,
        &[
            ("input_blocks.0.0.weight", &[320, 4, 3, 3]),
            ("input_blocks.0.0.bias", &[320]),
            ("input_blocks.1.0.in_layers.0.weight", &[320]),
            ("input_blocks.1.0.in_layers.0.bias", &[320]),
            ("out.0.weight", &[320]),
            ("out.0.bias", &[320]),
        ],
    );
    let attention = "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight";
    tensors.extend(named(DENOISER, &[(attention, &[640, context])]));
    tensors.extend(named("first_stage_model.", &[("decoder.conv_in.weight", &[512, 4, 3, 3])]));
    let encoder = if context == 768 { "cond_stage_model.transformer." } else { "conditioner.embedders.0.transformer." };
    tensors.extend(named(encoder, &[("text_model.final_layer_norm.weight", &[768])]));
    tensors
}

/// SDXL.
pub(super) fn sdxl() -> Tensors {
    stable_diffusion(2_048)
}

/// Stable Diffusion 1.5.
pub(super) fn sd15() -> Tensors {
    stable_diffusion(768)
}

/// Flux.1 dev, without encoders.
pub(super) fn flux() -> Tensors {
    named(
        "",
        &[
            ("img_in.weight", &[3_072, 64]),
            ("guidance_in.in_layer.weight", &[3_072, 256]),
            ("double_blocks.0.img_attn.norm.key_norm.scale", &[128]),
            ("double_blocks.0.img_attn.norm.query_norm.scale", &[128]),
        ],
    )
}

/// T5-XXL.
pub(super) fn t5() -> Tensors {
    let layer = "encoder.block.0.layer.0.SelfAttention";
    named(layer, &[(".k.weight", &[512, 4_096]), (".relative_attention_bias.weight", &[32, 64])])
}

/// CLIP-L.
pub(super) fn clip_l() -> Tensors {
    let layer = |n: u64| format!("text_model.encoder.layers.{n}.layer_norm1.weight");
    let mut tensors: Tensors = (0..12).map(|n| (layer(n), vec![768])).collect();
    tensors.extend(named("text_model.", &[("encoder.layers.0.mlp.fc1.weight", &[3_072, 768])]));
    tensors
}

/// A VAE of so many channels.
pub(super) fn vae(channels: u64) -> Tensors {
    let mut tensors = named(
        "",
        &[
            ("encoder.down.2.downsample.conv.weight", &[64, 64, 3, 3]),
            ("encoder.conv_in.weight", &[128, 3, 3, 3]),
            ("decoder.up.3.upsample.conv.weight", &[64, 64, 3, 3]),
            ("decoder.conv_out.weight", &[3, 128, 3, 3]),
        ],
    );
    tensors.push(("decoder.conv_in.weight".to_owned(), vec![512, channels, 3, 3]));
    tensors
}

/// A ControlNet of SDXL in the names of diffusers.
pub(super) fn controlnet() -> Tensors {
    named(
        "",
        &[
            ("controlnet_cond_embedding.conv_in.weight", &[16, 3, 3, 3]),
            ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", &[640, 2_048]),
        ],
    )
}

/// A small language model: Qwen3 0.6B.
pub(super) fn language_model() -> Tensors {
    let layer = "model.layers.0.";
    named(layer, &[("input_layernorm.weight", &[1_024]), ("self_attn.q_norm.weight", &[128])])
}

/// An upscaler: ESRGAN in the names of Real-ESRGAN.
pub(super) fn upscaler() -> Tensors {
    let mut tensors = named("", &[("conv_first.weight", &[64, 3, 3, 3]), ("conv_last.weight", &[3, 64, 3, 3])]);
    for block in 0..23 {
        tensors.push((format!("body.{block}.rdb1.conv1.weight"), vec![32, 64, 3, 3]));
    }
    tensors.extend(named("conv_", &[("up1.weight", &[64, 64, 3, 3]), ("up2.weight", &[64, 64, 3, 3])]));
    tensors
}

/// A textual inversion of SD 1.5.
pub(super) fn embedding() -> Tensors {
    named("", &[("emb_params", &[16, 768])])
}

/// What an adapter of this family changes.
pub(super) fn lora(family: LoraOf, n_blocks: u64, rank: u64) -> Tensors {
    let mut tensors = Vec::new();
    let mut module = |name: String, input: u64, output: u64| {
        tensors.push((format!("{name}.alpha"), vec![]));
        tensors.push((format!("{name}.lora_down.weight"), vec![rank, input]));
        tensors.push((format!("{name}.lora_up.weight"), vec![output, rank]));
    };
    for block in 0..n_blocks {
        match family {
            LoraOf::Sdxl => {
                let name = format!("lora_unet_input_blocks_{}_1_transformer_blocks_{}", 4 + block % 5, block / 5);
                module(format!("{name}_attn1_to_q"), 1_280, 1_280);
                module(format!("{name}_attn2_to_k"), 2_048, 1_280);
            }
            LoraOf::Sd15 => {
                let name = format!("lora_unet_down_blocks_{}_attentions_{}", block % 3, block / 3);
                module(format!("{name}_transformer_blocks_0_attn1_to_q"), 640, 640);
                module(format!("{name}_transformer_blocks_0_attn2_to_k"), 768, 640);
            }
            // Flux has 19 double blocks.
            LoraOf::Flux if block < 19 => {
                module(format!("lora_unet_double_blocks_{block}_img_attn_proj"), 3_072, 3_072);
            }
            LoraOf::Flux => module(format!("lora_unet_single_blocks_{}_linear1", block - 19), 3_072, 3_072),
        }
    }
    tensors
}

/// Families that the demo has adapters of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoraOf {
    Sdxl,
    Sd15,
    Flux,
}
