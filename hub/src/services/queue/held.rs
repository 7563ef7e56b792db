//! Why the queue is held. Where room is missing, how much is told anew every few seconds: people make room
//! meanwhile, or other programs take it.

use std::time::Duration;

use super::{Queue, room};
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
        Some(transfer) => room::full_root(queue, &transfer),
        None => Some(ROOM_ENOUGH.to_owned()),
    }
}
