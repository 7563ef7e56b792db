//! Addresses that people paste, and what they mean.
//!
//! A page of a model, a file behind it and its download are one thing to a person. [`Address::parse`] reads
//! all of them, tells what is to be asked to find the file ([`Ask::about`](crate::Ask::about)), and refuses what could
//! mean something else than it looks like, with a sentence that says what to do.

mod air;
mod civitai;
mod error;
mod huggingface;
mod modelscope;
mod names;
mod text;

use core::fmt;

use serde::{Deserialize, Serialize};
use shared_protocol::SourceUrl;
use url::Url;

use crate::sites::{Site, Sites};

pub use civitai::CivitaiFile;
pub use error::AddressError;
pub(crate) use huggingface::is_commit;
pub use huggingface::{HuggingFaceFile, RepoKind};
pub use modelscope::ModelScopeFile;
pub use names::file_name_from;

/// Where something can be had.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A file or a repository of Hugging Face.
    HuggingFace(HuggingFaceFile),
    /// A file, a version or a model of Civitai.
    Civitai(CivitaiFile),
    /// A file or a repository of ModelScope.
    ModelScope(ModelScopeFile),
    /// Any other address of a file.
    Other(SourceUrl),
}

/// Whether a token may be needed to fetch from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenNeed {
    /// None of ours would be sent there.
    No,
    /// The site gives some of its files only to whoever sends a token; asking tells.
    Maybe,
}

impl Address {
    /// Reads what a person pasted or a file named: an address, `hf://…`, or `urn:air:…`.
    ///
    /// # Errors
    ///
    /// If it is no such address or could mean something else than it looks like; the error says what to do.
    pub fn parse(pasted: &str, sites: &Sites) -> Result<Self, AddressError> {
        let pasted = text::checked(pasted)?;
        if let Some(air) = air::parse(pasted)? {
            return Ok(air);
        }
        if let Some(path) = pasted.strip_prefix("hf://") {
            return huggingface::parse_hf(path).map(Self::HuggingFace);
        }
        text::check_url(pasted)?;
        let source = SourceUrl::parse(pasted, sites.allowed())?;
        let url = Url::parse(source.as_str()).map_err(|_| AddressError::Unreadable)?;
        match sites.site_of(&url) {
            Some(Site::HuggingFace) => huggingface::parse(&url, sites).map(Self::HuggingFace),
            Some(Site::Civitai) => civitai::parse(&url, sites).map(Self::Civitai),
            Some(Site::ModelScope) => modelscope::parse(&url, sites).map(Self::ModelScope),
            Some(Site::CivArchive | Site::ManagerList) | None => Ok(Self::Other(source)),
        }
    }

    /// The site that it is of.
    pub const fn site(&self) -> Option<Site> {
        match self {
            Self::HuggingFace(_) => Some(Site::HuggingFace),
            Self::Civitai(_) => Some(Site::Civitai),
            Self::ModelScope(_) => Some(Site::ModelScope),
            Self::Other(_) => None,
        }
    }

    /// The address of the file itself, without a token or a signature; `None` where only asking tells which file is
    /// meant.
    pub fn download(&self, sites: &Sites) -> Option<SourceUrl> {
        let url = match self {
            Self::HuggingFace(file) => file.download(sites)?,
            Self::Civitai(file) => file.download(sites)?,
            Self::ModelScope(file) => file.download(sites)?,
            Self::Other(source) => return Some(source.clone()),
        };
        SourceUrl::parse(url.as_str(), sites.allowed()).ok()
    }

    /// A name for the file that every system can store; `None` where the address tells none.
    pub fn file_name(&self) -> Option<String> {
        match self {
            Self::HuggingFace(file) => file_name_from(file.path.as_deref()?),
            Self::ModelScope(file) => file_name_from(file.path.as_deref()?),
            // Its addresses hold numbers only.
            Self::Civitai(_) => None,
            Self::Other(source) => {
                let url = Url::parse(source.as_str()).ok()?;
                let last = url.path_segments()?.next_back()?;
                file_name_from(&text::decoded(last).ok()?)
            }
        }
    }

    /// Whether a token may be needed.
    pub fn token_need(&self) -> TokenNeed {
        let is_gated = self.site().and_then(Site::gate).is_some();
        if is_gated { TokenNeed::Maybe } else { TokenNeed::No }
    }
}

/// The one form of it that two spellings of the same thing share. Not always something to fetch: see
/// [`Address::download`].
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HuggingFace(file) => file.fmt(f),
            Self::Civitai(file) => file.fmt(f),
            Self::ModelScope(file) => file.fmt(f),
            Self::Other(source) => f.write_str(source.as_str()),
        }
    }
}

#[cfg(test)]
#[path = "address/tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
