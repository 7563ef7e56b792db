//! Whether the database can be written: noted by every write, and asked by whoever is about to begin
//! something whose end would have to be written down.

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use super::StorageError;

/// Why the database can't be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Trouble {
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    pub why: String,
    pub todo: String,
    /// It was seen before a write failed.
    #[serde(skip)]
    is_foreseen: bool,
}

impl Trouble {
    /// Both as sentences.
    pub fn sentence(&self) -> String {
        format!("The database can't be written: {}. {}", self.why, self.todo)
    }
}

/// The trouble of a database, if it has any; whoever waits for its end can watch it.
#[derive(Debug)]
pub struct Troubles {
    now: watch::Sender<Option<Trouble>>,
}

impl Default for Troubles {
    fn default() -> Self {
        Self { now: watch::Sender::new(None) }
    }
}

impl Troubles {
    /// What is the matter now.
    pub fn now(&self) -> Option<Trouble> {
        self.now.borrow().clone()
    }

    /// Tells of each change.
    pub fn watch(&self) -> watch::Receiver<Option<Trouble>> {
        self.now.subscribe()
    }

    /// A write failed. Only what may pass is trouble of the database; the rest is one of the work.
    pub(super) fn failed(&self, error: &StorageError) {
        let Some(words) = error.passing() else { return };
        let why =
            words.why.strip_prefix("can't be written: ").map_or_else(|| format!("it {}", words.why), str::to_owned);
        self.set(Some((why, words.todo.to_owned())), false);
    }

    /// A write succeeded.
    pub(super) fn written(&self) {
        // Without a lock that all writers would meet at: mostly there is none.
        if self.now.borrow().as_ref().is_some_and(|trouble| !trouble.is_foreseen) {
            self.set(None, false);
        }
    }

    /// Somebody who looks at the disk foresees that a write will fail, or no longer does.
    pub fn foresee(&self, trouble: Option<(String, String)>) {
        let known = self.now();
        match trouble {
            // What failed for real is told as it is.
            Some(_) if known.as_ref().is_some_and(|known| !known.is_foreseen) => {}
            None if known.as_ref().is_none_or(|known| !known.is_foreseen) => {}
            other => self.set(other, true),
        }
    }

    fn set(&self, trouble: Option<(String, String)>, is_foreseen: bool) {
        self.now.send_if_modified(|now| {
            let since = now.as_ref().map_or_else(Timestamp::now, |known| known.since);
            let next = trouble.map(|(why, todo)| Trouble { since, why, todo, is_foreseen });
            let is_new = *now != next;
            *now = next;
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StorageError {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None).into()
    }

    #[test]
    fn a_failed_write_is_trouble_until_one_succeeds() {
        let troubles = Troubles::default();
        troubles.failed(&StorageError::Missing("transfer"));
        assert_eq!(troubles.now(), None, "that is no trouble of the database");
        troubles.failed(&full());
        let first = troubles.now();
        assert!(first.as_ref().is_some_and(|trouble| trouble.sentence().contains("disk is full")));
        troubles.failed(&full());
        assert_eq!(troubles.now(), first, "since when stays");
        troubles.written();
        assert_eq!(troubles.now(), None);
    }

    #[test]
    fn what_is_foreseen_stays_until_it_is_no_longer() {
        let troubles = Troubles::default();
        troubles.foresee(Some(("the disk is nearly full".into(), "Make room.".into())));
        troubles.written();
        assert!(troubles.now().is_some(), "one small write says nothing");
        troubles.foresee(None);
        assert_eq!(troubles.now(), None);
        troubles.failed(&full());
        troubles.foresee(None);
        assert!(troubles.now().is_some(), "only a write ends what a write began");
    }
}
