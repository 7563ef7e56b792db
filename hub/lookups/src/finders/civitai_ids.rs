//! Which of up to 10,000 digests Civitai knows, in one question.
//!
//! `POST /api/v1/model-versions/by-hash/ids` takes a JSON array of SHA-256 and answers
//! `[{modelVersionId, hash}]` (with `modelId` in later versions), one entry for each file: `civitai/civitai`,
//! `src/pages/api/v1/model-versions/by-hash/ids.ts` (`.max(10000)`, published versions only, hashes in capitals).

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::json;
use shared_protocol::Sha256;

use super::told_apart;
use crate::answer::{Answer, AnswerError};
use crate::finder::{Finder, Found};
use crate::json::{Entries, Text, parse, sha256};
use crate::request::Request;
use crate::sites::{Site, Sites};

/// Digests that are asked for at once.
pub const MAX_IDS: usize = 10_000;

/// A digest may be in several versions.
const MAX_ENTRIES: usize = 5 * MAX_IDS;

/// Each entry is some 120 bytes.
const MAX_BYTES: usize = 16 << 20;

/// Which of these Civitai knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CivitaiIds {
    /// At most [`MAX_IDS`]; more are not asked for.
    pub hashes: Vec<Sha256>,
}

#[derive(Deserialize)]
struct Entry {
    hash: Text,
}

impl Finder for CivitaiIds {
    fn site(&self) -> Site {
        Site::Civitai
    }

    fn request(&self, sites: &Sites) -> Option<Request> {
        let hashes: Vec<String> = self.hashes.iter().take(MAX_IDS).map(Sha256::to_hex).collect();
        let url = sites.at(Site::Civitai, &["api", "v1", "model-versions", "by-hash", "ids"], &[])?;
        (!hashes.is_empty()).then(|| Request::post(Site::Civitai, url, &json!(hashes), MAX_BYTES).anonymous())
    }

    fn read(&self, answer: &Answer, _: &Sites) -> Result<Found, AnswerError> {
        let entries: Entries<'_, MAX_ENTRIES> = parse(answer.data(MAX_BYTES)?)?;
        let (entries, n_unreadable) = entries.read::<Entry>();
        let found: HashSet<Sha256> = entries.iter().filter_map(|entry| sha256(&entry.hash.0)).collect();
        let asked = self.hashes.get(..MAX_IDS).unwrap_or(&self.hashes);
        let (known, unknown) = told_apart(asked, &found);
        Ok(Found { known, unknown, n_unreadable, ..Found::default() })
    }
}
