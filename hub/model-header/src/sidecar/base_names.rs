//! The names that sites have for families: those of CivitAI's `baseModel`, which `LoRA Manager` and
//! Stability Matrix keep as they are, and the short ones of web UIs (`SD1`, `SDXL`).

use crate::base::Base;
use crate::metadata::{Lineage, family_of, letters};

/// Beginnings of names, letters and digits only; the longer before the shorter. What has no family here
/// but begins like one that has is listed too. As in `SUPPORTED_DOWNLOAD_SKIP_BASE_MODELS` of `LoRA Manager`,
/// `py/utils/constants.py` and in what sites list in 2026.
const NAMES: [(&str, Option<Base>, Option<Lineage>); 47] = [
    // Served by its maker only, or of a family that has no id here.
    ("flux3", None, None),
    ("wanvideo25", None, None),
    ("wanvideo27", None, None),
    ("wanimage", None, None),
    ("qwen2", None, None),
    ("qwen3", None, None),
    ("lumina1", None, None),
    ("ponyv7", Some(Base::Auraflow), Some(Lineage::Pony)),
    ("pony", Some(Base::Sdxl), Some(Lineage::Pony)),
    ("illustrious", Some(Base::Sdxl), Some(Lineage::Illustrious)),
    ("noobai", Some(Base::Sdxl), Some(Lineage::NoobAi)),
    ("animagine", Some(Base::Sdxl), Some(Lineage::Animagine)),
    ("flux1kontext", Some(Base::Flux1), Some(Lineage::Kontext)),
    ("flux1krea", Some(Base::Flux1), Some(Lineage::Krea)),
    ("flux2", Some(Base::Flux2), None),
    ("flux", Some(Base::Flux1), None),
    ("sdxl", Some(Base::Sdxl), None),
    ("sd35", Some(Base::Sd35), None),
    ("sd3", Some(Base::Sd3), None),
    ("sd2", Some(Base::Sd21), None),
    ("sd1", Some(Base::Sd15), None),
    ("svd", Some(Base::Svd), None),
    ("hunyuan1", Some(Base::HunyuanDit), None),
    ("hunyuanvideo", Some(Base::HunyuanVideo), None),
    ("wanvideo22", Some(Base::Wan22), None),
    ("wanvideo", Some(Base::Wan21), None),
    ("ltxv2", Some(Base::Ltxv2), None),
    ("ltxv", Some(Base::Ltxv), None),
    ("qwenimage21", Some(Base::QwenImage21), None),
    ("qwen", Some(Base::QwenImage), None),
    ("zimage", Some(Base::ZImage), None),
    ("lumina", Some(Base::Lumina2), None),
    ("hidreamo1", Some(Base::HidreamO1), None),
    ("hidream", Some(Base::Hidream), None),
    ("chroma", Some(Base::Chroma), None),
    ("auraflow", Some(Base::Auraflow), None),
    ("pixart", Some(Base::Pixart), None),
    ("mochi", Some(Base::Mochi), None),
    ("cogvideox", Some(Base::Cogvideox), None),
    ("anima", Some(Base::Anima), None),
    ("ernie", Some(Base::ErnieImage), None),
    ("krea2", Some(Base::Krea2), None),
    ("ideogram4", Some(Base::Ideogram4), None),
    ("boogu", Some(Base::Boogu), None),
    ("lens", Some(Base::Lens), None),
    ("mageflow", Some(Base::MageFlow), None),
    ("minimaxh3", Some(Base::MinimaxH3), None),
];

/// Whether these words are what programs write when they don't know.
pub(super) fn says_nothing(words: &str) -> bool {
    matches!(letters(words).as_str(), "" | "unknown" | "other" | "none" | "null")
}

/// The family and lineage that a site's name is for.
pub(super) fn family(words: &str) -> (Option<Base>, Option<Lineage>) {
    let name = letters(words);
    match NAMES.iter().find(|(start, ..)| name.starts_with(start)) {
        Some((_, base, lineage)) => (*base, *lineage),
        None => (family_of(words), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sites_are_families() {
        for (words, base) in [
            ("SD 1.4", Base::Sd15),
            ("SD 1.5 LCM", Base::Sd15),
            ("SD1", Base::Sd15),
            ("SD 2.1 768", Base::Sd21),
            ("SD 3.5 Large Turbo", Base::Sd35),
            ("SD 3", Base::Sd3),
            ("SDXL 1.0", Base::Sdxl),
            ("SDXL Lightning", Base::Sdxl),
            ("Flux.1 D", Base::Flux1),
            ("Flux.1 S", Base::Flux1),
            ("Flux.2 Klein 9B-base", Base::Flux2),
            ("PixArt a", Base::Pixart),
            ("Hunyuan 1", Base::HunyuanDit),
            ("Hunyuan Video", Base::HunyuanVideo),
            ("Wan Video", Base::Wan21),
            ("Wan Video 14B t2v", Base::Wan21),
            ("Wan Video 2.2 TI2V-5B", Base::Wan22),
            ("LTXV", Base::Ltxv),
            ("LTXV 2.3", Base::Ltxv2),
            ("Qwen", Base::QwenImage),
            ("ZImageTurbo", Base::ZImage),
            ("Z-Image-Turbo", Base::ZImage),
            ("HiDream-O1", Base::HidreamO1),
            ("Stable Cascade", Base::StableCascade),
            ("stable-diffusion-xl-v1-base", Base::Sdxl),
        ] {
            assert_eq!(family(words), (Some(base), None), "{words}");
        }
        assert_eq!(family("Pony"), (Some(Base::Sdxl), Some(Lineage::Pony)));
        assert_eq!(family("Pony V7"), (Some(Base::Auraflow), Some(Lineage::Pony)));
        assert_eq!(family("Illustrious"), (Some(Base::Sdxl), Some(Lineage::Illustrious)));
        assert_eq!(family("NoobAI"), (Some(Base::Sdxl), Some(Lineage::NoobAi)));
        assert_eq!(family("Flux.1 Kontext"), (Some(Base::Flux1), Some(Lineage::Kontext)));
        for unknown in ["Kolors", "Wan Video 2.5 T2V", "Flux 3 Video", "Qwen 2", "Grok", "ACE Audio"] {
            assert_eq!(family(unknown), (None, None), "{unknown}");
        }
        assert!(says_nothing("Unknown") && says_nothing("???") && !says_nothing("Kolors"));
    }
}
