//! The queue of transfers.
//!
//! The database holds the queue and decides who is next; `domain::transfer` decides what follows
//! from an event; workers on blocking threads do one step after the other and write down where they
//! are. Memory holds only what may be lost: how fast it goes, and the flags that stop a worker.

mod downloads;
mod exclusions;
mod execution;
mod held;
mod live;
mod request;
mod requests;
mod runner;
pub(super) mod summary;

use std::sync::Arc;

use parking_lot::Mutex;

use super::busy::Busy;
use super::context::ServiceContext;
use super::{Comparer, EndStore, ErrorKind, Event, Events, Roots, ServiceError, Settings, Sources, Tasks};
use crate::domain::ids::{BatchId, TransferId};
use crate::domain::retry::RetryPolicy;
use crate::domain::root::Root;
use crate::domain::transfer::{self, TransferEffect, TransferState};
use crate::fs::Buffers;
use crate::storage::queue::outcome::{self, Stepped};
use crate::storage::queue::{batches, claim};
use crate::storage::views::transfers::TransferView;
use crate::storage::{Database, facts};

pub use crate::storage::queue::batches::BatchPlace;
pub use live::GroupView;
pub use request::{Action, BatchReceipt, QueueStatus, SkippedPath, TransferRequest};
pub use requests::{
    DownloadItem, DownloadReceipt, DownloadRequest, EvictionReceipt, Named, RenameOffer, Resolution, WantedContent,
    rename_offer,
};

/// The queue; clones share it.
#[derive(Clone)]
pub struct Queue {
    settings: Settings,
    database: Database,
    roots: Roots,
    events: Events,
    comparer: Comparer,
    ends: EndStore,
    tasks: Tasks,
    busy: Busy,
    live: live::Live,
    /// Why the queue is held; a copy of the fact in the database.
    held: Arc<Mutex<Option<String>>>,
    /// The transfer that did not fit, where that is why.
    short: Arc<Mutex<Option<TransferId>>>,
    look_at_room: Arc<tokio::sync::Notify>,
    wake: Arc<tokio::sync::Notify>,
    /// In the names of part files: this database's token.
    token: Arc<str>,
    /// Kept from one group to the next while anything runs.
    buffers: Arc<Mutex<Vec<Buffers>>>,
    downloads: downloads::Downloads,
}

impl Queue {
    /// Goes on where the last run ended.
    pub(super) async fn start(context: ServiceContext, sources: Sources) -> Result<Self, ServiceError> {
        let ServiceContext { settings, database, roots, events, comparer, ends, tasks, busy, .. } = context;
        let policy = RetryPolicy::with_tries(settings.current().queue_retry_count);
        let (token, (held, short), recovered) = database
            .write(move |tx| {
                let recovered = outcome::recover(tx, &policy)?;
                summary::tell(tx, &recovered)?;
                Ok((facts::token(tx)?, held::read(tx)?, recovered))
            })
            .await?;
        let queue = Self {
            settings,
            database,
            roots,
            events,
            comparer,
            ends,
            tasks,
            busy,
            live: live::Live::default(),
            held: Arc::new(Mutex::new(held)),
            short: Arc::new(Mutex::new(short)),
            look_at_room: Arc::default(),
            wake: Arc::default(),
            token: token.into(),
            buffers: Arc::default(),
            downloads: downloads::Downloads::new(sources),
        };
        if !recovered.is_empty() {
            tracing::info!(n = recovered.len(), "transfers were interrupted and go on");
        }
        let this = queue.clone();
        queue.tasks.blocking(move || recovered.iter().for_each(|one| this.run_effects(one))).await;
        runner::start(&queue);
        held::follow_room(&queue);
        Ok(queue)
    }

    /// Puts a request into the queue.
    pub async fn enqueue(&self, request: TransferRequest) -> Result<BatchReceipt, ServiceError> {
        let this = self.clone();
        let receipt = self.blocking(move || requests::enqueue(&this, &request)).await?;
        self.changed(receipt.batch_id);
        Ok(receipt)
    }

    /// Begins with a batch that was put into the database.
    pub(crate) fn begin(&self, batch: BatchId) {
        self.changed(batch);
    }

    /// Puts back what a batch did, as far as nothing else has changed it since.
    pub async fn undo_batch(&self, batch: BatchId) -> Result<BatchReceipt, ServiceError> {
        let this = self.clone();
        let receipt = self.blocking(move || requests::undo(&this, batch)).await?;
        self.changed(receipt.batch_id);
        Ok(receipt)
    }

    /// Does something with one transfer.
    pub async fn act(&self, id: TransferId, action: Action) -> Result<(), ServiceError> {
        let event = match action {
            Action::Cancel => transfer::TransferEvent::Cancel,
            Action::Retry => transfer::TransferEvent::Retry,
            Action::Pause => transfer::TransferEvent::Pause,
            Action::Resume => transfer::TransferEvent::Resume,
        };
        let this = self.clone();
        self.blocking(move || {
            let stepped = this.step_blocking(id, event)?;
            this.run_effects(&stepped);
            execution::follow(&this, &stepped.transfer, event)?;
            this.events.send(Event::BatchChanged(stepped.transfer.batch_id));
            this.events.send(Event::HistoryAdded);
            Ok(())
        })
        .await?;
        self.moved(id);
        Ok(())
    }

    /// Puts a transfer elsewhere in the order.
    pub async fn place(&self, id: TransferId, place: BatchPlace) -> Result<(), ServiceError> {
        self.database
            .write(move |tx| match crate::storage::queue::row::show(tx, id)? {
                None => Err(crate::storage::StorageError::Missing("transfer")),
                Some(row) if row.progress.state.is_final() || row.progress.state == TransferState::Running => Ok(false),
                Some(_) => batches::place(tx, id, place).map(|()| true),
            })
            .await
            .map_err(ServiceError::from)
            .and_then(|done| {
                if done { Ok(()) } else { Err(conflict("Only a transfer that still waits has a place in the order.")) }
            })?;
        self.moved(id);
        Ok(())
    }

    /// Holds the queue; what runs stops where it is and keeps what it has.
    pub async fn pause_all(&self) -> Result<(), ServiceError> {
        self.hold("You paused the queue.".to_owned()).await
    }

    /// Takes what has ended out of the lists.
    pub async fn clear_finished(&self) -> Result<u64, ServiceError> {
        let n = self.database.write(|tx| batches::clear_finished(tx)).await?;
        self.events.send(Event::QueueChanged);
        Ok(n)
    }

    /// The queue as a whole.
    pub async fn status(&self) -> Result<QueueStatus, ServiceError> {
        let summary = self.database.read(claim::summary).await?;
        let of = |state| summary.iter().find(|row| row.0 == state).map_or((0, 0), |row| (row.1, row.2));
        let open = [TransferState::Running, TransferState::Queued, TransferState::Waiting];
        let in_database: u64 = open.into_iter().map(|state| of(state).1).sum();
        let bytes_left = in_database.saturating_sub(self.live.bytes_ahead());
        let held = self.held.lock().clone();
        // What was claimed with others and is not worked on is next, as what is queued.
        let (claimed, waiting) = (of(TransferState::Running).0, of(TransferState::Waiting).0);
        let running = claimed.min(self.at_work().len() as u64);
        let queued = of(TransferState::Queued).0 + (claimed - running);
        let idle = claimed == 0 && held.is_none() && queued + waiting > 0;
        let trouble = self.database.troubles().now().map(|trouble| trouble.sentence());
        let waiting_for =
            trouble.or_else(|| idle.then(|| self.unreachable().or_else(|| self.downloads_wait())).flatten());
        let rate = self.live.rate();
        Ok(QueueStatus {
            is_paused: held.is_some(),
            paused: held,
            waiting_for,
            running,
            queued,
            waiting,
            n_paused: of(TransferState::Paused).0,
            completed: of(TransferState::Completed).0,
            failed: of(TransferState::Failed).0,
            cancelled: of(TransferState::Cancelled).0,
            bytes_left,
            bytes_per_second: rate.bytes_per_second(),
            eta_seconds: if claimed > 0 { rate.seconds_for(bytes_left) } else { None },
        })
    }

    /// The transfers that are really worked on: as many as there are places, at the most.
    pub fn at_work(&self) -> Vec<TransferId> {
        self.live.at_work(usize::from(self.settings.current().queue_concurrency.get()))
    }

    /// What is worked on together with a transfer, if that is more than itself.
    pub fn group(&self, id: TransferId) -> Option<GroupView> {
        self.live.group(id)
    }

    /// A transfer with how it is going, which only the queue knows while it runs: the database is behind.
    pub fn with_live(&self, transfer: TransferView) -> TransferView {
        let live = self.live.view(transfer.id).filter(|_| transfer.state == TransferState::Running);
        let Some(live) = live else { return transfer };
        TransferView {
            bytes_done: live.bytes_done,
            bytes_checked: live.bytes_checked,
            bytes_per_second: Some(live.bytes_per_second),
            eta_seconds: live.eta_seconds,
            ..transfer
        }
    }

    fn with_buffers<T>(&self, work: impl FnOnce(&mut Buffers) -> T) -> T {
        let mut buffers = self.buffers.lock().pop().unwrap_or_default();
        let result = work(&mut buffers);
        self.buffers.lock().push(buffers);
        result
    }

    fn unreachable(&self) -> Option<String> {
        let away = Root::ALL.into_iter().find_map(|root| self.roots.live(root).err())?;
        Some(away.to_string())
    }

    fn policy(&self) -> RetryPolicy {
        RetryPolicy::with_tries(self.settings.current().queue_retry_count)
    }

    fn is_held(&self) -> bool {
        self.held.lock().is_some()
    }

    async fn hold(&self, why: String) -> Result<(), ServiceError> {
        let this = self.clone();
        self.blocking(move || this.hold_blocking(&why, None)).await
    }

    /// Applies an event and stores what comes of it.
    fn step_blocking(&self, id: TransferId, event: transfer::TransferEvent) -> Result<Stepped, ServiceError> {
        let policy = self.policy();
        let stepped = self.database.write_blocking(|tx| {
            let stepped = outcome::apply(tx, id, event, None, &policy)?;
            if let Ok(one) = &stepped {
                summary::tell(tx, std::slice::from_ref(one))?;
                if event == transfer::TransferEvent::Retry && one.effects.contains(&TransferEffect::StartOver) {
                    summary::again(tx, one.transfer.batch_id, one.transfer.path.as_str())?;
                }
            }
            Ok(stepped)
        })?;
        stepped.map_err(|refused| conflict(&format!("That can't be done: {refused}.")))
    }

    /// Does what an event asked for, after it was stored.
    fn run_effects(&self, stepped: &Stepped) {
        for effect in &stepped.effects {
            match effect {
                TransferEffect::StopWorker => self.live.stop(stepped.transfer.id),
                TransferEffect::PauseQueue => {
                    let why = stepped.why.as_deref().unwrap_or("The disk is full. Make room, then resume the queue.");
                    if let Err(error) = self.hold_blocking(why, Some(stepped.transfer.id)) {
                        tracing::error!(%error, "the queue could not be held");
                    }
                }
                // Stored with the row; the runner sees to it.
                TransferEffect::WakeAfter(_) | TransferEffect::StartOver | TransferEffect::RemovePart => {}
            }
        }
    }

    fn changed(&self, batch: BatchId) {
        self.wake.notify_one();
        self.events.send(Event::BatchChanged(batch));
        self.events.send(Event::QueueChanged);
    }

    fn moved(&self, id: TransferId) {
        self.wake.notify_one();
        self.events.send(Event::TransferChanged(id));
        self.events.send(Event::QueueChanged);
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.tasks.blocking(work).await.ok_or(ServiceError::ShuttingDown)?
    }
}

fn conflict(text: &str) -> ServiceError {
    ServiceError::said(ErrorKind::Conflict, text)
}
