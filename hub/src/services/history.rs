//! Writing the lines of history.

use super::{Event, Events};
use crate::storage::history::{self, NewLine};
use crate::storage::{Database, StorageError};

/// Writes history; clones share it.
#[derive(Clone)]
pub struct History {
    database: Database,
    events: Events,
}

impl History {
    pub(super) const fn new(database: Database, events: Events) -> Self {
        Self { database, events }
    }

    /// Writes a line. History is a service to people: that it can't be written stops nothing.
    pub async fn add(&self, line: NewLine) {
        let written = self.database.write(move |tx| history::add(tx, &line).map(drop)).await;
        self.tell_written(written);
    }

    /// [`Self::add`] of several lines without waiting for the disk, for what happens many times a second.
    pub async fn add_lightly(&self, lines: Vec<NewLine>) {
        if lines.is_empty() {
            return;
        }
        let written = self
            .database
            .write_lightly(move |tx| lines.iter().try_for_each(|line| history::add(tx, line).map(drop)))
            .await;
        self.tell_written(written);
    }

    fn tell_written(&self, written: Result<(), StorageError>) {
        match written {
            Ok(()) => self.events.send(Event::HistoryAdded),
            Err(error) => tracing::error!(%error, "a line of history could not be written"),
        }
    }
}
