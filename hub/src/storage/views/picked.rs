//! What pages ask about single files that they list or that someone ticked.

use rusqlite::{Connection, OptionalExtension};
use shared_protocol::RelPath;

use super::entry::{FileEntry, columns_of, entry, path};
use crate::domain::diff::DiffStatus;
use crate::domain::ids::FileId;
use crate::domain::root::Root;
use crate::storage::{StorageError, roots};

/// Endings of the pictures that are shown for a model, the one tools prefer first.
const PICTURES: [&str; 8] =
    [".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".png", ".jpg", ".jpeg", ".webp"];

/// How each file stands to the other root; `None` where that was not compared.
pub fn standings(
    connection: &Connection,
    root: Root,
    files: impl Iterator<Item = FileId>,
) -> Result<Vec<Option<DiffStatus>>, StorageError> {
    let sql = match root {
        Root::Local => "SELECT status FROM pairs WHERE local_id = ?1",
        Root::Lake => "SELECT status FROM pairs WHERE lake_id = ?1",
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut status = |id: FileId| -> Result<Option<DiffStatus>, StorageError> {
        let code: Option<i64> = statement.query_row([id.0], |row| row.get(0)).optional()?;
        Ok(code.and_then(DiffStatus::from_code))
    };
    files.map(&mut status).collect()
}

/// The files of exactly these paths; a path that is gone is left out.
pub fn files_at<'a>(
    connection: &Connection,
    root: Root,
    paths: impl Iterator<Item = &'a RelPath>,
) -> Result<Vec<FileEntry>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(Vec::new()) };
    let columns = columns_of("f");
    let sql = format!("SELECT {columns} FROM files f WHERE f.root_id = ?1 AND f.match_key = ?2 AND f.path = ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for path in paths {
        let file = statement.query_row((row.id.0, path.match_key(), path.as_str()), |row| entry(row, 0, root));
        found.extend(file.optional()?);
    }
    Ok(found)
}

/// The files that one side has in the rows of the comparison with these paths.
pub fn files_in_pairs<'a>(
    connection: &Connection,
    side: Root,
    paths: impl Iterator<Item = &'a RelPath>,
) -> Result<Vec<FileEntry>, StorageError> {
    let id = match side {
        Root::Local => "local_id",
        Root::Lake => "lake_id",
    };
    let columns = columns_of("f");
    let sql =
        format!("SELECT {columns} FROM pairs p JOIN files f ON f.id = p.{id} WHERE p.match_key = ?1 AND p.path = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for path in paths {
        let file = statement.query_row((path.match_key(), path.as_str()), |row| entry(row, 0, side));
        found.extend(file.optional()?);
    }
    Ok(found)
}

/// How many of these names a root has already, in whichever case.
pub fn n_taken(connection: &Connection, root: Root, paths: &[RelPath]) -> Result<usize, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(0) };
    let sql = "SELECT EXISTS (SELECT 1 FROM files WHERE root_id = ?1 AND match_key = ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut n = 0;
    for path in paths {
        n += usize::from(statement.query_row((row.id.0, path.match_key()), |row| row.get::<_, bool>(0))?);
    }
    Ok(n)
}

/// The picture that lies beside a model, if there is one.
pub fn picture_beside(connection: &Connection, root: Root, model: &RelPath) -> Result<Option<RelPath>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(None) };
    let name = model.name();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let folder = model.parent();
    let mut statement = connection
        .prepare_cached("SELECT path FROM files WHERE root_id = ?1 AND match_key = ?2 ORDER BY id LIMIT 1")?;
    for ending in PICTURES {
        // A name that grows too long with its ending can't be beside it.
        let Ok(beside) = RelPath::in_folder(folder.as_ref(), &format!("{stem}{ending}")) else { continue };
        let found = statement.query_row((row.id.0, beside.match_key()), |row| path(row, 0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
