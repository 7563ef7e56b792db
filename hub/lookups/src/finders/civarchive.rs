//! What CivArchive knows of a digest: what Civitai has deleted, and where copies of it are.
//!
//! `GET /api/sha256/{digits in lower case}` answers `{data: {…model…, version: {…, files: […]}}}`, or only
//! `{data: {files: […]}}`; a file is `{sha256, downloadUrl, mirrors: [{url, filename, deletedAt}]}`; names of fields
//! by LoRA Manager's `py/services/civarchive_client.py` and the answers in its tests. The file's `downloadUrl` is
//! where it was: it counts only where a mirror with the same address is not deleted, or where there are no mirrors and
//! nothing is deleted.

use serde::Deserialize;
use shared_protocol::Sha256;

use super::data_or_nothing;
use crate::address::{Address, file_name_from};
use crate::answer::{Answer, AnswerError};
use crate::claim::{Claim, Offer, Origin};
use crate::finder::{Finder, Found};
use crate::finders::civitai_version::bytes;
use crate::json::{Inner, Maybe, Text, parse, sha256};
use crate::request::Request;
use crate::sites::{Site, Sites};

/// One model with its description.
const MAX_BYTES: usize = 4 << 20;

/// What CivArchive knows of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivArchive {
    /// The digest.
    pub hash: Sha256,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Whole {
    data: Maybe<Data>,
}

/// `version` may stand beside the model's own fields or in `model`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    version: Maybe<Version>,
    model: Maybe<Model>,
    files: Inner<ArchivedFile>,
    #[serde(rename = "deletedAt")]
    deleted_at: Maybe<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Model {
    version: Maybe<Version>,
    files: Inner<ArchivedFile>,
    #[serde(rename = "deletedAt")]
    deleted_at: Maybe<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Version {
    files: Inner<ArchivedFile>,
    #[serde(rename = "deletedAt")]
    deleted_at: Maybe<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ArchivedFile {
    name: Maybe<Text>,
    #[serde(rename = "sizeKB")]
    size_kib: Maybe<f64>,
    #[serde(rename = "downloadUrl")]
    download_url: Maybe<Text>,
    sha256: Maybe<Text>,
    mirrors: Inner<Mirror>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mirror {
    filename: Maybe<Text>,
    url: Maybe<Text>,
    #[serde(rename = "deletedAt")]
    deleted_at: Maybe<Text>,
}

impl Finder for CivArchive {
    fn site(&self) -> Site {
        Site::CivArchive
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let url = sites.at(Site::CivArchive, &["api", "sha256", &self.hash.to_hex()], &[])?;
        Some(Request::get(Site::CivArchive, url, MAX_BYTES))
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let Some(data) = data_or_nothing(answer, MAX_BYTES)? else {
            return Ok(Found { unknown: vec![self.hash], ..Found::default() });
        };
        let data = match parse::<Whole>(data)?.data.0 {
            Some(inside) => inside,
            None => parse::<Data>(data)?,
        };
        let model = data.model.0.unwrap_or_default();
        let version = data.version.0.or(model.version.0).unwrap_or_default();
        let deleted = [data.deleted_at.0, model.deleted_at.0, version.deleted_at.0];
        let is_deleted = deleted.iter().flatten().any(|at| !at.0.is_empty());
        let lists = [version.files.0, model.files.0, data.files.0];
        let files: Vec<ArchivedFile> = lists.into_iter().flatten().filter(|file| self.is_of(file)).collect();
        let mut claims: Vec<Claim> = Vec::new();
        for claim in files.iter().flat_map(|file| claims_of(file, self.hash, is_deleted, sites)) {
            if claims.iter().all(|known| known.url != claim.url) {
                claims.push(claim);
            }
        }
        let (known, unknown) = if files.is_empty() { (vec![], vec![self.hash]) } else { (vec![self.hash], vec![]) };
        Ok(Found { claims, known, unknown, ..Found::default() })
    }
}

impl CivArchive {
    fn is_of(&self, file: &ArchivedFile) -> bool {
        file.sha256.0.as_ref().and_then(|told| sha256(&told.0)) == Some(self.hash)
    }
}

fn claims_of(file: &ArchivedFile, hash: Sha256, is_deleted: bool, sites: &Sites) -> Vec<Claim> {
    let claim = |url: &Text, name: Option<&Text>, offer: Offer| {
        let address = Address::parse(&url.0, sites).ok()?;
        let name = name.or(file.name.0.as_ref());
        Some(Claim {
            origin: Origin::CivArchive,
            url: address.download(sites)?,
            file_name: name.and_then(|name| file_name_from(&name.0)).or_else(|| address.file_name()),
            sha256: Some(hash),
            blake3: None,
            size_bytes: None,
            about_bytes: file.size_kib.0.and_then(|kib| bytes(kib * 1_024.0)),
            offer,
        })
    };
    let offer = |is_gone: bool| if is_gone { Offer::Deleted } else { Offer::Open };
    if file.mirrors.0.is_empty() {
        return file.download_url.0.as_ref().and_then(|url| claim(url, None, offer(is_deleted))).into_iter().collect();
    }
    let of_mirror = |mirror: &Mirror| {
        let is_gone = mirror.deleted_at.0.as_ref().is_some_and(|at| !at.0.is_empty());
        claim(mirror.url.0.as_ref()?, mirror.filename.0.as_ref(), offer(is_gone))
    };
    file.mirrors.0.iter().filter_map(of_mirror).collect()
}
