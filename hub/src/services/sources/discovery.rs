//! Looking up where contents can be had: the sites that a person allowed are asked, batches first, and what is proved
//! is written into the Lake's file of addresses.
//!
//! A run is a background job. Which question comes next is decided by [`lookups::Run`]; here questions are sent, answers
//! kept, and addresses written every few seconds, so one that is stopped or killed loses little. What was answered lately
//! is not asked again, unless contents are named one by one.

mod asking;
mod probing;
mod round;

use std::collections::BTreeMap;

use jiff::Timestamp;
use lookups::Site;
use serde::{Deserialize, Serialize};

use super::Sources;
use crate::domain::background::WorkState;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::domain::size::count;
use crate::domain::sources::said::LookupScope;
use crate::services::background::{BackgroundJobView, Job, JobWork, Runner};
use crate::services::context::ServiceContext;
use crate::services::{ErrorKind, Event, ServiceError, Tasks};
use crate::storage::background::{BackgroundKind, RowOf};
use crate::storage::history::{Level, NewLine};
use crate::storage::views::{Page, PageRequest};
use crate::storage::{StorageError, lookups as stored};

pub(super) use round::told;

/// What came of a run of look-ups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct DiscoveryReport {
    /// Contents that were asked about, now or lately.
    pub n_asked: u64,
    /// Of those, contents that can be had at an address, by their digest.
    pub n_found: u64,
    /// Contents that can be had as far as size and a range of their data tell.
    pub n_likely: u64,
    /// Contents that nobody who was asked knows.
    pub n_not_found: u64,
    /// Contents whose SHA-256 is not known: no site can be asked for them by it.
    pub n_without_sha256: u64,
    /// Addresses that are new.
    pub n_new: u64,
    /// The same for each site that was asked.
    #[schema(value_type = BTreeMap<String, FinderReport>)]
    pub by_finder: BTreeMap<Site, FinderReport>,
    /// Requests that were sent, to all of them.
    pub requests: u64,
}

/// What came of asking one site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct FinderReport {
    /// Requests that were sent there.
    pub requests: u64,
    /// Addresses that it told and that were proved.
    pub n_found: u64,
    /// Questions that nothing came of.
    pub n_failed: u64,
    /// Why it was left alone for the rest of the run.
    pub resting: Option<String>,
}

/// A run of look-ups, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DiscoveryView {
    #[serde(flatten)]
    pub job: BackgroundJobView,
    #[serde(flatten)]
    pub report: DiscoveryReport,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
}

/// Runs of look-ups; clones share them.
#[derive(Clone)]
pub struct Discoveries {
    sources: Sources,
    runner: Runner<Discovering>,
}

/// How look-ups are done.
#[derive(Clone)]
struct Discovering {
    sources: Sources,
    tasks: Tasks,
}

impl Discoveries {
    pub(in crate::services) async fn start_service(
        sources: Sources,
        context: &ServiceContext,
    ) -> Result<Self, StorageError> {
        let work = Discovering { sources: sources.clone(), tasks: context.tasks.clone() };
        Ok(Self { sources, runner: Runner::start(work, context).await? })
    }

    /// Looks up the contents of a scope. What waits already and does the same is joined.
    pub async fn start(&self, scope: LookupScope) -> Result<BackgroundJobId, ServiceError> {
        if self.sources.settings.current().lookups.allowed.is_empty() {
            let text = "No site may be asked. Allow some on the page Sources, or in the setting LOOKUPS.";
            return Err(ServiceError::said(ErrorKind::Conflict, text));
        }
        self.sources.roots.live_writable(Root::Lake)?;
        self.sources.models.refresh_to_show().await?;
        let asked = scope.clone();
        let found = self.sources.database.read(move |connection| stored::sought(connection, &asked)).await?;
        if let Some(hashes) = &scope.hashes {
            let is_there = |hash: &&shared_protocol::Blake3| found.iter().any(|content| content.hash == **hash);
            let missing: Vec<_> = hashes.iter().filter(|hash| !is_there(hash)).collect();
            ServiceError::refuse_if_all(&missing, hashes.len(), "No model of either folder has this content.")?;
        } else if found.is_empty() {
            let text = "There is no model whose hash is known: scan and hash the folders first.";
            return Err(ServiceError::said(ErrorKind::Impossible, text));
        }
        self.runner.add(scope).await
    }

    /// A run as it is now.
    pub async fn show(&self, id: BackgroundJobId) -> Result<DiscoveryView, ServiceError> {
        self.runner.show(id).await
    }

    /// The latest runs, newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<DiscoveryView>, ServiceError> {
        self.runner.list(request).await
    }

    /// Stops a run; what was found stays found.
    pub async fn cancel(&self, id: BackgroundJobId) -> Result<(), ServiceError> {
        self.runner.cancel(id).await
    }
}

impl BackgroundKind for Discovering {
    const KIND: &'static str = "discovery";
    type Payload = LookupScope;
    type Report = DiscoveryReport;

    fn queue(_: &LookupScope) -> &'static str {
        ""
    }
}

impl JobWork for Discovering {
    const NAME: &'static str = "run of look-ups";
    const QUEUES: &'static [&'static str] = &[""];
    type Found = ();
    type View = DiscoveryView;

    fn covers(waiting: &LookupScope, asked: &LookupScope) -> bool {
        waiting == asked
    }

    fn run(&self, job: &Job<Self>) -> Result<(), ServiceError> {
        tokio::runtime::Handle::current().block_on(self.ask_all(job))
    }

    fn history(row: &RowOf<Self>) -> Vec<NewLine> {
        let level = if row.state == WorkState::Failed { Level::Error } else { Level::Info };
        let spelled = |n: u64| count(i64::try_from(n).unwrap_or(i64::MAX));
        let DiscoveryReport { n_asked, n_found, n_likely, n_new, requests, .. } = &row.report;
        let summary = format!(
            "Looked up {} contents with {} requests: {} are public, {} likely, {} addresses are new",
            spelled(*n_asked),
            spelled(*requests),
            spelled(*n_found),
            spelled(*n_likely),
            spelled(*n_new)
        );
        let line = NewLine::new("sources", level, summary);
        vec![match &row.detail {
            Some(detail) => line.detail(detail.clone()),
            None => line,
        }]
    }

    fn tell_end(&self, _: &RowOf<Self>) {
        self.sources.events.send(Event::SourcesChanged);
    }

    fn event(id: BackgroundJobId) -> Event {
        Event::DiscoveryChanged(id)
    }

    fn view(row: &RowOf<Self>, job: BackgroundJobView) -> DiscoveryView {
        DiscoveryView { report: row.report.clone(), started_at: row.created_at, job }
    }
}
