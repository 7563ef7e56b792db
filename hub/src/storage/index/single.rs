//! Single files of the index, read for a transfer.

use rusqlite::{Connection, Row};
use shared_protocol::{Blake3, RelPath};

use crate::domain::identity::Identity;
use crate::domain::ids::{FileId, FolderId, RootRowId};
use crate::domain::ticks::Ticks;
use crate::storage::columns::{columns, digest_column, identity_column, path_column};
use crate::storage::skipped::is_below;
use crate::storage::{StorageError, execute, first, folder_range, from_db, one, rows};

/// A file of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    pub id: FileId,
    /// The folder's row.
    pub folder_id: FolderId,
    pub path: RelPath,
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified: Ticks,
    /// Its content is not here but in a cloud.
    pub placeholder: bool,
    /// Another name of the same root has the same key.
    pub conflict: bool,
    /// Its hash, if known.
    pub hash: Option<Blake3>,
    /// What stands beside size and time, if it is recorded.
    pub identity: Option<Identity>,
    /// The hash that it should have: its bytes changed though nothing wrote to it.
    pub rotted: Option<Blake3>,
}

columns!(pub(in crate::storage) mod at {
    id, folder_id, path, size_bytes, modified, placeholder, conflict, blake3, identity, rotted
});
pub(super) const COLUMNS: &str = at::ALL;

/// The same of a table under another name, for a statement that joins others.
pub(in crate::storage) fn columns_of(table: &str) -> String {
    COLUMNS.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
}

/// Reads [`COLUMNS`], which come first.
pub(in crate::storage) fn row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        id: FileId(row.get(at::id)?),
        folder_id: FolderId(row.get(at::folder_id)?),
        path: path_column(row, at::path)?,
        size_bytes: from_db(row.get(at::size_bytes)?),
        modified: Ticks(row.get(at::modified)?),
        placeholder: row.get(at::placeholder)?,
        conflict: row.get(at::conflict)?,
        hash: digest_column(row, at::blake3)?,
        identity: identity_column(row, at::identity)?,
        rotted: digest_column(row, at::rotted)?,
    })
}

/// The file of exactly this path.
pub fn file_at(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<Option<FileRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM files WHERE root_id = ?1 AND match_key = ?2 AND path = ?3");
    first(connection, &sql, (root.0, path.match_key(), path.as_str()), row)
}

/// The files whose path has this key: several where names differ only in case.
pub fn files_at_key(connection: &Connection, root: RootRowId, key: &str) -> Result<Vec<FileRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM files WHERE root_id = ?1 AND match_key = ?2");
    rows(connection, &sql, (root.0, key), row)
}

/// A file of a root that is known to hold this content; the first by name. What lies at or below an unknown
/// place is none.
pub fn file_holding(connection: &Connection, root: RootRowId, hash: &Blake3) -> Result<Option<FileRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM files INDEXED BY files_by_content
         WHERE blake3 = ?2 AND root_id = ?1 AND placeholder = 0 AND conflict = 0 AND rotted IS NULL AND NOT {}
         ORDER BY match_key, id LIMIT 1",
        is_below("files.root_id", "files.match_key")
    );
    first(connection, &sql, (root.0, hash.as_bytes()), row)
}

/// Files whose bytes changed though nothing wrote to them, by name.
pub fn rotted(connection: &Connection, root: RootRowId, limit: u32) -> Result<Vec<FileRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM files INDEXED BY files_rotted WHERE root_id = ?1 AND rotted IS NOT NULL
         ORDER BY match_key LIMIT ?2"
    );
    rows(connection, &sql, (root.0, limit), row)
}

/// Whether any file of the library is known to hold this content, and was seen by the last scan.
pub fn is_content_known(connection: &Connection, hash: &Blake3) -> Result<bool, StorageError> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM files INDEXED BY files_by_content JOIN roots r ON r.id = root_id AND r.active = 1
                         WHERE blake3 = ?1 AND NOT {})",
        is_below("files.root_id", "files.match_key")
    );
    one(connection, &sql, [hash.as_bytes()], |row| row.get(0))
}

/// All files in a folder and below it, by name; `None` is the whole root.
pub fn files_below(
    connection: &Connection,
    root: RootRowId,
    folder: Option<&RelPath>,
) -> Result<Vec<FileRow>, StorageError> {
    let mut found = Vec::new();
    for_each_below(connection, root, folder, |file| {
        found.push(file);
        Ok(())
    })?;
    Ok(found)
}

/// [`files_below`] one by one, for folders that may hold a whole library.
pub fn for_each_below(
    connection: &Connection,
    root: RootRowId,
    folder: Option<&RelPath>,
    mut each: impl FnMut(FileRow) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let (from, to) = folder_range(&folder.map(RelPath::match_key).unwrap_or_default());
    let sql = format!(
        "SELECT {COLUMNS} FROM files WHERE root_id = ?1 AND match_key >= ?2 AND match_key < ?3 ORDER BY match_key, id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    for file in statement.query_map((root.0, from, to), row)? {
        let file = file?;
        // The key of another folder may be the same.
        if folder.is_none_or(|folder| file.path.is_within(folder)) {
            each(file)?;
        }
    }
    Ok(())
}

/// Whether a folder of this path is in the index.
pub fn has_folder(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM folders WHERE root_id = ?1 AND path = ?2)";
    one(connection, sql, (root.0, path.as_str()), |row| row.get(0))
}

/// Takes folders out of the index that the hub itself has removed because they had become empty.
pub fn remove_empty_folder(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<(), StorageError> {
    let sql = "DELETE FROM folders WHERE root_id = ?1 AND path = ?2 AND n_files_total = 0";
    execute(connection, sql, (root.0, path.as_str())).map(drop)
}
