//! Which adopted folders the two roots are.

use rusqlite::{Connection, Row};

use super::{StorageError, columns, execute, first, one};
use crate::domain::background::WorkState;
use crate::domain::ids::{BackgroundJobId, RootRowId};
use crate::domain::root::Root;

/// An adopted folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRow {
    pub id: RootRowId,
    /// Which of the two it is.
    pub root: Root,
    /// `marker:<uuid>`, or `volume:<id>:<path>` where nothing can be written.
    pub identity: String,
    /// Where it was last seen.
    pub path: String,
    /// Whether names that differ only in case are different files there.
    pub case_sensitive: bool,
    /// Raised by every change of its index.
    pub generation: i64,
    /// The last scan that saw everything.
    pub complete_scan: Option<BackgroundJobId>,
    /// The last scan at all.
    pub last_scan: Option<BackgroundJobId>,
    /// The last scan, if it told of every folder whether it was seen.
    pub conclusive_scan: Option<BackgroundJobId>,
}

/// The first scan makes the root's own folder, at least.
const HAS_INDEX: &str = "EXISTS (SELECT 1 FROM folders WHERE root_id = roots.id)";

columns!(mod at { id, root, identity, path, case_sensitive, generation, complete_scan, last_scan, conclusive_scan });
const COLUMNS: &str = at::ALL;

fn row(row: &Row<'_>) -> rusqlite::Result<RootRow> {
    Ok(RootRow {
        id: RootRowId(row.get(at::id)?),
        root: row.get(at::root)?,
        identity: row.get(at::identity)?,
        path: row.get(at::path)?,
        case_sensitive: row.get(at::case_sensitive)?,
        generation: row.get(at::generation)?,
        complete_scan: row.get(at::complete_scan)?,
        last_scan: row.get(at::last_scan)?,
        conclusive_scan: row.get(at::conclusive_scan)?,
    })
}

/// The folder that a root is now.
pub fn active(connection: &Connection, root: Root) -> Result<Option<RootRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM roots WHERE root = ?1 AND active = 1");
    first(connection, &sql, [root.as_str()], row)
}

/// The folder last seen at this path, whatever its identity.
pub fn at_path(connection: &Connection, root: Root, path: &str) -> Result<Option<RootRow>, StorageError> {
    let sql =
        format!("SELECT {COLUMNS} FROM roots WHERE root = ?1 AND path = ?2 ORDER BY active DESC, id DESC LIMIT 1");
    first(connection, &sql, [root.as_str(), path], row)
}

/// Whether no folder was ever adopted.
pub fn is_empty(connection: &Connection) -> Result<bool, StorageError> {
    one(connection, "SELECT NOT EXISTS (SELECT 1 FROM roots)", [], |row| row.get(0))
}

/// The folder of this identity.
pub fn of_identity(connection: &Connection, root: Root, identity: &str) -> Result<Option<RootRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM roots WHERE root = ?1 AND identity = ?2");
    first(connection, &sql, [root.as_str(), identity], row)
}

/// The folder whose index is kept under this name, shown or not; of several the one used last.
pub fn indexed(connection: &Connection, root: Root) -> Result<Option<RootRow>, StorageError> {
    let sql =
        format!("SELECT {COLUMNS} FROM roots WHERE root = ?1 AND {HAS_INDEX} ORDER BY active DESC, id DESC LIMIT 1");
    first(connection, &sql, [root.as_str()], row)
}

/// Makes this folder the root, adopting it if it is new. The index of another folder that was the
/// root before is dropped, since a scan brings it back; its hashes stay.
pub fn activate(
    connection: &Connection,
    root: Root,
    identity: &str,
    path: &str,
    case_sensitive: bool,
) -> Result<RootRow, StorageError> {
    let sql = "INSERT INTO roots (root, identity, path, case_sensitive, adopted_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (root, identity) DO UPDATE SET path = excluded.path, case_sensitive = excluded.case_sensitive";
    execute(connection, sql, (root.as_str(), identity, path, case_sensitive, super::now_ms()))?;
    let found = of_identity(connection, root, identity)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    show(connection, root, Some(found.id))?;
    drop_others(connection, root, found.id)?;
    Ok(found)
}

/// Shows the index of this folder under a name, or none: that of another folder is hidden, and comes back when it
/// is shown again. What is hidden counts for nothing.
pub fn show(connection: &Connection, root: Root, shown: Option<RootRowId>) -> Result<(), StorageError> {
    let old = active(connection, root)?.map(|row| row.id);
    if old == shown {
        return Ok(());
    }
    if let Some(old) = old {
        connection.execute("UPDATE roots SET active = 0 WHERE id = ?1", [old.0])?;
    }
    if let Some(shown) = shown {
        connection.execute("UPDATE roots SET active = 1 WHERE id = ?1", [shown.0])?;
    }
    super::stale::mark_all_stale(connection)
}

/// Names in what the last search for duplicates found whose files are hidden.
const HIDDEN_DUPLICATES: &str = "SELECT d.file_id FROM duplicate_files d CROSS JOIN files f ON f.id = d.file_id
                                 JOIN roots r ON r.id = f.root_id WHERE r.root = ?1 AND r.active = 0";

/// Whether there are such names.
pub fn has_hidden_duplicates(connection: &Connection, root: Root) -> Result<bool, StorageError> {
    let sql = format!("SELECT EXISTS ({HIDDEN_DUPLICATES})");
    Ok(connection.query_row(&sql, [root.as_str()], |row| row.get(0))?)
}

/// Takes them out. Due once it is known that their folder is not the one at the new path: else they are shown again
/// at once.
pub fn drop_hidden_duplicates(connection: &Connection, root: Root) -> Result<(), StorageError> {
    let sql = format!("DELETE FROM duplicate_files WHERE file_id IN ({HIDDEN_DUPLICATES})");
    Ok(connection.execute(&sql, [root.as_str()]).map(drop)?)
}

/// Drops what is known of the files of all other folders that were this root.
fn drop_others(connection: &Connection, root: Root, kept: RootRowId) -> Result<(), StorageError> {
    let mut others =
        connection.prepare(&format!("SELECT id FROM roots WHERE root = ?1 AND id <> ?2 AND {HAS_INDEX}"))?;
    let others: Vec<i64> = others.query_map((root.as_str(), kept.0), |row| row.get(0))?.collect::<Result<_, _>>()?;
    for other in others {
        super::search::forget_root(connection, RootRowId(other))?;
        for table in ["files", "folders", "skipped_entries", "unknown_places"] {
            connection.execute(&format!("DELETE FROM {table} WHERE root_id = ?1"), [other])?;
        }
        connection.execute(
            "UPDATE roots SET complete_scan = NULL, last_scan = NULL, conclusive_scan = NULL WHERE id = ?1",
            [other],
        )?;
    }
    Ok(())
}

/// Notes that a root's index has changed and returns the new generation.
pub fn raise_generation(connection: &Connection, root: RootRowId) -> Result<i64, StorageError> {
    let sql = "UPDATE roots SET generation = generation + 1 WHERE id = ?1 RETURNING generation";
    one(connection, sql, [root.0], |row| row.get(0))
}

/// Notes the root's last scan, and what it is worth: a partial one tells what it has not seen, one that was
/// cancelled or failed does not.
pub fn set_scanned(
    connection: &Connection,
    root: RootRowId,
    scan: BackgroundJobId,
    state: WorkState,
) -> Result<(), StorageError> {
    let is_complete = state == WorkState::Complete;
    let sql = "UPDATE roots SET last_scan = ?2, complete_scan = iif(?3, ?2, NULL), conclusive_scan = iif(?4, ?2, NULL)
             WHERE id = ?1";
    execute(connection, sql, (root.0, scan.0, is_complete, is_complete || state == WorkState::Partial)).map(drop)
}
