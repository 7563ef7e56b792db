//! Hugging Face: `resolve`, `paths-info` and `tree`, with what `huggingface_hub` relies on (`file_download.py`:
//! `X-Repo-Commit`, `X-Linked-Etag`, `X-Linked-Size`, relative redirects of renamed repositories; `utils/_http.py`:
//! `X-Error-Code`).

use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::offered::Offered;
use super::server::{Heard, Reply, StandIn};
use super::storage::{Signatures, Storage};

/// Who may read a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoAccess {
    /// Everybody.
    Open,
    /// Who sends this token, after accepting its terms.
    Gated(String),
    /// It was renamed to this.
    Renamed(String),
}

/// A repository of models.
#[derive(Debug, Clone)]
pub struct Repo {
    /// `OWNER/NAME`.
    pub name: String,
    /// The commit that `main` is at, 40 digits.
    pub commit: String,
    /// Its files: paths as their names.
    pub files: Vec<Arc<Offered>>,
    /// Who may read it.
    pub access: RepoAccess,
}

impl Repo {
    /// A repository that everybody may read.
    pub fn new(name: &str, files: Vec<Offered>) -> Self {
        let commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
        let files = files.into_iter().map(Arc::new).collect();
        Self { name: name.to_owned(), commit, files, access: RepoAccess::Open }
    }
}

/// Files from this size on lie in the large store.
const LARGE: u64 = 1_000;

/// The site with its store.
#[derive(Debug)]
pub struct HuggingFaceSite {
    server: StandIn,
    storage: Storage,
    repos: Arc<Mutex<Vec<Repo>>>,
}

impl HuggingFaceSite {
    /// Without any repository.
    pub fn start() -> Result<Self> {
        let storage = Storage::start("Signature")?;
        let repos: Arc<Mutex<Vec<Repo>>> = Arc::default();
        let (known, signing) = (Arc::clone(&repos), storage.signatures());
        let server = StandIn::start(move |heard| answer(heard, &known.lock(), &signing))?;
        Ok(Self { server, storage, repos })
    }

    /// Offers a repository; one of the same name is replaced.
    pub fn offer(&self, repo: Repo) {
        let mut repos = self.repos.lock();
        repos.retain(|known| known.name != repo.name);
        repos.push(repo);
    }

    /// Deletes a repository.
    pub fn delete(&self, name: &str) {
        self.repos.lock().retain(|known| known.name != name);
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

fn answer(heard: &Heard, repos: &[Repo], (signatures, store): &(Signatures, String)) -> Reply {
    let parts = heard.parts();
    let (owner, name, call, revision, rest) = match parts.as_slice() {
        ["api", "models", owner, name, call, revision] => (owner, name, call, revision, &[][..]),
        [owner, name, call @ ("resolve" | "raw"), revision, rest @ ..] => (owner, name, call, revision, rest),
        _ => return Reply::page(404, "Page not found"),
    };
    let full = format!("{owner}/{name}");
    let Some(repo) = repos.iter().find(|repo| repo.name == full) else { return not_found_for(heard) };
    match &repo.access {
        RepoAccess::Renamed(to) => {
            let query = if heard.query.is_empty() { String::new() } else { format!("?{}", heard.query) };
            return Reply::redirect(307, &format!("{}{query}", heard.path.replacen(&full, to, 1)));
        }
        RepoAccess::Gated(token) if *call == "resolve" => {
            if let Some(refused) = gated(heard, token) {
                return refused;
            }
        }
        RepoAccess::Open | RepoAccess::Gated(_) => {}
    }
    if ![repo.commit.as_str(), "main"].contains(revision) {
        return error(404, "RevisionNotFound", "Invalid rev id");
    }
    match (heard.method.as_str(), *call) {
        ("POST", "paths-info") => {
            let asked = heard.json();
            let is_asked = |file: &&Arc<Offered>| {
                asked["paths"].as_array().is_some_and(|paths| paths.iter().any(|path| *path == file.name.as_str()))
            };
            Reply::json(
                200,
                &repo.files.iter().filter(is_asked).map(|file| entry(file, repo, &asked["expand"])).collect(),
            )
        }
        ("GET", "tree") => {
            Reply::json(200, &repo.files.iter().map(|file| entry(file, repo, &Value::Bool(false))).collect())
        }
        ("GET" | "HEAD", "resolve") => {
            let path = rest.join("/").replace("%20", " ");
            match repo.files.iter().find(|file| file.name == path) {
                Some(file) => resolve(file, repo, heard, &|| signatures.sign(store, file)),
                None => error(404, "EntryNotFound", "Entry not found").with("x-repo-commit", &repo.commit),
            }
        }
        _ => error(404, "EntryNotFound", "Not found"),
    }
}

/// What is private, deleted, and never was, is told alike to whoever is not logged in.
fn not_found_for(heard: &Heard) -> Reply {
    let status = if heard.header("authorization").is_some() { 404 } else { 401 };
    error(status, "RepoNotFound", "Repository not found")
}

fn gated(heard: &Heard, token: &str) -> Option<Reply> {
    let sent = heard.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    match sent {
        Some(sent) if sent == token => None,
        Some(_) => Some(error(403, "GatedRepo", "Access to this model is restricted")),
        None => Some(error(401, "GatedRepo", "Access to this model is restricted. You must be authenticated")),
    }
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": message })).with("x-error-code", code).with("x-error-message", message)
}

fn entry(file: &Offered, repo: &Repo, expand: &Value) -> Value {
    let mut entry = json!({ "type": "file", "oid": "aa".repeat(20), "size": file.size_bytes, "path": file.name });
    if file.size_bytes >= LARGE {
        entry["lfs"] = json!({ "oid": file.sha256, "size": file.size_bytes, "pointerSize": 135 });
        entry["xetHash"] = json!("34".repeat(32));
    }
    if *expand == Value::Bool(true) {
        entry["lastCommit"] = json!({ "id": repo.commit, "title": "up", "date": "2024-01-01T00:00:00.000Z" });
    }
    entry
}

fn resolve(file: &Arc<Offered>, repo: &Repo, heard: &Heard, sign: &dyn Fn() -> String) -> Reply {
    if file.size_bytes < LARGE {
        let tag = format!("\"{}\"", "aa".repeat(20));
        return Reply::file(&file.bytes, heard).with("etag", &tag).with("x-repo-commit", &repo.commit);
    }
    Reply::redirect(302, &sign())
        .with("x-repo-commit", &repo.commit)
        .with("x-linked-size", &file.size_bytes.to_string())
        .with("x-linked-etag", &format!("\"{}\"", file.sha256))
        .with("accept-ranges", "bytes")
}
