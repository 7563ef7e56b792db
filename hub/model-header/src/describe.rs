//! From a file to its description: which reader, what the rules make of what it found, and what is said
//! where the maker's words and the tensors differ.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use sha2::{Digest, Sha256};

use crate::contents::Contents;
use crate::description::{Damage, Description, Network};
use crate::detect::{Verdict, judge_table};
use crate::digest::{MAX_DIGESTED, compared};
use crate::metadata::{claimed_base, lineage};
use crate::sniff::{self, Content};
use crate::source::Source;
use crate::table::Table;
use crate::tally::Tally;
use crate::vocabulary::{BaseHow, DamageCode, Format, Kind, State};
use crate::{gguf, onnx, precision, safetensors, sums, torch};

/// Describes a file of this size and name. Only what goes wrong while reading is an error; whatever is odd
/// about the file is part of its description. Of the name only the extension and words count that
/// nothing in the file can tell.
pub fn describe(file: &mut (impl Read + Seek), size_bytes: u64, name: &str) -> io::Result<Description> {
    let mut source = Source::open(file, size_bytes)?;
    let by_name = sniff::format_of_name(name);
    let content = sniff::content(source.start(), size_bytes, by_name);
    let mut contents = read(&mut source, content, by_name)?;
    if contents.format == Format::Safetensors && contents.damage.is_empty() {
        check_digest(&mut source, &mut contents)?;
    }
    Ok(described(contents, by_name, name))
}

fn read<R: Read + Seek>(source: &mut Source<'_, R>, content: Content, by_name: Option<Format>) -> io::Result<Contents> {
    let format = by_name.unwrap_or(Format::Pickle);
    match content {
        Content::Safetensors => safetensors::read(source),
        Content::Gguf => gguf::read(source),
        Content::Zip => torch::read_zip(source),
        Content::TorchLegacy => torch::read_legacy(source),
        Content::Tar => torch::read_tar(source),
        Content::Pickle => torch::read_pickle(source),
        Content::Onnx => onnx::read(source),
        Content::Not(code, detail) => Ok(Contents::broken(format, code, detail)),
    }
}

/// The model specification's digest is of everything behind the header.
fn check_digest<R: Read + Seek>(source: &mut Source<'_, R>, contents: &mut Contents) -> io::Result<()> {
    let Some(declared) = contents.metadata.declared_sha256() else { return Ok(()) };
    let header = source.start().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let data = safetensors::LENGTH_BYTES.saturating_add(header);
    let length = source.size().saturating_sub(data);
    if length > MAX_DIGESTED {
        return Ok(());
    }
    let bytes = source.read_at(data, length)?;
    if bytes.len() as u64 == length
        && let Err(damage) = compared(&declared, &Sha256::digest(&bytes))
    {
        contents.report(damage.code, damage.detail);
    }
    Ok(())
}

/// What a file of this name and content is.
pub(crate) fn described(mut contents: Contents, by_name: Option<Format>, name: &str) -> Description {
    let is_wrong = by_name.is_some_and(|by_name| !sniff::fits(by_name, contents.format)) && contents.table.is_some();
    if is_wrong && let Some(by_name) = by_name {
        let detail = format!("Its name says {}, but it is {}.", by_name.label(), contents.format.label());
        contents.damage.insert(0, Damage::new(DamageCode::WrongExtension, detail));
    }
    let (tally, verdict) = match &contents.table {
        Some(table) => {
            let tally = Tally::of(table);
            let verdict = judge_table(&contents, table, &tally);
            (Some(tally), verdict)
        }
        None => (None, Verdict::none()),
    };
    let content = is_wrong.then_some(contents.format);
    let format = by_name.filter(|_| is_wrong).unwrap_or(contents.format);
    put_together(contents, format, content, verdict, tally.as_ref(), name)
}

fn put_together(
    mut contents: Contents,
    format: Format,
    content: Option<Format>,
    mut verdict: Verdict,
    tally: Option<&Tally>,
    name: &str,
) -> Description {
    let base_how = settle(&mut contents, &mut verdict);
    let table = contents.table.as_ref();
    if verdict.variant.is_none() {
        verdict.variant = variant_of_name(&verdict, name);
    }
    let (library_opens, comfyui_opens) = opens(&contents, format, content, &verdict);
    let metadata = &contents.metadata;
    let word = verdict.word.clone();
    let (tensors, n_tensor_sums_left_out) = table.map(sums::of).unwrap_or_default();
    let mut damage = contents.damage.iter();
    let worst = damage.next().cloned();
    Description {
        format,
        content,
        kind: verdict.kind,
        base: verdict.base,
        base_how,
        lineage: lineage(metadata, verdict.kind, verdict.base),
        also_bases: verdict.also,
        variant: verdict.variant,
        is_diffusers_layout: verdict.is_diffusers,
        precision: precision::of(&contents, tally),
        n_parameters: tally.map(|tally| tally.n_parameters),
        n_elements: tally.map(|tally| tally.n_elements),
        n_tensors: table.map(|table| table.rows().len() as u64),
        dtypes: dtypes(&contents, tally),
        expected_bytes: contents.expected_bytes,
        title: metadata.title(),
        author: metadata.author(),
        license: metadata.license(),
        description: metadata.description(),
        resolution: metadata.resolution(),
        trigger_words: word.map_or_else(|| metadata.trigger_words(), |word| vec![word]),
        top_tags: metadata.top_tags.clone(),
        network: network(&contents, verdict.kind, verdict.rank),
        autov3: metadata.autov3(),
        declared_sha256: metadata.declared_sha256(),
        source_hints: metadata.source_hints(),
        thumbnail: metadata.thumbnail.clone(),
        state: worst.as_ref().map_or(State::Ok, |worst| worst.code.state()),
        damage: worst,
        more_damage: damage.cloned().collect(),
        comfyui_opens,
        library_opens,
        tensors,
        n_tensor_sums_left_out,
        n_metadata_left_out: metadata.n_left_out,
        metadata: contents.metadata.entries,
        notes: contents.notes,
    }
}

/// Between families whose tensors are alike the maker's word decides; against the tensors it is told.
fn settle(contents: &mut Contents, verdict: &mut Verdict) -> Option<BaseHow> {
    let claim = claimed_base(&contents.metadata);
    let Some((claimed, said)) = claim else { return verdict.base.map(|_| BaseHow::Tensors) };
    if verdict.base == Some(claimed) {
        return Some(BaseHow::Tensors);
    }
    let is_open = verdict.base.is_none() && verdict.also.is_empty() && verdict.kind == Kind::Lora;
    if is_open || verdict.also.contains(&claimed) {
        verdict.also.retain(|base| *base != claimed);
        verdict.also.extend(verdict.base);
        verdict.base = Some(claimed);
        return Some(BaseHow::Metadata);
    }
    if let Some(base) = verdict.base {
        contents.notes.push(format!("Its metadata says {said}, its tensors say {}.", base.label()));
    }
    verdict.base.map(|_| BaseHow::Tensors)
}

/// Ways of few steps leave no mark in the tensors; makers put them into the name.
fn variant_of_name(verdict: &Verdict, name: &str) -> Option<String> {
    if verdict.kind != Kind::Lora {
        return None;
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let mut words = stem.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| word == "lcm").then(|| "lcm".to_owned())
}

fn dtypes(contents: &Contents, tally: Option<&Tally>) -> BTreeMap<String, u64> {
    let (Some(table), Some(tally)) = (&contents.table, tally) else { return BTreeMap::new() };
    tally.bytes.iter().map(|(dtype, bytes)| (table.dtype_name(*dtype).to_owned(), *bytes)).collect()
}

fn network(contents: &Contents, kind: Kind, rank: Option<u64>) -> Option<Network> {
    let told = contents.metadata.network().filter(|_| kind == Kind::Lora);
    match (told, rank) {
        (Some(told), rank) => Some(Network { rank: told.rank.or(rank), ..told }),
        (None, Some(rank)) => Some(Network { module: None, rank: Some(rank), alpha: None }),
        _ => None,
    }
}

/// Whether the format's library opens the file, and whether ComfyUI does: two statements, because
/// ComfyUI's own reader of safetensors takes more, and knows fewer types
/// (`load_safetensors` in its `utils.py`).
fn opens(contents: &Contents, format: Format, content: Option<Format>, verdict: &Verdict) -> (bool, Option<bool>) {
    let has = |code| contents.damage.iter().any(|damage: &Damage| damage.code == code);
    if content.is_some() || contents.table.is_none() {
        return (false, Some(false));
    }
    let only = |allowed: &[DamageCode]| contents.damage.iter().all(|damage| allowed.contains(&damage.code));
    match format {
        Format::Safetensors => {
            let library = [DamageCode::DuplicateKey, DamageCode::LeadingSpace, DamageCode::HashMismatch];
            let types = contents.table.iter().flat_map(Table::rows).all(|row| precision::comfyui_knows(row.dtype));
            let comfyui =
                contents.damage.iter().all(|damage| damage.code.is_odd() || damage.code == DamageCode::HashMismatch);
            (only(&library), Some(comfyui && types && verdict.is_loadable))
        }
        // Read by custom nodes only.
        Format::Gguf | Format::Onnx => (only(&[]), if only(&[]) { None } else { Some(false) }),
        _ => {
            let is_sound = !has(DamageCode::DangerousPickle) && only(&[]);
            (is_sound, Some(is_sound && verdict.is_loadable))
        }
    }
}
