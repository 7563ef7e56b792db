//! One job that reads the headers of what was not read yet.

use std::sync::Arc;

use model_header::sidecar::{self, MAX_SIDECAR_BYTES, SidecarFacts};
use model_header::{Damage, Description, State};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::DescribeJobView;
use crate::domain::background::{Counts, WorkState};
use crate::domain::ids::{BackgroundJobId, FileId, ModelId, RootRowId};
use crate::domain::root::Root;
use crate::domain::size::counted;
use crate::fs::hash::HashError;
use crate::fs::head::read_small;
use crate::fs::header::{compare_file, describe_file};
use crate::services::background::{BackgroundJobView, Job, JobWork};
use crate::services::context::ServiceContext;
use crate::services::reading::{FilePage, Kit, OpenFile, ReadResult, Reading, Supply, n_readers};
use crate::services::roots::LiveRoot;
use crate::services::{Event, ServiceError};
use crate::storage::background::{BackgroundKind, RowOf};
use crate::storage::history::{Level, NewLine};
use crate::storage::index::FileRow;
use crate::storage::models::{self, Waiting};
use crate::storage::{Connection, StorageError};

/// Files taken from the index at once.
const PAGE: u32 = 500;

/// What came of a job.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct DescribeReport {
    n_damaged: u64,
}

/// What a file says of the model files that it belongs to.
type Said = Vec<(FileId, Option<SidecarFacts>)>;

/// Bytes of what a header says.
fn weigh(read: &ReadResult<Description>) -> usize {
    let Ok(found) = &read.result else { return 0 };
    let written = found.metadata.iter().map(|entry| entry.key.len() + entry.value.len());
    let sums = found.tensors.iter().map(|sum| size_of_val(sum) + sum.prefix.len());
    size_of_val(found) + written.sum::<usize>() + sums.sum::<usize>()
}

/// Bytes of what a file beside models says.
fn weigh_said(read: &ReadResult<Said>) -> usize {
    let texts = |facts: &SidecarFacts| {
        let long = [&facts.description, &facts.notes].into_iter().flatten();
        size_of_val(facts) + long.chain(&facts.trigger_words).chain(&facts.tags).map(String::len).sum::<usize>()
    };
    read.result.iter().flatten().flat_map(|(_, facts)| facts).map(texts).sum()
}

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
            Ok(models::count_waiting(connection, Waiting::Header, &rows)?
                + models::count_unread_sidecars(connection, &rows)?
                + models::count_waiting(connection, Waiting::Digest, &rows)?)
        })?;
        progress.count(|all| *all = Counts { n_total, ..Counts::default() });
        let read = |_: &mut Kit, file: &mut OpenFile<'_>| describe_file(&file.path(), file.stamp());
        let mut store = |found: Vec<ReadResult<Description>>| self.store(job, &found);
        let supplies = self.waiting(Waiting::Header, &lives);
        Reading { context, progress }.read_weighed(supplies, &read, &mut store, weigh)?;
        self.read_sidecars(job, &lives)?;
        self.compare_digests(job, &lives)
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

    fn tell_end(&self, row: &RowOf<Self>) {
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
    /// What waits on each of these roots. Of what lies on several the first copy is read, if its root can be reached.
    fn waiting(&self, what: Waiting, lives: &[LiveRoot]) -> Vec<Supply<'_>> {
        let supply = |(at, live): (usize, &LiveRoot)| {
            let read_elsewhere = lives.get(..at).and_then(<[_]>::first).map(|live| live.row);
            self.supply(live.root, ModelId(0), move |connection, row, after| {
                models::waiting(connection, what, row, read_elsewhere, after, PAGE)
            })
        };
        lives.iter().enumerate().map(supply).collect()
    }

    /// The files of a root, page by page: `look` finds those behind a place, and the next place.
    fn supply<K: Copy + Send + 'static>(
        &self,
        root: Root,
        from: K,
        look: impl Fn(&Connection, RootRowId, K) -> Result<(Vec<FileRow>, Option<K>), StorageError> + Send + 'static,
    ) -> Supply<'_> {
        let (context, mut after) = (&self.context, Some(from));
        Supply::of_pages(move || {
            let Some(behind) = after else { return Ok(None) };
            let Ok(live) = context.roots.live(root) else { return Ok(None) };
            let (files, more) = context.database.read_blocking(|connection| look(connection, live.row, behind))?;
            after = more;
            let n_readers = n_readers(&context.settings, &live);
            Ok(Some(FilePage { live, files, is_last: more.is_none(), n_readers }))
        })
    }

    /// Compares the data of files whose header tells their digest.
    fn compare_digests(&self, job: &Job<Self>, lives: &[LiveRoot]) -> Result<(), ServiceError> {
        let (context, progress) = (&self.context, &job.progress);
        let read = |_: &mut Kit, file: &mut OpenFile<'_>| {
            let declared = |connection: &_| models::declared_digest(connection, file.file.id);
            // What the database can't tell now is asked again by the next job, and never taken for an answer.
            let declared = context.database.read_blocking(declared).map_err(|_| HashError::Stopped)?;
            let Some(declared) = declared else { return Ok(Ok(())) };
            compare_file(&file.path(), file.stamp(), &declared, &mut |bytes| file.moved(bytes))
        };
        let mut store = |found: Vec<ReadResult<Result<(), Damage>>>| {
            context.ends.store_blocking(
                "what digests say",
                || {},
                |tx| {
                    for ReadResult { file, result, .. } in &found {
                        match result {
                            Err(HashError::Stopped) => {}
                            found => models::note_digest(tx, file, found.as_ref().ok())?,
                        }
                    }
                    Ok(())
                },
            )?;
            let n_damaged = found.iter().filter(|read| matches!(read.result, Ok(Err(_)))).count();
            job.report.lock().n_damaged += n_damaged as u64;
            context.events.progress(Event::ModelsChanged);
            Ok(())
        };
        let supplies = self.waiting(Waiting::Digest, lives);
        Ok(Reading { context, progress }.read(supplies, &read, &mut store)?)
    }

    /// Reads the files beside models that were not read.
    fn read_sidecars(&self, job: &Job<Self>, lives: &[LiveRoot]) -> Result<(), ServiceError> {
        let (context, progress) = (&self.context, &job.progress);
        let read = |_: &mut Kit, file: &mut OpenFile<'_>| {
            let bytes = read_small(&file.path(), MAX_SIDECAR_BYTES as u64).map_err(HashError::Fs)?;
            let owners = |connection: &_| models::owners(connection, file.root(), file.file);
            let owners = context.database.read_blocking(owners).map_err(|_| HashError::Stopped)?;
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
        let supply = |live: &LiveRoot| {
            self.supply(live.root, FileId(0), |connection, row, after| {
                models::unread_sidecars(connection, row, after, PAGE)
            })
        };
        let supplies = lives.iter().map(supply).collect();
        Ok(Reading { context, progress }.read_weighed(supplies, &read, &mut store, weigh_said)?)
    }

    fn store(&self, job: &Job<Self>, found: &[ReadResult<Description>]) -> Result<(), StorageError> {
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
