//! One job that reads the headers of what was not read yet.

use std::sync::Arc;

use model_header::sidecar::{self, MAX_SIDECAR_BYTES, SidecarFacts};
use model_header::{Description, State};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::DescribeJobView;
use crate::domain::background::{Counts, WorkState};
use crate::domain::ids::{BackgroundJobId, FileId, ModelId};
use crate::domain::root::Root;
use crate::domain::size::counted;
use crate::fs::hash::HashError;
use crate::fs::head::read_small;
use crate::fs::header::describe_file;
use crate::services::background::{BackgroundJobView, Job, JobWork};
use crate::services::context::ServiceContext;
use crate::services::reading::{FilePage, Kit, OpenFile, ReadResult, Reading, Supply, n_readers};
use crate::services::roots::LiveRoot;
use crate::services::{Event, ServiceError};
use crate::storage::background::{BackgroundKind, RowOf};
use crate::storage::history::{Level, NewLine};
use crate::storage::index::FileRow;
use crate::storage::models;

/// Files taken from the index at once.
const PAGE: u32 = 1_000;

/// What came of a job.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct DescribeReport {
    n_damaged: u64,
}

/// What a file says of the model files that it belongs to.
type Said = Vec<(FileId, Option<SidecarFacts>)>;

/// How headers are read.
#[derive(Clone)]
pub(super) struct Describing {
    pub(super) context: ServiceContext,
    /// A job has ended: there may be more by now.
    pub(super) ended: Arc<Notify>,
}

impl BackgroundKind for Describing {
    const KIND: &'static str = "describe";
    type Payload = ();
    type Report = DescribeReport;

    fn queue((): &()) -> &'static str {
        ""
    }
}

impl JobWork for Describing {
    const NAME: &'static str = "reading of headers";
    const QUEUES: &'static [&'static str] = &[""];
    type Found = ();
    type View = DescribeJobView;

    fn covers((): &(), (): &()) -> bool {
        true
    }

    /// What is left is whatever was not read, so a job goes on after a restart by itself. A root that can't be reached
    /// is left out: its return begins another job.
    fn run(&self, job: &Job<Self>) -> Result<(), ServiceError> {
        let (context, progress) = (&self.context, &job.progress);
        let lives: Vec<_> = Root::ALL.into_iter().filter_map(|root| context.roots.live(root).ok()).collect();
        let rows: Vec<_> = lives.iter().map(|live| live.row).collect();
        let n_total = context.database.read_blocking(|connection| {
            Ok(models::count_unread(connection, &rows)? + models::count_unread_sidecars(connection, &rows)?)
        })?;
        progress.count(|all| *all = Counts { n_total, ..Counts::default() });
        let supply = |at: usize, root: Root| {
            // Of what lies on several roots the first copy is read, if its root can be reached.
            let read_elsewhere = rows.get(..at).and_then(<[_]>::first).copied();
            let mut after = Some(ModelId(0));
            Supply::of_pages(move || {
                let Some(behind) = after else { return Ok(None) };
                let Ok(live) = context.roots.live(root) else { return Ok(None) };
                let look = |connection: &_| models::unread(connection, live.row, read_elsewhere, behind, PAGE);
                let (files, more) = context.database.read_blocking(look)?;
                after = more;
                let n_readers = n_readers(&context.settings, &live);
                Ok(Some(FilePage { live, files, is_last: more.is_none(), n_readers }))
            })
        };
        let read = |_: &mut Kit, file: &mut OpenFile<'_>| describe_file(&file.path(), file.stamp());
        let mut store = |found: Vec<ReadResult<Description>>| self.store(job, &found);
        let supplies = lives.iter().enumerate().map(|(at, live)| supply(at, live.root)).collect();
        Reading { context, progress }.read(supplies, &read, &mut store)?;
        self.read_sidecars(job, &lives)
    }

    /// Only what is wrong is worth a line.
    fn history(row: &RowOf<Self>) -> Vec<NewLine> {
        if row.report.n_damaged == 0 {
            return Vec::new();
        }
        let are = if row.report.n_damaged == 1 { "is" } else { "are" };
        let summary = format!("{} {are} damaged", counted(row.report.n_damaged, "model"));
        vec![NewLine::new("models", Level::Warning, summary)]
    }

    fn tell(&self, row: &RowOf<Self>) {
        self.context.events.send(Event::ModelsChanged);
        // What a person stopped, or what fails, begins again with the next change of an index, not at once.
        if row.state == WorkState::Complete || row.state == WorkState::Partial {
            self.ended.notify_one();
        }
    }

    fn event(id: BackgroundJobId) -> Event {
        Event::DescribeChanged(id)
    }

    fn view(row: &RowOf<Self>, job: BackgroundJobView) -> DescribeJobView {
        DescribeJobView { job, n_damaged: row.report.n_damaged }
    }
}

impl Describing {
    /// Reads the files beside models that were not read.
    fn read_sidecars(&self, job: &Job<Self>, lives: &[LiveRoot]) -> Result<(), ServiceError> {
        let (context, progress) = (&self.context, &job.progress);
        let supply = |root: Root| {
            let mut after = Some(FileId(0));
            Supply::of_pages(move || {
                let Some(behind) = after else { return Ok(None) };
                let Ok(live) = context.roots.live(root) else { return Ok(None) };
                let look = |connection: &_| models::unread_sidecars(connection, live.row, behind, PAGE);
                let (files, more) = context.database.read_blocking(look)?;
                after = more;
                let n_readers = n_readers(&context.settings, &live);
                Ok(Some(FilePage { live, files, is_last: more.is_none(), n_readers }))
            })
        };
        let read = |_: &mut Kit, file: &mut OpenFile<'_>| {
            let bytes = read_small(&file.path(), MAX_SIDECAR_BYTES as u64).map_err(HashError::Fs)?;
            let owners = |connection: &_| models::owners(connection, file.root(), file.file);
            // What the database fails to tell now, it fails to store, too: that is told there.
            let owners = context.database.read_blocking(owners).unwrap_or_default();
            let said =
                |weights: FileRow| (weights.id, sidecar::read(weights.path.name(), file.file.path.name(), &bytes));
            Ok(owners.into_iter().map(said).collect::<Vec<_>>())
        };
        let mut store = |found: Vec<ReadResult<Said>>| {
            context.ends.store_blocking(
                "what the files beside models say",
                || {},
                |tx| {
                    for ReadResult { file, result, .. } in &found {
                        match result {
                            Ok(said) => models::note_sidecar(tx, file, said)?,
                            Err(HashError::Stopped) => {}
                            Err(_) => models::note_sidecar(tx, file, &[])?,
                        }
                    }
                    Ok(())
                },
            )?;
            context.events.progress(Event::ModelsChanged);
            Ok(())
        };
        let supplies = lives.iter().map(|live| supply(live.root)).collect();
        Ok(Reading { context, progress }.read(supplies, &read, &mut store)?)
    }

    fn store(&self, job: &Job<Self>, found: &[ReadResult<Description>]) -> Result<(), crate::storage::StorageError> {
        self.context.ends.store_blocking(
            "what headers say",
            || {},
            |tx| {
                for ReadResult { live, file, result } in found {
                    match result {
                        Ok(description) => _ = models::describe(tx, live.row, file, description)?,
                        Err(HashError::Stopped) => {}
                        Err(error) => _ = models::tried(tx, file, &error.to_string())?,
                    }
                }
                Ok(())
            },
        )?;
        let is_damaged = |read: &&ReadResult<Description>| matches!(&read.result, Ok(of) if of.state == State::Damaged);
        job.report.lock().n_damaged += found.iter().filter(is_damaged).count() as u64;
        self.context.events.progress(Event::ModelsChanged);
        Ok(())
    }
}
