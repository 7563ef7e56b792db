//! Civitai, as far as models are looked for and fetched: `civitai/civitai`, `src/pages/api/v1/model-versions` and
//! `src/pages/api/download/models/[modelVersionId].ts` with `src/server/services/file.service.ts`.

use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::offered::Offered;
use super::server::{Heard, Reply, StandIn};
use super::storage::{Signatures, Storage};

/// How libraries call themselves: Cloudflare refuses them there.
const LIBRARIES: [&str; 8] =
    ["reqwest", "python-requests", "python-urllib", "aiohttp", "go-http-client", "okhttp", "axios", "node"];

/// Who may download a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CivitaiAccess {
    /// Everybody.
    Open,
    /// Who is logged in: 401.
    Login,
    /// The same, but a redirect to the page that asks for it, which is answered with 200.
    LoginPage,
    /// Who has paid for now: 403.
    EarlyAccess,
    /// Nobody any more, but its page is there: 410.
    Archived,
    /// Nobody, and nobody finds it: 404.
    Deleted,
}

/// A version with one file.
#[derive(Debug, Clone)]
pub struct CivitaiVersion {
    /// The model's number.
    pub model_id: u64,
    /// The version's.
    pub version_id: u64,
    /// The file's.
    pub file_id: u64,
    /// When it was published.
    pub published_at: String,
    /// The file.
    pub file: Offered,
    /// Who may download it.
    pub access: CivitaiAccess,
    /// Whether its hashes are told.
    pub tells_hashes: bool,
}

impl CivitaiVersion {
    /// A version that everybody may download.
    pub fn new(version_id: u64, file: Offered) -> Self {
        Self {
            model_id: version_id + 1_000,
            version_id,
            file_id: version_id + 2_000,
            published_at: "2023-07-29T20:00:00.000Z".to_owned(),
            file,
            access: CivitaiAccess::Open,
            tells_hashes: true,
        }
    }
}

/// The site with its store.
#[derive(Debug)]
pub struct CivitaiSite {
    server: StandIn,
    storage: Storage,
    versions: Arc<Mutex<Vec<CivitaiVersion>>>,
}

impl CivitaiSite {
    /// Without any models.
    pub fn start() -> Result<Self> {
        let storage = Storage::start("X-Amz-Signature")?;
        let versions: Arc<Mutex<Vec<CivitaiVersion>>> = Arc::default();
        let (known, signing) = (Arc::clone(&versions), storage.signatures());
        let server = StandIn::start(move |heard| answer(heard, &known.lock(), &signing))?;
        Ok(Self { server, storage, versions })
    }

    /// Offers a version; one of the same number is replaced.
    pub fn offer(&self, version: CivitaiVersion) {
        let mut versions = self.versions.lock();
        versions.retain(|known| known.version_id != version.version_id);
        versions.push(version);
    }

    /// The server, for its address and what it heard.
    pub const fn server(&self) -> &StandIn {
        &self.server
    }

    /// The store behind it.
    pub const fn storage(&self) -> &Storage {
        &self.storage
    }
}

fn answer(heard: &Heard, versions: &[CivitaiVersion], (signatures, store): &(Signatures, String)) -> Reply {
    let agent = heard.header("user-agent").unwrap_or_default().to_ascii_lowercase();
    if agent.is_empty() || LIBRARIES.iter().any(|library| agent.starts_with(library)) {
        return Reply::page(403, "Attention Required! | Cloudflare");
    }
    let base = format!("http://{}", heard.header("host").unwrap_or_default());
    let published = || versions.iter().filter(|version| version.access != CivitaiAccess::Deleted);
    let version_of = |id: &str| published().find(|version| id.parse() == Ok(version.version_id));
    let not_found = || Reply::json(404, &json!({ "error": "Model not found" }));
    match (heard.method.as_str(), heard.parts().as_slice()) {
        ("POST", ["api", "v1", "model-versions", "by-hash", "ids"]) => match hashes_of(heard, 10_000) {
            Ok(hashes) => Reply::json(200, &published().filter(|v| is_among(v, &hashes)).map(id_of).collect()),
            Err(refused) => refused,
        },
        ("POST", ["api", "v1", "model-versions", "by-hash"]) => match hashes_of(heard, 100) {
            Ok(hashes) => {
                Reply::json(200, &published().filter(|v| is_among(v, &hashes)).map(|v| whole(v, &base)).collect())
            }
            Err(refused) => refused,
        },
        ("GET", ["api", "v1", "model-versions", "by-hash", hash]) => {
            let found = published().find(|version| is_named(version, hash));
            found.map_or_else(not_found, |version| Reply::json(200, &whole(version, &base)))
        }
        ("GET", ["api", "v1", "model-versions", id]) => {
            version_of(id).map_or_else(not_found, |version| Reply::json(200, &whole(version, &base)))
        }
        ("GET", ["api", "v1", "models", id]) => model(id, published(), &base).unwrap_or_else(not_found),
        // Before anything else is looked at.
        ("HEAD", ["api", "download", ..]) => Reply::json(401, &json!({ "error": "Unauthorized" })),
        ("GET", ["api", "download", "models", id]) => {
            let version = version_of(id).filter(|version| is_chosen(version, heard));
            version.map_or_else(
                || Reply::json(404, &json!({ "error": "File not found" })),
                |version| download(version, heard, &|| signatures.sign(store, &Arc::new(version.file.clone()))),
            )
        }
        ("GET", ["login"]) => Reply::page(200, "Sign in to Civitai"),
        _ => Reply::page(404, "Page not found"),
    }
}

fn hashes_of(heard: &Heard, most: usize) -> Result<Vec<String>, Reply> {
    let body = heard.json();
    let hashes = body.as_array().map(|all| all.iter().filter_map(Value::as_str).map(str::to_uppercase).collect());
    let hashes: Vec<String> = hashes.unwrap_or_default();
    let is_fine = !hashes.is_empty() && hashes.len() <= most && hashes.iter().all(|hash| hash.len() == 64);
    let is_json = heard.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let refused = || Reply::json(400, &json!({ "error": "Request must include an array of SHA256 Hashes." }));
    if is_fine && is_json { Ok(hashes) } else { Err(refused()) }
}

fn is_among(version: &CivitaiVersion, hashes: &[String]) -> bool {
    hashes.contains(&version.file.sha256.to_uppercase())
}

/// By any of its hashes.
fn is_named(version: &CivitaiVersion, hash: &str) -> bool {
    let autov2 = version.file.sha256.get(..10).unwrap_or_default();
    [version.file.sha256.as_str(), version.file.blake3.as_str(), autov2]
        .iter()
        .any(|own| own.eq_ignore_ascii_case(hash))
}

fn id_of(version: &CivitaiVersion) -> Value {
    json!({ "modelVersionId": version.version_id, "hash": version.file.sha256.to_uppercase() })
}

#[allow(clippy::cast_precision_loss, reason = "the site rounds, too")]
fn whole(version: &CivitaiVersion, base: &str) -> Value {
    let hashes = if version.tells_hashes {
        json!({ "SHA256": version.file.sha256.to_uppercase(), "BLAKE3": version.file.blake3.to_uppercase(),
                "AutoV2": version.file.sha256.get(..10).unwrap_or_default().to_uppercase() })
    } else {
        json!({})
    };
    let file = json!({
        "id": version.file_id, "name": version.file.name, "type": "Model", "primary": true, "hashes": hashes,
        "sizeKB": (version.file.size_bytes as f64 / 1024.0 * 1000.0).round() / 1000.0,
        "metadata": { "format": "SafeTensor", "fp": "fp16", "size": "full" },
        // What the site makes of a file's metadata may fit no file.
        "downloadUrl": format!("{base}/api/download/models/{}?type=Model&format=Other", version.version_id),
    });
    let files = if version.access == CivitaiAccess::Archived { json!([]) } else { json!([file]) };
    json!({
        "id": version.version_id, "modelId": version.model_id, "name": "v1", "status": "Published",
        "availability": if version.access == CivitaiAccess::EarlyAccess { "EarlyAccess" } else { "Public" },
        "publishedAt": version.published_at, "createdAt": version.published_at, "baseModel": "SDXL 1.0",
        "trainedWords": [], "usageControl": "Download", "images": [],
        "model": { "name": "Stand-in", "type": "LORA", "nsfw": false,
                   "mode": (version.access == CivitaiAccess::Archived).then_some("Archived") },
        "files": files,
    })
}

fn model<'v>(id: &str, published: impl Iterator<Item = &'v CivitaiVersion>, base: &str) -> Option<Reply> {
    let id: u64 = id.parse().ok()?;
    let mut versions: Vec<&CivitaiVersion> = published.filter(|version| version.model_id == id).collect();
    versions.sort_by(|one, other| other.published_at.cmp(&one.published_at));
    let versions: Vec<Value> = versions.into_iter().map(|version| whole(version, base)).collect();
    (!versions.is_empty())
        .then(|| Reply::json(200, &json!({ "id": id, "name": "Stand-in", "type": "LORA", "modelVersions": versions })))
}

fn is_chosen(version: &CivitaiVersion, heard: &Heard) -> bool {
    let is_file = heard.queried("fileId").is_none_or(|id| id.parse() == Ok(version.file_id));
    is_file && heard.queried("format").is_none_or(|format| format == "SafeTensor")
}

fn download(version: &CivitaiVersion, heard: &Heard, sign: &dyn Fn() -> String) -> Reply {
    let is_logged_in = heard.header("authorization").is_some_and(|value| value.starts_with("Bearer "));
    let error = |status: u16, error: &str| Reply::json(status, &json!({ "error": error }));
    match version.access {
        CivitaiAccess::Login if !is_logged_in => error(401, "Unauthorized"),
        CivitaiAccess::LoginPage if !is_logged_in => {
            Reply::redirect(302, &format!("/login?returnUrl=/models/{}&reason=download-auth", version.model_id))
        }
        CivitaiAccess::EarlyAccess => error(403, "Early Access"),
        CivitaiAccess::Archived => error(410, "Model archived, not available for download"),
        CivitaiAccess::Deleted => error(404, "File not found"),
        CivitaiAccess::Open | CivitaiAccess::Login | CivitaiAccess::LoginPage => Reply::redirect(307, &sign()),
    }
}
