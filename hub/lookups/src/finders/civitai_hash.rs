//! What Civitai knows of one digest of any sort.
//!
//! `GET /api/v1/model-versions/by-hash/{hash}` takes AutoV1 to AutoV3, SHA-256, CRC-32 and BLAKE3 in any case and
//! answers one version, or 404: `civitai/civitai`, `src/pages/api/v1/model-versions/by-hash/[hash].ts`.

use shared_protocol::{Blake3, Sha256};

use super::civitai_version::{MAX_BYTES, Version};
use super::data_or_nothing;
use crate::answer::{Answer, AnswerError};
use crate::finder::{Finder, Found};
use crate::json::parse;
use crate::request::Request;
use crate::sites::{Site, Sites};

/// The first 12 digits of the SHA-256 of a model's data. It finds, and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoV3(String);

impl AutoV3 {
    /// Reads 12 hexadecimal digits, or the first 12 of 64.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digest = [12, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = text.get(..12)?;
        (is_digest && digits.bytes().any(|byte| byte != b'0')).then(|| Self(digits.to_ascii_lowercase()))
    }

    /// The 12 digits, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What Civitai knows of this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CivitaiHash {
    /// By SHA-256.
    Sha256(Sha256),
    /// By BLAKE3, where no SHA-256 was taken.
    Blake3(Blake3),
    /// By AutoV3: the same data under another header.
    AutoV3(AutoV3),
}

impl Finder for CivitaiHash {
    fn site(&self) -> Site {
        Site::Civitai
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let hash = match self {
            Self::Sha256(hash) => hash.to_hex(),
            Self::Blake3(hash) => hash.to_hex(),
            Self::AutoV3(hash) => hash.0.clone(),
        };
        let url = sites.at(Site::Civitai, &["api", "v1", "model-versions", "by-hash", &hash], &[])?;
        Some(Request::get(Site::Civitai, url, MAX_BYTES).anonymous())
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let claims = match data_or_nothing(answer, MAX_BYTES)? {
            Some(data) => parse::<Version>(data)?.claims(sites),
            None => Vec::new(),
        };
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        if let Self::Sha256(hash) = self {
            let is_known = claims.iter().any(|claim| claim.sha256 == Some(*hash));
            if is_known { known.push(*hash) } else { unknown.push(*hash) }
        }
        Ok(Found { claims, known, unknown, ..Found::default() })
    }
}
