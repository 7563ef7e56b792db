//! Scans: from the folders on disk to the index.
//!
//! One scan at a time, both roots side by side. Walking and writing are separate stages with a
//! bounded channel between them. What the walk found counts at once; that something is *gone* counts
//! only when the walk has ended and the root was there before and after.

mod accept;
mod backlog;
mod digest;
mod disks;
mod linked;
mod links;
mod root_scan;
mod seen;
mod settle;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::context::ServiceContext;
use super::events::until_roots_change;
use super::{Comparer, Ends, ErrorKind, Event, Events, History, Roots, ServiceError, Settings, Tasks};
use crate::domain::ids::{RootRowId, ScanId};
use crate::domain::root::Root;
use crate::domain::scan::{ScanReport, WorkState};
use crate::domain::size::counted;
use crate::fs::CancelFlag;
use crate::storage::history::{Level, NewLine};
use crate::storage::views::{Page, PageRequest};
use crate::storage::{Database, index, now_ms, scans, timestamp};

/// Scans that have not begun, with their roots.
type Pending = Vec<(ScanId, Vec<Root>)>;

/// Scans; clones share them.
#[derive(Clone)]
pub struct Indexer {
    settings: Settings,
    database: Database,
    roots: Roots,
    events: Events,
    history: History,
    comparer: Comparer,
    ends: Ends,
    tasks: Tasks,
    running: Arc<Mutex<Option<Running>>>,
    /// Scans that wait for their turn, with their roots: at most one per set of roots.
    pending: Arc<Mutex<Pending>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    settle: Arc<tokio::sync::Notify>,
    links: links::Turns,
}

/// The scan under way, as everyone may see it.
struct Running {
    report: Arc<Mutex<ScanReport>>,
    cancel: CancelFlag,
}

/// What a scan was doing when it was cancelled.
enum Stopped {
    Waiting,
    Running,
}

impl Indexer {
    pub(super) async fn start(context: ServiceContext) -> Result<Self, ServiceError> {
        let ServiceContext { settings, database, roots, events, history, comparer, ends, tasks, .. } = context;
        database.write(|tx| scans::close_interrupted(tx)).await?;
        let n_left_out = database.write(|tx| index::leave_out_excluded(tx)).await?;
        if n_left_out > 0 {
            let summary = format!(
                "{} left the index: trashes, snapshots and half downloads are no library",
                counted(n_left_out, "file")
            );
            history.add(NewLine::new("scan", Level::Info, summary)).await;
        }
        let indexer = Self {
            settings,
            database,
            roots,
            events,
            history,
            comparer,
            ends,
            tasks,
            running: Arc::default(),
            pending: Arc::default(),
            turn: Arc::default(),
            settle: Arc::default(),
            links: links::Turns::default(),
        };
        settle::start(&indexer);
        indexer.start_by_itself();
        Ok(indexer)
    }

    /// Starts a scan of these roots, behind one that is under way; what the folders hold at this
    /// moment will be seen. A scan that waits and covers the roots is joined.
    pub async fn begin(&self, mut wanted: Vec<Root>) -> Result<ScanId, ServiceError> {
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one root: \"local\" or \"lake\"."));
        }
        self.roots.refresh(&self.tasks).await;
        let reachable: Vec<_> = wanted.iter().map(|root| self.roots.live(*root)).collect();
        if reachable.iter().all(Result::is_err)
            && let Some(Err(error)) = reachable.into_iter().next()
        {
            return Err(error);
        }
        // A root without a folder takes no part; one that can't be reached does, and fails.
        wanted.retain(|root| !matches!(self.roots.live(*root), Err(ServiceError::NotConfigured(_))));
        self.ends.check_writable()?;
        if let Some(id) = self.join(&wanted) {
            return Ok(id);
        }
        let roots = wanted.clone();
        let report = self.database.write(move |tx| scans::begin(tx, &roots)).await?;
        let id = report.id;
        self.pending.lock().push((id, wanted.clone()));
        self.events.send(Event::ScanChanged(id));
        let this = self.clone();
        self.tasks.spawn(async move {
            let _turn = tokio::select! {
                turn = this.turn.lock() => turn,
                () = this.tasks.token().cancelled() => return,
            };
            let (report, cancel) = (Arc::new(Mutex::new(report)), CancelFlag::new());
            if this.take_turn(id, Running { report: Arc::clone(&report), cancel: cancel.clone() }) {
                this.clone().run(report, cancel, wanted).await;
            }
        });
        Ok(id)
    }

    /// Stops a scan; what it has written so far stays. One that waits for its turn never begins.
    pub async fn cancel(&self, id: ScanId) -> Result<(), ServiceError> {
        match self.stop(id) {
            None => Err(ServiceError::said(ErrorKind::Conflict, "This scan is not running.")),
            Some(Stopped::Running) => Ok(()),
            Some(Stopped::Waiting) => {
                self.database.write(move |tx| scans::close_waiting(tx, id)).await?;
                self.events.send(Event::ScanChanged(id));
                Ok(())
            }
        }
    }

    /// A scan as it is now.
    pub async fn show(&self, id: ScanId) -> Result<ScanReport, ServiceError> {
        if let Some(report) = self.current().filter(|report| report.id == id) {
            return Ok(report);
        }
        let found = self.database.read(move |connection| scans::show(connection, id)).await?;
        found.ok_or_else(|| ServiceError::not_found("scan"))
    }

    /// The scan under way.
    pub fn current(&self) -> Option<ScanReport> {
        self.running.lock().as_ref().map(|running| running.report.lock().clone())
    }

    /// The latest scans, newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<ScanReport>, ServiceError> {
        let mut list = self.database.read(move |connection| scans::list(connection, &request)).await?;
        if let Some(current) = self.current()
            && let Some(stored) = list.items.iter_mut().find(|report| report.id == current.id)
        {
            *stored = current;
        }
        Ok(list)
    }

    /// A scan that has not begun and covers these roots. One under way is not joined: it may have
    /// passed what the caller wants to be seen.
    fn join(&self, wanted: &[Root]) -> Option<ScanId> {
        let pending = self.pending.lock();
        pending.iter().find(|(_, roots)| wanted.iter().all(|root| roots.contains(root))).map(|(id, _)| *id)
    }

    /// Makes a scan that waited the one under way, unless it was cancelled meanwhile.
    fn take_turn(&self, id: ScanId, scan: Running) -> bool {
        let mut pending = self.pending.lock();
        let Some(at) = pending.iter().position(|(waiting, _)| *waiting == id) else { return false };
        pending.remove(at);
        // Both under the lock of those that wait, so that a scan is always found in one of the places.
        *self.running.lock() = Some(scan);
        true
    }

    /// Takes a scan out of those that wait, or tells the one under way to stop.
    fn stop(&self, id: ScanId) -> Option<Stopped> {
        let mut pending = self.pending.lock();
        if let Some(at) = pending.iter().position(|(waiting, _)| *waiting == id) {
            pending.remove(at);
            return Some(Stopped::Waiting);
        }
        let running = self.running.lock();
        let is_open = |report: &ScanReport| report.id == id && !report.state.is_final();
        let scan = running.as_ref().filter(|running| is_open(&running.report.lock()))?;
        scan.cancel.cancel();
        Some(Stopped::Running)
    }

    async fn run(self, report: Arc<Mutex<ScanReport>>, cancel: CancelFlag, wanted: Vec<Root>) {
        let _guard = self.tasks.cancel_at_shutdown(cancel.clone());
        let mut scans = Vec::new();
        for root in wanted {
            let (this, report, cancel, tasks) = (self.clone(), Arc::clone(&report), cancel.clone(), self.tasks.clone());
            scans.push(self.tasks.spawn(async move {
                tasks.blocking(move || root_scan::run(&this, root, &report, &cancel)).await;
            }));
        }
        for scan in scans {
            if let Err(error) = scan.await {
                tracing::error!(%error, "a scan broke off");
            }
        }
        // Only a copy is final yet: whoever sees the scan ended may count on the next one being new.
        let report = {
            let mut report = report.lock().clone();
            for root in report.roots.values_mut().filter(|root| !root.state.is_final()) {
                root.state = WorkState::Failed;
                root.detail.get_or_insert_with(|| "The scan broke off; the log tells more.".to_owned());
            }
            report.state = report.joint_state();
            report.finished_at = Some(timestamp(now_ms()));
            report
        };
        let id = report.id;
        let shown = report.clone();
        let (this, kept) = (self.clone(), report.clone());
        let saved = self
            .ends
            .store(
                "a scan",
                move || this.show_end(&kept),
                move |tx| {
                    scans::save(tx, &report)?;
                    for (root, part) in &report.roots {
                        if let Some(row) = crate::storage::roots::active(tx, *root)? {
                            scans::note_for_root(tx, row.id, report.id, part.state)?;
                        }
                    }
                    Ok(())
                },
            )
            .await;
        if let Err(error) = saved {
            tracing::error!(%error, "the report of a scan could not be stored");
        }
        self.tell_history(&shown).await;
        *self.running.lock() = None;
        self.comparer.index_changed();
        self.settle.notify_one();
        self.events.send(Event::ScanChanged(id));
    }

    /// Whoever looks at a scan while its end waits for the database sees how it ended.
    fn show_end(&self, report: &ScanReport) {
        if let Some(running) = self.running.lock().as_ref() {
            running.report.lock().clone_from(report);
        }
    }

    /// People hear of a scan that found something; one that found nothing new leaves no line.
    async fn tell_history(&self, report: &ScanReport) {
        for (root, part) in &report.roots {
            let level = match part.state {
                WorkState::Complete => Level::Info,
                WorkState::Failed => Level::Error,
                _ => Level::Warning,
            };
            if level == Level::Info && part.n_added + part.n_changed + part.n_removed == 0 {
                continue;
            }
            let summary = format!(
                "Scan of {} {}: {}, {} new, {} changed, {} gone",
                root.label(),
                part.state.as_str(),
                counted(part.n_files, "file"),
                part.n_added,
                part.n_changed,
                part.n_removed
            );
            let mut line = NewLine::new("scan", level, summary).root(*root);
            line.detail.clone_from(&part.detail);
            self.history.add(line).await;
        }
    }

    /// Scans a root of which too little is known as soon as it is there, and all roots every
    /// `SCAN_INTERVAL_MINUTES`.
    fn start_by_itself(&self) {
        let this = self.clone();
        self.tasks.spawn(async move {
            let mut events = this.events.subscribe();
            let mut last = std::time::Instant::now();
            let mut asked = HashSet::new();
            loop {
                let never = this.never_recorded(&mut asked).await;
                let due = this.settings.current().scan_interval.is_some_and(|interval| last.elapsed() >= interval);
                let wanted = if due { Root::ALL.to_vec() } else { never };
                if !wanted.is_empty() && this.current().is_none() && this.ends.check_writable().is_ok() {
                    last = std::time::Instant::now();
                    if let Err(error) = this.begin(wanted).await {
                        tracing::info!(%error, "a scan did not start by itself");
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(30)) => {}
                    () = until_roots_change(&mut events) => {}
                    () = this.tasks.token().cancelled() => return,
                }
            }
        });
    }

    /// Roots that were never scanned, and those whose last scan tells nothing of what it has not seen, as a
    /// hub of before left them: these are asked for once only, as a scan may be cancelled.
    async fn never_recorded(&self, asked: &mut HashSet<RootRowId>) -> Vec<Root> {
        let live: Vec<Root> = Root::ALL.into_iter().filter(|root| self.roots.live(*root).is_ok()).collect();
        let found = self.database.read(move |connection| {
            let rows = live.into_iter().map(|root| crate::storage::roots::active(connection, root));
            rows.collect::<Result<Vec<_>, _>>()
        });
        let rows = found.await.unwrap_or_default().into_iter().flatten();
        rows.filter(|row| row.last_scan.is_none() || row.proved_scan.is_none() && asked.insert(row.id))
            .map(|row| row.root)
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::services::Services;

    async fn ended(indexer: &Indexer, id: ScanId) -> ScanReport {
        loop {
            let report = indexer.show(id).await.unwrap();
            if report.state.is_final() {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_scan_that_waits_for_its_turn_can_be_cancelled() {
        let tasks = Tasks::new();
        let services = Services::for_tests(&tasks).await;
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().display().to_string());
        services.save_settings([("LOCAL_MODELS_ROOT".to_owned(), path)].into(), &tasks).await.unwrap();
        let indexer = &services.indexer;
        let other = indexer.turn.lock().await;
        let waiting = indexer.begin(vec![Root::Local]).await.unwrap();
        indexer.cancel(waiting).await.unwrap();
        let report = indexer.show(waiting).await.unwrap();
        assert!(report.state == WorkState::Cancelled && report.finished_at.is_some(), "{report:?}");
        assert!(indexer.cancel(waiting).await.is_err(), "it has ended");

        // Nobody is given the cancelled one, and its turn changes nothing any more.
        let next = indexer.begin(vec![Root::Local]).await.unwrap();
        assert_ne!(next, waiting);
        drop(other);
        assert_eq!(ended(indexer, next).await.state, WorkState::Complete);
        assert_eq!(indexer.show(waiting).await.unwrap(), report);
    }
}
