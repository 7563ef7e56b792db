//! Background jobs: one runner for scans, hash jobs, searches for duplicates, the reading of headers and looks at
//! addresses.
//!
//! A job is a row in the database, so it survives a restart. Jobs of one queue run one after the other on a blocking
//! thread; their end is stored in one commit together with whatever belongs to it.

mod progress;
pub(super) mod view;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub(super) use progress::{Progress, UNTIL_NEXT_LOOK};
pub use view::BackgroundJobView;

use super::context::ServiceContext;
use super::{ErrorKind, Event, ServiceError};
use crate::domain::background::{Counts, WorkState};
use crate::domain::ids::BackgroundJobId;
use crate::fs::CancelFlag;
use crate::storage::background::{self, BackgroundKind, RowOf};
use crate::storage::history::{self, NewLine};
use crate::storage::views::{Page, PageRequest};
use crate::storage::{Connection, StorageError};

/// Between two tries after a failure of the database.
const RETRY: Duration = Duration::from_secs(2);

/// How a kind of job is done.
pub(super) trait JobWork: BackgroundKind + Clone + Send + Sync {
    /// What people call such a job.
    const NAME: &'static str;
    const QUEUES: &'static [&'static str];
    /// Why a job counts as failed that was running when the hub was stopped; none for those that go on by themselves.
    const INTERRUPTED: Option<&'static str> = None;
    /// What [`Self::run`] leaves to be stored with the end.
    type Found: Send + 'static;
    /// How a job is shown.
    type View;

    /// Whether a job that waits does what another one asks for.
    fn covers(_waiting: &Self::Payload, _asked: &Self::Payload) -> bool {
        false
    }

    /// Does the job, on a blocking thread. It ends early once the job is cancelled.
    ///
    /// # Errors
    /// What keeps it from going on; the job counts as failed.
    fn run(&self, job: &Job<Self>) -> Result<Self::Found, ServiceError>;

    /// Completes the row of a job that has ended, in the commit of its end. `found` is none for one that was cancelled,
    /// failed or never began.
    ///
    /// # Errors
    /// The database failed: the job counts as failed.
    fn finish(_tx: &Connection, _row: &mut RowOf<Self>, _found: Option<&Self::Found>) -> Result<(), StorageError> {
        Ok(())
    }

    /// What history says of a job that ran.
    fn history(row: &RowOf<Self>) -> Vec<NewLine>;

    /// Tells the neighbours that a job ran to its end.
    fn tell_end(&self, row: &RowOf<Self>);

    /// Says that a job went on or ended.
    fn event(id: BackgroundJobId) -> Event;

    /// A job as it is shown: what all kinds have in common, and what only this one has.
    fn view(row: &RowOf<Self>, job: BackgroundJobView) -> Self::View;
}

/// The job that a queue works on.
pub(super) struct Job<K: BackgroundKind> {
    /// What was asked for, as it was stored.
    pub(super) row: RowOf<K>,
    /// What came of it so far.
    pub(super) report: Arc<Mutex<K::Report>>,
    pub(super) progress: Progress,
}

impl<K: BackgroundKind> Clone for Job<K> {
    fn clone(&self) -> Self {
        Self { row: self.row.clone(), report: Arc::clone(&self.report), progress: self.progress.clone() }
    }
}

impl<K: BackgroundKind> Job<K> {
    /// Its row, as it would be stored now.
    fn now(&self) -> RowOf<K> {
        let mut row = self.row.clone();
        row.report.clone_from(&self.report.lock());
        self.progress.write_to(&mut row);
        row
    }

    /// Whether it has ended, and only that can't be stored yet.
    fn has_ended(&self) -> bool {
        self.now().state.is_final()
    }
}

struct JobQueue<K: BackgroundKind> {
    name: &'static str,
    wake: Notify,
    running: Mutex<Option<Job<K>>>,
}

/// Runs the jobs of a kind; clones share them.
pub(super) struct Runner<K: BackgroundKind> {
    context: ServiceContext,
    queues: Arc<[JobQueue<K>]>,
}

impl<K: BackgroundKind> Clone for Runner<K> {
    fn clone(&self) -> Self {
        Self { context: self.context.clone(), queues: Arc::clone(&self.queues) }
    }
}

impl<K: JobWork> Runner<K> {
    /// Goes on with the jobs that the last run of the hub left.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn start(work: K, context: &ServiceContext) -> Result<Self, StorageError> {
        let left = context.database.write(|tx| {
            let Some(why) = K::INTERRUPTED else { return Ok(()) };
            for queue in K::QUEUES {
                for mut row in background::open::<K>(tx, queue)? {
                    row.detail = Some(why.to_owned());
                    row.end(WorkState::Failed);
                    K::finish(tx, &mut row, None)?;
                    background::save::<K>(tx, &row)?;
                }
            }
            Ok(())
        });
        left.await?;
        let queues = K::QUEUES.iter().map(|name| JobQueue { name, wake: Notify::new(), running: Mutex::new(None) });
        let runner = Self { context: context.clone(), queues: queues.collect() };
        for at in 0..runner.queues.len() {
            let (this, work) = (runner.clone(), work.clone());
            context.tasks.spawn(async move {
                if let Some(queue) = this.queues.get(at) {
                    this.run_all(queue, &work).await;
                }
            });
        }
        Ok(runner)
    }

    /// Puts a job into its queue, or joins one that waits there and does the same.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn add(&self, payload: K::Payload) -> Result<BackgroundJobId, ServiceError> {
        let queue = K::queue(&payload);
        let stored = self.context.database.write(move |tx| {
            for waiting in background::open::<K>(tx, queue)? {
                if waiting.state == WorkState::Queued && K::covers(&waiting.payload, &payload) {
                    return Ok(waiting.id);
                }
            }
            Ok(background::insert::<K>(tx, &payload)?.id)
        });
        let id = stored.await?;
        for queue in self.queues.iter().filter(|of| of.name == queue) {
            queue.wake.notify_one();
        }
        self.context.events.send(K::event(id));
        Ok(id)
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// There is none of this id, or the database failed.
    pub(super) async fn show(&self, id: BackgroundJobId) -> Result<K::View, ServiceError> {
        let stored = self.context.database.read(move |connection| background::show::<K>(connection, id)).await?;
        stored.map(|row| self.view(&row)).ok_or_else(|| ServiceError::not_found(K::NAME))
    }

    /// The latest jobs, newest first.
    ///
    /// # Errors
    /// The cursor is of another list, or the database failed.
    pub(super) async fn list(&self, request: PageRequest) -> Result<Page<K::View>, ServiceError> {
        let rows = self.context.database.read(move |connection| background::list::<K>(connection, &request)).await?;
        Ok(rows.map(|row| self.view(&row)))
    }

    /// The jobs under way.
    pub(super) fn running(&self) -> Vec<K::View> {
        self.queues.iter().filter_map(|queue| queue.running.lock().as_ref().map(view::running)).collect()
    }

    /// A stored job as it is shown: the one under way is further than its row.
    pub(super) fn view(&self, stored: &RowOf<K>) -> K::View {
        let job = self.find(|job| job.row.id == stored.id);
        job.map_or_else(|| view::stored::<K>(stored), |job| view::running(&job))
    }

    /// Stops a job; what it has stored so far stays. One that waits never begins.
    ///
    /// # Errors
    /// There is none of this id, it has ended, or the database failed.
    pub(super) async fn cancel(&self, id: BackgroundJobId) -> Result<(), ServiceError> {
        if self.stop(|job| job.row.id == id)? {
            return Ok(());
        }
        let this = self.clone();
        // A job begins within a transaction, too: one that begins meanwhile is not missed.
        let cancelled = self.context.database.write(move |tx| {
            let Some(mut row) = background::show::<K>(tx, id)? else {
                return Ok(Err(ServiceError::not_found(K::NAME)));
            };
            if let Some(job) = this.find(|job| job.row.id == id) {
                job.progress.cancel.cancel();
                return Ok(Ok(()));
            }
            if row.state.is_final() {
                return Ok(Err(ServiceError::said(
                    ErrorKind::Conflict,
                    format!("This {} has ended already.", K::NAME),
                )));
            }
            row.end(WorkState::Cancelled);
            K::finish(tx, &mut row, None)?;
            background::save::<K>(tx, &row)?;
            Ok(Ok(()))
        });
        cancelled.await??;
        self.context.events.send(K::event(id));
        Ok(())
    }

    /// Stops a job under way that is meant; `false` if there is none.
    ///
    /// # Errors
    /// It has ended, and that can't be stored yet.
    pub(super) fn stop(&self, is_meant: impl Fn(&Job<K>) -> bool) -> Result<bool, ServiceError> {
        let Some(job) = self.find(is_meant) else { return Ok(false) };
        if job.has_ended() {
            let name = K::NAME;
            let text = format!("This {name} has ended already; that is stored as soon as the database can be written.");
            return Err(ServiceError::said(ErrorKind::Conflict, text));
        }
        job.progress.cancel.cancel();
        Ok(true)
    }

    fn find(&self, is_meant: impl Fn(&Job<K>) -> bool) -> Option<Job<K>> {
        self.queues.iter().find_map(|queue| queue.running.lock().as_ref().filter(|job| is_meant(job)).cloned())
    }

    /// Runs one job after the other until the program ends.
    async fn run_all(&self, queue: &JobQueue<K>, work: &K) {
        let ServiceContext { database, ends, tasks, .. } = &self.context;
        loop {
            if !ends.until_writable().await {
                return;
            }
            let next = database.read(|connection| background::next::<K>(connection, queue.name)).await;
            let done = match next {
                Ok(Some(row)) => self.run(queue, work, row.id).await,
                Ok(None) => {
                    tokio::select! {
                        () = queue.wake.notified() => Ok(()),
                        () = tasks.token().cancelled() => return,
                    }
                }
                Err(error) => Err(error),
            };
            if tasks.token().is_cancelled() {
                return;
            }
            if let Err(error) = done {
                tracing::error!(%error, kind = K::KIND, "a background job could not be begun or ended");
                if !tasks.pause(RETRY).await {
                    return;
                }
            }
        }
    }

    /// Runs a job to its end. If the program ends first, the job stays as it is for the next start.
    async fn run(&self, queue: &JobQueue<K>, work: &K, id: BackgroundJobId) -> Result<(), StorageError> {
        let ServiceContext { ends, tasks, events, .. } = &self.context;
        let Some(job) = self.begin(queue, id).await? else { return Ok(()) };
        let cancel = job.progress.cancel.clone();
        let _guard = tasks.cancel_at_shutdown(cancel.clone());
        events.send(K::event(id));
        let (worker, own) = (work.clone(), job.clone());
        // A fault of one job is not the end of its queue.
        let end = tasks.blocking(move || catch_unwind(AssertUnwindSafe(|| worker.run(&own)))).await;
        if tasks.token().is_cancelled() {
            return Ok(());
        }
        let mut row = job.now();
        let (state, found) = match end {
            Some(Ok(Ok(_))) if cancel.is_cancelled() => (WorkState::Cancelled, None),
            Some(Ok(Ok(found))) if row.counts.n_failed > 0 => (WorkState::Partial, Some(found)),
            Some(Ok(Ok(found))) => (WorkState::Complete, Some(found)),
            Some(Ok(Err(error))) => {
                row.detail = Some(error.to_string());
                (WorkState::Failed, None)
            }
            Some(Err(_)) | None => {
                tracing::error!(kind = K::KIND, id = id.0, "a background job broke off");
                row.detail = Some("It broke off; the log tells more.".to_owned());
                (WorkState::Failed, None)
            }
        };
        row.end(state);
        let progress = job.progress.clone();
        let failed = row.clone();
        let stored = ends.store(
            K::NAME,
            move || progress.show_end(state),
            move |tx| {
                let mut row = row.clone();
                K::finish(tx, &mut row, found.as_ref())?;
                background::save::<K>(tx, &row)?;
                K::history(&row).iter().try_for_each(|line| history::add(tx, line).map(drop))?;
                Ok(row)
            },
        );
        let ended = match stored.await {
            Err(error) if !matches!(error, StorageError::Closed) => self.give_up(failed, &error).await,
            stored => stored,
        };
        queue.running.lock().take();
        work.tell_end(&ended?);
        events.send(Event::HistoryAdded);
        events.send(K::event(id));
        Ok(())
    }

    /// Takes a job from its queue, unless someone has cancelled it meanwhile.
    async fn begin(&self, queue: &JobQueue<K>, id: BackgroundJobId) -> Result<Option<Job<K>>, StorageError> {
        let (this, name) = (self.clone(), queue.name);
        let begun = self.context.database.write(move |tx| {
            let Some(mut row) = background::show::<K>(tx, id)?.filter(|row| !row.state.is_final()) else {
                return Ok(None);
            };
            row.state = WorkState::Running;
            (row.counts, row.detail) = (Counts::default(), None);
            background::save::<K>(tx, &row)?;
            let progress = Progress::new(CancelFlag::new(), this.context.events.clone(), K::event(id));
            let job = Job { report: Arc::new(Mutex::new(row.report.clone())), row, progress };
            if let Some(queue) = this.queues.iter().find(|queue| queue.name == name) {
                *queue.running.lock() = Some(job.clone());
            }
            Ok(Some(job))
        });
        let begun = begun.await;
        if begun.is_err() {
            queue.running.lock().take();
        }
        begun
    }

    /// What a job found can't be stored: at least it must not begin again for ever.
    async fn give_up(&self, mut row: RowOf<K>, error: &StorageError) -> Result<RowOf<K>, StorageError> {
        tracing::error!(%error, kind = K::KIND, "what a background job found could not be stored");
        row.detail = Some(error.to_string());
        row.end(WorkState::Failed);
        self.context.database.write(move |tx| background::save::<K>(tx, &row).map(|()| row.clone())).await
    }
}

#[cfg(test)]
#[path = "background/tests.rs"]
mod tests;
