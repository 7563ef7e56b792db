//! What failed, by batch and by reason.

use rusqlite::Connection;

use crate::domain::ids::{BatchId, TransferId};
use crate::storage::{StorageError, from_db, one, rows};

/// Failed transfers looked at for an example of each reason.
const LOOKED_AT: u32 = 50;

/// Failures of a batch that have a reason in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// The reason for programs.
    pub code: String,
    pub n: u64,
    /// One of them: what was done with which file, and why it failed.
    pub example: Option<Example>,
}

/// A transfer that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What was to be done.
    pub operation: String,
    /// With which file.
    pub path: String,
    pub detail: String,
}

/// What failed of a batch, the most frequent reason first. Costs the same however many failed.
pub fn of_batch(connection: &Connection, batch: BatchId) -> Result<Vec<Failures>, StorageError> {
    let sql = "SELECT code, n FROM batch_failures WHERE batch_id = ?1 AND n > 0 ORDER BY n DESC, code";
    let mut found = rows::<_, Vec<_>>(connection, sql, [batch.0], |row| {
        Ok(Failures { code: row.get("code")?, n: from_db(row.get("n")?), example: None })
    })?;
    let sql =
        "SELECT coalesce(error_code, '') AS code, operation, path, coalesce(error_detail, error_code, '') AS detail
               FROM transfers INDEXED BY transfers_failed
               WHERE batch_id = ?1 AND state = 'failed' ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((batch.0, LOOKED_AT))?;
    while let Some(row) = rows.next()? {
        let code: String = row.get("code")?;
        if let Some(failures) = found.iter_mut().find(|failures| failures.code == code && failures.example.is_none()) {
            failures.example =
                Some(Example { operation: row.get("operation")?, path: row.get("path")?, detail: row.get("detail")? });
        }
    }
    Ok(found)
}

/// Which failed transfers are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedFilter {
    /// Only of this batch; else all that the queue lists.
    pub batch: Option<BatchId>,
    /// That failed no later than this, milliseconds since 1970 UTC.
    pub until: i64,
}

impl FailedFilter {
    const fn rows(&self) -> &'static str {
        match self.batch {
            Some(_) => {
                "FROM transfers INDEXED BY transfers_failed
                 WHERE state = 'failed' AND finished_at <= ?1 AND batch_id = ?2"
            }
            None => {
                "FROM transfers INDEXED BY transfers_failed_listed
                 WHERE state = 'failed' AND cleared = 0 AND finished_at <= ?1 AND ?2 IS NULL"
            }
        }
    }
}

/// How many failed, and their bytes.
pub fn totals(connection: &Connection, filter: &FailedFilter) -> Result<(u64, u64), StorageError> {
    let from = filter.rows();
    let sql = format!("SELECT count(*) AS n, coalesce(sum(size_bytes), 0) AS size_bytes {from}");
    one(connection, &sql, (filter.until, filter.batch.map(|id| id.0)), |row| {
        Ok((from_db(row.get("n")?), from_db(row.get("size_bytes")?)))
    })
}

/// How many failed of each batch.
pub fn by_batch(connection: &Connection, filter: &FailedFilter) -> Result<Vec<(BatchId, u64)>, StorageError> {
    let from = filter.rows();
    let sql = format!("SELECT batch_id, count(*) AS n {from} GROUP BY batch_id");
    let read = |row: &rusqlite::Row<'_>| Ok((BatchId(row.get("batch_id")?), from_db(row.get("n")?)));
    rows(connection, &sql, (filter.until, filter.batch.map(|id| id.0)), read)
}

/// The next of them behind one of them, at most `limit`.
pub fn page(
    connection: &Connection,
    filter: &FailedFilter,
    behind: Option<TransferId>,
    limit: u32,
) -> Result<Vec<TransferId>, StorageError> {
    let from = filter.rows();
    let sql = format!("SELECT id {from} AND id > ?3 ORDER BY id LIMIT ?4");
    let behind = behind.map_or(i64::MIN, |id| id.0);
    rows(connection, &sql, (filter.until, filter.batch.map(|id| id.0), behind, limit), |row| row.get(0).map(TransferId))
}
