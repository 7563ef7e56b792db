//! What left Local because the Lake holds it.

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};

use super::{StorageError, digest_column, execute, folder_range, from_db, now_ms, one, path_column, rows, to_db};
use crate::domain::ids::{BatchId, RootRowId};
use crate::domain::kind::FileKind;
use crate::domain::ticks::Ticks;

/// A file that left Local.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evicted<'a> {
    pub path: &'a RelPath,
    /// Where the copy lies that was verified.
    pub lake_path: &'a RelPath,
    pub size_bytes: u64,
    pub modified: Ticks,
    pub hash: Blake3,
}

/// Notes that a batch evicted a file. Noted twice it stays one.
pub fn note(connection: &Connection, batch: BatchId, root: RootRowId, file: &Evicted<'_>) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO evictions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(sql)?.execute((
        root.0,
        file.path.as_str(),
        file.path.match_key(),
        file.lake_path.as_str(),
        to_db(file.size_bytes),
        file.modified.0,
        file.hash.as_bytes(),
        FileKind::of(file.path.name()).code(),
        batch.0,
        now_ms(),
    ))?;
    Ok(())
}

/// Notes that a file is there again, however it came.
pub fn came_back(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<(), StorageError> {
    let sql = "DELETE FROM evictions WHERE root_id = ?1 AND match_key = ?2 AND path = ?3";
    execute(connection, sql, (root.0, path.match_key(), path.as_str())).map(drop)
}

const RETURNED: &str = "EXISTS (SELECT 1 FROM files f WHERE f.root_id = evictions.root_id
                                AND f.match_key = evictions.match_key AND f.path = evictions.path)";

/// Whether a scan found something to be there again.
pub fn any_returned(connection: &Connection) -> Result<bool, StorageError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM evictions WHERE {RETURNED})");
    one(connection, &sql, [], |row| row.get(0))
}

/// Forgets all that a scan found to be there again.
pub fn forget_returned(connection: &Connection) -> Result<usize, StorageError> {
    Ok(connection.execute(&format!("DELETE FROM evictions WHERE {RETURNED}"), [])?)
}

/// How much was evicted from a root; another extent is another list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    pub n_files: u64,
    pub size_bytes: u64,
    /// When the latest of them left, milliseconds since 1970 UTC.
    pub latest: i64,
}

/// How much was evicted from a root.
pub fn extent(connection: &Connection, root: RootRowId) -> Result<Extent, StorageError> {
    let sql =
        "SELECT count(*) AS n_files, coalesce(sum(size_bytes), 0) AS size_bytes, coalesce(max(evicted_at), 0) AS latest
               FROM evictions WHERE root_id = ?1";
    one(connection, sql, [root.0], |row| {
        Ok(Extent {
            n_files: from_db(row.get("n_files")?),
            size_bytes: from_db(row.get("size_bytes")?),
            latest: row.get("latest")?,
        })
    })
}

/// An eviction as the list on the root has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedEviction {
    pub path: RelPath,
    /// Where its content was verified to be.
    pub lake_path: RelPath,
    pub size_bytes: u64,
    /// Its time, ticks of 100 ns since 1970 UTC.
    pub modified: i64,
    pub hash: Blake3,
    /// When it left, milliseconds since 1970 UTC.
    pub evicted_at: i64,
}

/// What was evicted from a root, the latest first.
pub fn listed(connection: &Connection, root: RootRowId, limit: u32) -> Result<Vec<ListedEviction>, StorageError> {
    let sql = "SELECT path, lake_path, size_bytes, blake3, modified, evicted_at FROM evictions
         WHERE root_id = ?1 ORDER BY evicted_at DESC, match_key, path LIMIT ?2";
    rows(connection, sql, (root.0, limit), |row| {
        let EvictedRow { path, lake_path, size_bytes, hash } = evicted(row)?;
        Ok(ListedEviction {
            path,
            lake_path,
            size_bytes,
            modified: row.get("modified")?,
            hash,
            evicted_at: row.get("evicted_at")?,
        })
    })
}

/// Whether a path is one that was evicted, or is there.
pub fn is_known(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM evictions WHERE root_id = ?1 AND match_key = ?2 AND path = ?3)
                   OR EXISTS (SELECT 1 FROM files WHERE root_id = ?1 AND match_key = ?2 AND path = ?3)";
    one(connection, sql, (root.0, path.match_key(), path.as_str()), |row| row.get(0))
}

/// Takes in what the list on a root names; `false` if it was known.
pub fn take_back(connection: &Connection, root: RootRowId, one: &ListedEviction) -> Result<bool, StorageError> {
    if is_known(connection, root, &one.path)? {
        return Ok(false);
    }
    let sql = "INSERT OR REPLACE INTO evictions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)";
    connection.prepare_cached(sql)?.execute((
        root.0,
        one.path.as_str(),
        one.path.match_key(),
        one.lake_path.as_str(),
        to_db(one.size_bytes),
        one.modified,
        one.hash.as_bytes(),
        FileKind::of(one.path.name()).code(),
        one.evicted_at,
    ))?;
    Ok(true)
}

/// An eviction as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvictedRow {
    pub path: RelPath,
    /// Where its content was verified to be.
    pub lake_path: RelPath,
    pub size_bytes: u64,
    pub hash: Blake3,
}

/// What was evicted at this path, and below it if it is a folder, by name.
pub fn below(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<Vec<EvictedRow>, StorageError> {
    Ok(below_key(connection, root, path)?.into_iter().filter(|row| row.path.is_within(path)).collect())
}

/// The paths of what was evicted at or below a path of this key.
pub fn at_key(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<Vec<RelPath>, StorageError> {
    Ok(below_key(connection, root, path)?.into_iter().map(|row| row.path).collect())
}

fn below_key(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<Vec<EvictedRow>, StorageError> {
    let key = path.match_key();
    let (from, to) = folder_range(&key);
    let sql = "SELECT path, lake_path, size_bytes, blake3 FROM evictions
         WHERE root_id = ?1 AND (match_key = ?2 OR match_key >= ?3 AND match_key < ?4) ORDER BY match_key, path";
    rows(connection, sql, (root.0, key, from, to), evicted)
}

/// What was evicted beside this path and may belong to it or share what does; see
/// [`crate::domain::bundle`].
pub fn beside(connection: &Connection, root: RootRowId, weights: &RelPath) -> Result<Vec<EvictedRow>, StorageError> {
    let folder = weights.parent().map(|folder| format!("{}/", folder.match_key())).unwrap_or_default();
    let (from, to) = crate::domain::bundle::surroundings(weights.name());
    let mut statement = connection.prepare_cached(
        "SELECT path, lake_path, size_bytes, blake3 FROM evictions
         WHERE root_id = ?1 AND match_key >= ?2 AND match_key < ?3 ORDER BY match_key, path",
    )?;
    let range = (root.0, format!("{folder}{from}"), format!("{folder}{to}"));
    let found = statement.query_map(range, evicted)?.collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().filter(|row| row.path.is_beside(weights)).collect())
}

fn evicted(row: &Row<'_>) -> rusqlite::Result<EvictedRow> {
    Ok(EvictedRow {
        path: path_column(row, "path")?,
        lake_path: path_column(row, "lake_path")?,
        size_bytes: from_db(row.get("size_bytes")?),
        hash: digest_column(row, "blake3")?.ok_or(rusqlite::Error::InvalidQuery)?,
    })
}
