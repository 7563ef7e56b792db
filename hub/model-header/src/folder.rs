//! A folder as diffusers and transformers write it: `model_index.json` names the parts, each part has a
//! `config.json`, and its weights are in one safetensors file or in several. The caller reads the files.

use serde_json::Value;

use crate::base::Base;
use crate::contents::Contents;
use crate::describe::described;
use crate::description::{Damage, Description};
use crate::detect::of_class_names;
use crate::safetensors;
use crate::table::{New, Table};
use crate::vocabulary::{BaseHow, DamageCode, Format, Kind, State};

/// Bytes of a JSON file that are looked at.
const MAX_JSON: usize = 4 << 20;

/// A file of such a folder.
#[derive(Debug, Clone, Copy)]
pub struct FolderPart<'a> {
    /// Where it stands in the folder, with `/`: `transformer/config.json`.
    pub path: &'a str,
    /// The whole of a JSON file; of a safetensors file its header, without the eight bytes in front.
    pub bytes: &'a [u8],
    /// Bytes of the file.
    pub size_bytes: u64,
}

/// Describes a folder from its JSON files and the headers of its weights; `None` if these are no such folder.
pub fn describe_folder(name: &str, parts: &[FolderPart<'_>]) -> Option<Description> {
    let json = |path: &str| {
        let part = parts.iter().find(|part| part.path == path && part.bytes.len() <= MAX_JSON)?;
        serde_json::from_slice::<Value>(part.bytes).ok()
    };
    let index = json("model_index.json");
    let config = json("config.json");
    let classes = class_names(index.as_ref().or(config.as_ref())?);
    let is_pipeline = index.is_some();
    let denoisers = ["transformer", "unet", "prior", "decoder"];
    let denoiser = denoisers.iter().find(|folder| parts.iter().any(|part| folder_of(part.path) == **folder));
    let denoiser = denoiser.copied().filter(|_| is_pipeline).unwrap_or_default();
    let all = merged(parts, !is_pipeline, |_| true);
    let main = merged(parts, true, |folder| folder == denoiser || !is_pipeline);
    let main_description = described(main, None, name);
    let mut description = described(all, None, name);
    description.format = Format::Diffusers;
    description.is_diffusers_layout = true;
    description.base = main_description.base;
    description.base_how = main_description.base_how;
    description.variant = main_description.variant;
    description.also_bases = main_description.also_bases;
    description.kind = if is_pipeline { Kind::Checkpoint } else { main_description.kind };
    let component = json(&format!("{denoiser}/config.json"));
    let component_classes = component.as_ref().map(class_names).unwrap_or_default();
    refine(&mut description, &classes, &component_classes, component.as_ref().or(config.as_ref()));
    missing(&mut description, parts);
    // ComfyUI's loader of such folders takes those of Stable Diffusion and SDXL only (`diffusers_load.py`).
    let is_stable = matches!(description.base, Some(Base::Sd15 | Base::Sd21 | Base::Sdxl));
    description.comfyui_opens = Some(description.damage.is_none() && is_stable && is_pipeline);
    description.library_opens = description.damage.is_none();
    Some(description)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `_class_name` of diffusers, `architectures` of transformers.
fn class_names(json: &Value) -> Vec<String> {
    let one = json.get("_class_name").and_then(Value::as_str);
    let many = json.get("architectures").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(many).map(str::to_owned).collect()
}

/// All weights of some folders in one table, with the folder in front of each name if they are not of one.
fn merged(parts: &[FolderPart<'_>], is_one: bool, is_wanted: impl Fn(&str) -> bool) -> Contents {
    let mut contents = Contents::new(Format::Safetensors);
    let mut table = Table::default();
    let is_weights = |part: &&FolderPart<'_>| {
        let extension = part.path.rsplit_once('.').map_or("", |(_, extension)| extension);
        extension.eq_ignore_ascii_case("safetensors") && is_wanted(folder_of(part.path))
    };
    for part in parts.iter().filter(is_weights) {
        let shard = safetensors::described(part.bytes, part.size_bytes);
        let damage = shard
            .damage
            .into_iter()
            .map(|damage| Damage { detail: format!("{}: {}", part.path, damage.detail), ..damage });
        contents.damage.extend(damage);
        let Some(read) = shard.table else { continue };
        for (name, row) in read.iter() {
            let dtype = table.dtype(read.dtype_name(row.dtype).as_bytes());
            // Parts of a pipeline have names in common; those of one model do not.
            let named = [folder_of(part.path).as_bytes(), b"/", name].concat();
            let name = if is_one { name } else { &named };
            table.push(&New {
                name,
                dtype,
                dims: read.dims(row),
                elements: row.elements,
                bytes: row.bytes,
                begin: row.begin,
            });
        }
    }
    contents.table = Some(table);
    contents
}

/// What the class names tell where the tensors do not.
fn refine(description: &mut Description, classes: &[String], component: &[String], config: Option<&Value>) {
    let names = || component.iter().chain(classes).map(String::as_str);
    let has = |word: &str| names().any(|name| name.contains(word));
    if description.kind == Kind::None {
        description.kind = match () {
            () if has("ControlNet") => Kind::Controlnet,
            () if has("Autoencoder") || has("VQModel") => Kind::Vae,
            () if has("CLIPVision") || has("SiglipVision") => Kind::ClipVision,
            () if has("CLIPText") || has("T5Encoder") || has("Gemma") => Kind::TextEncoder,
            () if has("ForCausalLM") || has("ForConditionalGeneration") => Kind::Llm,
            () if has("Transformer") || has("UNet") => Kind::DiffusionModel,
            () => Kind::None,
        };
    }
    if description.base.is_none() {
        let width = config.and_then(|config| config.get("cross_attention_dim")).and_then(Value::as_u64);
        let by_width = match width {
            Some(768) => Some(Base::Sd15),
            Some(1_024) => Some(Base::Sd21),
            Some(1_280 | 2_048) => Some(Base::Sdxl),
            _ => None,
        };
        description.base = by_width.or_else(|| of_class_names(names()));
        description.base_how = description.base.map(|_| BaseHow::Metadata);
    }
    if description.variant.is_none() && has("Inpaint") {
        description.variant = Some("inpaint".to_owned());
    }
}

/// Weights that an index lists and that are not there.
fn missing(description: &mut Description, parts: &[FolderPart<'_>]) {
    for index in
        parts.iter().filter(|part| part.path.ends_with(".safetensors.index.json") && part.bytes.len() <= MAX_JSON)
    {
        let Ok(json) = serde_json::from_slice::<Value>(index.bytes) else { continue };
        let Some(map) = json.get("weight_map").and_then(Value::as_object) else { continue };
        let listed: std::collections::BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
        let is_there = |file: &&&str| {
            let folder = folder_of(index.path);
            parts.iter().any(|part| folder_of(part.path) == folder && part.path.rsplit('/').next() == Some(**file))
        };
        let n = listed.iter().filter(|file| !is_there(file)).count();
        if n > 0 && description.damage.is_none() {
            let detail = format!("{n} of {} files with weights are not there.", listed.len());
            description.damage = Some(Damage::new(DamageCode::TruncatedData, detail));
            description.state = State::Damaged;
        }
    }
}
