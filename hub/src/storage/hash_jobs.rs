//! Requests to hash, and what is left of them.

use rusqlite::{Connection, OptionalExtension, Row};
use shared_protocol::RelPath;

use super::views::newest::newest;
use super::views::page::{Page, PageRequest};
use super::{StorageError, from_db, index, now_ms, timestamp, to_db};
use crate::domain::hash_scope::HashScope;
use crate::domain::ids::{HashJobId, RootRowId};
use crate::domain::root::Root;
use crate::domain::scan::WorkState;

/// A hash job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashJobRow {
    /// Its id.
    pub id: HashJobId,
    /// The root it is about.
    pub root: Root,
    /// Which files.
    pub scope: HashScope,
    /// How far it is.
    pub state: WorkState,
    /// Files of the scope.
    pub n_total: u64,
    /// Of these, files with a hash.
    pub n_done: u64,
    /// Files that could not be hashed.
    pub n_failed: u64,
    /// Bytes of the scope.
    pub bytes_total: u64,
    /// Of these, bytes with a hash.
    pub bytes_done: u64,
    /// Why it ended as it did.
    pub detail: Option<String>,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    /// When it ended.
    pub finished_at: Option<jiff::Timestamp>,
}

const COLUMNS: &str =
    "id, root, scope, state, n_total, n_done, n_failed, bytes_total, bytes_done, detail, created_at, finished_at";

fn read(row: &Row<'_>) -> rusqlite::Result<HashJobRow> {
    let (root, scope, state): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let wrong = |column, what: String| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.into())
    };
    Ok(HashJobRow {
        id: HashJobId(row.get(0)?),
        root: root.parse().map_err(|_| wrong(1, root))?,
        scope: serde_json::from_str(&scope).map_err(|error| wrong(2, error.to_string()))?,
        state: WorkState::from_name(&state).ok_or_else(|| wrong(3, state))?,
        n_total: from_db(row.get(4)?),
        n_done: from_db(row.get(5)?),
        n_failed: from_db(row.get(6)?),
        bytes_total: from_db(row.get(7)?),
        bytes_done: from_db(row.get(8)?),
        detail: row.get(9)?,
        created_at: timestamp(row.get(10)?),
        finished_at: row.get::<_, Option<i64>>(11)?.map(timestamp),
    })
}

/// Stores a new job.
pub fn insert(connection: &Connection, root: Root, scope: &HashScope) -> Result<HashJobRow, StorageError> {
    let text = serde_json::to_string(scope).map_err(|error| StorageError::damaged("a hash job", error))?;
    connection
        .prepare_cached("INSERT INTO hash_jobs (root, scope, state, created_at) VALUES (?1, ?2, 'queued', ?3)")?
        .execute((root.as_str(), text, now_ms()))?;
    show(connection, HashJobId(connection.last_insert_rowid()))?.ok_or(StorageError::Missing("hash job"))
}

/// One job.
pub fn show(connection: &Connection, id: HashJobId) -> Result<Option<HashJobRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM hash_jobs WHERE id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id.0], read).optional()?)
}

/// One page of jobs, the newest first.
pub fn list(connection: &Connection, request: &PageRequest) -> Result<Page<HashJobRow>, StorageError> {
    newest(connection, ("hash_jobs", COLUMNS), request, read)
}

/// The oldest job of a root that has not ended.
pub fn next(connection: &Connection, root: Root) -> Result<Option<HashJobRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM hash_jobs WHERE root = ?1 AND state IN ('queued', 'running') ORDER BY id LIMIT 1"
    );
    Ok(connection.prepare_cached(&sql)?.query_row([root.as_str()], read).optional()?)
}

/// Stores how far a job is.
pub fn save(connection: &Connection, job: &HashJobRow) -> Result<(), StorageError> {
    connection
        .prepare_cached(
            "UPDATE hash_jobs SET state = ?2, n_total = ?3, n_done = ?4, n_failed = ?5, bytes_total = ?6,
                                  bytes_done = ?7, detail = ?8, finished_at = ?9
             WHERE id = ?1",
        )?
        .execute((
            job.id.0,
            job.state.as_str(),
            to_db(job.n_total),
            to_db(job.n_done),
            to_db(job.n_failed),
            to_db(job.bytes_total),
            to_db(job.bytes_done),
            &job.detail,
            job.finished_at.map(jiff::Timestamp::as_millisecond),
        ))?;
    Ok(())
}

/// Files and bytes of a place, and how many of them have a hash.
pub fn extent(
    connection: &Connection,
    root: RootRowId,
    place: Option<&RelPath>,
) -> Result<super::hashes::Coverage, StorageError> {
    if let Some(path) = place
        && let Some(file) = index::file_at(connection, root, path)?
    {
        let hashed = u64::from(file.hash.is_some());
        return Ok(super::hashes::Coverage {
            n_files: 1,
            n_hashed: hashed,
            size_bytes: file.size_bytes,
            hashed_bytes: hashed * file.size_bytes,
        });
    }
    super::hashes::coverage(connection, root, place)
}
