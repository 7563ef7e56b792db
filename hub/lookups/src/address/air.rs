//! `urn:air:…`, the AI Resource Identifier of Civitai.
//!
//! `urn:air:{ecosystem}:{type}:{source}:{id}[@{version}][+{fileId}][:{layer}][.{format}]`, where `urn:` and `air:` may
//! be missing, ecosystem and type, too: `developer.civitai.com/site/guide/air` and `wiki.civitai.com/wiki/AIR`.

use super::civitai::id;
use super::{Address, AddressError, CivitaiFile, HuggingFaceFile};

/// Reads an AIR; `None` if the text is none.
pub(super) fn parse(text: &str) -> Result<Option<Address>, AddressError> {
    let without = |text: &str, start: &str| {
        let head = text.get(..start.len())?;
        head.eq_ignore_ascii_case(start).then(|| text.split_at(start.len()).1.to_owned())
    };
    let is_urn = without(text, "urn:").is_some();
    let rest = without(text, "urn:").unwrap_or_else(|| text.to_owned());
    let is_air = without(&rest, "air:").is_some();
    let rest = without(&rest, "air:").unwrap_or(rest);
    let parts: Vec<&str> = rest.split(':').collect();
    let source_at = parts.iter().take(3).position(|part| is_source(part));
    match source_at {
        _ if is_urn && !is_air => Err(AddressError::Air),
        None if is_air => Err(source_of(&parts).map_or(AddressError::Air, AddressError::AirSource)),
        None => Ok(None),
        // `civitai:1@2` and `sdxl:lora:civitai:1@2` are AIRs without their beginning.
        Some(at) => resource(parts.get(at).copied(), parts.get(at + 1).copied()).map(Some),
    }
}

fn is_source(part: &str) -> bool {
    ["civitai", "huggingface"].iter().any(|source| part.eq_ignore_ascii_case(source))
}

/// The place that it names: the third of four parts, the second of three.
fn source_of(parts: &[&str]) -> Option<String> {
    let source = parts.get(parts.len().min(4).checked_sub(2)?)?;
    let is_word = source.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && (1..=40).contains(&source.len());
    is_word.then(|| (*source).to_owned())
}

fn resource(source: Option<&str>, told: Option<&str>) -> Result<Address, AddressError> {
    let (source, told) = (source.ok_or(AddressError::Air)?, told.ok_or(AddressError::Air)?);
    if source.eq_ignore_ascii_case("huggingface") {
        return huggingface(told).ok_or(AddressError::Air);
    }
    let told = told.split('.').next().unwrap_or_default();
    let (told, file) = match told.split_once('+') {
        Some((told, file)) => (told, Some(id(file).ok_or(AddressError::Air)?)),
        None => (told, None),
    };
    let (model, version) = match told.split_once('@') {
        Some((model, version)) => (model, Some(id(version).ok_or(AddressError::Air)?)),
        None => (told, None),
    };
    let model = id(model).ok_or(AddressError::Air)?;
    // A file without its version is no place to fetch from.
    match version {
        Some(version) => Ok(Address::Civitai(CivitaiFile::of_version(Some(model), version, file))),
        None if file.is_none() => Ok(Address::Civitai(CivitaiFile::of_model(model))),
        None => Err(AddressError::Air),
    }
}

/// `OWNER/REPO[/PATH][@REVISION]`.
fn huggingface(told: &str) -> Option<Address> {
    let (told, revision) = match told.split_once('@') {
        Some((told, revision)) => (told, Some(revision)),
        None => (told, None),
    };
    let mut parts = told.splitn(3, '/');
    let (owner, name, path) = (parts.next()?, parts.next()?, parts.next());
    HuggingFaceFile::new(&format!("{owner}/{name}"), revision, path).map(Address::HuggingFace)
}
