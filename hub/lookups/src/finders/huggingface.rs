//! Files of a repository of Hugging Face, with the SHA-256 of those that lie in its large store.
//!
//! `POST /api/models/{repo}/paths-info/{revision}` with `{paths, expand}` answers a list of
//! `{type, path, size, oid, lfs: {oid, size, pointerSize}, xetHash, lastCommit: {id, …}}`; what does not exist is left
//! out. `GET …/tree/{revision}?recursive=true` answers the same of all files: `huggingface_hub`, `hf_api.py`
//! (`get_paths_info`, `list_repo_tree`, `RepoFile`). `oid` itself is git's name of a small file or of a pointer, and is
//! no digest of a content; `lfs.oid` is its SHA-256. A question by digest does not exist there.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::json;

use super::data_or_nothing;
use crate::address::{Address, HuggingFaceFile, RepoKind, file_name_from};
use crate::answer::{Answer, AnswerError};
use crate::claim::{Claim, Offer, Origin};
use crate::finder::{Finder, Found};
use crate::json::{Entries, Maybe, Text, parse, sha256};
use crate::request::Request;
use crate::sites::{Site, Sites};

/// Files that are asked for at once.
pub const MAX_PATHS: usize = 50;

/// A page of a listing has at most 1,000.
const MAX_ENTRIES: usize = 2_000;

const MAX_BYTES: usize = 4 << 20;

/// Some files of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuggingFacePaths {
    /// What sort of repository.
    pub kind: RepoKind,
    /// Which one.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// At most [`MAX_PATHS`]; more are not asked for.
    pub paths: Vec<String>,
}

/// All files of a repository, as many as come in one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HuggingFaceTree {
    /// What sort of repository.
    pub kind: RepoKind,
    /// Which one.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
}

#[derive(Deserialize)]
struct RepoFile {
    path: Text,
    #[serde(default, rename = "type")]
    kind: Maybe<Text>,
    #[serde(default)]
    size: Maybe<u64>,
    #[serde(default)]
    lfs: Maybe<Lfs>,
    #[serde(default, rename = "lastCommit")]
    last_commit: Maybe<Commit>,
}

#[derive(Deserialize)]
struct Lfs {
    #[serde(default)]
    oid: Maybe<Text>,
    #[serde(default)]
    size: Maybe<u64>,
}

#[derive(Deserialize)]
struct Commit {
    id: Text,
}

fn below<'a>(kind: RepoKind, repo: &'a str, call: &'a str, revision: &'a str) -> Vec<&'a str> {
    ["api", kind.api()].into_iter().chain(repo.split('/')).chain([call, revision]).collect()
}

impl Finder for HuggingFacePaths {
    fn site(&self) -> Site {
        Site::HuggingFace
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let paths: Vec<&String> = self.paths.iter().take(MAX_PATHS).collect();
        let url = sites.at(Site::HuggingFace, &below(self.kind, &self.repo, "paths-info", &self.revision), &[])?;
        let body = json!({"paths": paths, "expand": true});
        (!paths.is_empty()).then(|| Request::post(Site::HuggingFace, url, &body, MAX_BYTES))
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let asked = self.paths.get(..MAX_PATHS).unwrap_or(&self.paths);
        let of = |path: &str| HuggingFaceFile {
            kind: self.kind,
            repo: self.repo.clone(),
            revision: self.revision.clone(),
            path: Some(path.to_owned()),
        };
        let (files, n_unreadable) = match data_or_nothing(answer, MAX_BYTES)? {
            Some(data) => parse::<Entries<'_, MAX_ENTRIES>>(data)?.read::<RepoFile>(),
            None => (Vec::new(), 0),
        };
        // An answer names what it likes: only what was asked for is taken from it.
        let wanted: HashSet<&str> = asked.iter().map(String::as_str).collect();
        let files: Vec<&RepoFile> = files.iter().filter(|file| wanted.contains(file.path.0.as_str())).collect();
        let there: HashSet<&str> =
            files.iter().filter(|file| file.is_file()).map(|file| file.path.0.as_str()).collect();
        let absent = asked.iter().filter(|path| !there.contains(path.as_str()));
        let absent = absent.map(|path| Address::HuggingFace(of(path))).collect();
        let claims = files.iter().filter_map(|file| file.claim(&of(&file.path.0), sites)).collect();
        Ok(Found { claims, absent, n_unreadable, ..Found::default() })
    }
}

impl Finder for HuggingFaceTree {
    fn site(&self) -> Site {
        Site::HuggingFace
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let parts = below(self.kind, &self.repo, "tree", &self.revision);
        let url = sites.at(Site::HuggingFace, &parts, &[("recursive", "true")])?;
        Some(Request::get(Site::HuggingFace, url, MAX_BYTES))
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let of = |path: Option<&str>| HuggingFaceFile {
            kind: self.kind,
            repo: self.repo.clone(),
            revision: self.revision.clone(),
            path: path.map(str::to_owned),
        };
        let Some(data) = data_or_nothing(answer, MAX_BYTES)? else {
            return Ok(Found { absent: vec![Address::HuggingFace(of(None))], ..Found::default() });
        };
        let (files, n_unreadable) = parse::<Entries<'_, MAX_ENTRIES>>(data)?.read::<RepoFile>();
        let claims = files.iter().filter_map(|file| file.claim(&of(Some(&file.path.0)), sites)).collect();
        Ok(Found { claims, n_unreadable, ..Found::default() })
    }
}

impl RepoFile {
    fn is_file(&self) -> bool {
        self.kind.0.as_ref().is_none_or(|kind| kind.0 == "file")
    }

    fn claim(&self, asked: &HuggingFaceFile, sites: &Sites) -> Option<Claim> {
        let path = asked.path.as_deref().filter(|_| self.is_file())?;
        // The last commit that changed the file has it, too, and never another one.
        let commit = self.last_commit.0.as_ref().map(|commit| commit.id.0.as_str());
        let commit = commit.filter(|commit| crate::address::is_commit(commit));
        let pinned = HuggingFaceFile::new(&asked.repo, commit.or(Some(&asked.revision)), Some(path))?;
        let address = Address::HuggingFace(HuggingFaceFile { kind: asked.kind, ..pinned });
        let lfs = self.lfs.0.as_ref();
        Some(Claim {
            origin: Origin::HuggingFace,
            url: address.download(sites)?,
            file_name: file_name_from(path),
            sha256: lfs.and_then(|lfs| sha256(&lfs.oid.0.as_ref()?.0)),
            blake3: None,
            size_bytes: lfs.and_then(|lfs| lfs.size.0).or(self.size.0),
            about_bytes: None,
            offer: Offer::Open,
        })
    }
}
