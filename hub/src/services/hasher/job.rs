//! One job after the other, for one root.

use shared_protocol::RelPath;

use super::lanes::{Lanes, Page};
use super::wait_until_online::{UNTIL_NEXT_LOOK, wait_until_online};
use super::{HashKind, Hasher, Running, n_readers, reader_pool};
use crate::domain::root::Root;
use crate::domain::scan::WorkState;
use crate::domain::size::counted;
use crate::fs::CancelFlag;
use crate::services::Event;
use crate::services::throughput_meter::ThroughputMeter;
use crate::storage::hash_jobs::{self, HashJobRow};
use crate::storage::history::{self, Level, NewLine};
use crate::storage::index::{After, Portion, unhashed};
use crate::storage::{StorageError, now_ms, roots, timestamp};

/// Files taken from the index at once.
const PAGE: u32 = 1_000;

pub(super) fn start(hasher: &Hasher, root: Root) {
    let this = hasher.clone();
    hasher.tasks.spawn(async move {
        loop {
            if !this.ends.until_writable().await {
                return;
            }
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
                    if !this.tasks.pause(UNTIL_NEXT_LOOK).await {
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
        bytes_read: 0,
        n_read: 0,
        files: Vec::new(),
        meter: ThroughputMeter::default(),
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
        let Some(running) = running.get_mut(root).as_mut() else { return !stopping };
        let mut job = running.job.clone();
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
        running.files.clear();
        job
    };
    if stopping {
        hasher.running.lock().get_mut(root).take();
        return false;
    }
    let (this, kept) = (hasher.clone(), finished.clone());
    let show_end = move || this.update(root, |running| running.job = kept);
    let stored = hasher.ends.store("a hash job", show_end, move |tx| {
        hash_jobs::save(tx, &finished)?;
        line(&finished).map_or(Ok(()), |line| history::add(tx, &line).map(drop))
    });
    if let Err(error) = stored.await {
        tracing::error!(%error, "the end of a hash job could not be stored");
    }
    hasher.running.lock().get_mut(root).take();
    hasher.events.send(Event::HistoryAdded);
    hasher.comparer.index_changed();
    hasher.events.send(Event::IndexChanged(root));
    hasher.events.send(Event::HashChanged(id));
    true
}

/// What history says of a job; nothing of a single file that went well.
fn line(job: &HashJobRow) -> Option<NewLine> {
    let is_complete = job.state == WorkState::Complete;
    // Of idle hours only what was found is told.
    if is_complete && job.n_total <= 1 || job.kind == HashKind::Scrub {
        return None;
    }
    let (root, state) = (job.root.label(), job.state.as_str());
    let what = if job.kind == HashKind::Verify { "Verifying" } else { "Hashing" };
    let summary = format!(
        "{what} in {root} {state}: {} of {}, {} failed",
        job.n_done,
        counted(job.n_total, "file"),
        job.n_failed
    );
    let level = if is_complete { Level::Info } else { Level::Warning };
    let mut line = NewLine::new("hash", level, summary).root(job.root);
    line.detail.clone_from(&job.detail);
    Some(line)
}

/// Reads what is left of the job.
fn work(hasher: &Hasher, root: Root, cancel: &CancelFlag) -> Result<(), StorageError> {
    measure(hasher, root)?;
    let asked = hasher.running.lock().get(root).as_ref().map(|r| (r.job.scope.places(), r.job.left()));
    let Some((places, left)) = asked else { return Ok(()) };
    // The next files, as soon as the root can be reached.
    let look_up = |portion: Portion, place: Option<&RelPath>, after: &After| {
        let Some(live) = wait_until_online(hasher, root, cancel) else { return Ok(None) };
        let look = |connection: &_| unhashed(connection, live.row, place, (left, portion), after, PAGE);
        let (files, more) = hasher.database.read_blocking(look)?;
        let n_readers = n_readers(&hasher.settings, &live);
        Ok(Some(Page { root: live, files, more, n_readers }))
    };
    let n_readers = || wait_until_online(hasher, root, cancel).map(|live| n_readers(&hasher.settings, &live));
    let Some(mut n) = n_readers() else { return Ok(()) };
    let lanes = Lanes::new(&places, n, &look_up);
    loop {
        reader_pool::hash(hasher, root, &lanes, n, cancel)?;
        let Some(now) = lanes.were_resized().then(n_readers).flatten() else { return Ok(()) };
        n = now;
    }
}

/// Finds out how much there is, and how much of it is done already.
fn measure(hasher: &Hasher, root: Root) -> Result<(), StorageError> {
    let Some(mut job) = hasher.running.lock().get(root).as_ref().map(|running| running.job.clone()) else {
        return Ok(());
    };
    let measured = hasher.database.read_blocking(|connection| {
        let Some(row) = roots::active(connection, root)? else { return Ok(Vec::new()) };
        job.scope
            .places()
            .iter()
            .map(|place| hash_jobs::extent(connection, row.id, place.as_ref(), job.left()))
            .collect()
    })?;
    job.n_total = measured.iter().map(|part| part.n_files).sum();
    job.n_done = measured.iter().map(|part| part.n_hashed).sum();
    job.bytes_total = measured.iter().map(|part| part.size_bytes).sum();
    job.bytes_done = measured.iter().map(|part| part.hashed_bytes).sum();
    hasher.update(root, |running| running.job = job);
    Ok(())
}
