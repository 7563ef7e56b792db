//! What programs that manage models keep beside them.

use serde_json::Value;

use super::value::{at, fact, hash, id, list, prose, text, truth, weight};
use super::{SidecarFacts, civitai};

/// `LoRA Manager` and its `.metadata.json`: `BaseModelMetadata` and `LoraMetadata` of
/// `willmiao/ComfyUI-Lora-Manager`, `py/utils/models.py`. `civitai` is the site's version as it is.
pub(super) fn lora_manager(value: &Value, model_name: &str, facts: &mut SidecarFacts) {
    facts.title = fact(value, &["model_name"]);
    facts.set_base(fact(value, &["base_model"]));
    facts.sha256 = hash(value, &["sha256"], 64);
    facts.autov3 = hash(value, &["autov3"], 12);
    facts.description = prose(value, &["modelDescription"]);
    facts.notes = text(value, &["notes"]);
    facts.tags = list(value, &["tags"]);
    facts.trigger_words = list(value, &["trainedWords"]);
    // A text that holds JSON of its own.
    let tips = at(value, &["usage_tips"]).and_then(Value::as_str).and_then(super::value::parse);
    facts.preferred_weight = tips.and_then(|tips| weight(&tips, &["strength"]));
    if let Some(version) = at(value, &["civitai"]) {
        civitai::version(version, model_name, facts);
    }
    facts.n_previews = facts.n_previews.max(u64::from(fact(value, &["preview_url"]).is_some()));
}

/// Stability Matrix's `.cm-info.json`: `ConnectedModelInfo` of `LykosAI/StabilityMatrix`,
/// `StabilityMatrix.Core/Models/ConnectedModelInfo.cs`, hashes as in `Models/Api/CivitFileHashes.cs`.
pub(super) fn stability_matrix(value: &Value, facts: &mut SidecarFacts) {
    facts.title = fact(value, &["UserTitle"]).or_else(|| fact(value, &["ModelName"]));
    facts.version_name = fact(value, &["VersionName"]);
    facts.set_base(fact(value, &["BaseModel"]));
    facts.trigger_words = list(value, &["TrainedWords"]);
    facts.tags = list(value, &["Tags"]);
    facts.nsfw = truth(value, &["Nsfw"]);
    facts.civitai_model_id = id(value, &["ModelId"]);
    facts.civitai_version_id = id(value, &["VersionId"]);
    facts.sha256 = hash(value, &["Hashes", "SHA256"], 64);
    facts.blake3 = hash(value, &["Hashes", "BLAKE3"], 64);
    facts.n_previews = u64::from(fact(value, &["ThumbnailImageUrl"]).is_some());
    let parts = ["ModelDescription", "VersionDescription"];
    let told: Vec<String> = parts.iter().filter_map(|part| prose(value, &[part])).collect();
    facts.description = super::texts::kept(&told.join("\n\n"), super::texts::MAX_TEXT);
}
