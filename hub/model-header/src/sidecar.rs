//! What the files beside a model say of it: notes that programs keep for people, by the sites that
//! models come from. Everything is optional and nothing is believed where the model itself says otherwise.
//!
//! Such files come from the internet as models do: at most 2 MiB are read, texts and lists are cut, and
//! what is of another type than expected is passed over without losing the rest.

mod base_names;
mod civitai;
mod config;
mod disagreement;
mod html;
mod managers;
mod plain;
mod texts;
mod value;
mod webui;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{EnumIter, EnumMessage, EnumString, IntoStaticStr};

use crate::base::Base;
use crate::metadata::Lineage;
use crate::vocabulary::says;

pub use disagreement::{disagreement, other_content};

/// Bytes of such a file that are read. A larger one is none.
pub const MAX_SIDECAR_BYTES: usize = 2 << 20;

/// Which of them a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, EnumString, EnumMessage, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the label says it")]
pub enum SidecarSource {
    #[strum(message = "CivitAI info")]
    CivitaiInfo,
    #[strum(message = "LoRA Manager")]
    LoraManager,
    #[strum(message = "Stability Matrix")]
    StabilityMatrix,
    #[strum(message = "web UI")]
    Webui,
    #[strum(message = "SHA-256")]
    Sha256,
    #[strum(message = "text")]
    Text,
    #[strum(message = "config")]
    Config,
}

says!(SidecarSource);

/// The endings by which a file beside a model is one of them, behind the model's name with or without its
/// own extension.
const ENDINGS: [(&str, SidecarSource); 8] = [
    (".civitai.info", SidecarSource::CivitaiInfo),
    (".metadata.json", SidecarSource::LoraManager),
    (".cm-info.json", SidecarSource::StabilityMatrix),
    (".json", SidecarSource::Webui),
    (".sha256", SidecarSource::Sha256),
    (".txt", SidecarSource::Text),
    (".yaml", SidecarSource::Config),
    (".yml", SidecarSource::Config),
];

/// What a file beside a model says. What it does not say is `None` or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SidecarFacts {
    /// Which of them it is.
    pub source: SidecarSource,
    /// The model's name.
    pub title: Option<String>,
    /// Which version of it.
    pub version_name: Option<String>,
    /// The family, where its words are known here.
    pub base: Option<Base>,
    /// The family in the file's own words.
    pub base_words: Option<String>,
    /// What it was made from within the family.
    pub lineage: Option<Lineage>,
    /// Whether a config says that it predicts velocity.
    pub v_prediction: Option<bool>,
    /// Words that call what it has learned.
    pub trigger_words: Vec<String>,
    /// The strength to use it with.
    pub preferred_weight: Option<f64>,
    /// Who made it.
    pub author: Option<String>,
    /// What its maker says of it, as plain text.
    pub description: Option<String>,
    /// What its owner noted.
    pub notes: Option<String>,
    /// Under which terms.
    pub license: Option<String>,
    /// Its number on CivitAI.
    pub civitai_model_id: Option<u64>,
    /// The number of its version on CivitAI.
    pub civitai_version_id: Option<u64>,
    /// The SHA-256 of the file, 64 small digits.
    pub sha256: Option<String>,
    /// The BLAKE3 of the file, 64 small digits.
    pub blake3: Option<String>,
    /// The first 12 digits of the SHA-256 of its data, small.
    pub autov3: Option<String>,
    /// Pictures that it names. They are never fetched.
    pub n_previews: u64,
    /// Words that it is filed under.
    pub tags: Vec<String>,
    /// Whether it is said to be not safe for work.
    pub nsfw: Option<bool>,
}

impl SidecarFacts {
    fn new(source: SidecarSource) -> Self {
        Self {
            source,
            title: None,
            version_name: None,
            base: None,
            base_words: None,
            lineage: None,
            v_prediction: None,
            trigger_words: Vec::new(),
            preferred_weight: None,
            author: None,
            description: None,
            notes: None,
            license: None,
            civitai_model_id: None,
            civitai_version_id: None,
            sha256: None,
            blake3: None,
            autov3: None,
            n_previews: 0,
            tags: Vec::new(),
            nsfw: None,
        }
    }

    /// Takes the family from the words of a site.
    fn set_base(&mut self, words: Option<String>) {
        let Some(words) = words.filter(|words| !base_names::says_nothing(words)) else { return };
        (self.base, self.lineage) = base_names::family(&words);
        self.base_words = Some(words);
    }

    fn says_something(&self) -> bool {
        *self != Self::new(self.source)
    }
}

/// Which file a sidecar of this name is for a model of this name; `None` if it is none or another model's.
pub fn source_of(model_name: &str, sidecar_name: &str) -> Option<SidecarSource> {
    let (model, sidecar) = (file_name(model_name), file_name(sidecar_name));
    let stem = model.rsplit_once('.').map_or(model, |(stem, _)| stem);
    [model, stem].into_iter().filter(|start| !start.is_empty()).find_map(|start| {
        let beginning = sidecar.get(..start.len())?;
        let ending = sidecar.get(start.len()..)?;
        let (_, source) = ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known))?;
        beginning.eq_ignore_ascii_case(start).then_some(*source)
    })
}

/// Reads what a file beside a model says. Both are named as they are called, with or without folders.
///
/// `None` if it is no such file by its name, if it belongs to another model, if it exceeds
/// [`MAX_SIDECAR_BYTES`], or if nothing in it is known.
pub fn read(model_name: &str, sidecar_name: &str, bytes: &[u8]) -> Option<SidecarFacts> {
    let source = source_of(model_name, sidecar_name)?;
    if bytes.len() > MAX_SIDECAR_BYTES {
        return None;
    }
    let text = texts::decoded(bytes)?;
    let model = file_name(model_name);
    let mut facts = SidecarFacts::new(source);
    match source {
        SidecarSource::Sha256 => plain::sha256(&text, model, &mut facts),
        SidecarSource::Text => plain::trigger_words(&text, &mut facts),
        SidecarSource::Config => config::read(&text, &mut facts),
        SidecarSource::CivitaiInfo => civitai::version(&value::parse(&text)?, model, &mut facts),
        SidecarSource::LoraManager => managers::lora_manager(&value::parse(&text)?, model, &mut facts),
        SidecarSource::StabilityMatrix => managers::stability_matrix(&value::parse(&text)?, &mut facts),
        SidecarSource::Webui => webui::read(&value::parse(&text)?, model, &mut facts),
    }
    facts.says_something().then_some(facts)
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_has_the_name_of_its_model() {
        let of = |sidecar| source_of("loras/Style.v2.safetensors", sidecar);
        assert_eq!(of("loras/style.v2.civitai.info"), Some(SidecarSource::CivitaiInfo));
        assert_eq!(of("Style.v2.metadata.json"), Some(SidecarSource::LoraManager));
        assert_eq!(of("Style.v2.safetensors.metadata.json"), Some(SidecarSource::LoraManager));
        assert_eq!(of("Style.v2.cm-info.json"), Some(SidecarSource::StabilityMatrix));
        assert_eq!(of("Style.v2.JSON"), Some(SidecarSource::Webui));
        assert_eq!(of("Style.v2.safetensors.sha256"), Some(SidecarSource::Sha256));
        for other in ["Style.json", "Style.v2.1.json", "Style.v2.png", ".json", "", "Style.v2é.json"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(source_of("", ".json"), None);
    }

    #[test]
    fn what_says_nothing_is_none() {
        for bytes in [&b""[..], b"{}", b"[]", b"null", b"{", b"\"x\"", b"{\"description\":7}", b"\0\0\0"] {
            for sidecar in ["m.civitai.info", "m.metadata.json", "m.cm-info.json", "m.json", "m.sha256", "m.yaml"] {
                assert_eq!(read("m.safetensors", sidecar, bytes), None, "{sidecar}");
            }
        }
        let mut large = br#"{"name":"x"}"#.to_vec();
        large.resize(MAX_SIDECAR_BYTES + 1, b' ');
        assert_eq!(read("m.safetensors", "m.civitai.info", &large), None);
        large.truncate(MAX_SIDECAR_BYTES);
        assert!(read("m.safetensors", "m.civitai.info", &large).is_some());
    }
}
