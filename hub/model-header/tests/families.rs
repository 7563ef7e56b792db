//! Families that the corpus does not hold. The headers are made here, of names and shapes as the models have
//! them; where those were found stands with each group: MD is ComfyUI's `comfy/model_detection.py`
//! of 2026.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may unwrap and fail")]

#[path = "support/header.rs"]
mod header;
#[path = "support/judged.rs"]
mod judged;

use judged::{is, told};
use model_header::{Base, Kind};

const DM: Kind = Kind::DiffusionModel;

/// MD: `any_suffix_in(… 'double_blocks.0.img_attn.norm.key_norm.' …)` and what follows.
#[test]
fn relatives_of_flux() {
    let norm = ("double_blocks.0.img_attn.norm.key_norm.scale", &[128][..]);
    let guide = ("guidance_in.in_layer.weight", &[3072, 256][..]);
    is(&[norm, ("img_in.weight", &[3072, 128]), guide], DM, Base::Flux1, "canny_depth");
    let weight = ("double_blocks.0.img_attn.norm.key_norm.weight", &[128][..]);
    is(&[weight, ("img_in.weight", &[3072, 64]), guide], DM, Base::Flux1, "dev");
    let second = ("double_stream_modulation_img.lin.weight", &[24576, 4096][..]);
    is(&[norm, second, ("img_in.weight", &[4096, 128])], DM, Base::Flux2, "klein_9b");
    let chroma = ("distilled_guidance_layer.norms.0.scale", &[5120][..]);
    is(&[norm, chroma, ("nerf_blocks.0.norm.scale", &[64])], DM, Base::Chroma, "radiance");
    let yak = ("double_blocks.0.img_mlp.gate_proj.weight", &[12288, 3072][..]);
    is(&[norm, yak, ("txt_norm.weight", &[2048]), ("img_in.weight", &[3072, 64])], DM, Base::Ovis, "");
    is(&[norm, ("txt_in.weight", &[3072, 3584]), ("img_in.weight", &[3072, 64])], DM, Base::LongcatImage, "");
}

/// MD: `txt_in.individual_token_refiner…`; `supported_models.py`: `HunyuanImage21`, `HunyuanVideo15`, `HunyuanVideoSkyreelsI2V`.
#[test]
fn relatives_of_hunyuan_video() {
    let mark = ("txt_in.individual_token_refiner.blocks.0.norm1.weight", &[3072][..]);
    let vector = ("vector_in.in_layer.weight", &[3072, 768][..]);
    is(&[mark, ("img_in.proj.weight", &[3584, 64, 1, 1])], DM, Base::HunyuanImage, "");
    is(&[mark, ("img_in.proj.weight", &[3584, 128, 1, 1, 1])], DM, Base::HunyuanImage, "refiner");
    let vision = ("vision_in.proj.0.weight", &[1152][..]);
    is(&[mark, vision, ("img_in.proj.weight", &[2048, 65, 1, 1, 1])], DM, Base::HunyuanVideo, "1.5");
    is(&[mark, vector, ("img_in.proj.weight", &[3072, 32, 1, 2, 2])], DM, Base::HunyuanVideo, "skyreels_i2v");
}

/// MD: "Wan 2.1", the model types in its order.
#[test]
fn relatives_of_wan() {
    let head = ("head.modulation", &[1, 2, 5120][..]);
    let patch = ("patch_embedding.weight", &[5120, 36, 1, 2, 2][..]);
    let image = ("img_emb.proj.0.bias", &[1280][..]);
    is(&[head, patch, image], DM, Base::Wan21, "i2v_14b");
    is(&[head, patch], DM, Base::Wan22, "i2v_14b");
    is(&[head, patch, image, ("img_emb.emb_pos", &[1, 514, 1280])], DM, Base::Wan21, "flf2v_14b");
    let animate = ("face_adapter.fuser_blocks.0.k_norm.weight", &[128][..]);
    is(&[head, patch, image, animate], DM, Base::Wan22, "animate_14b");
    let speech = ("casual_audio_encoder.encoder.final_linear.weight", &[5120, 1280][..]);
    is(&[head, ("patch_embedding.weight", &[5120, 16, 1, 2, 2]), speech], DM, Base::Wan22, "s2v_14b");
    let humo = ("audio_proj.audio_proj_glob_1.layer.bias", &[512][..]);
    is(&[head, patch, humo], DM, Base::Wan21, "humo_14b");
    let camera = ("control_adapter.conv.weight", &[5120, 1536, 2, 2][..]);
    is(&[head, ("patch_embedding.weight", &[5120, 32, 1, 2, 2]), camera, image], DM, Base::Wan21, "camera_14b");
    is(&[head, ("patch_embedding.weight", &[5120, 36, 1, 2, 2]), camera], DM, Base::Wan22, "camera_14b");
}

/// MD: families whose name is told by one or two tensors.
#[test]
fn families_of_one_mark() {
    is(
        &[
            ("visual_transformer_blocks.0.cross_attention.key_norm.weight", &[128]),
            ("visual_embeddings.in_layer.bias", &[2560]),
        ],
        DM,
        Base::Kandinsky5,
        "image_lite",
    );
    is(
        &[
            ("visual_transformer_blocks.0.cross_attention.key_norm.weight", &[64]),
            ("visual_embeddings.in_layer.bias", &[1792]),
        ],
        DM,
        Base::Kandinsky5,
        "lite",
    );
    is(&[("t5_yproj.weight", &[1536, 4096])], DM, Base::Mochi, "");
    is(
        &[
            ("blocks.0.mlp.layer1.weight", &[8192, 2048]),
            ("llm_adapter.blocks.0.cross_attn.q_proj.weight", &[1024, 1024]),
        ],
        DM,
        Base::Anima,
        "",
    );
    is(
        &[("blocks.0.mlp.layer1.weight", &[20480, 5120]), ("x_embedder.proj.1.weight", &[5120, 72])],
        DM,
        Base::CosmosPredict2,
        "14b_v2w",
    );
    is(
        &[
            ("blocks.block0.blocks.0.block.attn.to_q.0.weight", &[4096, 4096]),
            ("x_embedder.proj.1.weight", &[4096, 68]),
        ],
        DM,
        Base::Cosmos,
        "7b_t2w",
    );
    is(&[("latent_in.weight", &[1024, 64]), ("cond_in.weight", &[1024, 1536])], DM, Base::Hunyuan3d, "2.0");
    is(
        &[
            ("t_embedder.mlp.2.weight", &[2048, 8192]),
            ("blocks.0.attn1.k_norm.weight", &[128]),
            ("x_embedder.weight", &[2048, 64]),
        ],
        DM,
        Base::Hunyuan3d,
        "2.1",
    );
    is(
        &[
            ("encoder.lyric_encoder.layers.0.input_layernorm.weight", &[2048]),
            ("decoder.layers.0.self_attn_norm.weight", &[2048]),
        ],
        DM,
        Base::AceStep15,
        "",
    );
    is(&[("txtfusion.projector.weight", &[2048, 28])], DM, Base::Krea2, "");
    is(&[("embed_image_indicator.weight", &[2, 3072])], DM, Base::Ideogram4, "");
    is(&[("video_patch_proj.weight", &[4096, 96]), ("audio_patch_proj.weight", &[4096, 64])], DM, Base::MinimaxH3, "");
    is(&[("layers.0.mlp.linear_fc2.weight", &[4096, 16384])], DM, Base::ErnieImage, "");
    is(&[("blocks.35.mlp.vid.proj_out.weight", &[3072, 12288])], DM, Base::Seedvr2, "7b");
    is(&[("blocks.31.mlp.all.proj_in_gate.weight", &[6912, 2560])], DM, Base::Seedvr2, "3b");
    is(
        &[("t_embedder1.mlp.0.weight", &[4096, 256]), ("x_embedder.proj1.weight", &[1024, 3072])],
        DM,
        Base::HidreamO1,
        "",
    );
    is(&[("double_stream_layers.0.img_instruct_attn.processor.img_to_q.weight", &[2520, 2520])], DM, Base::Boogu, "");
    is(&[("core.pixel_embedder.proj.weight", &[1024, 3])], DM, Base::Pixeldit, "");
    is(&[("lq_proj.latent_proj.0.weight", &[512, 16, 3, 3])], DM, Base::Pid, "");
    is(&[("transformer.rotary_pos_emb.inv_freq", &[32])], DM, Base::StableAudio, "");
}

/// MD: "Lumina 2" with its relatives; "Qwen Image" with its relatives; "ltxv".
#[test]
fn families_told_by_width_or_more() {
    let refiner = ("noise_refiner.0.attention.k_norm.weight", &[96][..]);
    is(&[refiner, ("cap_embedder.1.weight", &[2304, 2304])], DM, Base::Lumina2, "");
    is(
        &[refiner, ("cap_embedder.1.weight", &[2304, 2560]), ("clip_text_pooled_proj.0.weight", &[1024])],
        DM,
        Base::Newbie,
        "",
    );
    let pad = ("cap_pad_token", &[1, 3840][..]);
    is(
        &[refiner, pad, ("cap_embedder.1.weight", &[3840, 2560]), ("siglip_embedder.0.weight", &[1152])],
        DM,
        Base::ZImage,
        "omni",
    );
    let (norm, adds) =
        (("txt_norm.weight", &[3584][..]), ("transformer_blocks.0.attn.add_k_proj.weight", &[3072, 3072][..]));
    is(&[norm, adds], DM, Base::QwenImage, "");
    is(&[norm, adds, ("time_text_embed.addition_t_embedding.weight", &[2, 3072])], DM, Base::QwenImage, "layered");
    is(&[("txt_norm.weight", &[2560]), ("proj_out.weight", &[128, 3072])], DM, Base::MageFlow, "");
    let ltx = [("adaln_single.emb.timestep_embedder.linear_1.bias", &[4096][..]), ("patchify_proj.bias", &[4096][..])];
    is(&[ltx[0], ltx[1], ("audio_adaln_single.linear.weight", &[12288, 2048])], DM, Base::Ltxv2, "19b");
}

/// MD: `detect_unet_config` from `input_blocks` on; `supported_models.py`: SVD, SV3D, `Stable_Zero123`, `SSD1B`.
#[test]
fn unets() {
    let first = ("input_blocks.0.0.weight", &[320, 4, 3, 3][..]);
    let sd1 = ("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", &[320, 768][..]);
    let sd2 = ("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", &[320, 1024][..]);
    let xl = ("input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", &[640, 2048][..]);
    is(&[("input_blocks.0.0.weight", &[320, 8, 3, 3]), sd1], DM, Base::Sd15, "edit");
    is(&[first, sd2, ("label_emb.0.0.weight", &[1280, 2048])], DM, Base::Sd21, "unclip_h");
    is(&[("input_blocks.0.0.weight", &[320, 7, 3, 3]), sd2], DM, Base::Sd21, "upscale_x4");
    is(
        &[
            ("input_blocks.0.0.weight", &[384, 4, 3, 3]),
            ("input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", &[768, 1280]),
        ],
        DM,
        Base::Sdxl,
        "refiner",
    );
    is(&[first, xl, ("v_pred", &[0])], DM, Base::Sdxl, "v_pred");
    is(
        &[first, xl, ("input_blocks.7.1.transformer_blocks.3.attn2.to_k.weight", &[1280, 2048])],
        DM,
        Base::Sdxl,
        "ssd_1b",
    );
    let stack = ("input_blocks.1.1.time_stack.0.attn1.to_q.weight", &[320, 320][..]);
    is(
        &[("input_blocks.0.0.weight", &[320, 8, 3, 3]), sd2, stack, ("label_emb.0.0.weight", &[1280, 1280])],
        DM,
        Base::Svd,
        "sv3d_p",
    );
    is(
        &[("input_blocks.0.0.weight", &[320, 8, 3, 3]), sd1, ("cc_projection.weight", &[768, 772])],
        DM,
        Base::StableZero123,
        "",
    );
}

/// diffusers' `transformer_*.py`, and MD: `convert_diffusers_mmdit`.
#[test]
fn names_of_diffusers() {
    let adds = ("transformer_blocks.0.attn.add_q_proj.weight", &[1536, 1536][..]);
    let keys = ("transformer_blocks.0.attn.add_k_proj.weight", &[1536, 1536][..]);
    is(&[adds, keys, ("pos_embed.proj.weight", &[1536, 16, 2, 2])], DM, Base::Sd3, "medium");
    is(&[("joint_transformer_blocks.0.attn.add_k_proj.weight", &[3072, 3072])], DM, Base::Auraflow, "");
    let wan = [
        ("condition_embedder.time_embedder.linear_1.weight", &[5120, 256][..]),
        ("blocks.0.attn1.to_q.weight", &[5120, 5120][..]),
        ("patch_embedding.weight", &[5120, 16, 1, 2, 2][..]),
    ];
    is(&wan, DM, Base::Wan21, "t2v_14b");
    assert_eq!(told(&wan).comfyui_opens, Some(false));
    is(
        &[
            ("single_transformer_blocks.0.attn.to_qkv_mlp_proj.weight", &[27648, 3072]),
            ("x_embedder.weight", &[3072, 128]),
        ],
        DM,
        Base::Flux2,
        "klein_4b",
    );
}

/// MD of October 2026: `MiniMax` Music 3, `trellis2 / pixal3d`, Kandinsky 6 by `ldm/kandinsky6/detection.py` with the
/// sizes of its `core_contract.py`; `supported_models.py`: `HunyuanVideo15_SR_Distilled`; MD: `PiD` v1.5.
#[test]
fn families_of_late_2026() {
    let music = [
        ("cond_layer_logits", &[24][..]),
        ("latent_conditioners.0.weight", &[1024, 128][..]),
        ("diffusion_transformer.transformer.layers.0.self_attn.to_qkv.weight", &[4608, 1536][..]),
    ];
    is(&music, DM, Base::MinimaxMusic3, "");
    let shape = ("img2shape.t_embedder.mlp.0.weight", &[1536, 256][..]);
    is(&[shape], DM, Base::Trellis2, "");
    is(&[("shape2txt.t_embedder.mlp.0.weight", &[1536, 256])], DM, Base::Trellis2, "");
    let projection = ("structure_model.blocks.0.cross_attn.proj_linear.weight", &[1536, 1024][..]);
    is(&[shape, projection], DM, Base::Trellis2, "pixal3d");
    let (sound, pictures) = (
        ("audio_embeddings.in_layer.weight", &[2048, 40][..]),
        ("visual_embeddings.in_layer.weight", &[4096, 132][..]),
    );
    let cross = ("visual_blocks.0.va_cross_attention.to_key.weight", &[4096, 2048][..]);
    is(&[sound, pictures, cross], DM, Base::Kandinsky6, "pro");
    let lite = [
        ("audio_embeddings.in_layer.weight", &[896, 40][..]),
        ("visual_embeddings.in_layer.weight", &[1792, 132][..]),
        ("visual_transformer_blocks.0.va_cross_attention.to_key.weight", &[1792, 896][..]),
    ];
    is(&lite, DM, Base::Kandinsky6, "lite");
    assert!(told(&lite).is_diffusers_layout && !told(&[sound, pictures, cross]).is_diffusers_layout);
    let mark = ("txt_in.individual_token_refiner.blocks.0.norm1.weight", &[2048][..]);
    let vision = ("vision_in.proj.0.weight", &[1152][..]);
    is(&[mark, vision, ("img_in.proj.weight", &[2048, 98, 1, 1, 1])], DM, Base::HunyuanVideo, "1.5_sr");
    let later = ("lq_proj.pit_head.weight", &[1536, 512][..]);
    is(&[("lq_proj.latent_proj.0.weight", &[512, 32, 3, 3]), later], DM, Base::Pid, "1.5");
}

/// MD of October 2026: SAM3 / SAM3.1, `RT-DETR_v4`, Depth Anything 3. They are of no kind that there is.
#[test]
fn models_that_look_at_pictures() {
    let sam3 = [
        ("detector.backbone.vision_backbone.trunk.blocks.0.attn.qkv.weight", &[3072, 1024][..]),
        ("detector.transformer.decoder.query_embed.weight", &[200, 256][..]),
        ("detector.backbone.vision_backbone.propagation_convs.0.conv_1x1.weight", &[256, 1024, 1, 1][..]),
    ];
    is(&sam3, Kind::None, Base::Sam3, "3.1");
    is(&[sam3[0], sam3[1]], Kind::None, Base::Sam3, "");
    is(&[("encoder.pan_blocks.1.cv4.conv.weight", &[256, 1024, 1, 1])], Kind::None, Base::RtDetr4, "");
    let depth = ("backbone.embeddings.patch_embeddings.projection.weight", &[1024, 3, 14, 14][..]);
    is(&[depth, ("head.projects.0.weight", &[256, 2048, 1, 1])], Kind::None, Base::DepthAnything3, "large");
    assert_eq!(told(&[depth]).base, None);
}

/// diffusers 0.42: `transformer_flux3.py`, `transformer_bria_fibo.py`, `transformer_glm_image.py`,
/// `sana_transformer.py`, `transformer_hunyuan_video15.py`. ComfyUI loads none of them.
#[test]
fn families_of_diffusers_only() {
    let (image, text) = (
        ("early_stream_modulations.image.linear.weight", &[9216, 3072][..]),
        ("early_stream_modulations.txt.linear.weight", &[9216, 3072][..]),
    );
    is(&[image, text], DM, Base::Flux3, "");
    assert_eq!(told(&[image, text]).comfyui_opens, Some(false));
    // Flux's own names, and one of HiDream's.
    let fibo = [
        ("caption_projection.0.linear.weight", &[1536, 2048][..]),
        ("context_embedder.weight", &[3072, 4096][..]),
        ("x_embedder.weight", &[3072, 48][..]),
        ("transformer_blocks.0.attn.add_q_proj.weight", &[3072, 3072][..]),
        ("transformer_blocks.0.attn.add_k_proj.weight", &[3072, 3072][..]),
        ("single_transformer_blocks.0.attn.to_q.weight", &[3072, 3072][..]),
    ];
    is(&fibo, DM, Base::BriaFibo, "");
    is(&[fibo[0]], DM, Base::Hidream, "");
    let glm = ("glyph_projector.net.0.proj.weight", &[1472, 1472][..]);
    is(&[glm, ("prior_token_embedding.weight", &[16384, 4096])], DM, Base::GlmImage, "");
    let sana = [
        ("caption_norm.weight", &[2240][..]),
        ("caption_projection.linear_1.weight", &[2240, 2304][..]),
        ("patch_embed.proj.weight", &[2240, 32, 1, 1][..]),
    ];
    is(&sana, DM, Base::Sana, "");
    let refiner = ("context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight", &[2048, 2048][..]);
    is(&[refiner, ("cond_type_embed.weight", &[3, 2048])], DM, Base::HunyuanVideo, "1.5");
    is(&[refiner], DM, Base::HunyuanVideo, "");
}
