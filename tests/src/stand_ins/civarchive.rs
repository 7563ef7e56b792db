//! CivArchive: what is known of a digest, and where copies are. `py/services/civarchive_client.py` of LoRA Manager and
//! the answers in its tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::offered::Offered;
use super::server::{Heard, Reply, StandIn};

/// Where a copy is or was.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Its address.
    pub url: String,
    /// Whether it is known to be gone.
    pub is_deleted: bool,
}

/// The site.
#[derive(Debug)]
pub struct CivArchiveSite {
    server: StandIn,
    known: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl CivArchiveSite {
    /// Without anything.
    pub fn start() -> Result<Self> {
        let known: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        let of_server = Arc::clone(&known);
        Ok(Self { server: StandIn::start(move |heard| answer(heard, &of_server.lock()))?, known })
    }

    /// Knows a file that Civitai has deleted, with where copies of it are.
    pub fn know(&self, file: &Offered, mirrors: &[Mirror]) {
        self.known.lock().insert(file.sha256.clone(), whole(file, mirrors));
    }

    /// The server, for its address and what it heard.
    pub const fn server(&self) -> &StandIn {
        &self.server
    }
}

fn answer(heard: &Heard, known: &BTreeMap<String, Value>) -> Reply {
    let not_found = || Reply::json(404, &json!({ "error": "Not found" }));
    match (heard.method.as_str(), heard.parts().as_slice()) {
        // In small letters only.
        ("GET", ["api", "sha256", hash]) => known.get(*hash).map_or_else(not_found, |whole| Reply::json(200, whole)),
        _ => Reply::page(404, "Not found"),
    }
}

#[allow(clippy::cast_precision_loss, reason = "the site rounds, too")]
fn whole(file: &Offered, mirrors: &[Mirror]) -> Value {
    let at = "2025-05-01T00:00:00.000Z";
    let mirrors: Vec<Value> = mirrors
        .iter()
        .map(|mirror| json!({ "filename": file.name, "url": mirror.url, "deletedAt": mirror.is_deleted.then_some(at) }))
        .collect();
    json!({ "data": {
        "id": 1_746_460, "name": "Stand-in", "type": "LORA", "is_nsfw": false, "tags": [], "creator_username": "someone",
        "deletedAt": at,
        "version": {
            "id": 1_976_567, "modelId": 1_746_460, "name": "v1", "baseModel": "Illustrious", "trigger": ["x"],
            "files": [{
                "id": 1, "name": file.name, "type": "Model", "sizeKB": file.size_bytes as f64 / 1024.0,
                "downloadUrl": "https://civitai.com/api/download/models/1976567", "sha256": file.sha256,
                "is_primary": false, "mirrors": mirrors,
            }],
            "images": [],
        },
        "versions": [{ "id": 1_976_567, "name": "v1" }],
    }})
}
