//! Keeps the workers busy: takes the next transfers from the database as long as a place is free.

use std::time::Duration;

use super::{Queue, attempt, copy};
use crate::domain::ids::RootRowId;
use crate::domain::root::Root;
use crate::services::events::until_roots_change;
use crate::services::{Event, ServiceError};
use crate::storage::queue::TransferRow;
use crate::storage::queue::claim::{self, Appetite};

/// Files up to this size go together.
const SMALL: Appetite = Appetite { small_bytes: 1 << 20, n_most: 128 };

/// Looked again after this long even if nobody called: a root may have come back.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) fn start(queue: &Queue) {
    let this = queue.clone();
    queue.tasks.spawn(async move {
        let mut roots = this.events.subscribe();
        let mut running = tokio::task::JoinSet::new();
        let stopping = this.tasks.token().clone();
        loop {
            let pause = match fill(&this, &mut running).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "the queue can't be read");
                    Duration::from_secs(2)
                }
            };
            tokio::select! {
                () = this.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(ended) = running.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a worker broke off");
                    }
                }
                () = until_roots_change(&mut roots) => {}
                () = stopping.cancelled() => break,
            }
        }
        this.live.stop_all();
        while running.join_next().await.is_some() {}
    });
}

/// Starts workers while places are free; tells how long nothing can change by itself.
async fn fill(queue: &Queue, running: &mut tokio::task::JoinSet<()>) -> Result<Duration, ServiceError> {
    let due = queue.database.read(claim::next_due).await?;
    if due == Some(0) {
        queue.database.write(|tx| claim::wake_due(tx)).await?;
        queue.events.send(Event::QueueChanged);
    }
    let this = queue.clone();
    queue.tasks.blocking(move || copy::discard_left(&this)).await.transpose()?;
    let places = usize::from(queue.settings.current().queue_concurrency.get());
    while running.len() < places && !queue.is_held() && !queue.tasks.token().is_cancelled() {
        let live: Vec<RootRowId> =
            Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok()).map(|root| root.row).collect();
        let policy = queue.policy();
        // Without a write while there is nothing to take.
        let open = queue.database.read(claim::is_open).await?;
        if !open {
            break;
        }
        let group = queue.database.write(move |tx| claim::next(tx, &live, SMALL, &policy)).await?;
        if group.is_empty() {
            break;
        }
        queue.events.progress(Event::QueueChanged);
        let this = queue.clone();
        running.spawn(async move {
            let tasks = this.tasks.clone();
            tasks.blocking(move || work(&this, &group)).await;
        });
    }
    Ok(due.filter(|ms| *ms > 0).map_or(LONGEST, Duration::from_millis).min(LONGEST))
}

/// Works on what was claimed together, on this thread.
fn work(queue: &Queue, group: &[TransferRow]) {
    let _busy: Vec<_> = group
        .first()
        .into_iter()
        .flat_map(|head| [Some(head.from), head.to])
        .flatten()
        .map(|root| queue.busy.begin(root))
        .collect();
    let batches: std::collections::BTreeSet<_> = group.iter().map(|transfer| transfer.batch_id).collect();
    attempt::run(queue, group);
    queue.comparer.index_changed();
    for root in group.first().into_iter().flat_map(|head| [Some(head.from), head.to]).flatten() {
        queue.events.send(Event::IndexChanged(root));
    }
    for batch in batches {
        queue.events.send(Event::BatchChanged(batch));
    }
    let changes_space = group.first().is_some_and(|head| head.operation.has_destination());
    if changes_space {
        queue.roots.look_again();
    }
    queue.events.send(Event::QueueChanged);
    queue.wake.notify_one();
}
