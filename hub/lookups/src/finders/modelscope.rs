//! All files of a repository of ModelScope, each with its SHA-256.
//!
//! `GET /api/v1/models/{owner}/{name}/repo/files?Revision=…&Recursive=True` answers
//! `{Code, Success, Data: {Files: [{Type: "blob" | "tree", Name, Path, Size, Sha256, Revision}]}}`: `modelscope`,
//! `hub/api.py` (`get_model_files`), `hub/constants.py` (`FILE_HASH = "Sha256"`), and LoRA Manager's
//! `py/services/model_sources/modelscope.py`. Where only a commit is named, `Sha256` may be missing
//! (`hub/file_download.py`: "for download with commit we can't get Sha256").

use serde::Deserialize;

use super::data_or_nothing;
use crate::address::{Address, ModelScopeFile, file_name_from};
use crate::answer::{Answer, AnswerError};
use crate::claim::{Claim, Offer, Origin};
use crate::finder::{Finder, Found};
use crate::json::{Entries, Maybe, Text, parse, sha256};
use crate::request::Request;
use crate::sites::{Site, Sites};

const MAX_ENTRIES: usize = 20_000;

const MAX_BYTES: usize = 16 << 20;

/// All files of a repository, of which some may be wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelScopeList {
    /// `OWNER/REPOSITORY`.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The paths that are wanted; all if there are none.
    pub paths: Vec<String>,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow, rename = "Data")]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, rename = "Files")]
    files: Entries<'a, MAX_ENTRIES>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RepoFile {
    path: Text,
    #[serde(default, rename = "Type")]
    kind: Maybe<Text>,
    #[serde(default)]
    size: Maybe<u64>,
    #[serde(default)]
    sha256: Maybe<Text>,
}

impl Finder for ModelScopeList {
    fn site(&self) -> Site {
        Site::ModelScope
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let (owner, name) = self.repo.split_once('/')?;
        let query = [("Revision", self.revision.as_str()), ("Recursive", "True")];
        let url = sites.at(Site::ModelScope, &["api", "v1", "models", owner, name, "repo", "files"], &query)?;
        Some(Request::get(Site::ModelScope, url, MAX_BYTES))
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let (files, n_unreadable) = match data_or_nothing(answer, MAX_BYTES)? {
            Some(data) => parse::<Whole<'_>>(data)?.data.files.read::<RepoFile>(),
            None => (Vec::new(), 0),
        };
        let is_wanted = |path: &str| self.paths.is_empty() || self.paths.iter().any(|wanted| wanted == path);
        let is_file = |file: &&RepoFile| file.kind.0.as_ref().is_none_or(|kind| kind.0 == "blob");
        let files: Vec<&RepoFile> = files.iter().filter(is_file).filter(|file| is_wanted(&file.path.0)).collect();
        let is_there = |path: &String| files.iter().any(|file| file.path.0 == *path);
        let absent =
            |path: &String| ModelScopeFile::new(&self.repo, Some(&self.revision), Some(path)).map(Address::ModelScope);
        let absent = self.paths.iter().filter(|path| !is_there(path)).filter_map(absent).collect();
        let claims = files.iter().filter_map(|file| self.claim(file, sites)).collect();
        Ok(Found { claims, absent, n_unreadable, ..Found::default() })
    }
}

impl ModelScopeList {
    fn claim(&self, file: &RepoFile, sites: &Sites) -> Option<Claim> {
        let address = ModelScopeFile::new(&self.repo, Some(&self.revision), Some(&file.path.0))?;
        Some(Claim {
            origin: Origin::ModelScope,
            url: Address::ModelScope(address).download(sites)?,
            file_name: file_name_from(&file.path.0),
            sha256: file.sha256.0.as_ref().and_then(|told| sha256(&told.0)),
            blake3: None,
            size_bytes: file.size.0,
            about_bytes: None,
            offer: Offer::Open,
        })
    }
}
