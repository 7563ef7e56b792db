//! What stands beside denoisers and the corpus does not hold: ControlNets, VAEs, encoders, upscalers. The headers are made here, of names and shapes as the models have
//! them; where those were found stands with each group: SD is ComfyUI's `comfy/sd.py`,
//! CN its `comfy/controlnet.py`, both of 2026.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may unwrap and fail")]

#[path = "support/header.rs"]
mod header;
#[path = "support/judged.rs"]
mod judged;

use judged::{is, told};
use model_header::{Base, Kind};

/// CN: `load_controlnet_state_dict`, `load_t2i_adapter`; SD: `load_style_model`; `ComfyUI_IPAdapter_plus`; AnimateDiff-Evolved.
#[test]
fn what_stands_beside_a_model() {
    let cn = Kind::Controlnet;
    let zero = ("controlnet_blocks.0.weight", &[1536, 1536][..]);
    is(&[zero, ("pos_embed_input.proj.weight", &[1536, 16, 2, 2])], cn, Base::Sd3, "");
    is(
        &[
            zero,
            ("pos_embed_input.proj.weight", &[2432, 16, 2, 2]),
            ("transformer_blocks.0.adaLN_modulation.1.bias", &[14592]),
        ],
        cn,
        Base::Sd35,
        "",
    );
    is(&[zero, ("controlnet_x_embedder.weight", &[3072, 64]), ("txt_norm.weight", &[3584])], cn, Base::QwenImage, "");
    is(&[zero, ("controlnet_x_embedder.weight", &[3072, 64])], cn, Base::Flux1, "");
    is(
        &[
            ("controlnet_blocks.0.linear.weight", &[3072, 3072]),
            ("double_blocks.0.img_attn.norm.key_norm.scale", &[128]),
        ],
        cn,
        Base::Flux1,
        "mistoline",
    );
    is(&[("after_proj_list.18.bias", &[1408])], cn, Base::HunyuanDit, "");
    let supir = [
        ("control_model.input_blocks.0.0.weight", &[320, 4, 3, 3][..]),
        ("control_model.zero_convs.0.0.weight", &[320, 320, 1, 1][..]),
        ("control_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", &[640, 2048][..]),
        ("project_modules.0.to_q.weight", &[1280, 1280][..]),
    ];
    is(&supir, cn, Base::Sdxl, "supir");
    is(
        &[
            ("controlnet_cond_embedding.conv_in.weight", &[16, 3, 3, 3]),
            ("task_embedding", &[6, 320]),
            ("add_embedding.linear_1.weight", &[1280, 2816]),
        ],
        cn,
        Base::Sdxl,
        "union",
    );
    is(
        &[("lora_controlnet", &[]), ("input_blocks.4.1.transformer_blocks.0.attn2.to_k.down", &[128, 2048])],
        cn,
        Base::Sdxl,
        "control_lora",
    );
    is(&[("control_all_x_embedder.2-1.weight", &[3840, 132])], Kind::ModelPatch, Base::ZImage, "fun_controlnet");
    is(&[("redux_down.weight", &[4096, 12288])], Kind::StyleModel, Base::Flux1, "redux");
    is(&[("style_embedding", &[1, 8, 1024])], Kind::StyleModel, Base::Sd15, "");
    is(
        &[("image_proj.latents", &[1, 16, 768]), ("ip_adapter.1.to_k_ip.weight", &[320, 768])],
        Kind::IpAdapter,
        Base::Sd15,
        "plus",
    );
    is(
        &[
            ("down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight", &[320, 320]),
            ("down_blocks.3.motion_modules.0.temporal_transformer.proj_in.weight", &[1280, 1280]),
        ],
        Kind::MotionModule,
        Base::Sd15,
        "animatediff",
    );
    is(
        &[("down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight", &[320, 320])],
        Kind::MotionModule,
        Base::Sdxl,
        "animatediff",
    );
    is(
        &[("adapter.body.0.resnets.0.block1.weight", &[320, 320, 3, 3]), ("adapter.conv_in.weight", &[320, 768, 3, 3])],
        Kind::T2iAdapter,
        Base::Sdxl,
        "",
    );
}

/// SD: `VAE.__init__`.
#[test]
fn vaes() {
    let vae = Kind::Vae;
    let middle = ("decoder.middle.0.residual.0.gamma", &[1024, 1, 1, 1][..]);
    is(&[middle, ("decoder.upsamples.0.upsamples.0.residual.2.weight", &[1024, 1024, 3, 3, 3])], vae, Base::Wan22, "");
    let encoder = ("encoder.conv_in.weight", &[128, 3, 3, 3][..]);
    is(&[encoder, ("decoder.conv_in.weight", &[512, 16, 3, 3])], vae, None, "");
    is(&[encoder, ("decoder.conv_in.weight", &[1024, 64, 3, 3])], vae, Base::HunyuanImage, "");
    is(&[("decoder.conv_in.conv.weight", &[512, 16, 3, 3, 3])], vae, Base::HunyuanVideo, "");
    is(&[("decoder.conv_in.conv.weight", &[1024, 32, 3, 3, 3])], vae, Base::HunyuanVideo, "1.5");
    is(&[("decoder.unpatcher3d.wavelets", &[2])], vae, Base::Cosmos, "");
    is(&[("geo_decoder.cross_attn_decoder.ln_1.bias", &[1024])], vae, Base::Hunyuan3d, "");
    is(&[("vquantizer.codebook.weight", &[8192, 4])], vae, Base::StableCascade, "stage_a");
    is(&[("vocoder.vocoder.resblocks.0.convs1.0.weight", &[512, 512, 3])], vae, Base::Ltxv2, "audio");
    is(&[("decoder.22.bias", &[12]), ("decoder.1.weight", &[256, 48, 3, 3])], Kind::VaeApprox, Base::Wan22, "");
    assert!(told(&[encoder, ("decoder.conv_in.weight", &[512, 16, 3, 3])]).also_bases.contains(&Base::Flux1));
}

/// SD: `detect_te_model`; `clip_vision.py`: `load_clipvision_from_sd`.
#[test]
fn encoders() {
    let te = Kind::TextEncoder;
    is(
        &[
            ("text_model.encoder.layers.0.mlp.fc1.weight", &[5120, 1280]),
            ("text_model.encoder.layers.31.mlp.fc1.weight", &[5120, 1280]),
        ],
        te,
        Base::ClipG,
        "",
    );
    is(&[("encoder.block.0.layer.0.SelfAttention.k.weight", &[384, 1472])], te, Base::Byt5Small, "");
    is(&[("encoder.block.0.layer.0.SelfAttention.k.weight", &[2048, 2048])], te, Base::T5Xl, "");
    is(
        &[("encoder.block.0.layer.0.SelfAttention.k.weight", &[768, 768]), ("shared.weight", &[256_384, 768])],
        te,
        Base::Umt5Base,
        "",
    );
    let norm = "model.layers.0.input_layernorm.weight";
    is(&[(norm, &[3584]), ("model.layers.0.self_attn.k_proj.bias", &[512])], te, Base::Qwen25Vl7b, "");
    is(&[(norm, &[2048]), ("model.layers.0.self_attn.k_proj.bias", &[256])], te, Base::Qwen25Vl3b, "");
    is(&[(norm, &[4096]), ("model.layers.0.self_attn.q_norm.weight", &[128])], te, Base::Qwen3_8b, "");
    is(&[(norm, &[1024]), ("model.layers.0.self_attn.q_norm.weight", &[128])], te, Base::Qwen3_0_6b, "");
    is(&[(norm, &[2560]), ("model.visual.deepstack_merger_list.0.norm.weight", &[4096])], te, Base::Qwen3Vl4b, "");
    let gemma = [
        ("model.layers.0.post_feedforward_layernorm.weight", &[3840][..]),
        ("model.layers.0.self_attn.q_norm.weight", &[256][..]),
    ];
    is(
        &[(norm, &[3840]), gemma[0], gemma[1], ("model.layers.5.self_attn.v_proj.weight", &[2048, 3840])],
        te,
        Base::Gemma3_12b,
        "",
    );
    is(&[("model.encoder.layers.0.mixer.Wqkv.weight", &[3072, 1024])], te, Base::JinaClip2, "");
    is(&[("vision_model.encoder.layers.31.mlp.fc1.weight", &[5120, 1280])], Kind::ClipVision, Base::ClipVitH, "");
    is(&[("vision_model.encoder.layers.23.mlp.fc1.weight", &[4096, 1024])], Kind::ClipVision, Base::ClipVitL, "");
}

/// spandrel: `architectures/*/__init__.py`.
#[test]
fn upscalers() {
    let up = Kind::Upscaler;
    let first = ("params_ema.conv_first.weight", &[64, 3, 3, 3][..]);
    is(
        &[
            first,
            ("params_ema.body.0.rdb1.conv1.weight", &[32, 64, 3, 3]),
            ("params_ema.conv_up1.weight", &[64, 64, 3, 3]),
            ("params_ema.conv_up2.weight", &[64, 64, 3, 3]),
        ],
        up,
        Base::Esrgan,
        "4x",
    );
    is(
        &[
            ("conv_first.weight", &[64, 12, 3, 3]),
            ("body.0.rdb1.conv1.weight", &[32, 64, 3, 3]),
            ("conv_up1.weight", &[64, 64, 3, 3]),
            ("conv_up2.weight", &[64, 64, 3, 3]),
        ],
        up,
        Base::Esrgan,
        "2x",
    );
    is(
        &[
            ("layers.0.residual_group.blocks.0.conv_block.cab.0.weight", &[6, 180, 3, 3]),
            ("layers.0.residual_group.blocks.0.norm1.weight", &[180]),
            ("conv_first.weight", &[180, 3, 3, 3]),
            ("conv_before_upsample.0.weight", &[64, 180, 3, 3]),
            ("upsample.0.weight", &[256, 64, 3, 3]),
            ("upsample.2.weight", &[256, 64, 3, 3]),
        ],
        up,
        Base::Hat,
        "4x",
    );
    is(&[("before_RG.1.weight", &[180]), ("layers.0.blocks.0.attn.attns.0.rpe_biases", &[465, 2])], up, Base::Dat, "");
    is(
        &[
            ("body.0.weight", &[64, 3, 3, 3]),
            ("body.0.bias", &[64]),
            ("body.1.weight", &[64]),
            ("body.34.weight", &[48, 64, 3, 3]),
        ],
        up,
        Base::Compact,
        "4x",
    );
    is(
        &[("unet1.conv1.conv.0.weight", &[32, 3, 3, 3]), ("unet2.conv1.conv.0.weight", &[32, 3, 3, 3])],
        up,
        Base::Realcugan,
        "",
    );
    is(&[("feats.0.weight", &[64, 3, 3, 3]), ("feats.1.lk.conv.weight", &[16, 16, 17, 17])], up, Base::Plksr, "");
}

/// SD of October 2026: `VAE.__init__`, `load_text_encoder_state_dicts`.
#[test]
fn companions_of_late_2026() {
    let vae = Kind::Vae;
    is(&[("shape_dec.blocks.1.16.to_subdiv.weight", &[8, 64])], vae, Base::Trellis2, "shape");
    is(&[("txt_dec.blocks.3.4.conv2.weight", &[64, 64])], vae, Base::Trellis2, "texture");
    let first = ("dec_in_proj.weight", &[1024, 128, 1][..]);
    is(&[first, ("decoder.model.0.weight_g", &[1024, 1, 1])], vae, Base::MinimaxMusic3, "");
    assert_eq!(told(&[first]).kind, Kind::None);
    let audio = ("decoder.layers.1.layers.0.beta", &[1024][..]);
    is(&[audio, ("decoder.layers.6.layers.1.weight_v", &[64, 32, 4])], vae, Base::Yue2, "");
    is(&[audio], vae, Base::StableAudio, "");
    let norm = ("model.layers.0.input_layernorm.weight", &[2048][..]);
    is(&[norm, ("yue2_tokenizer_json", &[100])], Kind::TextEncoder, Base::Yue2, "");
    let projection = ("model.audio_decoder.projection.weight", &[1024, 2048][..]);
    is(&[norm, projection], Kind::TextEncoder, Base::MinimaxMusic3, "");
}
