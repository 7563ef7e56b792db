//! What Civitai knows of up to 100 digests.
//!
//! `POST /api/v1/model-versions/by-hash` takes a JSON array of SHA-256 and answers a list of whole versions, `null`
//! among them: `civitai/civitai`, `src/pages/api/v1/model-versions/by-hash/index.ts` (`.max(100)`).

use std::collections::HashSet;

use serde_json::json;
use shared_protocol::Sha256;

use super::civitai_version::{Version, oldest_first};
use super::told_apart;
use crate::answer::{Answer, AnswerError};
use crate::finder::{Finder, Found};
use crate::json::{Entries, parse};
use crate::request::Request;
use crate::sites::{Site, Sites};

/// Digests that are asked for at once.
pub const MAX_DETAILS: usize = 100;

/// A digest may be in several versions.
const MAX_VERSIONS: usize = 20 * MAX_DETAILS;

/// Versions come with ten pictures each, and those with whole workflows.
const MAX_BYTES: usize = 64 << 20;

/// What Civitai knows of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CivitaiDetails {
    /// At most [`MAX_DETAILS`]; more are not asked for.
    pub hashes: Vec<Sha256>,
}

impl Finder for CivitaiDetails {
    fn site(&self) -> Site {
        Site::Civitai
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let hashes: Vec<String> = self.hashes.iter().take(MAX_DETAILS).map(Sha256::to_hex).collect();
        let url = sites.at(Site::Civitai, &["api", "v1", "model-versions", "by-hash"], &[])?;
        (!hashes.is_empty()).then(|| Request::post(Site::Civitai, url, &json!(hashes), MAX_BYTES).anonymous())
    }

    fn read(&self, answer: &Answer, sites: &Sites) -> Result<Found, AnswerError> {
        let entries: Entries<'_, MAX_VERSIONS> = parse(answer.data(MAX_BYTES)?)?;
        let (mut versions, n_unreadable) = entries.read::<Version>();
        oldest_first(&mut versions);
        let asked = self.hashes.get(..MAX_DETAILS).unwrap_or(&self.hashes);
        let wanted: HashSet<Sha256> = asked.iter().copied().collect();
        let mut claims = Vec::new();
        for version in &versions {
            let theirs = version.claims(sites);
            let is_ours = |hash: Option<Sha256>| hash.is_none_or(|hash| wanted.contains(&hash));
            claims.extend(
                theirs.into_iter().filter(|claim| is_ours(claim.sha256) && !claims.contains(claim)).collect::<Vec<_>>(),
            );
        }
        let found: HashSet<Sha256> = claims.iter().filter_map(|claim| claim.sha256).collect();
        let (known, unknown) = told_apart(asked, &found);
        Ok(Found { claims, known, unknown, n_unreadable, ..Found::default() })
    }
}
