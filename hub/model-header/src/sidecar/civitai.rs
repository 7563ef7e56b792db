//! A version of a model as CivitAI's API gives it, which Civitai Helper for Stable Diffusion web UI keeps in
//! `.civitai.info` (`https://civitai.com/api/v1/model-versions/by-hash/…`, its fields are those of the site's
//! REST reference, with `model.description`, `model.tags` and `creator` added by the Helper's later versions).

use serde_json::Value;

use super::SidecarFacts;
use super::value::{at, fact, hash, id, list, prose, truth};

/// Entries of a list that are looked at.
const MAX_LOOKED_AT: usize = 10_000;

/// Takes what a version says. What is known already stays.
pub(super) fn version(value: &Value, model_name: &str, facts: &mut SidecarFacts) {
    let version_name = fact(value, &["name"]);
    match fact(value, &["model", "name"]) {
        Some(title) => {
            facts.title.get_or_insert(title);
            facts.version_name = facts.version_name.take().or(version_name);
        }
        None => facts.title = facts.title.take().or(version_name),
    }
    if facts.base_words.is_none() {
        facts.set_base(fact(value, &["baseModel"]));
    }
    if facts.trigger_words.is_empty() {
        facts.trigger_words = list(value, &["trainedWords"]);
    }
    if facts.tags.is_empty() {
        facts.tags = first_list(value, &[&["model", "tags"], &["tags"]]);
    }
    let told = || prose(value, &["description"]).or_else(|| prose(value, &["model", "description"]));
    facts.description = facts.description.take().or_else(told);
    let author = || fact(value, &["creator", "username"]).or_else(|| fact(value, &["model", "creator", "username"]));
    facts.author = facts.author.take().or_else(author);
    facts.license = facts.license.take().or_else(|| license(value)).or_else(|| license(at(value, &["model"])?));
    facts.civitai_model_id = facts.civitai_model_id.or(id(value, &["modelId"])).or(id(value, &["model", "id"]));
    facts.civitai_version_id = facts.civitai_version_id.or(id(value, &["id"]));
    facts.nsfw = facts.nsfw.or(truth(value, &["model", "nsfw"])).or(truth(value, &["nsfw"]));
    facts.n_previews = facts.n_previews.max(n_pictures(value));
    if let Some(file) = file(value, model_name) {
        facts.sha256 = facts.sha256.take().or_else(|| hash(file, &["hashes", "SHA256"], 64));
        facts.blake3 = facts.blake3.take().or_else(|| hash(file, &["hashes", "BLAKE3"], 64));
        facts.autov3 = facts.autov3.take().or_else(|| hash(file, &["hashes", "AutoV3"], 12));
    }
}

fn first_list(value: &Value, paths: &[&[&str]]) -> Vec<String> {
    paths.iter().map(|path| list(value, path)).find(|found| !found.is_empty()).unwrap_or_default()
}

fn n_pictures(value: &Value) -> u64 {
    let pictures = at(value, &["images"]).and_then(Value::as_array);
    let named = pictures.into_iter().flatten().filter(|picture| fact(picture, &["url"]).is_some());
    named.take(MAX_LOOKED_AT).count() as u64
}

/// The file of this name among those of the version, or the only model among them: a version may have
/// several, and it is not said which was downloaded.
fn file<'v>(value: &'v Value, model_name: &str) -> Option<&'v Value> {
    let files = at(value, &["files"])?.as_array()?;
    let looked_at = || files.iter().take(MAX_LOOKED_AT);
    let is_named = |file: &&Value| fact(file, &["name"]).is_some_and(|name| name.eq_ignore_ascii_case(model_name));
    let is_model = |file: &&Value| fact(file, &["type"]).is_none_or(|kind| kind.contains("Model"));
    let mut models = looked_at().filter(is_model);
    looked_at().find(is_named).or_else(|| models.next().filter(|_| models.next().is_none()))
}

/// The terms by the four marks of the site, in words.
fn license(value: &Value) -> Option<String> {
    let mut terms = Vec::new();
    if at(value, &["allowCommercialUse"]).is_some() {
        let allowed = list(value, &["allowCommercialUse"]).join(", ");
        let allowed = allowed.trim_matches(['{', '}']);
        let is_none = allowed.is_empty() || allowed == "None";
        terms.push(if is_none { "no commercial use".to_owned() } else { format!("commercial use: {allowed}") });
    }
    for (name, yes, no) in [
        ("allowNoCredit", "credit not needed", "credit needed"),
        ("allowDerivatives", "may be changed", "may not be changed"),
        ("allowDifferentLicense", "other terms for what is made of it", "same terms for what is made of it"),
    ] {
        terms.extend(truth(value, &[name]).map(|allowed| if allowed { yes } else { no }.to_owned()));
    }
    (!terms.is_empty()).then(|| super::texts::kept(&terms.join("; "), super::texts::MAX_FACT)).flatten()
}
