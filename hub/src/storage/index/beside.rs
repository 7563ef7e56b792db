//! The files around weights that may belong to them; see [`crate::domain::bundle`].

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::single::{self, COLUMNS, FileRow};
use crate::domain::bundle::surroundings;
use crate::domain::ids::{FileId, RootRowId};
use crate::domain::kind::FileKind;
use crate::storage::{StorageError, rows};

/// The files of one folder that are given, with all that may belong to the weights among them. Those that
/// are given come first and keep their order.
pub fn with_surroundings(
    connection: &Connection,
    root: RootRowId,
    given: Vec<FileRow>,
) -> Result<Vec<FileRow>, StorageError> {
    let mut known: HashSet<FileId> = given.iter().map(|file| file.id).collect();
    let mut around = Vec::new();
    for file in given.iter().filter(|file| FileKind::of(file.path.name()) == FileKind::Model) {
        for found in beside(connection, root, &file.path)? {
            if known.insert(found.id) {
                around.push(found);
            }
        }
    }
    Ok(given.into_iter().chain(around).collect())
}

/// The files beside these weights that may belong to them, the weights themselves, and others that may
/// share what belongs to them.
pub fn beside(connection: &Connection, root: RootRowId, weights: &RelPath) -> Result<Vec<FileRow>, StorageError> {
    let folder = weights.parent().map(|folder| format!("{}/", folder.match_key())).unwrap_or_default();
    let (from, to) = surroundings(weights.name());
    let sql = format!("SELECT {COLUMNS} FROM files WHERE root_id = ?1 AND match_key >= ?2 AND match_key < ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((root.0, format!("{folder}{from}"), format!("{folder}{to}")), single::row)?;
    let found: Vec<FileRow> = rows.collect::<Result<_, _>>()?;
    // A folder's name may lie between, with all that is in it.
    Ok(found.into_iter().filter(|file| file.path.is_beside(weights)).collect())
}

/// The same files by the folder that they lie in, each where its first one was.
pub fn by_folder(files: Vec<FileRow>) -> Vec<Vec<FileRow>> {
    let mut found: Vec<Vec<FileRow>> = Vec::new();
    let mut places: HashMap<Option<RelPath>, usize> = HashMap::new();
    for file in files {
        let place = *places.entry(file.path.parent()).or_insert_with(|| {
            found.push(Vec::new());
            found.len() - 1
        });
        if let Some(beside) = found.get_mut(place) {
            beside.push(file);
        }
    }
    found
}

/// The files directly in a folder, by name; `None` is the root's own.
pub fn files_in(
    connection: &Connection,
    root: RootRowId,
    folder: Option<&RelPath>,
) -> Result<Vec<FileRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM files
         WHERE folder_id = (SELECT id FROM folders WHERE root_id = ?1 AND path = ?2) ORDER BY match_key, id"
    );
    let path = folder.map_or("", RelPath::as_str);
    rows(connection, &sql, (root.0, path), single::row)
}

/// A folder and all below it, by path.
pub fn folders_below(connection: &Connection, root: RootRowId, folder: &RelPath) -> Result<Vec<RelPath>, StorageError> {
    let sql = "SELECT path FROM folders
               WHERE root_id = ?1 AND (path = ?2 OR path > ?2 || '/' AND path < ?2 || '0')
               ORDER BY match_key, path";
    let mut statement = connection.prepare_cached(sql)?;
    let paths: Vec<String> =
        statement.query_map((root.0, folder.as_str()), |row| row.get(0))?.collect::<Result<_, _>>()?;
    paths.iter().map(|path| RelPath::parse(path).map_err(|e| StorageError::damaged("a folder's path", e))).collect()
}
