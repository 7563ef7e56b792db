//! Whether what a request names is there at all.

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::statement::{Statement, text};
use crate::domain::exclusion::{self, NameKind};
use crate::domain::ids::RootRowId;
use crate::storage::{StorageError, folder_range, skipped};

/// Said of what [`not_indexed`] finds.
pub const NOT_INDEXED: &str = "is in the index: look whether the spelling is right, and scan first what is new";

/// Said of what [`not_evicted`] finds.
pub const NOT_EVICTED: &str = "was evicted and could be brought back";

/// Those of the paths that are neither a file nor a folder of the index.
pub fn not_indexed(connection: &Connection, root: RootRowId, paths: &[RelPath]) -> Result<Vec<RelPath>, StorageError> {
    missing(paths, |path| {
        let key = path.match_key();
        // Of what was not seen or is no library nobody knows whether it is there: it is told one by one.
        let is_left_alone = exclusion::of_path(path, NameKind::Either).is_some();
        if is_left_alone || skipped::cover(connection, root, &key)?.is_some() {
            return Ok(true);
        }
        let (from, to) = folder_range(&key);
        let mut statement = Statement::new("SELECT");
        statement
            .add("EXISTS (SELECT 1 FROM files WHERE root_id = ? AND match_key = ?)", [root.0.into(), text(key)])
            .add(
                "OR EXISTS (SELECT 1 FROM files WHERE root_id = ? AND match_key >= ? AND match_key < ?)",
                [root.0.into(), text(from), text(to)],
            )
            .add(
                "OR EXISTS (SELECT 1 FROM folders WHERE root_id = ? AND path = ?)",
                [root.0.into(), text(path.as_str())],
            );
        statement.row(connection, |row| row.get(0))
    })
}

/// Those of the paths at and below which nothing was evicted.
pub fn not_evicted(connection: &Connection, root: RootRowId, paths: &[RelPath]) -> Result<Vec<RelPath>, StorageError> {
    missing(paths, |path| {
        let key = path.match_key();
        let (from, to) = folder_range(&key);
        let mut statement = Statement::new("SELECT");
        statement
            .add("EXISTS (SELECT 1 FROM evictions WHERE root_id = ? AND match_key = ?)", [root.0.into(), text(key)])
            .add(
                "OR EXISTS (SELECT 1 FROM evictions WHERE root_id = ? AND match_key >= ? AND match_key < ?)",
                [root.0.into(), text(from), text(to)],
            );
        statement.row(connection, |row| row.get(0))
    })
}

fn missing(
    paths: &[RelPath],
    is_there: impl Fn(&RelPath) -> Result<bool, StorageError>,
) -> Result<Vec<RelPath>, StorageError> {
    let mut missing = Vec::new();
    for path in paths {
        if !is_there(path)? {
            missing.push(path.clone());
        }
    }
    Ok(missing)
}
