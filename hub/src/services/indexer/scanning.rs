//! One scan, of one root or of both side by side.

use std::sync::Arc;
use std::thread;

use tokio::sync::Notify;

use super::{ScanView, root_scan};
use crate::domain::background::WorkState;
use crate::domain::ids::BackgroundJobId;
use crate::domain::scan::{ScanReport, ScanRequest};
use crate::domain::size::counted;
use crate::services::background::{BackgroundJobView, Job, JobWork};
use crate::services::context::ServiceContext;
use crate::services::{Event, ServiceError};
use crate::storage::background::{BackgroundKind, RowOf};
use crate::storage::history::{Level, NewLine};
use crate::storage::{Connection, StorageError, roots};

/// How a scan is done.
#[derive(Clone)]
pub(super) struct Scanning {
    pub(super) context: ServiceContext,
    pub(super) reconcile: Arc<Notify>,
}

impl BackgroundKind for Scanning {
    const KIND: &'static str = "scan";
    type Payload = ScanRequest;
    type Report = ScanReport;

    fn queue(_: &ScanRequest) -> &'static str {
        ""
    }
}

impl JobWork for Scanning {
    const NAME: &'static str = "scan";
    const QUEUES: &'static [&'static str] = &[""];
    const INTERRUPTED: Option<&'static str> = Some("The hub was stopped before the scan had ended.");
    type Found = ();
    type View = ScanView;

    fn covers(waiting: &ScanRequest, asked: &ScanRequest) -> bool {
        asked.roots.iter().all(|root| waiting.roots.contains(root))
    }

    fn run(&self, job: &Job<Self>) -> Result<(), ServiceError> {
        *job.report.lock() = ScanReport::new(&job.row.payload.roots);
        thread::scope(|scope| {
            for root in &job.row.payload.roots {
                scope.spawn(|| root_scan::run(&self.context, *root, &job.report, &job.progress));
            }
        });
        job.progress.count(|counts| {
            counts.n_failed = job.report.lock().roots.values().map(|part| part.n_errors).sum();
        });
        Ok(())
    }

    /// The state of the whole is that of the roots taken together.
    fn finish(tx: &Connection, row: &mut RowOf<Self>, _: Option<&()>) -> Result<(), StorageError> {
        if row.report.roots.is_empty() {
            row.report = ScanReport::new(&row.payload.roots);
        }
        for (root, part) in &mut row.report.roots {
            if part.state.is_final() {
                if let Some(active) = roots::active(tx, *root)? {
                    roots::set_scanned(tx, active.id, row.id, part.state)?;
                }
            } else {
                // It never began, or was cut short: the root's last scan is another one.
                part.state = row.state;
                part.detail = row.detail.clone().or_else(|| Some("Cancelled before it began.".to_owned()));
            }
        }
        row.state = row.report.joint_state();
        Ok(())
    }

    /// People hear of a scan that found something; one that found nothing new leaves no line.
    fn history(row: &RowOf<Self>) -> Vec<NewLine> {
        let mut lines = Vec::new();
        for (root, part) in &row.report.roots {
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
            lines.push(line);
        }
        lines
    }

    fn tell_end(&self, _: &RowOf<Self>) {
        self.context.comparer.index_changed();
        self.reconcile.notify_one();
    }

    fn event(id: BackgroundJobId) -> Event {
        Event::ScanChanged(id)
    }

    fn view(row: &RowOf<Self>, mut job: BackgroundJobView) -> ScanView {
        // Whoever asked for a scan need not know that another one is still under way.
        if job.state == WorkState::Queued {
            job.state = WorkState::Running;
        }
        ScanView { job, report: row.report.clone(), started_at: row.created_at }
    }
}
