//! Addresses of ModelScope: pages of models and files, `resolve/`, and its download call.
//!
//! The forms are those of `modelscope`'s `hub/file_download.py` (`get_file_download_url`:
//! `/api/v1/models/ID/repo?Revision=…&FilePath=…`) and of LoRA Manager's `py/services/model_sources/modelscope.py`
//! (`/models/ID/resolve/REVISION/PATH`, `/models/ID/file/view/REVISION/PATH`, view segments of pages).

use core::fmt;

use url::Url;

use super::AddressError;
use super::huggingface::below_base;
use super::text::{inner_path, is_repo_name, is_revision};
use crate::sites::{Site, Sites};

/// The branch that is meant where none is named.
pub(crate) const MASTER: &str = "master";

/// What the site appends to the address of a model.
const VIEWS: [&str; 7] = ["summary", "files", "model-file", "readme", "community", "evaluation", "feedback"];

/// A file of a repository, or the repository where the address names no file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelScopeFile {
    /// `OWNER/REPOSITORY`.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The file's path in the repository.
    pub path: Option<String>,
}

impl ModelScopeFile {
    pub(super) fn download(&self, sites: &Sites) -> Option<Url> {
        let path = self.path.as_deref()?.split('/');
        let head = ["models"].into_iter().chain(self.repo.split('/')).chain(["resolve", self.revision.as_str()]);
        sites.at(Site::ModelScope, &head.chain(path).collect::<Vec<_>>(), &[])
    }
}

impl fmt::Display for ModelScopeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "modelscope:{}@{}", self.repo, self.revision.replace('/', "%2F"))?;
        match &self.path {
            Some(path) => write!(f, "/{path}"),
            None => Ok(()),
        }
    }
}

/// Reads an address of the site.
pub(super) fn parse(url: &Url, sites: &Sites) -> Result<ModelScopeFile, AddressError> {
    let not_a_model = || AddressError::NotAModel(Site::ModelScope.label());
    let parts = below_base(url, sites, Site::ModelScope)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let queried = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
    };
    let owned = |path: &[&str]| path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let (owner, name, revision, path) = match parts.as_slice() {
        ["models", owner, name] => (owner, name, queried("revision"), None),
        ["models", owner, name, view] if VIEWS.contains(view) => (owner, name, queried("revision"), None),
        ["models", owner, name, "resolve", revision, path @ ..]
        | ["models", owner, name, "file", "view", revision, path @ ..] => {
            (owner, name, Some((*revision).to_owned()), Some(owned(path)))
        }
        ["api", "v1", "models", owner, name, "repo"] => {
            let path = queried("filepath").ok_or_else(not_a_model)?;
            (owner, name, queried("revision"), Some(vec![path]))
        }
        _ => return Err(not_a_model()),
    };
    let revision = revision.unwrap_or_else(|| MASTER.to_owned());
    if !is_repo_name(owner) || !is_repo_name(name) || !is_revision(&revision) {
        return Err(not_a_model());
    }
    let path = match path {
        Some(path) => Some(inner_path(&path)?),
        None => None,
    };
    Ok(ModelScopeFile { repo: format!("{owner}/{name}"), revision, path })
}

impl ModelScopeFile {
    /// By names from elsewhere; `None` if they are none.
    pub fn new(repo: &str, revision: Option<&str>, path: Option<&str>) -> Option<Self> {
        let revision = revision.filter(|revision| !revision.is_empty()).unwrap_or(MASTER);
        let (owner, name) = repo.split_once('/')?;
        if !is_repo_name(owner) || !is_repo_name(name) || !is_revision(revision) {
            return None;
        }
        let path = match path {
            Some(path) => Some(inner_path(&[path.to_owned()]).ok()?),
            None => None,
        };
        Some(Self { repo: repo.to_owned(), revision: revision.to_owned(), path })
    }
}
