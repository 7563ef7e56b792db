//! One hash job.

use std::collections::VecDeque;

use super::{HashJobView, HashKind, HashRequest};
use crate::domain::background::{Counts, WorkState};
use crate::domain::ids::BackgroundJobId;
use crate::domain::size::counted;
use crate::fs::ContentHash;
use crate::services::background::{BackgroundJobView, Job, JobWork};
use crate::services::context::ServiceContext;
use crate::services::reading::{FilePage, Kit, OpenFile, ReadResult, Reading, Supply, n_readers};
use crate::services::scrub::day;
use crate::services::{Event, ServiceError};
use crate::storage::background::{BackgroundKind, RowOf};
use crate::storage::history::{Level, NewLine};
use crate::storage::index::{After, Edits, Left, Portion, extent, unhashed};
use crate::storage::{Connection, StorageError, roots, scrub};

/// Files taken from the index at once.
const PAGE: u32 = 1_000;

/// How files are hashed.
#[derive(Clone)]
pub(super) struct Hashing {
    pub(super) context: ServiceContext,
}

impl BackgroundKind for Hashing {
    const KIND: &'static str = "hash";
    type Payload = HashRequest;
    type Report = ();

    fn queue(payload: &HashRequest) -> &'static str {
        payload.root.as_str()
    }
}

impl JobWork for Hashing {
    const NAME: &'static str = "hash job";
    const QUEUES: &'static [&'static str] = &["local", "lake"];
    type Found = ();
    type View = HashJobView;

    fn run(&self, job: &Job<Self>) -> Result<(), ServiceError> {
        let (context, progress) = (&self.context, &job.progress);
        let HashRequest { root, scope, kind } = &job.row.payload;
        let left = left(&job.row);
        let places = scope.places();
        let counts = context.database.read_blocking(|connection| {
            let Some(row) = roots::active(connection, *root)? else { return Ok(Vec::new()) };
            places.iter().map(|place| extent(connection, row.id, place.as_ref(), left)).collect()
        })?;
        progress.count(|all| {
            *all = counts.into_iter().fold(Counts::default(), |all, place: Counts| Counts {
                n_done: all.n_done + place.n_done,
                n_total: all.n_total + place.n_total,
                bytes_done: all.bytes_done + place.bytes_done,
                bytes_total: all.bytes_total + place.bytes_total,
                n_failed: 0,
            });
        });

        let Some(live) = progress.wait_until_online(&context.roots, *root) else { return Ok(()) };
        let portions = Portion::of_readers(n_readers(&context.settings, &live)).iter();
        let mut ahead: VecDeque<_> =
            portions.flat_map(|portion| places.iter().map(move |place| (*portion, place))).collect();
        let mut after = After::default();
        let supply = Supply::of_pages(move || {
            let Some((portion, place)) = ahead.front().copied() else { return Ok(None) };
            let Some(live) = progress.wait_until_online(&context.roots, *root) else { return Ok(None) };
            let look = |connection: &_| unhashed(connection, live.row, place.as_ref(), (left, portion), &after, PAGE);
            let (files, more) = context.database.read_blocking(look)?;
            if more.is_none() {
                ahead.pop_front();
            }
            after = more.unwrap_or_default();
            let n_readers = n_readers(&context.settings, &live);
            Ok(Some(FilePage { live, files, is_last: ahead.is_empty(), n_readers }))
        });
        let hash = |kit: &mut Kit, file: &mut OpenFile<'_>| {
            // A setting that is changed meanwhile counts from the next file on.
            file.hash(&mut kit.buffers, context.settings.current().hash_sha256)
        };
        let mut store = |found: Vec<ReadResult<ContentHash>>| self.store(*kind, &found);
        Reading { context, progress }.read(vec![supply], &hash, &mut store)?;
        Ok(())
    }

    /// Nothing is said of a single file that went well, and of idle hours only what was found.
    fn history(row: &RowOf<Self>) -> Vec<NewLine> {
        let HashRequest { root, kind, .. } = &row.payload;
        let Counts { n_done, n_total, n_failed, .. } = row.counts;
        let is_complete = row.state == WorkState::Complete;
        if is_complete && n_total <= 1 || *kind == HashKind::Scrub {
            return Vec::new();
        }
        let what = if *kind == HashKind::Verify { "Verifying" } else { "Hashing" };
        let summary = format!(
            "{what} in {} {}: {n_done} of {}, {n_failed} failed",
            root.label(),
            row.state.as_str(),
            counted(n_total, "file")
        );
        let level = if is_complete { Level::Info } else { Level::Warning };
        let mut line = NewLine::new("hash", level, summary).root(*root);
        line.detail.clone_from(&row.detail);
        vec![line]
    }

    fn tell_end(&self, row: &RowOf<Self>) {
        self.context.comparer.index_changed();
        self.context.events.send(Event::IndexChanged(row.payload.root));
    }

    fn event(id: BackgroundJobId) -> Event {
        Event::HashChanged(id)
    }

    fn view(row: &RowOf<Self>, job: BackgroundJobView) -> HashJobView {
        HashJobView { job, root: row.payload.root, kind: row.payload.kind }
    }
}

impl Hashing {
    /// Stores hashes; what was read is not read again because the disk was full.
    fn store(&self, kind: HashKind, found: &[ReadResult<ContentHash>]) -> Result<(), StorageError> {
        let is_scrub = kind == HashKind::Scrub;
        self.context.ends.store_blocking(
            "hashes",
            || {},
            |tx| {
                store_contents(tx, found)?;
                if is_scrub { self.count_scrubbed(tx, found) } else { Ok(()) }
            },
        )?;
        self.context.comparer.index_changed();
        Ok(())
    }

    /// Counts what was read of the day's share, in the commit that stores what was found.
    fn count_scrubbed(&self, connection: &Connection, found: &[ReadResult<ContentHash>]) -> Result<(), StorageError> {
        let now = jiff::Zoned::now();
        let share = self.context.settings.current().scrub.bytes_per_day;
        let mut spent = scrub::spent(connection)?.on(day(&now), now.timestamp().as_millisecond(), share);
        spent.bytes += found.iter().filter_map(|of| of.result.as_ref().ok()).map(|read| read.size_bytes).sum::<u64>();
        scrub::set_spent(connection, &spent)
    }
}

/// What is left of a job. One that reads everything goes on after a restart with what it did not read since it was
/// asked for.
fn left(job: &RowOf<Hashing>) -> Left {
    match job.payload.kind {
        HashKind::Missing => Left::Unhashed,
        HashKind::Verify | HashKind::Scrub => Left::VerifiedBefore(job.created_at.as_millisecond()),
    }
}

/// Stores what files hold, as it was read.
pub(in crate::services) fn store_contents(
    tx: &Connection,
    found: &[ReadResult<ContentHash>],
) -> Result<(), StorageError> {
    let mut edits = Edits::new(tx);
    for ReadResult { live, file, result } in found {
        if let Ok(content) = result {
            edits.know(live.row, Some(file.id), &file.path, file.modified, file.identity, content)?;
        }
    }
    edits.finish()
}
