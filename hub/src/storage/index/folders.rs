//! Folder rows.

use std::collections::HashMap;

use rusqlite::Connection;
use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

use crate::domain::ids::{FolderId, RootRowId};
use crate::storage::{StorageError, columns, execute, first, from_db};

/// A folder as the last scan left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFolder {
    pub id: FolderId,
    /// The digest of its listing; none if it has to be compared file by file.
    pub listing: Option<[u8; 32]>,
    /// Files directly in it.
    pub n_files: u64,
    /// Bytes of the files directly in it.
    pub size_bytes: u64,
    /// The disk that was mounted on it: empty if none was, none if that was not recorded yet.
    pub mount: Option<String>,
}

columns!(mod at { path, id, listing, n_files, size_bytes, mount });

/// All folders of a root by path; `""` is the root's own.
pub fn known_folders(connection: &Connection, root: RootRowId) -> Result<HashMap<String, KnownFolder>, StorageError> {
    let sql = format!("SELECT {} FROM folders WHERE root_id = ?1", at::ALL);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([root.0])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        let listing =
            row.get_ref(at::listing)?.as_blob_or_null().ok().flatten().and_then(|bytes| bytes.try_into().ok());
        let folder = KnownFolder {
            id: FolderId(row.get(at::id)?),
            listing,
            n_files: from_db(row.get(at::n_files)?),
            size_bytes: from_db(row.get(at::size_bytes)?),
            mount: row.get(at::mount)?,
        };
        found.insert(row.get(at::path)?, folder);
    }
    Ok(found)
}

/// Notes what is mounted on folders; one that is not in the index is left out.
pub fn set_mounts<'a>(
    connection: &Connection,
    root: RootRowId,
    mounts: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached("UPDATE folders SET mount = ?3 WHERE root_id = ?1 AND path = ?2")?;
    for (path, mount) in mounts {
        statement.execute((root.0, path, mount))?;
    }
    Ok(())
}

/// The folders that a disk was mounted on at the last scan. Mostly there are none.
pub fn mounted_folders(connection: &Connection, root: RootRowId) -> Result<Vec<RelPath>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT path FROM folders INDEXED BY folders_mounted WHERE root_id = ?1 AND mount <> '' AND path <> ''",
    )?;
    let paths = statement.query_map([root.0], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(paths.iter().filter_map(|path| RelPath::parse(path).ok()).collect())
}

/// The row of a folder, made with all its parents where it is missing.
pub fn ensure(connection: &Connection, root: RootRowId, path: &str) -> Result<FolderId, StorageError> {
    let found: Option<i64> =
        first(connection, "SELECT id FROM folders WHERE root_id = ?1 AND path = ?2", (root.0, path), |row| row.get(0))?;
    if let Some(id) = found {
        return Ok(FolderId(id));
    }
    let parent = match path.rsplit_once('/') {
        Some((parent, _)) => Some(ensure(connection, root, parent)?),
        None if path.is_empty() => None,
        None => Some(ensure(connection, root, "")?),
    };
    let sql = "INSERT INTO folders (root_id, parent_id, path, match_key) VALUES (?1, ?2, ?3, ?4)";
    execute(connection, sql, (root.0, parent.map(|p| p.0), path, match_key(path)))?;
    Ok(FolderId(connection.last_insert_rowid()))
}

/// A folder of this path, or else one beside it whose name differs only in case or in the form of its
/// letters. The folder around it has to be spelled as it is.
pub fn folder_like(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<Option<RelPath>, StorageError> {
    let parent = path.parent().map(String::from).unwrap_or_default();
    let sql = "SELECT path FROM folders
               WHERE parent_id = (SELECT id FROM folders WHERE root_id = ?1 AND path = ?2) AND match_key = ?3
               ORDER BY path = ?4 DESC, path LIMIT 1";
    let found: Option<String> =
        first(connection, sql, (root.0, parent, path.match_key(), path.as_str()), |row| row.get(0))?;
    found.map(|path| RelPath::parse(&path).map_err(|error| StorageError::damaged("a folder's path", error))).transpose()
}
