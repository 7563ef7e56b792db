//! What a model is, told from the names and shapes of its tensors.
//!
//! Kinds are tried in the order of `KINDS`: what is told by a name that nothing else has comes first,
//! what is told by few and common names comes last. Every rule names the program whose loader
//! decides by the same mark; a new family is one row in one of the files of this folder.

mod adapters;
mod controlnet;
mod denoiser;
mod diffusers;
mod gguf;
mod kandinsky;
mod lora;
mod lora_modules;
mod perception;
mod small;
mod text_encoder;
mod unet;
mod upscaler;
mod vae;
mod wan;

use crate::base::Base;
use crate::contents::Contents;
use crate::table::{Table, View};
use crate::tally::{DENOISER_PREFIXES, Tally};
use crate::vocabulary::Kind;

pub(crate) use diffusers::of_class_names;

/// What the rules say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) kind: Kind,
    pub(crate) base: Option<Base>,
    pub(crate) variant: Option<String>,
    /// Other families that the same tensors allow.
    pub(crate) also: Vec<Base>,
    /// Names as diffusers has them.
    pub(crate) is_diffusers: bool,
    /// ComfyUI has a loader for these names.
    pub(crate) is_loadable: bool,
    /// The rank of an adapter.
    pub(crate) rank: Option<u64>,
    /// A word that calls it, which stands in a tensor's name.
    pub(crate) word: Option<String>,
}

impl Verdict {
    pub(crate) fn new(kind: Kind, base: impl Into<Option<Base>>) -> Self {
        Self {
            kind,
            base: base.into(),
            variant: None,
            also: Vec::new(),
            is_diffusers: false,
            is_loadable: true,
            rank: None,
            word: None,
        }
    }

    pub(crate) fn none() -> Self {
        Self::new(Kind::None, None)
    }

    pub(crate) fn variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = Some(variant.into()).filter(|variant| !variant.is_empty());
        self
    }

    pub(crate) fn also(mut self, bases: &[Base]) -> Self {
        self.also.extend_from_slice(bases);
        self
    }

    pub(crate) fn diffusers(mut self) -> Self {
        self.is_diffusers = true;
        self
    }

    pub(crate) fn not_loadable(mut self) -> Self {
        self.is_loadable = false;
        self
    }
}

/// A rule for one kind of models.
type KindRule = fn(&Table, &Tally) -> Option<Verdict>;

/// The kinds in the order in which they are tried.
const KINDS: [KindRule; 12] = [
    controlnet::control_lora,
    adapters::ip_adapter,
    lora::lora,
    controlnet::controlnet,
    adapters::adapter,
    denoising,
    perception::perception,
    text_encoder::clip_vision_or_text,
    vae::vae,
    text_encoder::text_encoder,
    upscaler::upscaler,
    small::embedding,
];

/// What a file is, from its tensors and, for formats that tell it, its architecture.
pub(crate) fn judge_table(contents: &Contents, table: &Table, tally: &Tally) -> Verdict {
    if let Some(verdict) = contents.gguf.as_ref().and_then(|told| gguf::judge_gguf(told, table)) {
        return verdict;
    }
    let verdict = KINDS.iter().find_map(|rule| rule(table, tally));
    verdict.or_else(|| small::graph(contents.graph.as_ref()?)).unwrap_or_else(Verdict::none)
}

/// Names in front of everything that people's tools leave there.
const WRAPPERS: [&str; 9] =
    ["", "state_dict.", "params_ema.", "params.", "model_state_dict.", "module.", "generator.", "g_ema.", "net_g_ema."];

/// The views in which small models are looked for.
fn wrapped(table: &Table) -> impl Iterator<Item = View<'_>> {
    WRAPPERS.iter().filter(|prefix| prefix.is_empty() || table.begins(prefix)).map(|prefix| View::new(table, prefix))
}

/// A denoiser, alone or with a VAE or text encoders beside it.
fn denoising(table: &Table, tally: &Tally) -> Option<Verdict> {
    // ComfyUI takes a prefix that more than five names have.
    let candidates = DENOISER_PREFIXES.iter().copied().filter(|prefix| table.has_more_than(5, prefix));
    let found = candidates.chain(std::iter::once("")).find_map(|prefix| {
        let view = View::new(table, prefix);
        denoiser::denoiser(&view).map(|found| (prefix, found))
    });
    let (prefix, mut verdict) = found?;
    if verdict.kind == Kind::DiffusionModel && tally.has_beside && !prefix.is_empty() {
        verdict.kind = Kind::Checkpoint;
    }
    Some(verdict)
}
