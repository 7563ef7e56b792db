//! Keeping the trigram index of names up to date.
//!
//! Tokenising 200,000 names takes longer than listing them, so a scan does not wait for it: new
//! files have ids above a mark, readers look through those one by one, and the index catches up in
//! small transactions afterwards.

use rusqlite::Connection;

use super::{StorageError, execute, facts, one};
use crate::domain::ids::{FileId, RootRowId};

/// Files taken into the index in one transaction.
const STEP: i64 = 4_000;

/// The highest file id that the index holds; files above it must be looked through.
pub fn indexed_to(connection: &Connection) -> Result<FileId, StorageError> {
    let stored = facts::get(connection, facts::SEARCH_INDEXED_TO)?;
    Ok(FileId(stored.and_then(|text| text.parse().ok()).unwrap_or(0)))
}

/// Whether files wait to be taken into the index.
pub fn is_behind(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM files WHERE id > ?1)";
    one(connection, sql, [indexed_to(connection)?.0], |row| row.get(0))
}

/// Takes the next files into the index; `false` when nothing is left.
pub fn catch_up(connection: &Connection) -> Result<bool, StorageError> {
    let from = indexed_to(connection)?;
    let sql = "SELECT max(id) FROM (SELECT id FROM files WHERE id > ?1 ORDER BY id LIMIT ?2)";
    let to: Option<i64> = one(connection, sql, [from.0, STEP], |row| row.get(0))?;
    let Some(to) = to else { return Ok(false) };
    let sql = "INSERT INTO files_search (rowid, match_key)
             SELECT id, match_key FROM files WHERE id > ?1 AND id <= ?2";
    execute(connection, sql, [from.0, to])?;
    facts::set(connection, facts::SEARCH_INDEXED_TO, &to.to_string())?;
    Ok(true)
}

/// Takes a removed file out of the index.
pub(super) fn forget(connection: &Connection, file: FileId, indexed_to: FileId) -> Result<(), StorageError> {
    if file <= indexed_to {
        execute(connection, "DELETE FROM files_search WHERE rowid = ?1", [file.0])?;
    }
    Ok(())
}

/// Takes all files of a root out of the index.
pub(super) fn forget_root(connection: &Connection, root: RootRowId) -> Result<(), StorageError> {
    connection.execute(
        "DELETE FROM files_search WHERE rowid IN (SELECT id FROM files WHERE root_id = ?1 AND id <= ?2)",
        [root.0, indexed_to(connection)?.0],
    )?;
    Ok(())
}
