//! Where contents can be fetched from publicly: the Lake's `.model_sources.json`, kept for people and
//! tools, checked on request, and asked by whoever hands out downloads.
//!
//! The file is the truth, and others write it too. It is read again whenever it changed, and each change
//! of ours is made to what is there at that moment (`store`). Looks at addresses are made by
//! `check`, one by one, by the rules of [`super::outbound`].

mod check;
mod coverage;
mod discovery;
mod look;
mod probe;
mod store;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use shared_protocol::job::{AssetSource, Bearer};
use shared_protocol::{Allowed, Blake3, Gate, Secret, Sha256, SourceUrl};

use super::context::ServiceContext;
use super::outbound::{self, Outbound};
use super::{ErrorKind, Event, Events, History, Models, Roots, ServiceError, Settings};
use crate::domain::sources::record::MANUAL;
use crate::domain::sources::verdict::{ProbeAnswer, Wanted};
use crate::domain::sources::{Address, Record, SourceVerdict, SourcesError, Standing, Unusable};
use crate::storage::history::{Level, NewLine};
use crate::storage::views::contents::{self, ContentView};
use crate::storage::views::{Page, PageRequest};
use crate::storage::{Database, now_ms, timestamp};

pub use check::{SourceCheckView, SourceChecks};
pub use coverage::{CoverageView, Covered};
pub use discovery::{Discoveries, DiscoveryView};
pub use look::LookView;

use store::Cached;

/// Most addresses of one content; nobody has more, and the file is read whole.
pub const MOST_ADDRESSES: usize = 100;

/// A content of the file with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    pub hash: Blake3,
    /// Its size, as written.
    pub size_bytes: Option<u64>,
    /// Its names, as written.
    pub names: Vec<String>,
    /// Its SHA-256, as written.
    pub sha256: Option<Sha256>,
    /// The addresses that may be fetched from, as written.
    pub urls: Vec<Address>,
    /// Those that may not, and are left alone.
    pub unusable: Vec<Unusable>,
}

/// Which contents a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFilter {
    /// Words that a name, an address or the hash has, in any case.
    pub search: Option<String>,
    /// How at least one of its addresses stands.
    pub standing: Option<Standing>,
    /// Contents of the library that can be had so, those without an address among them.
    pub covered: Option<Covered>,
}

/// How long a list waits for the Lake's file.
const PATIENCE_OF_LISTS: Duration = Duration::from_millis(500);

/// Keeps addresses; clones share them.
#[derive(Clone)]
pub struct Sources {
    settings: Settings,
    database: Database,
    roots: Roots,
    events: Events,
    history: History,
    outbound: Outbound,
    models: Arc<Models>,
    cached: Arc<Mutex<Option<Cached>>>,
    /// Held while the file is changed, so that changes of this hub follow one another.
    writing: Arc<Mutex<()>>,
}

impl Sources {
    pub(super) fn new(context: ServiceContext, models: Models) -> Self {
        let ServiceContext { settings, database, roots, events, history, .. } = context;
        Self {
            settings,
            database,
            roots,
            events,
            history,
            outbound: Outbound::new(),
            models: Arc::new(models),
            cached: Arc::default(),
            writing: Arc::default(),
        }
    }

    /// The addresses of a content in the order in which to try them: those that were found to be right
    /// first, those that were not last.
    pub async fn addresses_of(&self, hash: &Blake3) -> Result<Vec<Address>, ServiceError> {
        let file = self.read().await?;
        let record = file.record(hash).map_err(|error| damaged(&error))?;
        let mut addresses = record.map(|record| record.addresses(self.allowed())).unwrap_or_default();
        addresses.sort_by_key(Address::rank);
        Ok(addresses)
    }

    /// How many addresses each of these contents has. Lists do not wait for a Lake that is slow: none are told then.
    pub async fn count_addresses(&self, contents: &[Option<Blake3>]) -> Vec<u64> {
        let Ok(Ok(file)) = tokio::time::timeout(PATIENCE_OF_LISTS, self.read()).await else {
            return vec![0; contents.len()];
        };
        let count =
            |content: &Blake3| file.record(content).ok().flatten().map(|found| found.addresses(self.allowed()).len());
        contents.iter().map(|content| content.as_ref().and_then(count).unwrap_or_default() as u64).collect()
    }

    /// The token that is set for a site, for whoever sends it there and nowhere else.
    pub fn token(&self, gate: Gate) -> Option<Secret> {
        outbound::token_of(&self.settings.current(), gate).cloned()
    }

    /// Looks at an address at once: what came of it, and what its site told.
    pub async fn look(&self, url: &SourceUrl, wanted: &Wanted) -> (SourceVerdict, ProbeAnswer) {
        probe::probe(&self.outbound, &self.settings.current(), url, wanted).await
    }

    /// An address with what opens it, for an order.
    pub fn source(&self, url: &SourceUrl) -> AssetSource {
        let gate = url.web().gate();
        let bearer = gate.and_then(|gate| Some(Bearer { host: gate.host().to_owned(), token: self.token(gate)? }));
        AssetSource::Public { url: url.as_str().to_owned(), bearer }
    }

    /// Which networks addresses may lead to.
    pub fn allowed(&self) -> Allowed {
        outbound::allowed(&self.settings.current())
    }

    /// A page of the contents by name.
    pub async fn list(&self, filter: &SourceFilter, page: &PageRequest) -> Result<Page<SourceRecord>, ServiceError> {
        let allowed = self.allowed();
        let records = match filter.covered {
            Some(covered) => self.covered_records(covered).await?,
            None => self.read().await?.records().map(|(hash, record)| view(hash, record, allowed)).collect(),
        };
        let words = filter.search.as_deref().unwrap_or_default().to_lowercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut found: Vec<(String, SourceRecord)> = records
            .into_iter()
            .filter(|record| words.iter().all(|word| has_word(record, word)) && stands(record, filter.standing))
            .map(|record| (title(&record).to_lowercase(), record))
            .collect();
        found.sort_unstable_by(|a, b| (&a.0, a.1.hash).cmp(&(&b.0, b.1.hash)));
        Ok(page.cut(found, |(name, record)| (name.clone(), record.hash))?.map(|(_, record)| record))
    }

    /// What is written of a content.
    pub async fn show(&self, hash: &Blake3) -> Result<SourceRecord, ServiceError> {
        self.find(hash).await?.ok_or_else(|| ServiceError::not_found("content in the file of addresses"))
    }

    /// The same; none if nothing is written of it.
    pub async fn find(&self, hash: &Blake3) -> Result<Option<SourceRecord>, ServiceError> {
        let file = self.read().await?;
        let record = file.record(hash).map_err(|error| damaged(&error))?;
        Ok(record.map(|record| view(*hash, record, self.allowed())))
    }

    /// Makes the addresses of a content be exactly these.
    pub async fn replace(&self, hash: Blake3, urls: &[String]) -> Result<SourceRecord, ServiceError> {
        if urls.is_empty() {
            let text = "Name at least one address, or remove the content with DELETE.";
            return Err(ServiceError::said(ErrorKind::Impossible, text));
        }
        let urls: Vec<SourceUrl> = urls.iter().map(|url| self.parse(url)).collect::<Result<_, _>>()?;
        let content = self.content(hash).await?;
        let now = timestamp(now_ms());
        let record = self
            .change(hash, move |record| {
                record.replace(&urls, now).map_err(|error| damaged(&error))?;
                with_facts(record, content.as_ref())
            })
            .await?;
        self.tell_change(format!("Set the addresses of {}", title(&record))).await;
        Ok(record)
    }

    /// Adds an address that a person named. One that is there already is no error.
    pub async fn add(&self, hash: Blake3, url: &str) -> Result<SourceRecord, ServiceError> {
        let url = self.parse(url)?;
        let content = self.content(hash).await?;
        let now = timestamp(now_ms());
        let record = self
            .change(hash, move |record| {
                record.add(&url, MANUAL, now).map_err(|error| damaged(&error))?;
                with_facts(record, content.as_ref())
            })
            .await?;
        self.tell_change(format!("Added an address of {}", title(&record))).await;
        Ok(record)
    }

    /// Removes one address; with the last one goes the content.
    pub async fn remove_address(&self, hash: Blake3, url: String) -> Result<(), ServiceError> {
        let allowed = self.allowed();
        let was_there = self
            .edit(move |file| {
                let known = file.record(&hash).map_err(|error| damaged(&error))?;
                let Some(mut record) = known.cloned() else { return Ok(false) };
                let was_there = record.remove(&url, allowed);
                if record.is_empty() {
                    file.remove(&hash);
                } else {
                    file.set(&hash, record);
                }
                Ok(was_there)
            })
            .await?;
        if !was_there {
            return Err(ServiceError::not_found("address of this content"));
        }
        self.tell_change("Removed an address".to_owned()).await;
        Ok(())
    }

    /// Forgets all addresses of a content.
    pub async fn remove(&self, hash: Blake3) -> Result<(), ServiceError> {
        if !self.edit(move |file| Ok(file.remove(&hash))).await? {
            return Err(ServiceError::not_found("content in the file of addresses"));
        }
        self.tell_change("Removed all addresses of a content".to_owned()).await;
        Ok(())
    }

    /// Where the files of a content lie, for pages that lead there.
    pub async fn content(&self, hash: Blake3) -> Result<Option<ContentView>, ServiceError> {
        Ok(self.database.read(move |connection| contents::show(connection, &hash)).await?)
    }

    /// Changes what is written of one content.
    async fn change(
        &self,
        hash: Blake3,
        change: impl Fn(&mut Record) -> Result<(), ServiceError> + Send + 'static,
    ) -> Result<SourceRecord, ServiceError> {
        let allowed = self.allowed();
        self.edit(move |file| {
            let known = file.record(&hash).map_err(|error| damaged(&error))?;
            let mut record = known.cloned().unwrap_or_default();
            change(&mut record)?;
            if record.addresses(allowed).len() > MOST_ADDRESSES {
                let text = format!("A content has {MOST_ADDRESSES} addresses at most.");
                return Err(ServiceError::said(ErrorKind::Impossible, text));
            }
            let shown = view(hash, &record, allowed);
            file.set(&hash, record);
            Ok(shown)
        })
        .await
    }

    fn parse(&self, url: &str) -> Result<SourceUrl, ServiceError> {
        SourceUrl::parse(url, self.allowed())
            .map_err(|error| ServiceError::said(ErrorKind::Impossible, format!("This address can't be kept: {error}.")))
    }

    async fn tell_change(&self, summary: String) {
        self.events.send(Event::SourcesChanged);
        self.history.add(NewLine::new("sources", Level::Info, summary)).await;
    }
}

fn view(hash: Blake3, record: &Record, allowed: Allowed) -> SourceRecord {
    SourceRecord {
        hash,
        size_bytes: record.size_bytes(),
        names: record.names(),
        sha256: record.sha256(),
        urls: record.addresses(allowed),
        unusable: record.unusable(allowed),
    }
}

/// A record keeps what it has of a content that the index does not have; one of nothing is refused.
fn with_facts(record: &mut Record, content: Option<&ContentView>) -> Result<(), ServiceError> {
    match content {
        Some(content) => record.set_facts(&content.facts).map_err(|error| damaged(&error)),
        None if record.size_bytes().is_some() => Ok(()),
        None => Err(ServiceError::said(
            ErrorKind::NotFound,
            "No file of either folder has this content: scan and hash the file first.",
        )),
    }
}

fn has_word(record: &SourceRecord, word: &str) -> bool {
    record.names.iter().any(|name| name.to_lowercase().contains(word))
        || record.hash.to_string().contains(word)
        || record.urls.iter().any(|address| address.url.as_str().to_lowercase().contains(word))
}

fn stands(record: &SourceRecord, standing: Option<Standing>) -> bool {
    standing.is_none_or(|standing| record.urls.iter().any(|address| standing.is_made_by(address.status.as_deref())))
}

fn title(record: &SourceRecord) -> String {
    record.names.first().cloned().unwrap_or_else(|| record.hash.to_string())
}

fn damaged(error: &SourcesError) -> ServiceError {
    store::unusable(error)
}
