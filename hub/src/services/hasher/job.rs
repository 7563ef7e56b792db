//! One job after the other, for one root.

use std::sync::Arc;

use shared_protocol::RelPath;

use super::patience::{PATIENCE, until_live};
use super::readers::Page;
use super::{Hasher, Running, n_readers, readers};
use crate::domain::rate::Rate;
use crate::domain::root::Root;
use crate::domain::scan::WorkState;
use crate::fs::CancelFlag;
use crate::services::Event;
use crate::storage::hash_jobs::{self, HashJobRow};
use crate::storage::history::{Level, NewLine};
use crate::storage::index::{After, Portion, unhashed};
use crate::storage::{StorageError, now_ms, roots, timestamp};

/// Files taken from the index at once.
const PAGE: u32 = 1_000;

pub(super) fn start(hasher: &Hasher, root: Root) {
    let this = hasher.clone();
    hasher.tasks.spawn(async move {
        loop {
            let next = this.database.read(move |connection| hash_jobs::next(connection, root)).await;
            match next {
                Ok(Some(job)) => {
                    if !run(&this, job).await {
                        return;
                    }
                }
                Ok(None) => tokio::select! {
                    () = this.wake.get(root).notified() => {}
                    () = this.tasks.token().cancelled() => return,
                },
                Err(error) => {
                    tracing::error!(%error, "hash jobs can't be read");
                    if !this.tasks.pause(PATIENCE).await {
                        return;
                    }
                }
            }
        }
    });
}

/// Runs a job to its end; `false` if the program ends first, and the job goes on at the next start.
async fn run(hasher: &Hasher, job: HashJobRow) -> bool {
    let (root, id) = (job.root, job.id);
    let cancel = CancelFlag::new();
    let _guard = hasher.tasks.cancel_at_shutdown(cancel.clone());
    let mut job = job;
    job.state = WorkState::Running;
    job.n_failed = 0;
    *hasher.running.lock().get_mut(root) = Some(Running {
        job,
        bytes_open: 0,
        files: Vec::new(),
        rate: Rate::default(),
        waiting: None,
        cancel: cancel.clone(),
    });
    hasher.events.send(Event::HashChanged(id));
    let this = hasher.clone();
    let flag = cancel.clone();
    let end = hasher.tasks.blocking(move || work(&this, root, &flag)).await;
    let stopping = hasher.tasks.token().is_cancelled();
    let finished = {
        let mut running = hasher.running.lock();
        let Some(running) = running.get_mut(root).take() else { return !stopping };
        let mut job = running.job;
        job.state = match end {
            Some(Ok(())) if cancel.is_cancelled() => WorkState::Cancelled,
            Some(Ok(())) if job.n_failed > 0 => WorkState::Partial,
            Some(Ok(())) => WorkState::Complete,
            Some(Err(error)) => {
                job.detail = Some(error.to_string());
                WorkState::Failed
            }
            None => WorkState::Failed,
        };
        job.finished_at = Some(timestamp(now_ms()));
        job
    };
    if stopping {
        return false;
    }
    if finished.state != WorkState::Complete || finished.n_total > 1 {
        let level = if finished.state == WorkState::Complete { Level::Info } else { Level::Warning };
        let summary = format!(
            "Hashing in {} {}: {} of {} files, {} failed",
            root.label(),
            finished.state.as_str(),
            finished.n_done,
            finished.n_total,
            finished.n_failed
        );
        hasher.history.add(NewLine::new("hash", level, summary).root(root)).await;
    }
    if let Err(error) = hasher.database.write(move |tx| hash_jobs::save(tx, &finished)).await {
        tracing::error!(%error, "the end of a hash job could not be stored");
    }
    hasher.comparer.index_changed();
    hasher.events.send(Event::IndexChanged(root));
    hasher.events.send(Event::HashChanged(id));
    true
}

/// Hashes page after page of what has no hash yet.
fn work(hasher: &Hasher, root: Root, cancel: &CancelFlag) -> Result<(), StorageError> {
    measure(hasher, root)?;
    let places = hasher.running.lock().get(root).as_ref().map(|r| r.job.scope.places()).unwrap_or_default();
    let Some(live) = until_live(hasher, root, cancel) else { return Ok(()) };
    let mut ways = Vec::new();
    for portion in Portion::of_readers(n_readers(&hasher.settings, &live)) {
        ways.extend(places.iter().map(|place| Way {
            place: place.clone(),
            portion: *portion,
            after: After::default(),
        }));
    }
    let mut pages = Pages { hasher, root, cancel, ways: ways.into_iter(), open: None };
    let mut next = pages.next()?;
    while let Some(page) = next {
        next = readers::hash_pages(hasher, page, &mut || pages.next(), cancel)?;
    }
    Ok(())
}

/// A place, what of it is to be read now, and behind which file that goes on.
struct Way {
    place: Option<RelPath>,
    portion: Portion,
    after: After,
}

/// The files of a job that have no hash yet.
struct Pages<'a> {
    hasher: &'a Hasher,
    root: Root,
    cancel: &'a CancelFlag,
    ways: std::vec::IntoIter<Way>,
    open: Option<Way>,
}

impl Pages<'_> {
    /// The next page, as soon as the root can be reached; none at the end or if the job is to stop.
    fn next(&mut self) -> Result<Option<Page>, StorageError> {
        loop {
            let Some(Way { place, portion, after }) = self.open.take().or_else(|| self.ways.next()) else {
                return Ok(None);
            };
            let Some(live) = until_live(self.hasher, self.root, self.cancel) else { return Ok(None) };
            let (files, more) = self
                .hasher
                .database
                .read_blocking(|connection| unhashed(connection, live.row, place.as_ref(), portion, &after, PAGE))?;
            self.open = more.map(|after| Way { place, portion, after });
            if !files.is_empty() {
                return Ok(Some(Page { live: Arc::new(live), files }));
            }
        }
    }
}

/// Finds out how much there is, and how much of it is done already.
fn measure(hasher: &Hasher, root: Root) -> Result<(), StorageError> {
    let Some(mut job) = hasher.running.lock().get(root).as_ref().map(|running| running.job.clone()) else {
        return Ok(());
    };
    let measured = hasher.database.read_blocking(|connection| {
        let Some(row) = roots::active(connection, root)? else { return Ok(Vec::new()) };
        job.scope.places().iter().map(|place| hash_jobs::extent(connection, row.id, place.as_ref())).collect()
    })?;
    job.n_total = measured.iter().map(|part| part.n_files).sum();
    job.n_done = measured.iter().map(|part| part.n_hashed).sum();
    job.bytes_total = measured.iter().map(|part| part.size_bytes).sum();
    job.bytes_done = measured.iter().map(|part| part.hashed_bytes).sum();
    hasher.database.write_blocking(|tx| hash_jobs::save(tx, &job))?;
    hasher.update(root, |running| running.job = job);
    Ok(())
}
