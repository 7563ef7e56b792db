//! Addresses of Hugging Face: `/OWNER/REPO/blob|resolve|raw/REVISION/PATH`, pages of repositories, and `hf://`.
//!
//! The forms are those of `huggingface_hub`: `constants.py` (`HUGGINGFACE_CO_URL_TEMPLATE`), `hf_api.py`
//! (`repo_type_and_id_from_hf_id`), and `hf_file_system.py` (`hf://[datasets/]OWNER/REPO[@REVISION]/PATH`, with the
//! slashes of a revision written `%2F`).

use core::fmt;

use url::Url;

use super::AddressError;
use super::text::{decoded, inner_path, is_repo_name, is_revision, parts};
use crate::sites::{Site, Sites};

/// The branch that is meant where none is named.
pub(crate) const MAIN: &str = "main";

/// What sort of repository it is: models lie in datasets and spaces, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RepoKind {
    /// A repository of models, which has no prefix.
    Model,
    /// `datasets/…`.
    Dataset,
    /// `spaces/…`.
    Space,
}

impl RepoKind {
    /// How addresses of files begin.
    pub(crate) const fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Model => None,
            Self::Dataset => Some("datasets"),
            Self::Space => Some("spaces"),
        }
    }

    /// What stands behind `/api/`.
    pub(crate) const fn api(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
            Self::Space => "spaces",
        }
    }

    fn of_prefix(part: &str) -> Option<Self> {
        [Self::Dataset, Self::Space].into_iter().find(|kind| kind.prefix() == Some(part))
    }
}

/// A file of a repository, or the repository where the address names no file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HuggingFaceFile {
    /// What sort of repository.
    pub kind: RepoKind,
    /// `OWNER/REPOSITORY`; a few old ones have no owner.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The file's path in the repository.
    pub path: Option<String>,
}

impl HuggingFaceFile {
    /// Of a repository of models, by names from elsewhere; `None` if they are none.
    pub fn new(repo: &str, revision: Option<&str>, path: Option<&str>) -> Option<Self> {
        let revision = revision.filter(|revision| !revision.is_empty()).unwrap_or(MAIN);
        let names: Vec<&str> = repo.split('/').collect();
        if names.len() > 2 || !names.iter().all(|name| is_repo_name(name)) || !is_revision(revision) {
            return None;
        }
        let path = match path {
            Some(path) => Some(inner_path(&[path.to_owned()]).ok()?),
            None => None,
        };
        Some(Self { kind: RepoKind::Model, repo: repo.to_owned(), revision: revision.to_owned(), path })
    }

    /// Whether it is pinned to a commit, so that it can't become another file.
    pub fn is_pinned(&self) -> bool {
        is_commit(&self.revision)
    }

    pub(super) fn download(&self, sites: &Sites) -> Option<Url> {
        let parts = self.parts(self.path.as_deref()?);
        sites.at(Site::HuggingFace, &parts.iter().map(String::as_str).collect::<Vec<_>>(), &[])
    }

    fn parts(&self, path: &str) -> Vec<String> {
        let kind = self.kind.prefix().map(str::to_owned);
        let repo = self.repo.split('/').map(str::to_owned);
        let revision = ["resolve".to_owned(), self.revision.clone()];
        kind.into_iter().chain(repo).chain(revision).chain(path.split('/').map(str::to_owned)).collect()
    }
}

impl fmt::Display for HuggingFaceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hf://")?;
        if let Some(prefix) = self.kind.prefix() {
            write!(f, "{prefix}/")?;
        }
        write!(f, "{}@{}", self.repo, self.revision.replace('/', "%2F"))?;
        match &self.path {
            Some(path) => write!(f, "/{path}"),
            None => Ok(()),
        }
    }
}

/// Whether a revision is the name of a commit.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads an address of the site.
pub(super) fn parse(url: &Url, sites: &Sites) -> Result<HuggingFaceFile, AddressError> {
    let not_a_model = || AddressError::NotAModel(Site::HuggingFace.label());
    let mut parts = below_base(url, sites, Site::HuggingFace)?;
    if parts.first().is_some_and(|first| first == "api") {
        return Err(not_a_model());
    }
    let kind = parts.first().and_then(|first| RepoKind::of_prefix(first));
    if kind.is_some() {
        parts.remove(0);
    }
    let kind = kind.unwrap_or(RepoKind::Model);
    // A repository without an owner is named by one part, and what follows tells which it is.
    let is_action = |part: &String| ["blob", "resolve", "raw", "tree"].contains(&part.as_str());
    let n_names = if parts.get(1).is_some_and(is_action) { 1 } else { 2 };
    let (names, rest) = parts.split_at(n_names.min(parts.len()));
    if names.len() != n_names || !names.iter().all(|name| is_repo_name(name)) || is_own_page(names) {
        return Err(not_a_model());
    }
    let repo = names.join("/");
    let (revision, path) = match rest.split_first() {
        None => (MAIN.to_owned(), None),
        Some((action, rest)) if is_action(action) => revision_and_path(rest, action == "tree")?,
        Some(_) => return Err(not_a_model()),
    };
    // The page of a repository can show a file in its query.
    let shown = || url.query_pairs().find(|(name, _)| name == "show_file_info").map(|(_, path)| path.into_owned());
    let path = match path.or_else(shown) {
        Some(path) => Some(inner_path(&[path])?),
        None => None,
    };
    Ok(HuggingFaceFile { kind, repo, revision, path })
}

/// Pages of the site that look like repositories.
fn is_own_page(names: &[String]) -> bool {
    let own = ["docs", "models", "settings", "collections", "papers", "blog", "login", "join", "search", "learn"];
    names.len() == 2 && names.first().is_some_and(|first| own.contains(&first.as_str()))
}

fn revision_and_path(rest: &[String], is_folder: bool) -> Result<(String, Option<String>), AddressError> {
    let not_whole = AddressError::NotAModel(Site::HuggingFace.label());
    // `refs/pr/7` and `refs/convert/parquet` are also written with plain slashes.
    let n_parts = if rest.first().is_some_and(|first| first == "refs") { 3 } else { 1 };
    let (revision, path) = rest.split_at(n_parts.min(rest.len()));
    let revision = revision.join("/");
    if !is_revision(&revision) {
        return Err(not_whole);
    }
    match (path, is_folder) {
        (_, true) => Ok((revision, None)),
        ([], false) => Err(not_whole),
        (path, false) => Ok((revision, Some(inner_path(path)?))),
    }
}

/// Reads what stands behind `hf://`.
pub(super) fn parse_hf(path: &str) -> Result<HuggingFaceFile, AddressError> {
    if path.contains(['?', '#', '\\']) {
        return Err(AddressError::Hf);
    }
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let (kind, parts) = match parts.split_first() {
        Some((first, rest)) => match RepoKind::of_prefix(first) {
            Some(kind) => (kind, rest),
            None => (RepoKind::Model, parts.as_slice()),
        },
        None => return Err(AddressError::Hf),
    };
    let [owner, name, path @ ..] = parts else { return Err(AddressError::Hf) };
    let (name, revision) = match name.split_once('@') {
        Some((name, revision)) => (name, decoded(revision)?),
        None => (*name, MAIN.to_owned()),
    };
    if !is_repo_name(owner) || !is_repo_name(name) || !is_revision(&revision) {
        return Err(AddressError::Hf);
    }
    let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
    let path = if path.is_empty() { None } else { Some(inner_path(&path)?) };
    Ok(HuggingFaceFile { kind, repo: format!("{owner}/{name}"), revision, path })
}

/// The parts of an address below the site's base, whose own path may have some.
pub(super) fn below_base(url: &Url, sites: &Sites, site: Site) -> Result<Vec<String>, AddressError> {
    let parts = parts(url)?;
    let base = sites.base(site).filter(|base| base.host_str() == url.host_str());
    let own: Vec<&str> = base.map_or("", Url::path).split('/').filter(|part| !part.is_empty()).collect();
    let is_below = parts.len() >= own.len() && own.iter().zip(&parts).all(|(own, part)| own == part);
    Ok(if is_below { parts.into_iter().skip(own.len()).collect() } else { parts })
}
