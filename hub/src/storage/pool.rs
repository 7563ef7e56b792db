//! One connection that writes and a few that read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::StorageError;
use super::inspect::Room;
use super::open::{self, Opened};
use super::trouble::Troubles;

/// Reading connections kept open; one more caller waits.
const READERS: usize = 4;

/// The hub's database; clones share it.
#[derive(Clone)]
pub struct Database {
    inner: Arc<PoolInner>,
}

struct PoolInner {
    path: PathBuf,
    /// None when the database was closed.
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Readers>,
    returned: Condvar,
    troubles: Troubles,
    /// Commits so far, and those that are in the file itself for sure.
    n_commits: AtomicU64,
    n_folded: AtomicU64,
}

struct Readers {
    idle: Vec<Connection>,
    n_open: usize,
    closed: bool,
}

impl Database {
    /// Opens or makes the database; a broken one is set aside, and the answer says so.
    #[cfg(test)]
    pub fn open(path: &Path) -> Result<(Self, Opened), StorageError> {
        Self::open_with_room(path, &|| None)
    }

    /// The same where somebody knows how much room there is for copies.
    pub fn open_with_room(path: &Path, room: Room<'_>) -> Result<(Self, Opened), StorageError> {
        let (writer, opened) = open::writer(path, room).map_err(|error| error.about_file(path))?;
        let inner = PoolInner {
            path: path.to_owned(),
            writer: Mutex::new(Some(writer)),
            readers: Mutex::new(Readers { idle: Vec::new(), n_open: 0, closed: false }),
            returned: Condvar::new(),
            troubles: Troubles::default(),
            n_commits: AtomicU64::new(0),
            n_folded: AtomicU64::new(0),
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

    /// [`Self::write`] without waiting for the disk: the commit survives a kill of this program at once, and a power cut
    /// as soon as any other write, or [`Self::make_durable`], has returned.
    pub async fn write_lightly<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StorageError> + Send + 'static,
    {
        let this = self.clone();
        blocking(move || {
            let written = this.commit_blocking(false, work);
            if let Err(error) = &written {
                this.inner.troubles.failed(error);
            }
            written
        })
        .await
    }

    /// Makes everything that was committed last: one sync for all of it.
    pub async fn make_durable(&self) -> Result<(), StorageError> {
        self.write(|tx| super::facts::set(tx, "made_durable_at", &super::now_ms().to_string())).await
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
        let written = self.write_or_refuse_blocking(work);
        if let Err(error) = &written {
            self.inner.troubles.failed(error);
        }
        written
    }

    /// The same where the work may be refused halfway for a reason of its own: that rolls it back, too.
    pub fn write_or_refuse_blocking<T, E: From<StorageError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.commit_blocking(true, work)
    }

    fn commit_blocking<T, E: From<StorageError>>(
        &self,
        is_synced: bool,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = self.inner.writer.lock();
        let writer = writer.as_mut().ok_or(StorageError::Closed)?;
        // Of this commit only: whoever has the connection next is synced unless they say otherwise.
        writer
            .pragma_update(None, "synchronous", if is_synced { "full" } else { "normal" })
            .map_err(StorageError::from)?;
        let noted = |error: rusqlite::Error| {
            let error = StorageError::from(error);
            self.inner.troubles.failed(&error);
            error
        };
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(noted)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(noted)?;
        self.inner.n_commits.fetch_add(1, Ordering::Relaxed);
        self.inner.troubles.written();
        Ok(result)
    }

    /// Whether the database can be written, and since when not.
    pub fn troubles(&self) -> &Troubles {
        &self.inner.troubles
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Carries what was committed over from the log into the file itself, beside all other work: nobody
    /// waits for it. Without commits since the last time nothing is done.
    pub fn fold_in_blocking(&self) -> Result<(), StorageError> {
        let n_commits = self.inner.n_commits.load(Ordering::Relaxed);
        if n_commits == self.inner.n_folded.load(Ordering::Relaxed) {
            return Ok(());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.inner.path, flags)?;
        let (in_log, carried): (i64, i64) = connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get("log")?, row.get("checkpointed")?)))?;
        if in_log == carried {
            self.inner.n_folded.store(n_commits, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Closes the database with all of it in its own file. From now on it answers that it is closed.
    /// Whoever still reads or writes is waited for, but no longer than this.
    pub fn close_blocking(&self, patience: Duration) -> Result<(), StorageError> {
        let end = Instant::now() + patience;
        let writer = self.inner.writer.try_lock_until(end).and_then(|mut writer| writer.take());
        let Some(writer) = writer else { return Err(StorageError::Closed) };
        let mut readers = self.inner.readers.lock();
        readers.closed = true;
        readers.n_open -= readers.idle.len();
        readers.idle.clear();
        while readers.n_open > 0 {
            if self.inner.returned.wait_until(&mut readers, end).timed_out() {
                break;
            }
        }
        drop(readers);
        writer.busy_timeout(end.saturating_duration_since(Instant::now()))?;
        open::fold_in(&writer)?;
        writer.close().map_err(|(_, error)| StorageError::from(error))
    }

    /// Lets the file take no more pages, as on a full disk; or any number again.
    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "tests may unwrap")]
    pub(crate) fn limit_pages_for_tests(&self, full: bool) {
        let writer = self.inner.writer.lock();
        let writer = writer.as_ref().unwrap();
        let n: i64 = writer.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = if full { n } else { 1_000_000_000 };
        writer.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).unwrap();
    }

    /// Lets `SQLite` look at its statistics; cheap, and worth it after much has changed.
    pub fn optimize_blocking(&self) -> Result<(), StorageError> {
        let writer = self.inner.writer.lock();
        let writer = writer.as_ref().ok_or(StorageError::Closed)?;
        writer.execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize;")?;
        Ok(())
    }

    fn take_reader(&self) -> Result<Reader<'_>, StorageError> {
        let mut readers = self.inner.readers.lock();
        loop {
            if readers.closed {
                return Err(StorageError::Closed);
            }
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
    inner: &'a PoolInner,
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
            let mut readers = self.inner.readers.lock();
            if readers.closed {
                readers.n_open -= 1;
                drop(connection);
            } else {
                readers.idle.push(connection);
            }
            self.inner.returned.notify_all();
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

    /// Rows that a copy of the file alone holds, without the log beside it.
    fn in_the_file_alone(folder: &tempfile::TempDir) -> i64 {
        let copy = folder.path().join("copy.db");
        std::fs::copy(folder.path().join("hub.db"), &copy).unwrap();
        let copy = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        copy.query_row("SELECT count(*) FROM facts WHERE name LIKE 'test%'", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_was_committed_is_in_the_file_after_it_was_folded_in_and_after_the_end() {
        let (folder, database) = database();
        let add = |name: &str| {
            database
                .write_blocking(|tx| Ok(tx.execute("INSERT INTO facts VALUES (?1, '')", [name]).map(drop)?))
                .unwrap();
        };
        add("test1");
        assert_eq!(in_the_file_alone(&folder), 0, "it is in the log");
        // Somebody reads meanwhile: he keeps what he sees, and nobody waits for him.
        let reader = database.take_reader().unwrap();
        database.fold_in_blocking().unwrap();
        assert_eq!(in_the_file_alone(&folder), 1);
        add("test2");
        drop(reader);
        database.close_blocking(Duration::from_secs(5)).unwrap();
        assert_eq!(in_the_file_alone(&folder), 2);
        assert!(!folder.path().join("hub.db-wal").exists());
        let refused: Result<(), _> = database.write_blocking(|_| Ok(()));
        assert!(matches!(refused, Err(StorageError::Closed)));
        assert!(matches!(database.read_blocking(|_| Ok(())), Err(StorageError::Closed)));
    }

    #[test]
    fn a_reader_that_never_comes_back_does_not_hold_up_the_end() {
        let (folder, database) = database();
        let _reader = database.take_reader().unwrap();
        database.write_blocking(|tx| Ok(tx.execute("INSERT INTO facts VALUES ('test', '')", []).map(drop)?)).unwrap();
        let began = Instant::now();
        database.close_blocking(Duration::from_millis(200)).ok();
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(in_the_file_alone(&folder), 1);
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
