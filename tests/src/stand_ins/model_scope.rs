//! ModelScope: the list of a repository's files, and their download. `modelscope`, `hub/api.py` (`get_model_files`),
//! and `py/services/model_sources/modelscope.py` of LoRA Manager (redirects with a time-limited `auth_key`).

use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::offered::Offered;
use super::server::{Heard, Reply, StandIn};
use super::storage::{Signatures, Storage};

/// A repository; its one branch is `master`.
#[derive(Debug, Clone)]
pub struct ScopeRepo {
    /// `OWNER/NAME`.
    pub name: String,
    /// Its files: paths as their names.
    pub files: Vec<Arc<Offered>>,
    /// Whether digests are told.
    pub tells_hashes: bool,
}

impl ScopeRepo {
    /// A repository that tells digests.
    pub fn new(name: &str, files: Vec<Offered>) -> Self {
        Self { name: name.to_owned(), files: files.into_iter().map(Arc::new).collect(), tells_hashes: true }
    }
}

/// The site with its store.
#[derive(Debug)]
pub struct ModelScopeSite {
    server: StandIn,
    storage: Storage,
    repos: Arc<Mutex<Vec<ScopeRepo>>>,
}

impl ModelScopeSite {
    /// Without any repository.
    pub fn start() -> Result<Self> {
        let storage = Storage::start("auth_key")?;
        let repos: Arc<Mutex<Vec<ScopeRepo>>> = Arc::default();
        let (known, signing) = (Arc::clone(&repos), storage.signatures());
        let server = StandIn::start(move |heard| answer(heard, &known.lock(), &signing))?;
        Ok(Self { server, storage, repos })
    }

    /// Offers a repository; one of the same name is replaced.
    pub fn offer(&self, repo: ScopeRepo) {
        let mut repos = self.repos.lock();
        repos.retain(|known| known.name != repo.name);
        repos.push(repo);
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

fn answer(heard: &Heard, repos: &[ScopeRepo], (signatures, store): &(Signatures, String)) -> Reply {
    let not_found = || {
        let said = json!({ "Code": 10_010_205_001_u64, "Success": false, "Message": "record not found", "Data": null });
        Reply::json(404, &said)
    };
    let repo = |owner: &str, name: &str| repos.iter().find(|repo| repo.name == format!("{owner}/{name}"));
    let send = |repo: Option<&ScopeRepo>, path: &str| {
        let path = path.replace("%2F", "/").replace("%20", " ");
        let file = repo.and_then(|repo| repo.files.iter().find(|file| file.name == path));
        file.map_or_else(not_found, |file| Reply::redirect(302, &signatures.sign(store, file)))
    };
    if heard.method != "GET" {
        return Reply::json(405, &json!({ "Code": 405, "Success": false }));
    }
    match heard.parts().as_slice() {
        ["api", "v1", "models", owner, name, "repo", "files"] if heard.queried("Revision") == Some("master") => {
            repo(owner, name).map_or_else(not_found, |repo| Reply::json(200, &list(repo)))
        }
        ["api", "v1", "models", owner, name, "repo"] => {
            send(repo(owner, name), heard.queried("FilePath").unwrap_or_default())
        }
        ["models", owner, name, "resolve", "master", path @ ..] => send(repo(owner, name), &path.join("/")),
        _ => not_found(),
    }
}

fn list(repo: &ScopeRepo) -> Value {
    let entry = |file: &Arc<Offered>| {
        json!({
            "Type": "blob", "Name": file.name.rsplit('/').next(), "Path": file.name, "Size": file.size_bytes,
            "IsLFS": true, "Sha256": repo.tells_hashes.then_some(&file.sha256), "Revision": "ab".repeat(20),
        })
    };
    let files: Vec<Value> = repo.files.iter().map(entry).collect();
    json!({ "Code": 200, "Success": true, "Message": "success", "RequestId": "x", "Data": { "Files": files } })
}
