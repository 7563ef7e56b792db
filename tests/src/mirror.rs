//! What tests about plans begin with.

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::{Api, text};
use crate::hub::HubSetup;
use crate::roots::{Roots, noise};

/// Both roots with much in common, and everything a plan can find between them.
pub fn two_roots() -> Result<Roots> {
    let roots = Roots::new()?;
    for i in 0..40 {
        let content = noise(i, 3_000);
        roots.local_file(&format!("loras/common{i}.safetensors"), &content)?;
        roots.lake_file(&format!("loras/common{i}.safetensors"), &content)?;
    }
    roots.lake_file("checkpoints/new.safetensors", &noise(100, 2 << 20))?;
    roots.lake_file("checkpoints/deep/er/new.preview.png", &noise(101, 900))?;
    roots.lake_file("vae/changed.safetensors", &noise(102, 5_000))?;
    roots.local_file("vae/changed.safetensors", &noise(103, 4_000))?;
    roots.lake_file("embeddings/renamed.pt", &noise(104, 70_000))?;
    roots.local_file("embeddings/old-name.pt", &noise(104, 70_000))?;
    roots.local_file("upscale_models/gone.pth", &noise(105, 8_000))?;
    Ok(roots)
}

/// A hub that may delete on both.
pub fn allowed(roots: &Roots) -> Result<HubSetup> {
    Ok(roots.hub()?.set("LOCAL_ALLOW_DELETE", "true").set("LAKE_ALLOW_DELETE", "true"))
}

/// A plan that makes Local like the Lake, with deletes.
pub fn lake_to_local(api: &Api) -> Result<Value> {
    api.post("/api/mirrors", &json!({ "from": "lake", "to": "local", "compare": "size_mtime", "delete": true }))
}

/// Where a plan is carried out.
pub fn apply_path(plan: &Value) -> String {
    format!("/api/mirrors/{}/apply", plan["id"])
}

/// Says all that a plan may need to hear.
pub fn all_said(plan: &Value) -> Value {
    json!({ "confirm": plan["deletes"]["n"].to_string(), "confirm_last_copies": true })
}

/// Carries a plan out and tells its batch.
pub fn apply(api: &Api, plan: &Value) -> Result<String> {
    Ok(api.post(&apply_path(plan), &all_said(plan))?["batch_id"].to_string())
}

/// Why a transfer failed, for programs.
pub fn code(transfer: &Value) -> &str {
    text(&transfer["error"], "code")
}
