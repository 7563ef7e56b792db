//! Searching for duplicates.
//!
//! A search is a row in the database and runs by itself, one after the other. What it reads goes into
//! the hash cache and beside it, so that one that was interrupted is soon where it was, and the next
//! one reads only what has changed. Its result replaces that of the search before in one commit; a
//! search that was stopped or failed changes nothing.

mod lanes;
mod plan;
mod read;
mod run;
mod stage;
mod weights;

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use super::busy::Busy;
use super::context::ServiceContext;
use super::{Comparer, Ends, ErrorKind, Event, Events, History, Roots, ServiceError, Settings, Tasks};
use crate::domain::ids::{DuplicateScanId, FileId};
use crate::domain::root::Root;
use crate::domain::scan::WorkState;
use crate::fs::CancelFlag;
use crate::storage::duplicates::{self, DuplicateScanRow, Scope};
use crate::storage::views::{Page, PageRequest};
use crate::storage::{Database, now_ms, timestamp};

pub use plan::{Keep, keeper, resolution};
pub use stage::Stage;

use stage::Progress;

/// A search for duplicates as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DuplicateScanView {
    /// Its id.
    pub id: DuplicateScanId,
    /// In which roots, also across them.
    pub roots: Vec<Root>,
    /// Smaller files are left alone.
    pub min_size: u64,
    /// How far it is.
    pub state: WorkState,
    /// What it does at the moment.
    pub stage: Option<Stage>,
    /// Names whose size occurs more than once.
    pub n_candidates: u64,
    /// Files of this stage that are done.
    pub n_done: u64,
    /// Files of this stage.
    pub n_total: u64,
    /// Bytes of this stage that are done.
    pub bytes_done: u64,
    /// Bytes of this stage.
    pub bytes_total: u64,
    /// How fast it reads.
    pub bytes_per_second: u64,
    /// How long this stage will take at this rate.
    pub eta_seconds: Option<u64>,
    /// Files that could not be read, or have changed since the last scan of their root.
    pub n_failed: u64,
    /// Why it does not go on at the moment.
    pub waiting: Option<String>,
    /// Groups of equal files that it found.
    pub n_groups: u64,
    /// What one copy of each instead of all would free.
    pub reclaimable_bytes: u64,
    /// Why it ended as it did.
    pub detail: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<jiff::Timestamp>,
}

/// Searches for duplicates; clones share them.
#[derive(Clone)]
pub struct Duplicates {
    settings: Settings,
    database: Database,
    roots: Roots,
    events: Events,
    history: History,
    comparer: Comparer,
    ends: Ends,
    tasks: Tasks,
    busy: Busy,
    running: Arc<Mutex<Option<Running>>>,
    wake: Arc<tokio::sync::Notify>,
}

/// The search under way, as everyone may see it.
#[derive(Clone)]
struct Running {
    scan: DuplicateScanRow,
    progress: Progress,
    /// Files that could not be compared: each counts once, whatever was tried with it.
    failed: BTreeSet<FileId>,
    cancel: CancelFlag,
}

impl Duplicates {
    /// Goes on with the searches that the last run left.
    pub(super) fn start_service(context: ServiceContext) -> Self {
        let ServiceContext { settings, database, roots, events, history, comparer, ends, tasks, busy } = context;
        let duplicates = Self {
            settings,
            database,
            roots,
            events,
            history,
            comparer,
            ends,
            tasks,
            busy,
            running: Arc::default(),
            wake: Arc::default(),
        };
        run::start(&duplicates);
        duplicates
    }

    /// Asks for a search; one of the same scope that has not begun is joined.
    pub async fn start(&self, mut roots: Vec<Root>, min_size: u64) -> Result<DuplicateScanId, ServiceError> {
        roots.sort_unstable();
        roots.dedup();
        if roots.is_empty() {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one root: \"local\" or \"lake\"."));
        }
        for root in &roots {
            self.roots.live(*root)?;
        }
        let scope = Scope { roots, min_size: min_size.max(1) };
        let scan = self.database.write(move |tx| duplicates::insert(tx, &scope)).await?;
        self.wake.notify_one();
        self.events.send(Event::DuplicateScanChanged(scan.id));
        Ok(scan.id)
    }

    /// A search as it is now.
    pub async fn show(&self, id: DuplicateScanId) -> Result<DuplicateScanView, ServiceError> {
        let scan = self.database.read(move |connection| duplicates::show(connection, id)).await?;
        scan.map(|scan| self.view(scan)).ok_or_else(|| ServiceError::not_found("duplicate scan"))
    }

    /// The latest searches, newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<DuplicateScanView>, ServiceError> {
        let scans = self.database.read(move |connection| duplicates::list(connection, &request)).await?;
        Ok(scans.map(|scan| self.view(scan)))
    }

    /// The search whose groups are shown.
    pub async fn latest(&self) -> Result<Option<DuplicateScanView>, ServiceError> {
        let scan = self.database.read(duplicates::latest).await?;
        Ok(scan.map(|scan| self.view(scan)))
    }

    /// Stops a search; what it has read stays in the cache.
    pub async fn cancel(&self, id: DuplicateScanId) -> Result<(), ServiceError> {
        let this = self.clone();
        // The row is looked at within the transaction: a search that begins meanwhile is not missed.
        let was_waiting = self
            .database
            .write(move |tx| {
                let Some(mut scan) = duplicates::show(tx, id)? else { return Ok(None) };
                let runs = this
                    .running
                    .lock()
                    .as_ref()
                    .filter(|r| r.scan.id == id)
                    .map(|r| (r.cancel.clone(), r.scan.state.is_final()));
                if let Some((cancel, has_ended)) = runs {
                    // An end that waits for the database is one, too.
                    if !has_ended {
                        cancel.cancel();
                    }
                    return Ok(Some(!has_ended));
                }
                if scan.state.is_final() {
                    return Ok(Some(false));
                }
                scan.state = WorkState::Cancelled;
                scan.finished_at = Some(timestamp(now_ms()));
                duplicates::save(tx, &scan)?;
                Ok(Some(true))
            })
            .await?;
        match was_waiting {
            None => Err(ServiceError::not_found("duplicate scan")),
            Some(false) => {
                Err(ServiceError::said(ErrorKind::Conflict, "This search for duplicates has ended already."))
            }
            Some(true) => {
                self.events.send(Event::DuplicateScanChanged(id));
                Ok(())
            }
        }
    }

    fn view(&self, stored: DuplicateScanRow) -> DuplicateScanView {
        let running = self.running.lock().clone().filter(|running| running.scan.id == stored.id);
        let (scan, progress) = running.map_or((stored, Progress::default()), |r| (r.scan, r.progress));
        let is_waiting = progress.waiting.is_some();
        let left = progress.bytes_total.saturating_sub(progress.bytes_done);
        let rate = progress.meter.rate();
        DuplicateScanView {
            id: scan.id,
            roots: scan.scope.roots,
            min_size: scan.scope.min_size,
            state: scan.state,
            stage: progress.stage,
            n_candidates: scan.n_candidates,
            n_done: progress.n_done,
            n_total: progress.n_total,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            bytes_per_second: if is_waiting { 0 } else { rate.bytes_per_second() },
            eta_seconds: if is_waiting || left == 0 { None } else { rate.seconds_for(left) },
            n_failed: scan.n_failed,
            waiting: progress.waiting,
            n_groups: scan.n_groups,
            reclaimable_bytes: scan.reclaimable_bytes,
            detail: scan.detail,
            created_at: scan.created_at,
            finished_at: scan.finished_at,
        }
    }

    /// Changes what is seen of the search under way, and tells of progress.
    fn update(&self, change: impl FnOnce(&mut Running)) {
        let id = {
            let mut running = self.running.lock();
            let Some(running) = running.as_mut() else { return };
            change(running);
            running.scan.id
        };
        self.events.progress(Event::DuplicateScanChanged(id));
    }
}
