//! The ends of jobs: the one place where they are written down.
//!
//! What a job did is done, whether or not the database can be written at that moment: its disk may be
//! full. So its end is kept in memory and tried again until it is stored, in the order in which ends
//! came. Until then the job counts as running, and nothing new begins ([`EndStore::until_writable`]):
//! that bounds what is kept by what was running. A hub that ends first finds such jobs running at
//! its next start and looks what became of them, as after a kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::{ErrorKind, ServiceError, Tasks};
use crate::storage::{Connection, Database, StorageError};

/// Between two tries, if nobody says earlier that the database can be written again.
const RETRY: Duration = Duration::from_secs(2);

/// Stores the ends of jobs; clones share the order.
#[derive(Clone)]
pub struct EndStore {
    database: Database,
    tasks: Tasks,
    runtime: Handle,
    turn: Arc<Mutex<()>>,
    n_kept: Arc<AtomicUsize>,
}

/// Counts an end as kept for as long as it lives.
struct KeptEnd(Arc<AtomicUsize>);

impl KeptEnd {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for KeptEnd {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl EndStore {
    /// Nothing is kept yet. To be called on the runtime.
    pub(super) fn new(database: Database, tasks: Tasks) -> Self {
        Self { database, tasks, runtime: Handle::current(), turn: Arc::default(), n_kept: Arc::default() }
    }

    /// Ends that wait until the database can be written.
    pub fn n_kept(&self) -> usize {
        self.n_kept.load(Ordering::Acquire)
    }

    /// Stores an end on this thread, which blocks until that is done. `what` is for the log; `kept` is
    /// called if it has to wait, so that whoever looks meanwhile sees the end. An error is a fault of the
    /// work itself, or the program ends first.
    pub fn store_blocking<T>(
        &self,
        what: &'static str,
        kept: impl FnOnce(),
        write: impl Fn(&Connection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let once = || self.database.write_blocking(|tx| write(tx));
        if self.n_kept() == 0 {
            match once() {
                Err(error) if error.passing().is_some() => tracing::error!(%error, what, "an end is kept in memory"),
                stored => return stored,
            }
        }
        let _kept = KeptEnd::new(&self.n_kept);
        kept();
        let turn = async {
            tokio::select! {
                turn = self.turn.lock() => Some(turn),
                () = self.tasks.token().cancelled() => None,
            }
        };
        let Some(_turn) = self.runtime.block_on(turn) else { return Err(StorageError::Closed) };
        loop {
            match once() {
                Err(error) if error.passing().is_some() => {}
                stored => {
                    tracing::info!(what, "an end that was kept in memory is stored");
                    return stored;
                }
            }
            if !self.runtime.block_on(self.may_try()) {
                return Err(StorageError::Closed);
            }
        }
    }

    /// The same from a task.
    pub async fn store<T: Send + 'static>(
        &self,
        what: &'static str,
        kept: impl FnOnce() + Send + 'static,
        write: impl Fn(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let this = self.clone();
        self.tasks.blocking(move || this.store_blocking(what, kept, write)).await.unwrap_or(Err(StorageError::Closed))
    }

    /// Returns when the database can be written, as far as is known; `false` if the program ends first.
    pub async fn until_writable(&self) -> bool {
        let mut trouble = self.database.troubles().watch();
        tokio::select! {
            found = trouble.wait_for(Option::is_none) => found.is_ok(),
            () = self.tasks.token().cancelled() => false,
        }
    }

    /// Refuses to begin what could not be written down.
    pub fn check_writable(&self) -> Result<(), ServiceError> {
        match self.database.troubles().now() {
            None => Ok(()),
            Some(trouble) => Err(ServiceError::said(ErrorKind::Unavailable, trouble.sentence())),
        }
    }

    /// Waits for the next try; `false` if the program ends first.
    async fn may_try(&self) -> bool {
        let mut trouble = self.database.troubles().watch();
        tokio::select! {
            _ = trouble.wait_for(Option::is_none) => {
                // A write of others went well: no reason to be in a hurry that would busy a core.
                self.tasks.pause(Duration::from_millis(50)).await
            }
            going_on = self.tasks.pause(RETRY) => going_on,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::storage::facts;

    fn ends() -> (tempfile::TempDir, EndStore) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        (folder, EndStore::new(database, Tasks::new()))
    }

    /// The database takes no more pages, as on a disk that is full; or takes them again.
    fn set_full(ends: &EndStore, full: bool) {
        ends.database.limit_pages_for_tests(full);
    }

    fn big(connection: &Connection, name: &str) -> Result<(), StorageError> {
        let order = facts::get(connection, "order")?.unwrap_or_default();
        facts::set(connection, "order", &format!("{order}{name}"))?;
        facts::set(connection, name, &"x".repeat(200_000))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ends_are_kept_while_the_disk_is_full_and_stored_in_order_afterwards() {
        let (_folder, ends) = ends();
        set_full(&ends, true);
        let mut stored = Vec::new();
        for name in ["a", "b", "c"] {
            let n = ends.n_kept();
            let this = ends.clone();
            stored.push(tokio::spawn(async move { this.store("test", || {}, move |tx| big(tx, name)).await }));
            while ends.n_kept() == n {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let trouble = ends.database.troubles().now().unwrap();
        assert!(trouble.why.contains("disk is full"), "{trouble:?}");
        assert!(ends.check_writable().unwrap_err().to_string().contains("Make room"));
        assert!(tokio::time::timeout(Duration::from_millis(50), ends.until_writable()).await.is_err());
        set_full(&ends, false);
        for one in stored {
            one.await.unwrap().unwrap();
        }
        assert!(ends.until_writable().await && ends.check_writable().is_ok());
        let order = ends.database.read(|c| facts::get(c, "order")).await.unwrap();
        assert_eq!((order.as_deref(), ends.n_kept()), (Some("abc"), 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_of_the_program_does_not_wait_for_a_full_disk() {
        let (_folder, ends) = ends();
        set_full(&ends, true);
        let this = ends.clone();
        let stored = tokio::spawn(async move { this.store("test", || {}, |tx| big(tx, "a")).await });
        while ends.n_kept() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(ends.tasks.shut_down(Duration::from_secs(10)).await);
        assert!(matches!(stored.await.unwrap(), Err(StorageError::Closed)));
    }
}
