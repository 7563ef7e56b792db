//! Hashing what the index knows by name only.
//!
//! A job is a scope in the database; what is left of it is whatever in that scope has no hash, so a
//! job goes on after a restart by itself. Each root works on one job at a time, with as many readers
//! as its disk likes, and waits while transfers need that disk.

mod job;
mod lanes;
mod reader;
mod reader_pool;
mod wait_until_online;

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use super::busy::Busy;
use super::context::ServiceContext;
use super::roots::LiveRoot;
use super::throughput_meter::ThroughputMeter;
use super::{Comparer, Ends, ErrorKind, Event, Events, Roots, ServiceError, Settings, Tasks};
use crate::domain::ids::{HashJobId, RootRowId};
use crate::domain::rate::Rate;
use crate::domain::root::{PerRoot, Root};
use crate::domain::scan::WorkState;
use crate::fs::CancelFlag;
use crate::fs::volume::{self, VolumeKind};
use crate::storage::hash_jobs::{self, HashJobRow};
use crate::storage::hashes::{self, Coverage};
use crate::storage::views::{Page, PageRequest, named};
use crate::storage::{Database, now_ms, timestamp};

pub use crate::domain::hash_scope::{HashKind, HashScope};

/// A hash job as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HashJobView {
    /// Its id.
    pub id: HashJobId,
    /// The root it is about.
    pub root: Root,
    /// Which files it reads: those without a hash, or all.
    pub kind: HashKind,
    /// How far it is.
    pub state: WorkState,
    /// Files of the scope that have a hash.
    pub n_done: u64,
    /// Files of the scope.
    pub n_total: u64,
    /// Files that could not be hashed.
    pub n_failed: u64,
    /// Bytes done.
    pub bytes_done: u64,
    /// Bytes of the scope.
    pub bytes_total: u64,
    /// How fast it goes.
    pub bytes_per_second: u64,
    /// How long it will take at this rate.
    pub eta_seconds: Option<u64>,
    /// Why it does not go on at the moment.
    pub waiting: Option<String>,
    /// The files that are being read.
    pub files: Vec<String>,
    /// Why it ended as it did.
    pub detail: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: jiff::Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<jiff::Timestamp>,
}

/// Hash jobs; clones share them.
#[derive(Clone)]
pub struct Hasher {
    settings: Settings,
    database: Database,
    roots: Roots,
    events: Events,
    comparer: Comparer,
    ends: Ends,
    tasks: Tasks,
    busy: Busy,
    running: Arc<Mutex<PerRoot<Option<Running>>>>,
    wake: Arc<PerRoot<tokio::sync::Notify>>,
    covered: Arc<Mutex<PerRoot<Option<Covered>>>>,
}

/// A coverage with the root's row and generation that it was counted at.
type Covered = ((RootRowId, i64), Coverage);

/// The job that a root works on, as everyone may see it.
#[derive(Clone)]
struct Running {
    job: HashJobRow,
    /// Bytes that were read of files that no commit counts yet.
    bytes_read: u64,
    /// Files that were read and are not committed yet.
    n_read: u64,
    /// Files that are being read, with their bytes so far.
    files: Vec<(String, u64)>,
    meter: ThroughputMeter,
    waiting: Option<String>,
    cancel: CancelFlag,
}

impl Running {
    /// A file is no longer being read.
    fn close(&mut self, path: &str, is_done: bool) {
        let Some(at) = self.files.iter().position(|(open, _)| open == path) else { return };
        let (_, bytes) = self.files.swap_remove(at);
        if is_done {
            self.n_read += 1;
        } else {
            self.bytes_read = self.bytes_read.saturating_sub(bytes);
        }
    }

    /// Files that were read are counted by the job from now on.
    fn committed(&mut self, job: HashJobRow) {
        self.n_read = self.n_read.saturating_sub(job.n_done - self.job.n_done);
        self.bytes_read = self.bytes_read.saturating_sub(job.bytes_done - self.job.bytes_done);
        self.job = job;
    }
}

impl Hasher {
    /// Goes on with the jobs that the last run left.
    pub(super) fn start_service(context: ServiceContext) -> Self {
        let ServiceContext { settings, database, roots, events, comparer, ends, tasks, busy, .. } = context;
        let hasher = Self {
            settings,
            database,
            roots,
            events,
            comparer,
            ends,
            tasks,
            busy,
            running: Arc::new(Mutex::new(PerRoot { local: None, lake: None })),
            wake: Arc::default(),
            covered: Arc::default(),
        };
        for root in Root::ALL {
            job::start(&hasher, root);
        }
        hasher
    }

    /// Asks for hashes of whatever in the scope has none.
    pub async fn start(&self, root: Root, scope: HashScope, kind: HashKind) -> Result<HashJobId, ServiceError> {
        let live = self.roots.live(root)?;
        if matches!(&scope, HashScope::Paths(paths) if paths.is_empty()) {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file or folder in \"paths\"."));
        }
        let paths = match &scope {
            HashScope::Folder(folder) => folder.iter().cloned().collect(),
            HashScope::Paths(paths) => paths.clone(),
        };
        let (row, n) = (live.row, paths.len());
        let missing = self.database.read(move |connection| named::not_indexed(connection, row, &paths)).await?;
        ServiceError::refuse_if_all(&missing, n, named::NOT_INDEXED)?;
        let job = self.database.write(move |tx| hash_jobs::insert(tx, root, &scope, kind)).await?;
        // What a person asks for does not wait for what is done in idle hours; that is found again later.
        if kind != HashKind::Scrub {
            self.stop_scrub(root);
        }
        self.wake.get(root).notify_one();
        self.events.send(Event::HashChanged(job.id));
        Ok(job.id)
    }

    /// A job as it is now.
    pub async fn show(&self, id: HashJobId) -> Result<HashJobView, ServiceError> {
        let job = self.database.read(move |connection| hash_jobs::show(connection, id)).await?;
        job.map(|job| self.view(job)).ok_or_else(|| ServiceError::not_found("hash job"))
    }

    /// The latest jobs, newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<HashJobView>, ServiceError> {
        let jobs = self.database.read(move |connection| hash_jobs::list(connection, &request)).await?;
        Ok(jobs.map(|job| self.view(job)))
    }

    /// Stops a job; the hashes it has taken stay.
    pub async fn cancel(&self, id: HashJobId) -> Result<(), ServiceError> {
        let job = self.database.read(move |connection| hash_jobs::show(connection, id)).await?;
        let mut job = job.ok_or_else(|| ServiceError::not_found("hash job"))?;
        if job.state.is_final() {
            return Err(ServiceError::said(ErrorKind::Conflict, "This hash job has ended already."));
        }
        let runs = self.running.lock().get(job.root).clone().filter(|running| running.job.id == id);
        match runs {
            Some(running) if running.job.state.is_final() => {
                let text = "This hash job has ended already; that is stored as soon as the database can be written.";
                return Err(ServiceError::said(ErrorKind::Conflict, text));
            }
            Some(running) => {
                running.cancel.cancel();
                return Ok(());
            }
            None => {}
        }
        job.state = WorkState::Cancelled;
        job.finished_at = Some(timestamp(now_ms()));
        self.database.write(move |tx| hash_jobs::save(tx, &job)).await?;
        self.events.send(Event::HashChanged(id));
        Ok(())
    }

    /// How much of each root is hashed.
    pub async fn coverage(&self) -> Result<PerRoot<Coverage>, ServiceError> {
        let known = Arc::clone(&self.covered);
        let found = self.database.read(move |connection| {
            let mut coverage = PerRoot::<Coverage>::default();
            for root in Root::ALL {
                let Some(row) = crate::storage::roots::active(connection, root)? else { continue };
                let stamp = (row.id, row.generation);
                let counted = known.lock().get(root).filter(|known| known.0 == stamp);
                let (_, now) = match counted {
                    Some(counted) => counted,
                    None => (stamp, hashes::coverage(connection, row.id, None)?),
                };
                *known.lock().get_mut(root) = Some((stamp, now));
                *coverage.get_mut(root) = now;
            }
            Ok(coverage)
        });
        Ok(found.await?)
    }

    fn view(&self, stored: HashJobRow) -> HashJobView {
        let running = self.running.lock().get(stored.root).clone().filter(|running| running.job.id == stored.id);
        let (job, n_read, bytes_read, files, rate, waiting) = match running {
            Some(r) => (r.job, r.n_read, r.bytes_read, r.files, r.meter.rate(), r.waiting),
            None => (stored, 0, 0, Vec::new(), Rate::default(), None),
        };
        let bytes_done = (job.bytes_done + bytes_read).min(job.bytes_total);
        HashJobView {
            id: job.id,
            root: job.root,
            kind: job.kind,
            state: job.state,
            n_done: (job.n_done + n_read).min(job.n_total),
            n_total: job.n_total,
            n_failed: job.n_failed,
            bytes_done,
            bytes_total: job.bytes_total,
            bytes_per_second: if waiting.is_some() { 0 } else { rate.bytes_per_second() },
            eta_seconds: if waiting.is_some() { None } else { rate.seconds_for(job.bytes_total - bytes_done) },
            waiting,
            files: files.into_iter().map(|(path, _)| path).collect(),
            detail: job.detail,
            created_at: job.created_at,
            finished_at: job.finished_at,
        }
    }

    /// Files of a root that are being read.
    /// Ends the work of idle hours on a root.
    pub(super) fn stop_scrub(&self, root: Root) {
        if let Some(running) = self.running.lock().get(root).as_ref().filter(|r| r.job.kind == HashKind::Scrub) {
            running.cancel.cancel();
        }
    }

    fn n_open(&self, root: Root) -> usize {
        self.running.lock().get(root).as_ref().map_or(0, |running| running.files.len())
    }

    /// Changes what is seen of a root's job, and tells of progress.
    fn update(&self, root: Root, change: impl FnOnce(&mut Running)) {
        let id = {
            let mut running = self.running.lock();
            let Some(running) = running.get_mut(root) else { return };
            change(running);
            running.job.id
        };
        self.events.progress(Event::HashChanged(id));
    }
}

/// Files of a root that are read at once. One head can only be in one place, and a server gets no
/// faster by asking twice.
pub(super) fn n_readers(settings: &Settings, live: &LiveRoot) -> usize {
    let configured = settings.current().roots.get(live.root).hash_readers;
    configured.map_or_else(
        || match volume::kind(live.dir.path()) {
            VolumeKind::Rotating | VolumeKind::Network => 1,
            _ => 2,
        },
        |n| usize::from(n.get()),
    )
}
