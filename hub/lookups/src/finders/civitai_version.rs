//! A version of a model as Civitai's API tells it, and the questions for one by its number.
//!
//! `GET /api/v1/model-versions/{id}` and, in a list `modelVersions` with the newest first, `GET /api/v1/models/{id}`.
//! Fields: `civitai/civitai`, `src/pages/api/v1/model-versions/[id].ts` (`prepareModelVersionResponse`): `hashes` is
//! an object by name of the digest and may be empty, `sizeKB` is rounded, files are left out of archived models.
//! The `downloadUrl` in it is not used, it may lead to another file of the version: the address is made of the numbers
//! of version and file (`src/server/services/file.service.ts`, `getFileForModelVersion`, "direct lookup by ID").

use serde::Deserialize;
use shared_protocol::SourceUrl;

use crate::address::{Address, CivitaiFile, file_name_from};
use crate::answer::{Answer, AnswerError};
use crate::claim::{Claim, Offer, Origin};
use crate::finder::{Finder, Found};
use crate::finders::data_or_nothing;
use crate::json::{Id, Inner, Maybe, Text, blake3, parse, sha256};
use crate::request::Request;
use crate::sites::{Site, Sites};

/// Bytes of an answer about one version, whose pictures come with whole workflows.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// Words of `status` and `mode` by which a version is gone (`ModelStatus` and `ModelModifier` of their schema).
const GONE: [&str; 4] = ["Deleted", "Unpublished", "UnpublishedViolation", "TakenDown"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    id: Id,
    #[serde(default)]
    model_id: Maybe<Id>,
    #[serde(default)]
    published_at: Maybe<Text>,
    #[serde(default)]
    created_at: Maybe<Text>,
    #[serde(default)]
    status: Maybe<Text>,
    #[serde(default)]
    availability: Maybe<Text>,
    #[serde(default)]
    usage_control: Maybe<Text>,
    #[serde(default)]
    model: Maybe<Model>,
    #[serde(default)]
    files: Inner<VersionFile>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    mode: Maybe<Text>,
}

#[derive(Deserialize)]
struct VersionFile {
    id: Id,
    #[serde(default)]
    name: Maybe<Text>,
    #[serde(default, rename = "sizeKB")]
    size_kib: Maybe<f64>,
    #[serde(default)]
    hashes: Maybe<Hashes>,
    #[serde(default)]
    primary: Maybe<bool>,
}

#[derive(Default, Deserialize)]
struct Hashes {
    #[serde(default, rename = "SHA256")]
    sha256: Maybe<Text>,
    #[serde(default, rename = "BLAKE3")]
    blake3: Maybe<Text>,
}

/// One digest may fit several versions: the one that was published first is its home.
pub(super) fn oldest_first(versions: &mut [Version]) {
    versions.sort_by_cached_key(|version| {
        let told = version.published_at.0.as_ref().or(version.created_at.0.as_ref());
        // Dates of one form sort as texts; one without comes last.
        (told.is_none(), told.map(|text| text.0.clone()), version.id.0)
    });
}

impl Version {
    fn offer(&self) -> Offer {
        let mode = self.model.0.as_ref().and_then(|model| model.mode.0.as_ref());
        let said = |text: Option<&Text>, words: &[&str]| text.is_some_and(|text| words.contains(&text.0.as_str()));
        if said(self.status.0.as_ref(), &GONE) || said(mode, &GONE) {
            return Offer::Deleted;
        }
        // `ModelUsageControl`: Download, Generation, InternalGeneration.
        let is_used_there_only = self.usage_control.0.as_ref().is_some_and(|usage| usage.0 != "Download");
        let is_withheld = said(mode, &["Archived"]) || said(self.availability.0.as_ref(), &["EarlyAccess", "Private"]);
        if is_used_there_only || is_withheld { Offer::Withheld } else { Offer::Open }
    }

    /// What it says about its files, the site's own choice first.
    pub(super) fn claims(&self, sites: &Sites) -> Vec<Claim> {
        let mut files: Vec<&VersionFile> = self.files.0.iter().collect();
        files.sort_by_key(|file| file.primary.0 != Some(true));
        files.into_iter().filter_map(|file| self.claim(file, sites)).collect()
    }

    fn claim(&self, file: &VersionFile, sites: &Sites) -> Option<Claim> {
        let address = CivitaiFile::of_version(self.model_id.0.map(|id| id.0), self.id.0, Some(file.id.0));
        let hashes = file.hashes.0.as_ref();
        Some(Claim {
            origin: Origin::Civitai,
            url: download(address, sites)?,
            file_name: file.name.0.as_ref().and_then(|name| file_name_from(&name.0)),
            sha256: hashes.and_then(|hashes| sha256(&hashes.sha256.0.as_ref()?.0)),
            blake3: hashes.and_then(|hashes| blake3(&hashes.blake3.0.as_ref()?.0)),
            size_bytes: None,
            about_bytes: file.size_kib.0.and_then(|kib| bytes(kib * 1_024.0)),
            offer: self.offer(),
        })
    }
}

fn download(address: CivitaiFile, sites: &Sites) -> Option<SourceUrl> {
    Address::Civitai(address).download(sites)
}

/// A size that was told with a fraction.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was compared")]
pub(crate) fn bytes(told: f64) -> Option<u64> {
    (told.is_finite() && (1.0..1e15).contains(&told)).then(|| told.round() as u64)
}

/// A version by its number, and of it one file where that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivitaiVersion {
    /// The version's number.
    pub version_id: u64,
    /// The file's number.
    pub file_id: Option<u64>,
}

impl Finder for CivitaiVersion {
    fn site(&self) -> Site {
        Site::Civitai
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let url = sites.at(Site::Civitai, &["api", "v1", "model-versions", &self.version_id.to_string()], &[])?;
        Some(Request::get(Site::Civitai, url, MAX_BYTES))
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let address = Address::Civitai(CivitaiFile::of_version(None, self.version_id, self.file_id));
        let Some(data) = data_or_nothing(answer, MAX_BYTES)? else {
            return Ok(Found { absent: vec![address], ..Found::default() });
        };
        let mut version: Version = parse(data)?;
        if let Some(id) = self.file_id {
            version.files.0.retain(|file| file.id.0 == id);
        }
        let claims = version.claims(sites);
        let absent = if claims.is_empty() { vec![address] } else { Vec::new() };
        Ok(Found { claims, absent, ..Found::default() })
    }
}

/// A model by its number, of which the newest version is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivitaiModel {
    /// The model's number.
    pub model_id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    id: Id,
    #[serde(default)]
    mode: Maybe<Text>,
    #[serde(default)]
    model_versions: Inner<Version>,
}

impl Finder for CivitaiModel {
    fn site(&self) -> Site {
        Site::Civitai
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let url = sites.at(Site::Civitai, &["api", "v1", "models", &self.model_id.to_string()], &[])?;
        Some(Request::get(Site::Civitai, url, MAX_BYTES))
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let absent = || vec![Address::Civitai(CivitaiFile::of_model(self.model_id))];
        let Some(data) = data_or_nothing(answer, MAX_BYTES)? else {
            return Ok(Found { absent: absent(), ..Found::default() });
        };
        let whole: Whole = parse(data)?;
        let Some(mut newest) = whole.model_versions.0.into_iter().next() else {
            return Ok(Found { absent: absent(), ..Found::default() });
        };
        newest.model_id = Maybe(Some(whole.id));
        if newest.model.0.is_none() {
            newest.model = Maybe(Some(Model { mode: whole.mode }));
        }
        Ok(Found { claims: newest.claims(sites), ..Found::default() })
    }
}
