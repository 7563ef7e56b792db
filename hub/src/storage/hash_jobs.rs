//! Requests to hash, and what is left of them.

use rusqlite::{Connection, OptionalExtension, Row};
use shared_protocol::RelPath;

use super::index::Left;
use super::views::newest::newest;
use super::views::page::{Page, PageRequest};
use super::{StorageError, from_db, index, now_ms, timestamp, to_db};
use crate::domain::hash_scope::{HashKind, HashScope};
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
    /// Which of these files are read.
    pub kind: HashKind,
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
    "id, root, scope, state, n_total, n_done, n_failed, bytes_total, bytes_done, detail, created_at, finished_at,
     kind";

fn read(row: &Row<'_>) -> rusqlite::Result<HashJobRow> {
    let scope: String = row.get(2)?;
    let wrong = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into())
    };
    Ok(HashJobRow {
        id: row.get(0)?,
        root: row.get(1)?,
        scope: serde_json::from_str(&scope).map_err(wrong)?,
        kind: row.get(12)?,
        state: row.get(3)?,
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
pub fn insert(
    connection: &Connection,
    root: Root,
    scope: &HashScope,
    kind: HashKind,
) -> Result<HashJobRow, StorageError> {
    let text = serde_json::to_string(scope).map_err(|error| StorageError::damaged("a hash job", error))?;
    connection
        .prepare_cached(
            "INSERT INTO hash_jobs (root, scope, state, created_at, kind) VALUES (?1, ?2, 'queued', ?3, ?4)",
        )?
        .execute((root.as_str(), text, now_ms(), kind.as_str()))?;
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

impl HashJobRow {
    /// What is left of it. A job that reads everything goes on after a restart with what it did not read since it was
    /// asked for.
    pub fn left(&self) -> Left {
        match self.kind {
            HashKind::Missing => Left::Unhashed,
            HashKind::Verify | HashKind::Scrub => Left::ProvedBefore(self.created_at.as_millisecond()),
        }
    }
}

/// How much a place of a job holds, and how much of it is done.
pub fn extent(
    connection: &Connection,
    root: RootRowId,
    place: Option<&RelPath>,
    left: Left,
) -> Result<super::hashes::Coverage, StorageError> {
    if left == Left::Unhashed {
        return extent_hashed(connection, root, place);
    }
    let (from, to) = match place {
        Some(path) if index::file_at(connection, root, path)?.is_some() => {
            (path.match_key(), format!("{}\u{0}", path.match_key()))
        }
        _ => super::folder_range(&place.map(RelPath::match_key).unwrap_or_default()),
    };
    let sql = format!(
        "SELECT count(*), coalesce(sum(done), 0), coalesce(sum(size_bytes), 0), coalesce(sum(done * size_bytes), 0)
         FROM (SELECT size_bytes, NOT ({}) AS done FROM files
               WHERE root_id = ?1 AND match_key >= ?2 AND match_key < ?3 AND placeholder = 0)",
        left.condition()
    );
    Ok(connection.query_row(&sql, (root.0, from, to), |row| {
        Ok(super::hashes::Coverage {
            n_files: from_db(row.get(0)?),
            n_hashed: from_db(row.get(1)?),
            size_bytes: from_db(row.get(2)?),
            hashed_bytes: from_db(row.get(3)?),
        })
    })?)
}

fn extent_hashed(
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
