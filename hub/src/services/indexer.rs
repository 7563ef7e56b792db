//! Scans: from the folders on disk to the index.
//!
//! One scan at a time, both roots side by side. Walking and writing are separate stages with a
//! bounded channel between them. What the walk found counts at once; that something is *gone* counts
//! only when the walk has ended and the root was there before and after.

mod accept;
mod digest;
mod disks;
mod linked;
mod links;
mod reconcile;
mod root_scan;
mod scanning;
mod seen;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::background::{BackgroundJobView, Runner, view};
use super::context::ServiceContext;
use super::events::until_roots_change;
use super::{ErrorKind, ServiceError};
use crate::domain::ids::{BackgroundJobId, RootRowId};
use crate::domain::root::Root;
use crate::domain::scan::{ScanReport, ScanRequest};
use crate::domain::size::counted;
use crate::storage::history::{Level, NewLine};
use crate::storage::roots::RootRow;
use crate::storage::views::{Page, PageRequest};
use crate::storage::{Connection, StorageError, background, index};

use scanning::Scanning;

/// A scan as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ScanView {
    #[serde(flatten)]
    pub job: BackgroundJobView,
    /// What it found out.
    #[serde(flatten)]
    pub report: ScanReport,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: jiff::Timestamp,
}

/// Scans; clones share them.
#[derive(Clone)]
pub struct Indexer {
    context: ServiceContext,
    runner: Runner<Scanning>,
    reconcile: Arc<tokio::sync::Notify>,
    links: links::Turns,
}

impl Indexer {
    pub(super) async fn start(context: ServiceContext) -> Result<Self, ServiceError> {
        let n_left_out = context.database.write(|tx| index::leave_out_excluded(tx)).await?;
        if n_left_out > 0 {
            let summary = format!(
                "{} left the index: trashes, snapshots and half downloads are no library",
                counted(n_left_out, "file")
            );
            context.history.add(NewLine::new("scan", Level::Info, summary)).await;
        }
        let reconcile: Arc<tokio::sync::Notify> = Arc::default();
        let scanning = Scanning { context: context.clone(), reconcile: Arc::clone(&reconcile) };
        let runner = Runner::start(scanning, &context).await?;
        let indexer = Self { context, runner, reconcile, links: links::Turns::default() };
        reconcile::start(&indexer);
        indexer.start_by_itself();
        Ok(indexer)
    }

    /// Starts a scan of these roots, behind one that is under way; what the folders hold at this
    /// moment will be seen. A scan that waits and covers the roots is joined; one under way is not: it may have passed
    /// what the caller wants to be seen.
    pub async fn begin(&self, mut wanted: Vec<Root>) -> Result<BackgroundJobId, ServiceError> {
        let roots = &self.context.roots;
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one root: \"local\" or \"lake\"."));
        }
        roots.refresh(&self.context.tasks).await;
        let reachable: Vec<_> = wanted.iter().map(|root| roots.live(*root)).collect();
        if reachable.iter().all(Result::is_err)
            && let Some(Err(error)) = reachable.into_iter().next()
        {
            return Err(error);
        }
        // A root without a folder takes no part; one that can't be reached does, and fails.
        wanted.retain(|root| !matches!(roots.live(*root), Err(ServiceError::NotConfigured(_))));
        self.context.ends.check_writable()?;
        self.runner.add(ScanRequest { roots: wanted }).await
    }

    /// Stops a scan; what it has written so far stays. One that waits for its turn never begins.
    pub async fn cancel(&self, id: BackgroundJobId) -> Result<(), ServiceError> {
        self.runner.cancel(id).await
    }

    /// A scan as it is now.
    pub async fn show(&self, id: BackgroundJobId) -> Result<ScanView, ServiceError> {
        self.runner.show(id).await
    }

    /// The last scan of a root.
    pub fn last_of(connection: &Connection, root: &RootRow) -> Result<Option<ScanView>, StorageError> {
        let Some(id) = root.last_scan else { return Ok(None) };
        Ok(background::show::<Scanning>(connection, id)?.map(|row| view::stored::<Scanning>(&row)))
    }

    /// The scan under way.
    pub fn current(&self) -> Option<ScanView> {
        self.runner.running().pop()
    }

    /// The latest scans, newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<ScanView>, ServiceError> {
        self.runner.list(request).await
    }

    /// Scans a root of which too little is known as soon as it is there, and all roots every
    /// `SCAN_INTERVAL_MINUTES`.
    fn start_by_itself(&self) {
        let this = self.clone();
        self.context.tasks.spawn(async move {
            let mut events = this.context.events.subscribe();
            let mut last = std::time::Instant::now();
            let mut asked = HashSet::new();
            loop {
                let never = this.never_recorded(&mut asked).await;
                let due =
                    this.context.settings.current().scan_interval.is_some_and(|interval| last.elapsed() >= interval);
                let wanted = if due { Root::ALL.to_vec() } else { never };
                if !wanted.is_empty() && this.current().is_none() && this.context.ends.check_writable().is_ok() {
                    last = std::time::Instant::now();
                    if let Err(error) = this.begin(wanted).await {
                        tracing::info!(%error, "a scan did not start by itself");
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(30)) => {}
                    () = until_roots_change(&mut events) => {}
                    () = this.context.tasks.token().cancelled() => return,
                }
            }
        });
    }

    /// Roots that were never scanned, and those whose last scan tells nothing of what it has not seen, as a
    /// hub of before left them: these are asked for once only, as a scan may be cancelled.
    async fn never_recorded(&self, asked: &mut HashSet<RootRowId>) -> Vec<Root> {
        let live: Vec<Root> = Root::ALL.into_iter().filter(|root| self.context.roots.live(*root).is_ok()).collect();
        let found = self.context.database.read(move |connection| {
            let rows = live.into_iter().map(|root| crate::storage::roots::active(connection, root));
            rows.collect::<Result<Vec<_>, _>>()
        });
        let rows = found.await.unwrap_or_default().into_iter().flatten();
        rows.filter(|row| row.last_scan.is_none() || row.conclusive_scan.is_none() && asked.insert(row.id))
            .map(|row| row.root)
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
