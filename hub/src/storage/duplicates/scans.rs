//! Requests to search for duplicates, and how they ended.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::ids::DuplicateScanId;
use crate::domain::root::Root;
use crate::domain::scan::WorkState;
use crate::storage::views::newest::newest;
use crate::storage::views::page::{Page, PageRequest};
use crate::storage::{StorageError, from_db, now_ms, timestamp, to_db};

/// Where to search, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// In these roots, also across them.
    pub roots: Vec<Root>,
    /// Smaller files are left alone.
    pub min_size: u64,
}

/// A search as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateScanRow {
    /// Its id.
    pub id: DuplicateScanId,
    /// Where it searches, and for what.
    pub scope: Scope,
    /// How far it is.
    pub state: WorkState,
    /// Names whose size occurs more than once.
    pub n_candidates: u64,
    /// Files that could not be read or had changed.
    pub n_failed: u64,
    /// Groups found.
    pub n_groups: u64,
    /// What one copy of each instead of all would free.
    pub reclaimable_bytes: u64,
    /// Why it ended as it did.
    pub detail: Option<String>,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    /// When it ended.
    pub finished_at: Option<jiff::Timestamp>,
}

const COLUMNS: &str = "id, local, lake, min_size, state, n_candidates, n_failed, n_groups, reclaimable_bytes, detail, \
     created_at, finished_at";

fn read(row: &Row<'_>) -> rusqlite::Result<DuplicateScanRow> {
    let (local, lake): (bool, bool) = (row.get(1)?, row.get(2)?);
    let chosen = [(Root::Local, local), (Root::Lake, lake)];
    Ok(DuplicateScanRow {
        id: row.get(0)?,
        scope: Scope {
            roots: chosen.into_iter().filter(|(_, is_in)| *is_in).map(|(root, _)| root).collect(),
            min_size: from_db(row.get(3)?),
        },
        state: row.get(4)?,
        n_candidates: from_db(row.get(5)?),
        n_failed: from_db(row.get(6)?),
        n_groups: from_db(row.get(7)?),
        reclaimable_bytes: from_db(row.get(8)?),
        detail: row.get(9)?,
        created_at: timestamp(row.get(10)?),
        finished_at: row.get::<_, Option<i64>>(11)?.map(timestamp),
    })
}

/// Stores a new search; one of the same scope that has not begun is joined.
pub fn insert(connection: &Connection, scope: &Scope) -> Result<DuplicateScanRow, StorageError> {
    let has = |root| scope.roots.contains(&root);
    let values = (has(Root::Local), has(Root::Lake), to_db(scope.min_size));
    let waiting: Option<i64> = connection
        .prepare_cached(
            "SELECT id FROM duplicate_scans WHERE state = 'queued' AND local = ?1 AND lake = ?2 AND min_size = ?3",
        )?
        .query_row(values, |row| row.get(0))
        .optional()?;
    if let Some(id) = waiting {
        return show(connection, DuplicateScanId(id))?.ok_or(StorageError::Missing("duplicate scan"));
    }
    connection
        .prepare_cached(
            "INSERT INTO duplicate_scans (local, lake, min_size, state, created_at)
             VALUES (?1, ?2, ?3, 'queued', ?4)",
        )?
        .execute((values.0, values.1, values.2, now_ms()))?;
    let id = connection.last_insert_rowid();
    show(connection, DuplicateScanId(id))?.ok_or(StorageError::Missing("duplicate scan"))
}

/// One search.
pub fn show(connection: &Connection, id: DuplicateScanId) -> Result<Option<DuplicateScanRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM duplicate_scans WHERE id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id.0], read).optional()?)
}

/// One page of searches, the newest first.
pub fn list(connection: &Connection, request: &PageRequest) -> Result<Page<DuplicateScanRow>, StorageError> {
    newest(connection, ("duplicate_scans", COLUMNS), request, read)
}

/// The latest search that has ended with a result: the one whose groups are shown.
pub fn latest(connection: &Connection) -> Result<Option<DuplicateScanRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM duplicate_scans WHERE state IN ('complete', 'partial') ORDER BY id DESC LIMIT 1"
    );
    Ok(connection.prepare_cached(&sql)?.query_row([], read).optional()?)
}

/// The oldest search that has not ended.
pub fn next(connection: &Connection) -> Result<Option<DuplicateScanRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM duplicate_scans WHERE state IN ('queued', 'running') ORDER BY id LIMIT 1");
    Ok(connection.prepare_cached(&sql)?.query_row([], read).optional()?)
}

/// Stores how far a search is.
pub fn save(connection: &Connection, scan: &DuplicateScanRow) -> Result<(), StorageError> {
    connection
        .prepare_cached(
            "UPDATE duplicate_scans SET state = ?2, n_candidates = ?3, n_failed = ?4, n_groups = ?5,
                                        reclaimable_bytes = ?6, detail = ?7, finished_at = ?8
             WHERE id = ?1",
        )?
        .execute((
            scan.id.0,
            scan.state.as_str(),
            to_db(scan.n_candidates),
            to_db(scan.n_failed),
            to_db(scan.n_groups),
            to_db(scan.reclaimable_bytes),
            &scan.detail,
            scan.finished_at.map(jiff::Timestamp::as_millisecond),
        ))?;
    Ok(())
}
