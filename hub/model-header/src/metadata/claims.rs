//! The family that a maker says a model is of. It decides only between families whose tensors are
//! alike; where it contradicts the tensors, people are told.

use super::Metadata;
use super::lineage::letters;
use crate::base::Base;

/// Beginnings of what is written, letters and digits only; the longer before the shorter.
/// `modelspec.architecture` as in kohya's `sai_model_spec.py` (sd-scripts and musubi-tuner),
/// `ss_base_model_version` as in their trainers.
const CLAIMS: [(&str, Base); 63] = [
    ("stablediffusionxl", Base::Sdxl),
    ("stablediffusionv1", Base::Sd15),
    ("stablediffusionv2", Base::Sd21),
    ("stablediffusionv35", Base::Sd35),
    ("stablediffusion35", Base::Sd35),
    ("stablediffusion3", Base::Sd3),
    ("stablediffusion1", Base::Sd15),
    ("stablediffusion2", Base::Sd21),
    ("stablevideodiffusion", Base::Svd),
    ("stablecascade", Base::StableCascade),
    ("stableaudio", Base::StableAudio),
    ("sdxl", Base::Sdxl),
    ("sdv1", Base::Sd15),
    ("sdv2", Base::Sd21),
    ("sd15", Base::Sd15),
    ("sd1", Base::Sd15),
    ("sd2", Base::Sd21),
    ("sd35", Base::Sd35),
    ("sd3", Base::Sd3),
    ("flux2", Base::Flux2),
    ("flux1", Base::Flux1),
    ("flux", Base::Flux1),
    ("chroma", Base::Chroma),
    ("auraflow", Base::Auraflow),
    ("pixart", Base::Pixart),
    ("hunyuandit", Base::HunyuanDit),
    ("hunyuanvideo", Base::HunyuanVideo),
    ("hunyuanimage", Base::HunyuanImage),
    ("hunyuan3d", Base::Hunyuan3d),
    ("framepack", Base::HunyuanVideo),
    ("wan22", Base::Wan22),
    ("wan21", Base::Wan21),
    ("ltxvideo2", Base::Ltxv2),
    ("ltx2", Base::Ltxv2),
    ("ltxv2", Base::Ltxv2),
    ("ltxv", Base::Ltxv),
    ("ltx", Base::Ltxv),
    ("mochi", Base::Mochi),
    ("qwenimage21", Base::QwenImage21),
    ("qwenimage", Base::QwenImage),
    ("zimage", Base::ZImage),
    ("lumina2", Base::Lumina2),
    ("lumina", Base::Lumina2),
    ("newbie", Base::Newbie),
    ("omnigen2", Base::Omnigen2),
    ("hidreamo1", Base::HidreamO1),
    ("hidream", Base::Hidream),
    ("anima", Base::Anima),
    ("cosmospredict2", Base::CosmosPredict2),
    ("cosmos", Base::Cosmos),
    ("acestep15", Base::AceStep15),
    ("acestepv15", Base::AceStep15),
    ("acestep", Base::AceStep),
    ("kandinsky5", Base::Kandinsky5),
    ("kandinsky6", Base::Kandinsky6),
    ("ovis", Base::Ovis),
    ("longcat", Base::LongcatImage),
    ("cogvideox", Base::Cogvideox),
    ("ideogram4", Base::Ideogram4),
    ("krea2", Base::Krea2),
    ("minimaxh3", Base::MinimaxH3),
    ("ernieimage", Base::ErnieImage),
    ("boogu", Base::Boogu),
];

/// The family that the maker names, with the words of it.
pub(crate) fn claimed_base(metadata: &Metadata) -> Option<(Base, String)> {
    let keys = ["ss_base_model_version", "modelspec.architecture"];
    keys.iter()
        .filter_map(|key| metadata.get(key))
        .find_map(|said| Some((family_of(said)?, super::cut(said, 100).to_owned())))
}

/// The family that these words begin with.
pub(crate) fn family_of(said: &str) -> Option<Base> {
    let said_letters = letters(said);
    let (_, base) = CLAIMS.iter().find(|(start, _)| said_letters.starts_with(start))?;
    Some(*base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makers_write_names_a_family() {
        let of = |said: &str| {
            let mut metadata = Metadata::default();
            metadata.add("modelspec.architecture", said);
            claimed_base(&metadata).map(|(base, _)| base)
        };
        assert_eq!(of("stable-diffusion-xl-v1-base/lora"), Some(Base::Sdxl));
        assert_eq!(of("stable-diffusion-v3.5-large"), Some(Base::Sd35));
        assert_eq!(of("Flux.2-klein-4b"), Some(Base::Flux2));
        assert_eq!(of("wan2.2/lora"), Some(Base::Wan22));
        assert_eq!(of("something"), None);
    }
}
