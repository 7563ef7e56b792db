//! One connection that writes and a few that read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::StorageError;
use super::open::{self, Opened};

/// Reading connections kept open; one more caller waits.
const READERS: usize = 4;

/// The hub's database; clones share it.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Readers>,
    returned: Condvar,
}

struct Readers {
    idle: Vec<Connection>,
    n_open: usize,
}

impl Database {
    /// Opens or makes the database; a broken one is set aside, and the answer says so.
    pub fn open(path: &Path) -> Result<(Self, Opened), StorageError> {
        let (writer, opened) = open::writer(path)?;
        let inner = Inner {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::new(Readers { idle: Vec::new(), n_open: 0 }),
            returned: Condvar::new(),
        };
        Ok((Self { inner: Arc::new(inner) }, opened))
    }

    /// Runs a piece of reading on a blocking thread.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    {
        let this = self.clone();
        blocking(move || this.read_blocking(work)).await
    }

    /// Runs a piece of writing in one transaction on a blocking thread; an error rolls it back.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StorageError> + Send + 'static,
    {
        let this = self.clone();
        blocking(move || this.write_blocking(work)).await
    }

    /// Runs a piece of reading on this thread, which may block.
    pub fn read_blocking<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let reader = self.take_reader()?;
        // One snapshot for all statements of the work.
        let transaction = reader.connection()?.unchecked_transaction()?;
        work(&transaction)
    }

    /// Runs a piece of writing in one transaction on this thread, which may block.
    pub fn write_blocking<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.write_or_refuse_blocking(work)
    }

    /// The same where the work may be refused halfway for a reason of its own: that rolls it back, too.
    pub fn write_or_refuse_blocking<T, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = self.inner.writer.lock();
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StorageError::from)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(StorageError::from)?;
        Ok(result)
    }

    /// Lets `SQLite` look at its statistics; cheap, and worth it after much has changed.
    pub fn optimize_blocking(&self) -> Result<(), StorageError> {
        let writer = self.inner.writer.lock();
        writer.execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize;")?;
        Ok(())
    }

    fn take_reader(&self) -> Result<Reader<'_>, StorageError> {
        let mut readers = self.inner.readers.lock();
        loop {
            if let Some(connection) = readers.idle.pop() {
                return Ok(Reader { inner: &self.inner, connection: Some(connection) });
            }
            if readers.n_open < READERS {
                readers.n_open += 1;
                drop(readers);
                return match open::reader(&self.inner.path) {
                    Ok(connection) => Ok(Reader { inner: &self.inner, connection: Some(connection) }),
                    Err(error) => {
                        self.inner.readers.lock().n_open -= 1;
                        self.inner.returned.notify_one();
                        Err(error)
                    }
                };
            }
            self.inner.returned.wait(&mut readers);
        }
    }
}

/// A borrowed reading connection, given back when dropped.
struct Reader<'a> {
    inner: &'a Inner,
    connection: Option<Connection>,
}

impl Reader<'_> {
    fn connection(&self) -> Result<&Connection, StorageError> {
        self.connection.as_ref().ok_or(StorageError::Closed)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.inner.readers.lock().idle.push(connection);
            self.inner.returned.notify_one();
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StorageError::Closed),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        (folder, database)
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let (_folder, database) = database();
        let result: Result<(), _> = database.write_blocking(|tx| {
            tx.execute("INSERT INTO facts VALUES ('a', 'b')", [])?;
            Err(StorageError::Missing("the rest"))
        });
        assert!(result.is_err());
        let refused: Result<(), StorageError> = database.write_or_refuse_blocking(|tx| {
            tx.execute("INSERT INTO facts VALUES ('a', 'b')", []).map_err(StorageError::from)?;
            Err(StorageError::Closed)
        });
        assert!(matches!(refused, Err(StorageError::Closed)));
        let n: i64 = database
            .read_blocking(|c| Ok(c.query_row("SELECT count(*) FROM facts WHERE name = 'a'", [], |r| r.get(0))?))
            .unwrap();
        assert_eq!(n, 0);
    }

    #[test]
    fn more_readers_than_connections_take_turns() {
        let (_folder, database) = database();
        std::thread::scope(|scope| {
            for _ in 0..READERS * 4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let one: i64 =
                            database.read_blocking(|c| Ok(c.query_row("SELECT 1", [], |r| r.get(0))?)).unwrap();
                        assert_eq!(one, 1);
                    }
                });
            }
        });
        assert!(database.inner.readers.lock().n_open <= READERS);
    }
}
