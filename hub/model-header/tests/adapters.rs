//! LoRAs of many tools and families. Names as in kohya's sd-scripts and musubi-tuner (`networks/lora*.py`),
//! diffusers' `lora_conversion_utils.py`, PEFT, `LyCORIS`, and InvokeAI's `configs/lora.py`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may unwrap and fail")]

#[path = "support/header.rs"]
mod header;

use header::file;
use model_header::{Base, BaseHow, Description, Kind, Lineage, describe};
use serde_json::{Value, json};

/// A module with its widths: what goes in, what comes out.
type Module = (&'static str, u64, u64);

fn told(modules: &[Module], down: &str, up: &str, metadata: Option<Value>) -> Description {
    let named: Vec<(String, Vec<u64>)> = modules
        .iter()
        .flat_map(|(name, input, output)| {
            [(format!("{name}{down}"), vec![16, *input]), (format!("{name}{up}"), vec![*output, 16])]
        })
        .collect();
    let tensors: Vec<(&str, &[u64])> = named.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let bytes = file(&tensors, "BF16", metadata);
    let size = bytes.len() as u64;
    describe(&mut std::io::Cursor::new(bytes), size, "x.safetensors").unwrap()
}

#[track_caller]
fn kohya(modules: &[Module], base: impl Into<Option<Base>>, variant: &str) {
    let told = told(modules, ".lora_down.weight", ".lora_up.weight", None);
    let variant = Some(variant).filter(|variant| !variant.is_empty());
    assert_eq!((told.kind, told.base, told.variant.as_deref()), (Kind::Lora, base.into(), variant), "{modules:?}");
    assert_eq!(told.network.unwrap().rank, Some(16));
}

#[track_caller]
fn peft(modules: &[Module], base: impl Into<Option<Base>>, variant: &str) {
    let told = told(modules, ".lora_A.weight", ".lora_B.weight", None);
    let variant = Some(variant).filter(|variant| !variant.is_empty());
    assert_eq!((told.kind, told.base, told.variant.as_deref()), (Kind::Lora, base.into(), variant), "{modules:?}");
}

#[test]
fn stable_diffusion() {
    kohya(&[("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 1024, 640)], Base::Sd21, "");
    kohya(
        &[
            ("lora_te1_text_model_encoder_layers_0_mlp_fc1", 768, 3072),
            ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280, 5120),
        ],
        Base::Sdxl,
        "",
    );
    kohya(&[("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 768, 768)], Base::Sd15, "");
    kohya(&[("lora_unet_input_blocks_8_1_transformer_blocks_9_attn1_to_q", 1280, 1280)], Base::Sdxl, "");
    peft(&[("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 768, 320)], Base::Sd15, "");
    let diffusers = [("unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora", 2048, 1280)];
    let described = told(&diffusers, ".down.weight", ".up.weight", None);
    assert_eq!((described.kind, described.base), (Kind::Lora, Some(Base::Sdxl)));
    // Convolutions alone are in all of them.
    kohya(&[("lora_unet_down_blocks_0_resnets_0_conv1", 320, 320)], None, "");
}

#[test]
fn transformers() {
    kohya(&[("lora_unet_joint_blocks_0_x_block_attn_qkv", 2432, 7296)], Base::Sd35, "large");
    peft(
        &[
            ("transformer.transformer_blocks.0.attn.add_k_proj", 1536, 1536),
            ("transformer.transformer_blocks.0.ff.net.0.proj", 1536, 6144),
        ],
        Base::Sd3,
        "medium",
    );
    peft(
        &[
            ("transformer.single_transformer_blocks.0.attn.to_q", 3072, 3072),
            ("transformer.transformer_blocks.0.norm1.linear", 3072, 18432),
        ],
        Base::Flux1,
        "",
    );
    kohya(
        &[("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216), ("lora_unet_double_blocks_0_img_mlp_0", 3072, 12288)],
        Base::Flux1,
        "",
    );
    kohya(&[("lora_unet_single_blocks_0_linear1", 6144, 55296)], Base::Flux2, "dev");
    kohya(&[("lora_unet_double_blocks_0_img_attn_qkv", 4096, 12288)], Base::Flux2, "klein_9b");
    kohya(
        &[
            ("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216),
            ("lora_unet_double_blocks_0_img_mlp_fc1", 3072, 12288),
        ],
        Base::HunyuanVideo,
        "",
    );
    kohya(
        &[
            ("lora_unet_double_blocks_53_img_attn_qkv", 2048, 6144),
            ("lora_unet_double_blocks_0_img_mlp_fc1", 2048, 8192),
        ],
        Base::HunyuanVideo,
        "1.5",
    );
    peft(&[("diffusion_model.layers.0.attention.qkv", 3840, 11520)], Base::ZImage, "");
    kohya(&[("lora_unet_layers_0_attention_to_q", 3840, 3840)], Base::ZImage, "");
    peft(&[("transformer.layers.0.attention.to_q", 2304, 2304)], Base::Lumina2, "");
    peft(&[("diffusion_model.double_stream_blocks.0.block.attn1.to_q", 2560, 2560)], Base::Hidream, "");
    kohya(&[("lora_unet_visual_transformer_blocks_0_self_attention_to_query", 1792, 1792)], Base::Kandinsky5, "lite");
    kohya(&[("lora_unet_blocks_0_attn_wq", 6144, 6144), ("lora_unet_blocks_0_attn_gate", 6144, 6144)], Base::Krea2, "");
    kohya(
        &[
            ("lora_unet_blocks_0_self_attn_q_proj", 2048, 2048),
            ("lora_unet_llm_adapter_blocks_0_cross_attn_q_proj", 1024, 1024),
        ],
        Base::Anima,
        "",
    );
    peft(&[("diffusion_model.transformer_blocks.0.audio_attn1.to_q", 2048, 2048)], Base::Ltxv2, "");
    peft(&[("transformer.transformer_blocks.0.attn1.to_q", 1152, 1152)], Base::Pixart, "");
    peft(
        &[("transformer_blocks.0.attn.add_k_proj", 3072, 3072), ("transformer_blocks.0.img_mlp.net.2", 12288, 3072)],
        Base::QwenImage,
        "",
    );
    kohya(
        &[("lora_unet_blocks_0_cross_attn_k_img", 5120, 5120), ("lora_unet_blocks_0_self_attn_q", 5120, 5120)],
        Base::Wan21,
        "i2v_14b",
    );
    peft(&[("something.else.0.entirely", 100, 100)], None, "");
}

#[test]
fn kronecker_products_are_multiplied() {
    let stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
    let (one, a, b) = (format!("{stem}.lokr_w1"), format!("{stem}.lokr_w2_a"), format!("{stem}.lokr_w2_b"));
    let tensors: [(&str, &[u64]); 3] = [(&one, &[16, 32]), (&a, &[20, 4]), (&b, &[4, 24])];
    let bytes = file(&tensors, "F16", None);
    let size = bytes.len() as u64;
    let told = describe(&mut std::io::Cursor::new(bytes), size, "x.safetensors").unwrap();
    assert_eq!((told.base, told.variant.as_deref()), (Some(Base::Sd15), Some("lokr")));
}

#[test]
fn the_maker_decides_between_those_that_are_alike() {
    let wan = [("diffusion_model.blocks.0.self_attn.q", 5120, 5120)];
    let of = |said: &str| told(&wan, ".lora_A.weight", ".lora_B.weight", Some(json!({"modelspec.architecture": said})));
    assert_eq!((of("wan2.2/lora").base, of("wan2.2/lora").base_how), (Some(Base::Wan22), Some(BaseHow::Metadata)));
    assert_eq!((of("wan2.1/lora").base, of("wan2.1/lora").base_how), (Some(Base::Wan21), Some(BaseHow::Tensors)));
    let liar = of("stable-diffusion-xl-v1-base/lora");
    assert_eq!(liar.base, Some(Base::Wan21));
    assert_eq!(liar.notes, ["Its metadata says stable-diffusion-xl-v1-base/lora, its tensors say Wan 2.1."]);
}

#[test]
fn lineage_is_told_of_adapters() {
    let sdxl = [("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048, 640)];
    let metadata = json!({"ss_sd_model_name": "noobaiXLNAIXL_vPred10.safetensors", "ss_network_dim": "32", "ss_network_alpha": "16"});
    let told = told(&sdxl, ".lora_down.weight", ".lora_up.weight", Some(metadata));
    assert_eq!(told.lineage, Some(Lineage::NoobAi));
    let network = told.network.unwrap();
    assert_eq!((network.rank, network.alpha), (Some(32), Some(16.0)));
}
