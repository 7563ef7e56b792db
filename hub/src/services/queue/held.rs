//! Why the queue is held. Where room is missing, how much is told anew every few seconds: people make room
//! meanwhile, or other programs take it.

use std::time::Duration;

use super::{Queue, execution};
use crate::domain::ids::TransferId;
use crate::services::{Event, ServiceError};
use crate::storage::queue::row;
use crate::storage::{Connection, StorageError, facts};

/// Between two looks at the room that is missing.
const PAUSE: Duration = Duration::from_secs(2);

/// Said where nothing waits for room any more.
const ROOM_ENOUGH: &str = "A disk was full, and what did not fit is not queued any more. Resume the queue.";

/// Why, and what for: read when the hub starts.
pub(super) fn read(connection: &Connection) -> Result<(Option<String>, Option<TransferId>), StorageError> {
    let why = facts::get(connection, facts::QUEUE_PAUSED)?;
    let short = facts::get(connection, facts::QUEUE_SHORT_OF_ROOM)?.and_then(|id| id.parse().ok()).map(TransferId);
    Ok((why, short))
}

impl Queue {
    /// Holds the queue; what runs stops where it is. Of a transfer that did not fit, how much is missing is
    /// told anew as long as it waits.
    pub(super) fn hold_blocking(&self, why: &str, short: Option<TransferId>) -> Result<(), ServiceError> {
        *self.held.lock() = Some(why.to_owned());
        *self.short.lock() = short;
        self.live.stop_all();
        self.database.write_blocking(|tx| {
            facts::set(tx, facts::QUEUE_PAUSED, why)?;
            match short {
                Some(id) => facts::set(tx, facts::QUEUE_SHORT_OF_ROOM, &id.0.to_string()),
                None => facts::remove(tx, facts::QUEUE_SHORT_OF_ROOM),
            }
        })?;
        self.look_at_room.notify_one();
        self.events.send(Event::QueueChanged);
        Ok(())
    }

    /// Lets the queue go on.
    pub async fn resume_all(&self) -> Result<(), ServiceError> {
        let freed = self.database.write(|tx| {
            facts::remove(tx, facts::QUEUE_PAUSED)?;
            facts::remove(tx, facts::QUEUE_SHORT_OF_ROOM)
        });
        freed.await?;
        *self.held.lock() = None;
        *self.short.lock() = None;
        self.wake.notify_one();
        self.events.send(Event::QueueChanged);
        Ok(())
    }
}

/// Follows the room that is missing while the queue is held for it; sleeps while it is not.
pub(super) fn follow_room(queue: &Queue) {
    let this = queue.clone();
    queue.tasks.spawn(async move {
        loop {
            let Some(id) = *this.short.lock() else {
                tokio::select! {
                    () = this.look_at_room.notified() => continue,
                    () = this.tasks.token().cancelled() => return,
                }
            };
            let own = this.clone();
            // A disk that does not answer holds up nothing but this.
            let told = this.tasks.blocking(move || missing(&own, id)).await.flatten();
            if let Some(why) = told {
                let mut held = this.held.lock();
                let is_news = *this.short.lock() == Some(id) && held.as_ref().is_some_and(|held| *held != why);
                if is_news {
                    *held = Some(why);
                    drop(held);
                    this.events.send(Event::QueueChanged);
                }
            }
            if !this.tasks.pause(PAUSE).await {
                return;
            }
        }
    });
}

/// What is missing now; none where that can't be said.
fn missing(queue: &Queue, id: TransferId) -> Option<String> {
    let found = queue.database.read_blocking(|connection| row::show(connection, id)).ok()?;
    match found.filter(|transfer| !transfer.progress.state.is_final()) {
        Some(transfer) => execution::full_root(queue, &transfer),
        None => Some(ROOM_ENOUGH.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::operation::{OnConflict, Operation};
    use crate::domain::root::Root;
    use crate::services::queue::{Action, TransferRequest};
    use crate::services::{Services, Tasks};

    async fn told(queue: &Queue, is_it: impl Fn(Option<&str>) -> bool) -> Option<String> {
        for _ in 0..1_000 {
            let paused = queue.status().await.unwrap().paused;
            if is_it(paused.as_deref()) {
                return paused;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never was told: {:?}", queue.status().await);
    }

    #[tokio::test]
    async fn what_is_missing_is_told_as_it_is_now_and_not_as_it_was() {
        let tasks = Tasks::new();
        let services = Services::for_tests(&tasks).await;
        let folders = Root::ALL.map(|_| tempfile::tempdir().unwrap());
        for folder in &folders {
            std::fs::write(folder.path().join("both.pt"), b"x").unwrap();
        }
        std::fs::write(folders.last().unwrap().path().join("only-lake.pt"), b"model").unwrap();
        let paths = folders.each_ref().map(|folder| Some(folder.path().display().to_string()));
        let names = ["LOCAL_MODELS_ROOT", "LAKE_MODELS_ROOT"].map(str::to_owned);
        services.save_settings(names.into_iter().zip(paths).collect(), &tasks).await.unwrap();
        let queue = services.queue.clone();
        queue.pause_all().await.unwrap();
        let request = TransferRequest {
            operation: Operation::Copy,
            from: Root::Lake,
            to: Some(Root::Local),
            paths: vec![shared_protocol::RelPath::parse("only-lake.pt").unwrap()],
            on_conflict: OnConflict::Skip,
            include_damaged: false,
        };
        let mut n = 0;
        while n == 0 {
            // A new root is scanned by itself.
            services.indexer.begin(Root::ALL.to_vec()).await.ok();
            tokio::time::sleep(Duration::from_millis(20)).await;
            n = queue.enqueue(request.clone()).await.map_or(0, |receipt| receipt.n_transfers);
        }
        let own = queue.clone();
        let hold = move || own.hold_blocking("106 MiB are missing.", Some(TransferId(1)));
        tokio::task::spawn_blocking(hold).await.unwrap().unwrap();
        let now = told(&queue, |why| why.is_some_and(|why| why != "106 MiB are missing.")).await.unwrap();
        assert!(now.contains("are free now") && now.contains("only-lake.pt"), "{now}");
        queue.act(TransferId(1), Action::Cancel).await.unwrap();
        told(&queue, |why| why == Some(ROOM_ENOUGH)).await;
        queue.resume_all().await.unwrap();
        assert_eq!(queue.status().await.unwrap().paused, None);
    }
}
