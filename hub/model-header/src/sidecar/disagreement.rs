//! Where a file beside a model contradicts it. Both are shown; the model is believed.

use super::SidecarFacts;
use crate::description::Description;
use crate::metadata::{Lineage, cut};
use crate::vocabulary::{BaseHow, Kind};

/// What a sidecar says otherwise than the model's own header, in plain English, a note each.
///
/// Only what can be compared is: the digest that a header declares is of its data, a sidecar's is of the whole
/// file ([`other_content`] compares that one with the file itself).
pub fn disagreement(description: &Description, facts: &SidecarFacts) -> Vec<String> {
    [base(description, facts), lineage(description, facts), data_digest(description, facts)]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether the digests that a sidecar declares are those of the file, where both are known: a note if it was
/// written for other content.
pub fn other_content(facts: &SidecarFacts, sha256: Option<&str>, blake3: Option<&str>) -> Option<String> {
    let differs = |declared: &Option<String>, actual: Option<&str>| {
        declared.as_deref().zip(actual).is_some_and(|(declared, actual)| !declared.eq_ignore_ascii_case(actual.trim()))
    };
    let name = if differs(&facts.sha256, sha256) {
        "SHA-256"
    } else if differs(&facts.blake3, blake3) {
        "BLAKE3"
    } else {
        return None;
    };
    Some(format!("The {} file was written for other content: its {name} is not this file's.", facts.source))
}

fn base(description: &Description, facts: &SidecarFacts) -> Option<String> {
    let (own, said) = (description.base?, facts.base?);
    // What goes with a family is filed under it, whatever it is itself.
    let is_of_family = matches!(
        description.kind,
        Kind::Checkpoint
            | Kind::DiffusionModel
            | Kind::Lora
            | Kind::Controlnet
            | Kind::T2iAdapter
            | Kind::IpAdapter
            | Kind::MotionModule
            | Kind::ModelPatch
    );
    if !is_of_family || own == said || description.also_bases.contains(&said) {
        return None;
    }
    let how = match description.base_how {
        Some(BaseHow::Tensors) => "its tensors say",
        Some(BaseHow::Metadata) => "its own metadata says",
        Some(BaseHow::Folder) => "its folder says",
        Some(BaseHow::Sidecar) => "another file beside it says",
        None => "it is",
    };
    let words = facts.base_words.as_deref().map_or(said.label(), |words| cut(words, 100));
    Some(format!("The {} file says {words}, {how} {own}.", facts.source))
}

fn lineage(description: &Description, facts: &SidecarFacts) -> Option<String> {
    let (own, said) = (description.lineage?, facts.lineage?);
    // NoobAI was made from Illustrious: both are true of it.
    let is_one =
        matches!((own, said), (Lineage::NoobAi, Lineage::Illustrious) | (Lineage::Illustrious, Lineage::NoobAi));
    (own != said && !is_one).then(|| format!("The {} file says {said}, its own metadata says {own}.", facts.source))
}

fn data_digest(description: &Description, facts: &SidecarFacts) -> Option<String> {
    let (own, said) = (description.autov3.as_deref()?, facts.autov3.as_deref()?);
    let is_other = !own.get(..said.len()).is_some_and(|start| start.eq_ignore_ascii_case(said));
    is_other.then(|| {
        format!("The {} file says AutoV3 {said}, its own metadata says {}.", facts.source, own.get(..12).unwrap_or(own))
    })
}
