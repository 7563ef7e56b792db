//! Whether contents can be had again: what the file of addresses says of each, and what sites answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lookups::{Coverage, Evidence, Kept, Site, coverage, is_at_risk};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, Sha256};

use super::discovery::told;
use super::{PATIENCE_OF_LISTS, SourceRecord, Sources, view};
use crate::domain::sources::{Address, Record, SourcesFile};
use crate::services::ServiceError;
use crate::storage::lookups::{self as stored, KnownContent, SiteAnswer};
use crate::storage::views::contents;

/// Contents that a list shows, by whether they can be had again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Covered {
    /// At an address, by the digest.
    Public,
    /// At an address, as far as size and some data tell.
    Likely,
    /// Known to nobody who was asked.
    PrivateOnly,
    /// Public once, and not any more.
    Gone,
    /// Nobody was asked yet.
    Unknown,
    /// Gone, and only one folder has a copy.
    AtRisk,
}

impl Covered {
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name in addresses and in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Public => Coverage::Public.label(),
            Self::Likely => Coverage::Likely.label(),
            Self::PrivateOnly => Coverage::PrivateOnly.label(),
            Self::Gone => Coverage::Gone.label(),
            Self::Unknown => "Not looked up",
            Self::AtRisk => "At risk",
        }
    }

    /// What it means, in a sentence for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Public => "At an address whose file has the same digest: it can be downloaded again.",
            Self::Likely => "At an address whose file has the same size and, in part, the same data.",
            Self::PrivateOnly => "Nobody who was asked knows it: keep it.",
            Self::Gone => "It was public once, and is not any more: keep it.",
            Self::Unknown => "Nobody was asked yet.",
            Self::AtRisk => "No longer public, and only one of your folders has a copy.",
        }
    }

    /// Of a content that can be had so.
    pub fn of(coverage: Option<Coverage>) -> Self {
        match coverage {
            Some(Coverage::Public) => Self::Public,
            Some(Coverage::Likely) => Self::Likely,
            Some(Coverage::PrivateOnly) => Self::PrivateOnly,
            Some(Coverage::Gone) => Self::Gone,
            None => Self::Unknown,
        }
    }
}

/// How many contents, and how large they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CoveredSum {
    /// Contents.
    pub n: u64,
    pub size_bytes: u64,
}

/// The whole library by whether it can be had again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CoverageView {
    /// By `public`, `likely`, `private_only`, `gone`, `unknown`, and `at_risk`, which are part of those that are gone.
    #[schema(value_type = BTreeMap<String, CoveredSum>)]
    pub by_coverage: BTreeMap<Covered, CoveredSum>,
    /// Models whose content is not known yet: they can't be looked up.
    pub n_unhashed: u64,
    /// Contents without a SHA-256: no site can be asked for them by it.
    pub n_without_sha256: u64,
}

/// All that tells whether contents can be had again, as it is now.
pub(super) struct CoverageFacts {
    file: std::sync::Arc<SourcesFile>,
    answers: HashMap<Sha256, Vec<SiteAnswer>>,
    asked: BTreeSet<Site>,
    allowed: shared_protocol::Allowed,
}

impl CoverageFacts {
    fn of(&self, hash: &Blake3, sha256: Option<&Sha256>) -> Option<Coverage> {
        let record = self.file.record(hash).ok().flatten();
        let answers = sha256.and_then(|sha256| self.answers.get(sha256)).map(Vec::as_slice).unwrap_or_default();
        coverage(&evidence(record, answers, &self.asked, self.allowed))
    }

    fn covered(&self, content: &KnownContent) -> (Covered, bool) {
        let coverage = self.of(&content.hash, content.sha256.as_ref());
        (Covered::of(coverage), is_at_risk(coverage, Kept { n_copies: content.n_roots }))
    }
}

fn evidence(
    record: Option<&Record>,
    answers: &[SiteAnswer],
    asked: &BTreeSet<Site>,
    allowed: shared_protocol::Allowed,
) -> Evidence {
    let said: Vec<_> = answers.iter().map(|answer| (answer.site, answer.said)).collect();
    let (is_asked, is_told_gone) = told(&said, asked);
    let addresses = record.map(|record| record.addresses(allowed)).unwrap_or_default();
    Evidence { addresses: addresses.iter().filter_map(Address::state).collect(), is_told_gone, is_asked }
}

impl Sources {
    async fn coverage_facts(&self) -> Result<CoverageFacts, ServiceError> {
        self.models.refresh_to_show().await?;
        let file = self.read().await?;
        let answers = self.database.read(stored::answers).await?;
        Ok(CoverageFacts { file, answers, asked: self.asked(), allowed: self.allowed() })
    }

    /// Whether these contents can be had again, of those of which that is known. Lists do not wait for a Lake that is slow:
    /// nothing is told then.
    pub async fn coverages(&self, contents: Vec<Blake3>) -> Result<HashMap<Blake3, Coverage>, ServiceError> {
        let Ok(Ok(file)) = tokio::time::timeout(PATIENCE_OF_LISTS, self.read()).await else {
            return Ok(HashMap::new());
        };
        let (allowed, asked) = (self.allowed(), self.asked());
        let read = move |connection: &_| {
            let mut found = HashMap::new();
            for hash in contents {
                let answers = match contents::sha256(connection, &hash)? {
                    Some(sha256) => stored::answers_of(connection, Some(&sha256))?,
                    None => Vec::new(),
                };
                let record = file.record(&hash).ok().flatten();
                found.extend(coverage(&evidence(record, &answers, &asked, allowed)).map(|coverage| (hash, coverage)));
            }
            Ok(found)
        };
        Ok(self.database.read(read).await?)
    }

    /// Who may be asked.
    fn asked(&self) -> BTreeSet<Site> {
        self.settings.current().lookups.allowed.iter().copied().collect()
    }

    /// The whole library by whether it can be had again.
    pub async fn coverage(&self) -> Result<CoverageView, ServiceError> {
        let facts = self.coverage_facts().await?;
        let read = |connection: &_| Ok((stored::known(connection)?, stored::count_unhashed(connection)?));
        let (contents, n_unhashed) = self.database.read(read).await?;
        let mut by_coverage: BTreeMap<Covered, CoveredSum> =
            Covered::ALL.iter().map(|covered| (*covered, CoveredSum::default())).collect();
        for content in &contents {
            let (covered, is_at_risk) = facts.covered(content);
            for covered in [Some(covered), is_at_risk.then_some(Covered::AtRisk)].into_iter().flatten() {
                let sum = by_coverage.entry(covered).or_default();
                sum.n += 1;
                sum.size_bytes += content.size_bytes;
            }
        }
        let n_without_sha256 = contents.iter().filter(|content| content.sha256.is_none()).count() as u64;
        Ok(CoverageView { by_coverage, n_unhashed, n_without_sha256 })
    }

    /// The contents of the library that are covered so, by name, with what is written of each.
    pub(super) async fn covered_records(&self, wanted: Covered) -> Result<Vec<SourceRecord>, ServiceError> {
        let facts = self.coverage_facts().await?;
        let contents = self.database.read(stored::known).await?;
        let is_wanted = |content: &&KnownContent| {
            let (covered, is_at_risk) = facts.covered(content);
            covered == wanted || wanted == Covered::AtRisk && is_at_risk
        };
        let record = |content: &KnownContent| {
            let written = facts.file.record(&content.hash).ok().flatten();
            let record = written.map(|record| view(content.hash, record, facts.allowed));
            record.unwrap_or_else(|| SourceRecord {
                hash: content.hash,
                size_bytes: Some(content.size_bytes),
                names: vec![content.name.clone()],
                sha256: content.sha256,
                urls: Vec::new(),
                unusable: Vec::new(),
            })
        };
        Ok(contents.iter().filter(is_wanted).map(record).collect())
    }
}
