//! The families that models belong to, each with its id and the name that people use.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{EnumIter, EnumMessage, EnumString, IntoStaticStr};

use crate::vocabulary::says;

/// The family of a model: two models of one family fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[allow(missing_docs, reason = "the label says it")]
pub enum Base {
    // Denoisers.
    #[strum(serialize = "sd15", message = "SD 1.5")]
    Sd15,
    #[strum(serialize = "sd21", message = "SD 2")]
    Sd21,
    #[strum(serialize = "sdxl", message = "SDXL")]
    Sdxl,
    #[strum(serialize = "sd3", message = "SD 3")]
    Sd3,
    #[strum(serialize = "sd35", message = "SD 3.5")]
    Sd35,
    #[strum(serialize = "svd", message = "Stable Video Diffusion")]
    Svd,
    #[strum(serialize = "stable_cascade", message = "Stable Cascade")]
    StableCascade,
    #[strum(serialize = "stable_audio", message = "Stable Audio")]
    StableAudio,
    #[strum(serialize = "flux1", message = "Flux.1")]
    Flux1,
    #[strum(serialize = "flux2", message = "Flux.2")]
    Flux2,
    #[strum(serialize = "flux3", message = "Flux.3")]
    Flux3,
    #[strum(serialize = "chroma", message = "Chroma")]
    Chroma,
    #[strum(serialize = "auraflow", message = "AuraFlow")]
    Auraflow,
    #[strum(serialize = "pixart", message = "PixArt")]
    Pixart,
    #[strum(serialize = "hunyuan_dit", message = "Hunyuan-DiT")]
    HunyuanDit,
    #[strum(serialize = "hunyuan_video", message = "Hunyuan Video")]
    HunyuanVideo,
    #[strum(serialize = "hunyuan_image", message = "Hunyuan Image 2.1")]
    HunyuanImage,
    #[strum(serialize = "hunyuan3d", message = "Hunyuan3D")]
    Hunyuan3d,
    #[strum(serialize = "wan21", message = "Wan 2.1")]
    Wan21,
    #[strum(serialize = "wan22", message = "Wan 2.2")]
    Wan22,
    #[strum(serialize = "ltxv", message = "LTX-Video")]
    Ltxv,
    #[strum(serialize = "ltxv2", message = "LTX-2")]
    Ltxv2,
    #[strum(serialize = "mochi", message = "Mochi")]
    Mochi,
    #[strum(serialize = "qwen_image", message = "Qwen-Image")]
    QwenImage,
    #[strum(serialize = "qwen_image21", message = "Qwen-Image 2.1")]
    QwenImage21,
    #[strum(serialize = "z_image", message = "Z-Image")]
    ZImage,
    #[strum(serialize = "lumina2", message = "Lumina 2")]
    Lumina2,
    #[strum(serialize = "newbie", message = "NewBie")]
    Newbie,
    #[strum(serialize = "omnigen2", message = "OmniGen2")]
    Omnigen2,
    #[strum(serialize = "hidream", message = "HiDream-I1")]
    Hidream,
    #[strum(serialize = "hidream_o1", message = "HiDream-O1")]
    HidreamO1,
    #[strum(serialize = "cosmos", message = "Cosmos 1")]
    Cosmos,
    #[strum(serialize = "cosmos_predict2", message = "Cosmos-Predict2")]
    CosmosPredict2,
    #[strum(serialize = "anima", message = "Anima")]
    Anima,
    #[strum(serialize = "ace_step", message = "ACE-Step")]
    AceStep,
    #[strum(serialize = "ace_step15", message = "ACE-Step 1.5")]
    AceStep15,
    #[strum(serialize = "kandinsky5", message = "Kandinsky 5")]
    Kandinsky5,
    #[strum(serialize = "kandinsky6", message = "Kandinsky 6")]
    Kandinsky6,
    #[strum(serialize = "ovis", message = "Ovis-Image")]
    Ovis,
    #[strum(serialize = "longcat_image", message = "LongCat-Image")]
    LongcatImage,
    #[strum(serialize = "sana", message = "Sana")]
    Sana,
    #[strum(serialize = "bria_fibo", message = "Bria FIBO")]
    BriaFibo,
    #[strum(serialize = "glm_image", message = "GLM-Image")]
    GlmImage,
    #[strum(serialize = "cogvideox", message = "CogVideoX")]
    Cogvideox,
    #[strum(serialize = "seedvr2", message = "SeedVR2")]
    Seedvr2,
    #[strum(serialize = "stable_zero123", message = "Stable Zero123")]
    StableZero123,
    #[strum(serialize = "pid", message = "PiD")]
    Pid,
    #[strum(serialize = "pixeldit", message = "PixelDiT")]
    Pixeldit,
    #[strum(serialize = "minimax_h3", message = "MiniMax H3")]
    MinimaxH3,
    #[strum(serialize = "minimax_music3", message = "MiniMax Music 3")]
    MinimaxMusic3,
    #[strum(serialize = "boogu", message = "Boogu-Image")]
    Boogu,
    #[strum(serialize = "lens", message = "Lens")]
    Lens,
    #[strum(serialize = "mage_flow", message = "Mage-Flow")]
    MageFlow,
    #[strum(serialize = "ideogram4", message = "Ideogram 4")]
    Ideogram4,
    #[strum(serialize = "krea2", message = "Krea 2")]
    Krea2,
    #[strum(serialize = "ernie_image", message = "Ernie-Image")]
    ErnieImage,
    #[strum(serialize = "joyimage", message = "JoyImage")]
    Joyimage,
    #[strum(serialize = "triposplat", message = "TripoSplat")]
    Triposplat,
    #[strum(serialize = "trellis2", message = "TRELLIS.2")]
    Trellis2,
    #[strum(serialize = "sensenova_u15", message = "SenseNova U1.5")]
    SensenovaU15,
    #[strum(serialize = "yue2", message = "YuE 2")]
    Yue2,
    #[strum(serialize = "ming_image", message = "Ming-Image")]
    MingImage,
    #[strum(serialize = "sam3", message = "SAM 3")]
    Sam3,
    #[strum(serialize = "depth_anything3", message = "Depth Anything 3")]
    DepthAnything3,
    #[strum(serialize = "rt_detr4", message = "RT-DETR 4")]
    RtDetr4,
    // Text and image encoders.
    #[strum(serialize = "clip_l", message = "CLIP-L")]
    ClipL,
    #[strum(serialize = "clip_g", message = "CLIP-G")]
    ClipG,
    #[strum(serialize = "clip_h", message = "CLIP-H")]
    ClipH,
    #[strum(serialize = "clip_vit_l", message = "CLIP ViT-L")]
    ClipVitL,
    #[strum(serialize = "clip_vit_h", message = "CLIP ViT-H")]
    ClipVitH,
    #[strum(serialize = "clip_vit_g", message = "CLIP ViT-bigG")]
    ClipVitG,
    #[strum(serialize = "siglip_so400m", message = "SigLIP so400m")]
    SiglipSo400m,
    #[strum(serialize = "siglip2_so400m", message = "SigLIP 2 so400m")]
    Siglip2So400m,
    #[strum(serialize = "dinov2", message = "DINOv2")]
    Dinov2,
    #[strum(serialize = "dinov3", message = "DINOv3")]
    Dinov3,
    #[strum(serialize = "jina_clip_2", message = "Jina CLIP 2")]
    JinaClip2,
    #[strum(serialize = "t5_xxl", message = "T5-XXL")]
    T5Xxl,
    #[strum(serialize = "t5_xl", message = "T5-XL")]
    T5Xl,
    #[strum(serialize = "t5_base", message = "T5-base")]
    T5Base,
    #[strum(serialize = "t5_gemma", message = "T5Gemma")]
    T5Gemma,
    #[strum(serialize = "umt5_xxl", message = "UMT5-XXL")]
    Umt5Xxl,
    #[strum(serialize = "umt5_base", message = "UMT5-base")]
    Umt5Base,
    #[strum(serialize = "byt5_small", message = "ByT5-small")]
    Byt5Small,
    #[strum(serialize = "llama3_8b", message = "Llama 3 8B")]
    Llama3_8b,
    #[strum(serialize = "llama31_8b", message = "Llama 3.1 8B")]
    Llama31_8b,
    #[strum(serialize = "gemma2_2b", message = "Gemma 2 2B")]
    Gemma2_2b,
    #[strum(serialize = "gemma3_4b", message = "Gemma 3 4B")]
    Gemma3_4b,
    #[strum(serialize = "gemma3_12b", message = "Gemma 3 12B")]
    Gemma3_12b,
    #[strum(serialize = "gemma4_e2b", message = "Gemma 4 E2B")]
    Gemma4E2b,
    #[strum(serialize = "gemma4_e4b", message = "Gemma 4 E4B")]
    Gemma4E4b,
    #[strum(serialize = "gemma4_12b", message = "Gemma 4 12B")]
    Gemma4_12b,
    #[strum(serialize = "gemma4_31b", message = "Gemma 4 31B")]
    Gemma4_31b,
    #[strum(serialize = "mistral3_24b", message = "Mistral Small 3 24B")]
    Mistral3_24b,
    #[strum(serialize = "ministral3_3b", message = "Ministral 3 3B")]
    Ministral3_3b,
    #[strum(serialize = "gpt_oss_20b", message = "gpt-oss 20B")]
    GptOss20b,
    #[strum(serialize = "qwen25_vl_3b", message = "Qwen2.5-VL 3B")]
    Qwen25Vl3b,
    #[strum(serialize = "qwen25_vl_7b", message = "Qwen2.5-VL 7B")]
    Qwen25Vl7b,
    #[strum(serialize = "qwen3_0_6b", message = "Qwen3 0.6B")]
    Qwen3_0_6b,
    #[strum(serialize = "qwen3_2b", message = "Qwen3 1.7B")]
    Qwen3_2b,
    #[strum(serialize = "qwen3_4b", message = "Qwen3 4B")]
    Qwen3_4b,
    #[strum(serialize = "qwen3_8b", message = "Qwen3 8B")]
    Qwen3_8b,
    #[strum(serialize = "qwen3_vl_4b", message = "Qwen3-VL 4B")]
    Qwen3Vl4b,
    #[strum(serialize = "qwen3_vl_8b", message = "Qwen3-VL 8B")]
    Qwen3Vl8b,
    #[strum(serialize = "qwen3_vl_32b", message = "Qwen3-VL 32B")]
    Qwen3Vl32b,
    #[strum(serialize = "qwen35_0_8b", message = "Qwen3.5 0.8B")]
    Qwen35_0_8b,
    #[strum(serialize = "qwen35_2b", message = "Qwen3.5 2B")]
    Qwen35_2b,
    #[strum(serialize = "qwen35_4b", message = "Qwen3.5 4B")]
    Qwen35_4b,
    #[strum(serialize = "qwen35_9b", message = "Qwen3.5 9B")]
    Qwen35_9b,
    #[strum(serialize = "qwen35_27b", message = "Qwen3.5 27B")]
    Qwen35_27b,
    // Upscalers and other models of pictures.
    #[strum(serialize = "esrgan", message = "ESRGAN")]
    Esrgan,
    #[strum(serialize = "compact", message = "Compact")]
    Compact,
    #[strum(serialize = "swinir", message = "SwinIR")]
    Swinir,
    #[strum(serialize = "swin2sr", message = "Swin2SR")]
    Swin2sr,
    #[strum(serialize = "srformer", message = "SRFormer")]
    Srformer,
    #[strum(serialize = "hat", message = "HAT")]
    Hat,
    #[strum(serialize = "dat", message = "DAT")]
    Dat,
    #[strum(serialize = "rgt", message = "RGT")]
    Rgt,
    #[strum(serialize = "atd", message = "ATD")]
    Atd,
    #[strum(serialize = "drct", message = "DRCT")]
    Drct,
    #[strum(serialize = "grl", message = "GRL")]
    Grl,
    #[strum(serialize = "span", message = "SPAN")]
    Span,
    #[strum(serialize = "plksr", message = "PLKSR")]
    Plksr,
    #[strum(serialize = "omnisr", message = "OmniSR")]
    Omnisr,
    #[strum(serialize = "realcugan", message = "Real-CUGAN")]
    Realcugan,
    #[strum(serialize = "mosr", message = "MoSR")]
    Mosr,
    #[strum(serialize = "moesr", message = "MoESR")]
    Moesr,
    #[strum(serialize = "fdat", message = "FDAT")]
    Fdat,
    #[strum(serialize = "safmn", message = "SAFMN")]
    Safmn,
    #[strum(serialize = "rcan", message = "RCAN")]
    Rcan,
    #[strum(serialize = "scunet", message = "SCUNet")]
    Scunet,
    #[strum(serialize = "restormer", message = "Restormer")]
    Restormer,
    #[strum(serialize = "aurasr", message = "AuraSR")]
    Aurasr,
    #[strum(serialize = "gfpgan", message = "GFPGAN")]
    Gfpgan,
    #[strum(serialize = "codeformer", message = "CodeFormer")]
    Codeformer,
    #[strum(serialize = "restoreformer", message = "RestoreFormer")]
    Restoreformer,
    #[strum(serialize = "lama", message = "LaMa")]
    Lama,
    #[strum(serialize = "mat", message = "MAT")]
    Mat,
}

says!(Base);
