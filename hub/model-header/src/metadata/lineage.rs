//! What a model was made from. Models of one lineage have the same tensors as their base, so this is
//! known from what makers wrote only: the name of the model that was trained on, a specification.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{EnumIter, EnumMessage, EnumString, IntoEnumIterator, IntoStaticStr};

use super::Metadata;
use crate::base::Base;
use crate::vocabulary::{Kind, says};

/// What a model was made from within its base family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the label says it")]
pub enum Lineage {
    #[strum(serialize = "noobai", message = "NoobAI")]
    NoobAi,
    #[strum(message = "Illustrious")]
    Illustrious,
    #[strum(message = "Pony")]
    Pony,
    #[strum(message = "Animagine")]
    Animagine,
    #[strum(message = "Kontext")]
    Kontext,
    #[strum(message = "Krea")]
    Krea,
}

says!(Lineage);

impl Lineage {
    /// Words by which makers name it, letters and digits only.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::NoobAi => &["noobai", "noobxl"],
            Self::Illustrious => &["illustrious", "ilxl"],
            Self::Pony => &["pony"],
            Self::Animagine => &["animagine"],
            Self::Kontext => &["kontext"],
            Self::Krea => &["flux1krea", "fluxkrea"],
        }
    }

    /// Whether a model of this family can be of it.
    fn fits(self, base: Base) -> bool {
        match self {
            Self::NoobAi | Self::Illustrious | Self::Animagine => base == Base::Sdxl,
            Self::Pony => matches!(base, Base::Sdxl | Base::Auraflow),
            Self::Kontext | Self::Krea => base == Base::Flux1,
        }
    }
}

/// The lineage by what the maker wrote.
pub(crate) fn lineage(metadata: &Metadata, kind: Kind, base: Option<Base>) -> Option<Lineage> {
    let base = base?;
    let told = ["ss_sd_model_name", "ss_base_model_version", "modelspec.architecture", "modelspec.merged_from"];
    // What a checkpoint is called tells what it is; an adapter's name tells what it draws.
    let is_model = matches!(kind, Kind::Checkpoint | Kind::DiffusionModel);
    let named: &[&str] = if is_model { &["modelspec.title", "general.name", "general.basename"] } else { &[] };
    let texts = told.iter().chain(named).filter_map(|key| metadata.get(key)).map(letters);
    let texts: Vec<String> = texts.collect();
    let is_named = |lineage: &Lineage| {
        let words = lineage.words();
        lineage.fits(base) && texts.iter().any(|text| words.iter().any(|word| text.contains(word)))
    };
    Lineage::iter().find(is_named)
}

/// Letters and digits of a text, small.
pub(crate) fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).take(4_096).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, value: &str, kind: Kind, base: Base) -> Option<Lineage> {
        let mut metadata = Metadata::default();
        metadata.add(key, value);
        lineage(&metadata, kind, Some(base))
    }

    #[test]
    fn lineage_is_what_the_maker_wrote() {
        let name = "ponyDiffusionV6XL_v6StartWithThisOne.safetensors";
        assert_eq!(of("ss_sd_model_name", name, Kind::Lora, Base::Sdxl), Some(Lineage::Pony));
        let noob = of("modelspec.title", "NoobAI-XL (Illustrious)", Kind::Checkpoint, Base::Sdxl);
        assert_eq!(noob, Some(Lineage::NoobAi));
        assert_eq!(of("modelspec.title", "My little pony", Kind::Lora, Base::Sdxl), None);
        assert_eq!(of("modelspec.title", "Pony", Kind::Checkpoint, Base::Flux1), None);
        let kontext = of("modelspec.architecture", "Flux.1-kontext-dev", Kind::DiffusionModel, Base::Flux1);
        assert_eq!(kontext, Some(Lineage::Kontext));
        assert_eq!(of("modelspec.title", "FLUX.1 Krea [dev]", Kind::DiffusionModel, Base::Flux1), Some(Lineage::Krea));
    }
}
