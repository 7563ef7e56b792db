//! Keeps the comparison fresh: shortly after every change of an index by itself, and at once for
//! whoever is about to read it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Notify};

use super::{Event, Events, ServiceError, Tasks};
use crate::storage::{Database, pairs};

/// Changes are taken together for this long before the rows are written anew.
const DEBOUNCE: Duration = Duration::from_millis(400);

/// And for so many times as long as the last time took: the queue writes to the same database.
const SHARE: u32 = 9;

/// The longest that pages wait for it.
const LONGEST: Duration = Duration::from_secs(5);

/// Keeps the comparison fresh; clones share it.
#[derive(Clone)]
pub struct Comparer {
    database: Database,
    events: Events,
    changed: Arc<Notify>,
    /// One refresh at a time; a second reader waits and then finds nothing left to do.
    turn: Arc<Mutex<()>>,
}

impl Comparer {
    pub(super) fn start(database: Database, events: Events, tasks: &Tasks) -> Self {
        let comparer = Self { database, events, changed: Arc::new(Notify::new()), turn: Arc::default() };
        let (this, own_tasks) = (comparer.clone(), tasks.clone());
        tasks.spawn(async move {
            // What a killed hub left stale is written at once: later it would hold up the first scan.
            this.refresh_by_itself().await;
            let mut pause = DEBOUNCE;
            loop {
                tokio::select! {
                    () = this.changed.notified() => {}
                    () = own_tasks.token().cancelled() => return,
                }
                if !own_tasks.pause(pause).await {
                    return;
                }
                let began = Instant::now();
                this.refresh_by_itself().await;
                pause = (began.elapsed() * SHARE).clamp(DEBOUNCE, LONGEST);
            }
        });
        comparer
    }

    /// Says that an index changed: the comparison follows shortly.
    pub fn index_changed(&self) {
        self.changed.notify_one();
    }

    async fn refresh_by_itself(&self) {
        if let Err(error) = self.refresh().await {
            tracing::error!(%error, "the comparison could not be brought up to date");
        }
    }

    /// As [`Self::refresh`], for whoever only shows it: while the database can't be written, what it holds is shown.
    pub async fn refresh_to_show(&self) -> Result<(), ServiceError> {
        match self.refresh().await {
            Err(error) if self.database.troubles().now().is_some() => {
                tracing::debug!(%error, "the comparison is shown as it was last");
                Ok(())
            }
            other => other,
        }
    }

    /// Returns when the comparison is up to date with the indexes.
    pub async fn refresh(&self) -> Result<(), ServiceError> {
        if !self.database.read(pairs::is_stale).await? {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if !self.database.read(pairs::is_stale).await? {
            return Ok(());
        }
        self.database.write(pairs::refresh).await?;
        self.events.send(Event::PairsChanged);
        Ok(())
    }
}
