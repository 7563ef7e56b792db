//! Addresses of Civitai: pages of models, downloads, and calls of its API.
//!
//! The forms are those of the site's routes: `src/pages/models/[id]/[[...slug]].tsx`,
//! `src/pages/api/download/models/[modelVersionId].ts` (whose query is `type, format, size, fp, quantType, fileId`:
//! `src/server/services/file.service.ts`, `getFileForModelVersion`), and `src/pages/api/v1`.

use core::fmt;

use url::Url;

use super::AddressError;
use super::huggingface::below_base;
use crate::sites::{Site, Sites};

/// What of a download's query chooses the file.
const CHOICES: [&str; 5] = ["type", "format", "size", "fp", "quantType"];

/// A file, a version or a model: as much of it as the address tells. At least one of the numbers is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CivitaiFile {
    /// The model's number.
    pub model_id: Option<u64>,
    /// The number of its version; without it the newest is meant.
    pub version_id: Option<u64>,
    /// The number of the version's file; without it the site's choice is meant.
    pub file_id: Option<u64>,
    /// How else the file is chosen: name and value, in the order of the site.
    pub choice: Vec<(String, String)>,
}

impl CivitaiFile {
    /// Of a version.
    pub const fn of_version(model_id: Option<u64>, version_id: u64, file_id: Option<u64>) -> Self {
        Self { model_id, version_id: Some(version_id), file_id, choice: Vec::new() }
    }

    /// Of a model, in its newest version.
    pub const fn of_model(model_id: u64) -> Self {
        Self { model_id: Some(model_id), version_id: None, file_id: None, choice: Vec::new() }
    }

    pub(super) fn download(&self, sites: &Sites) -> Option<Url> {
        let version = self.version_id?.to_string();
        let file = self.file_id.map(|id| id.to_string());
        let chosen = self.choice.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query: Vec<(&str, &str)> = chosen.chain(file.iter().map(|id| ("fileId", id.as_str()))).collect();
        sites.at(Site::Civitai, &["api", "download", "models", &version], &query)
    }
}

impl fmt::Display for CivitaiFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("civitai:")?;
        match (self.model_id, self.version_id) {
            // A version is of one model only: both spellings of it are the same.
            (_, Some(version)) => write!(f, "@{version}")?,
            (Some(model), None) => write!(f, "{model}")?,
            (None, None) => {}
        }
        if let Some(file) = self.file_id {
            write!(f, "+{file}")?;
        }
        self.choice.iter().try_for_each(|(name, value)| write!(f, ";{name}={value}"))
    }
}

/// Reads an address of the site.
pub(super) fn parse(url: &Url, sites: &Sites) -> Result<CivitaiFile, AddressError> {
    let not_a_model = || AddressError::NotAModel(Site::Civitai.label());
    let parts = below_base(url, sites, Site::Civitai)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let queried = |name: &str| {
        let mut pairs = url.query_pairs();
        pairs.find(|(known, _)| known == name).map(|(_, value)| id(&value).ok_or_else(not_a_model)).transpose()
    };
    let file = match parts.as_slice() {
        ["models", model] | ["models", model, _] | ["api", "v1", "models", model] => CivitaiFile {
            model_id: Some(id(model).ok_or_else(not_a_model)?),
            version_id: queried("modelVersionId")?,
            file_id: None,
            choice: Vec::new(),
        },
        ["api", "download", "models", version] => CivitaiFile {
            choice: choice(url),
            ..CivitaiFile::of_version(None, id(version).ok_or_else(not_a_model)?, queried("fileId")?)
        },
        ["model-versions", version] | ["api", "v1", "model-versions", version] => {
            CivitaiFile::of_version(None, id(version).ok_or_else(not_a_model)?, None)
        }
        _ => return Err(not_a_model()),
    };
    Ok(file)
}

fn choice(url: &Url) -> Vec<(String, String)> {
    let chosen = |name: &&str| {
        let (_, value) = url.query_pairs().find(|(known, _)| known == name)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
        let is_fine = !value.is_empty() && value.len() <= 40 && value.chars().all(is_plain);
        is_fine.then(|| ((*name).to_owned(), value.into_owned()))
    };
    CHOICES.iter().filter_map(chosen).collect()
}

/// A number that something is known by: positive, digits only. Their database has 32 bits, ours room for more.
pub(super) fn id(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_plain && *number > 0 && *number < 1 << 53)
}
