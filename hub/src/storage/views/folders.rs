//! Folders one level at a time, with their totals.
//!
//! The totals are kept by whoever changes the index, so nothing is counted here. A folder is found
//! by its key, level by level: names that differ only in case are one folder to whoever spells it like none
//! of them.

use crate::domain::described::RelPathText;
use rusqlite::Connection;
use serde::Serialize;
use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;
use utoipa::ToSchema;

use super::entry::Totals;
use crate::domain::root::Root;
use crate::storage::roots::{self, RootRow};
use crate::storage::{StorageError, from_db, path_column, rows};

/// A folder inside another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FolderView {
    pub name: String,
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// Files in it and below it.
    pub n_files: u64,
    /// Bytes of these files.
    pub size_bytes: u64,
    /// Folders directly in it.
    pub n_folders: u64,
}

/// What one folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderLevel {
    /// Its path as it is spelled on the disk, `None` for the root's own folder.
    pub path: Option<RelPath>,
    /// Folders directly in it, by name.
    pub folders: Vec<FolderView>,
    /// Files in it and below it, and their bytes.
    pub totals: Totals,
    /// Files directly in it, and their bytes.
    pub here: Totals,
}

struct FoundFolder {
    id: i64,
    path: String,
    totals: Totals,
    here: Totals,
}

/// What a folder holds; `None` if the index has no such folder.
pub fn level(
    connection: &Connection,
    root: Root,
    folder: Option<&RelPath>,
) -> Result<Option<FolderLevel>, StorageError> {
    let Some(row) = roots::active(connection, root)? else {
        return Ok(folder.is_none().then(|| FolderLevel {
            path: None,
            folders: Vec::new(),
            totals: Totals::default(),
            here: Totals::default(),
        }));
    };
    let found = find(connection, &row, folder)?;
    let Some(first) = found.first() else { return Ok(None) };
    let mut folders = Vec::new();
    for folder in &found {
        folders.extend(inside(connection, folder.id)?);
    }
    Ok(Some(FolderLevel {
        path: RelPath::parse(&first.path).ok(),
        folders,
        totals: sum(found.iter().map(|folder| folder.totals)),
        here: sum(found.iter().map(|folder| folder.here)),
    }))
}

/// Files and bytes in a folder and below it; nothing for a folder that the index does not have.
pub fn totals(connection: &Connection, root: &RootRow, folder: Option<&RelPath>) -> Result<Totals, StorageError> {
    Ok(sum(find(connection, root, folder)?.iter().map(|folder| folder.totals)))
}

fn sum(totals: impl Iterator<Item = Totals>) -> Totals {
    totals.fold(Totals::default(), |all, one| Totals {
        n_files: all.n_files + one.n_files,
        size_bytes: all.size_bytes + one.size_bytes,
    })
}

fn inside(connection: &Connection, folder: i64) -> Result<Vec<FolderView>, StorageError> {
    let sql = "SELECT path, n_files_total, size_bytes_total,
                (SELECT count(*) FROM folders below WHERE below.parent_id = f.id) AS n_folders
         FROM folders f WHERE parent_id = ?1 ORDER BY match_key, id";
    rows(connection, sql, [folder], |row| {
        let path = path_column(row, "path")?;
        Ok(FolderView {
            name: path.name().to_owned(),
            path,
            n_files: from_db(row.get("n_files_total")?),
            size_bytes: from_db(row.get("size_bytes_total")?),
            n_folders: from_db(row.get("n_folders")?),
        })
    })
}

/// The folders of this key, usually one; only that which is spelled as asked for, if there is one.
fn find(connection: &Connection, root: &RootRow, folder: Option<&RelPath>) -> Result<Vec<FoundFolder>, StorageError> {
    const COLUMNS: &str = "id, path, n_files_total, size_bytes_total, n_files, size_bytes";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(FoundFolder {
            id: row.get("id")?,
            path: row.get("path")?,
            totals: Totals {
                n_files: from_db(row.get("n_files_total")?),
                size_bytes: from_db(row.get("size_bytes_total")?),
            },
            here: Totals { n_files: from_db(row.get("n_files")?), size_bytes: from_db(row.get("size_bytes")?) },
        })
    };
    let top = format!("SELECT {COLUMNS} FROM folders WHERE root_id = ?1 AND path = ''");
    let mut found: Vec<FoundFolder> = rows(connection, &top, [root.id.0], read)?;
    let Some(folder) = folder else { return Ok(found) };
    let below = format!("SELECT {COLUMNS} FROM folders WHERE parent_id = ?1 AND match_key = ?2 ORDER BY id");
    let mut key = String::new();
    for part in folder.parts() {
        if !key.is_empty() {
            key.push('/');
        }
        key.push_str(&match_key(part));
        let mut next = Vec::new();
        for parent in &found {
            let mut statement = connection.prepare_cached(&below)?;
            let rows = statement.query_map((parent.id, &key), read)?;
            next.extend(rows.collect::<Result<Vec<_>, _>>()?);
        }
        found = next;
    }
    // Of names that differ only in case, the one that is spelled as asked for is meant.
    if found.iter().any(|found| found.path == folder.as_str()) {
        found.retain(|found| found.path == folder.as_str());
    }
    Ok(found)
}

/// How the folders of this key are spelled, usually one.
pub(super) fn spellings(
    connection: &Connection,
    root: &RootRow,
    folder: &RelPath,
) -> Result<Vec<RelPath>, StorageError> {
    Ok(find(connection, root, Some(folder))?.iter().filter_map(|found| RelPath::parse(&found.path).ok()).collect())
}

#[cfg(test)]
mod tests;
