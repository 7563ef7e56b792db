//! The `.json` beside a model: what people enter in Stable Diffusion web UI (`save_lora_user_metadata` of
//! `AUTOMATIC1111/stable-diffusion-webui`, `extensions-builtin/Lora/ui_edit_user_metadata.py`), with what
//! Civitai Helper and CivitAI Browser+ add to it (`modelId`, `modelVersionId`, `sha256`), or a model as
//! CivitAI's API gives it, which SD.Next keeps under the same name. JSON that is neither says nothing:
//! trainers leave their settings there.

use serde_json::Value;

use super::value::{at, fact, hash, id, list, prose, text, truth, weight};
use super::{SidecarFacts, civitai};

/// Names that only such files have.
const TELLING: [&str; 7] =
    ["activation text", "sd version", "preferred weight", "negative text", "modelVersionId", "modelId", "trainedWords"];

pub(super) fn read(value: &Value, model_name: &str, facts: &mut SidecarFacts) {
    if let Some(versions) = at(value, &["modelVersions"]).and_then(Value::as_array) {
        return whole_model(value, versions, model_name, facts);
    }
    let is_telling = TELLING.iter().any(|name| at(value, &[name]).is_some());
    // An editor that was saved with nothing but a text in it.
    let is_note = value.as_object().is_some_and(|all| all.len() <= 3)
        && ["description", "notes"].iter().any(|name| at(value, &[name]).is_some());
    if !is_telling && !is_note {
        return;
    }
    facts.set_base(fact(value, &["sd version"]));
    facts.trigger_words = text(value, &["activation text"]).into_iter().collect();
    facts.preferred_weight = weight(value, &["preferred weight"]);
    facts.notes = prose(value, &["notes"]);
    facts.description = prose(value, &["description"]);
    facts.author = fact(value, &["creator"]);
    facts.tags = list(value, &["tags"]);
    facts.nsfw = truth(value, &["nsfw"]);
    facts.civitai_model_id = id(value, &["modelId"]);
    facts.civitai_version_id = id(value, &["modelVersionId"]);
    facts.sha256 = hash(value, &["sha256"], 64);
    if at(value, &["trainedWords"]).is_some() || at(value, &["baseModel"]).is_some() {
        civitai::version(value, model_name, facts);
    }
}

/// A model with its versions: the one that has a file of this name is told, or the only one.
fn whole_model(value: &Value, versions: &[Value], model_name: &str, facts: &mut SidecarFacts) {
    facts.title = fact(value, &["name"]);
    facts.description = prose(value, &["description"]);
    facts.tags = list(value, &["tags"]);
    facts.nsfw = truth(value, &["nsfw"]);
    facts.author = fact(value, &["creator", "username"]);
    facts.civitai_model_id = id(value, &["id"]);
    let has_file = |version: &&Value| {
        let files = at(version, &["files"]).and_then(Value::as_array);
        let mut names = files.into_iter().flatten().filter_map(|file| fact(file, &["name"]));
        names.any(|name| name.eq_ignore_ascii_case(model_name))
    };
    let only = if let [only] = versions { Some(only) } else { None };
    if let Some(version) = versions.iter().take(1_000).find(has_file).or(only) {
        facts.version_name = fact(version, &["name"]);
        civitai::version(version, model_name, facts);
    }
}
