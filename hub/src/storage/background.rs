//! Background jobs as they are stored: one table for all kinds.

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::columns::Json;
use super::views::page::{Page, PageRequest};
use super::{StorageError, execute, first, from_db, now_ms, one, rows, timestamp, to_db};
use crate::domain::background::{Counts, WorkState};
use crate::domain::ids::BackgroundJobId;

/// A kind of background job.
pub trait BackgroundKind: 'static {
    /// Its name in the database.
    const KIND: &'static str;
    type Payload: Serialize + DeserializeOwned + Clone + Send + Sync;
    /// What came of it, beside the counts.
    type Report: Serialize + DeserializeOwned + Clone + Default + Send + Sync;

    /// In which queue a job waits: jobs of one queue run one after the other.
    fn queue(payload: &Self::Payload) -> &'static str;
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackgroundJobRow<P, R> {
    pub id: BackgroundJobId,
    pub payload: P,
    pub state: WorkState,
    /// How much of it is done.
    pub counts: Counts,
    pub report: R,
    /// Why it ended as it did.
    pub detail: Option<String>,
    pub created_at: jiff::Timestamp,
    pub finished_at: Option<jiff::Timestamp>,
}

pub type RowOf<K> = BackgroundJobRow<<K as BackgroundKind>::Payload, <K as BackgroundKind>::Report>;

impl<P, R> BackgroundJobRow<P, R> {
    /// Ends it now.
    pub fn end(&mut self, state: WorkState) {
        self.state = state;
        self.finished_at = Some(timestamp(now_ms()));
    }
}

const COLUMNS: &str = "id, payload, state, n_total, n_done, n_failed, bytes_total, bytes_done, report, detail, \
     created_at, finished_at";

fn read<K: BackgroundKind>(row: &Row<'_>) -> rusqlite::Result<RowOf<K>> {
    let count = |name| Ok::<_, rusqlite::Error>(from_db(row.get(name)?));
    Ok(BackgroundJobRow {
        id: row.get("id")?,
        payload: row.get::<_, Json<K::Payload>>("payload")?.0,
        state: row.get("state")?,
        counts: Counts {
            n_total: count("n_total")?,
            n_done: count("n_done")?,
            n_failed: count("n_failed")?,
            bytes_total: count("bytes_total")?,
            bytes_done: count("bytes_done")?,
        },
        report: row.get::<_, Json<K::Report>>("report")?.0,
        detail: row.get("detail")?,
        created_at: timestamp(row.get("created_at")?),
        finished_at: row.get::<_, Option<i64>>("finished_at")?.map(timestamp),
    })
}

/// Stores a new job at the end of its queue.
pub fn insert<K: BackgroundKind>(connection: &Connection, payload: &K::Payload) -> Result<RowOf<K>, StorageError> {
    let sql = "INSERT INTO background_jobs (kind, queue, payload, state, report, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    execute(
        connection,
        sql,
        (K::KIND, K::queue(payload), Json(payload), WorkState::Queued, Json(K::Report::default()), now_ms()),
    )?;
    show::<K>(connection, BackgroundJobId(connection.last_insert_rowid()))?.ok_or(StorageError::Missing("job"))
}

pub fn show<K: BackgroundKind>(connection: &Connection, id: BackgroundJobId) -> Result<Option<RowOf<K>>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM background_jobs WHERE id = ?1 AND kind = ?2");
    first(connection, &sql, (id, K::KIND), read::<K>)
}

/// One page of the jobs of a kind, the newest first. The cursor carries the kind, so that one of another list is
/// noticed.
pub fn list<K: BackgroundKind>(connection: &Connection, request: &PageRequest) -> Result<Page<RowOf<K>>, StorageError> {
    let before = match request.after::<(String, i64)>()? {
        Some((of, id)) if of == K::KIND => id,
        Some(_) => return Err(StorageError::Cursor),
        None => i64::MAX,
    };
    let sql = format!("SELECT {COLUMNS} FROM background_jobs WHERE kind = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
    let rows: Vec<RowOf<K>> = rows(connection, &sql, (K::KIND, before, request.rows_to_read()), read::<K>)?;
    let total = one(connection, "SELECT count(*) FROM background_jobs WHERE kind = ?1", [K::KIND], |row| {
        Ok(from_db(row.get(0)?))
    })?;
    Ok(request.page(rows, total, |row| (K::KIND.to_owned(), row.id.0)))
}

/// The jobs of a queue that have not ended, in their order.
pub fn open<K: BackgroundKind>(connection: &Connection, queue: &str) -> Result<Vec<RowOf<K>>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM background_jobs WHERE kind = ?1 AND queue = ?2 AND finished_at IS NULL ORDER BY id"
    );
    rows(connection, &sql, (K::KIND, queue), read::<K>)
}

/// The oldest job of a queue that has not ended.
pub fn next<K: BackgroundKind>(connection: &Connection, queue: &str) -> Result<Option<RowOf<K>>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM background_jobs WHERE kind = ?1 AND queue = ?2 AND finished_at IS NULL ORDER BY id LIMIT 1"
    );
    first(connection, &sql, (K::KIND, queue), read::<K>)
}

/// The latest job of a kind that has ended with a result.
pub fn latest<K: BackgroundKind>(connection: &Connection) -> Result<Option<RowOf<K>>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM background_jobs WHERE kind = ?1 AND state IN ('complete', 'partial')
         ORDER BY id DESC LIMIT 1"
    );
    first(connection, &sql, [K::KIND], read::<K>)
}

/// Stores how far a job is.
pub fn save<K: BackgroundKind>(connection: &Connection, job: &RowOf<K>) -> Result<(), StorageError> {
    let counts = &job.counts;
    let sql = "UPDATE background_jobs SET state = ?2, n_total = ?3, n_done = ?4, n_failed = ?5, bytes_total = ?6,
                                        bytes_done = ?7, report = ?8, detail = ?9, finished_at = ?10
             WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        job.id,
        job.state,
        to_db(counts.n_total),
        to_db(counts.n_done),
        to_db(counts.n_failed),
        to_db(counts.bytes_total),
        to_db(counts.bytes_done),
        Json(&job.report),
        &job.detail,
        job.finished_at.map(jiff::Timestamp::as_millisecond),
    ))?;
    Ok(())
}
