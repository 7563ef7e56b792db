//! What pages ask about single files that they list or that someone ticked.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, OptionalExtension};
use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

use super::entry::{Chosen, FileView, columns_of, entry};
use crate::domain::bundle::{self, Fate};
use crate::domain::diff::DiffStatus;
use crate::domain::ids::FileId;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::storage::{StorageError, index, roots};

/// Endings of the pictures that are shown for a model, the one tools prefer first.
const PICTURES: [&str; 14] = [
    ".preview.png",
    ".preview.jpg",
    ".preview.jpeg",
    ".preview.webp",
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".preview.gif",
    ".gif",
    ".preview.mp4",
    ".mp4",
    ".preview.webm",
    ".webm",
];

/// The place of a picture among those that lie beside a model: the first is shown.
pub(super) fn rank_of_picture(name: &str) -> usize {
    let name = match_key(name);
    PICTURES.iter().position(|ending| name.ends_with(ending)).unwrap_or(PICTURES.len())
}

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
        Ok(code.and_then(DiffStatus::from_repr))
    };
    files.map(&mut status).collect()
}

/// The files of exactly these paths; a path that is gone is left out.
pub fn files_at<'a>(
    connection: &Connection,
    root: Root,
    paths: impl Iterator<Item = &'a RelPath>,
) -> Result<Vec<FileView>, StorageError> {
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

/// These files and what goes with the models among them: the sidecars that no other model needs.
pub fn with_sidecars(connection: &Connection, root: Root, mut files: Vec<Chosen>) -> Result<Vec<Chosen>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(files) };
    let mut folders: BTreeMap<Option<RelPath>, Vec<Chosen>> = BTreeMap::new();
    let mut known: HashSet<RelPath> = HashSet::new();
    for file in &files {
        known.insert(file.path.clone());
        folders.entry(file.path.parent()).or_default().push(file.clone());
    }
    for mut beside in folders.into_values() {
        let n_chosen = beside.len();
        for at in 0..n_chosen {
            let Some(path) = beside.get(at).map(|file| file.path.clone()) else { continue };
            if FileKind::of(path.name()) == FileKind::Model {
                let near = index::beside::beside(connection, row.id, &path)?;
                let new = near.into_iter().filter(|near| known.insert(near.path.clone()));
                beside.extend(new.map(|near| Chosen { path: near.path, size_bytes: near.size_bytes }));
            }
        }
        let names: Vec<&str> = beside.iter().map(|file| file.path.name()).collect();
        let split = bundle::split(&names, |at| at < n_chosen);
        let sidecars = split.bundles.iter().flat_map(|bundle| &bundle.sidecars);
        let goes = sidecars.filter(|sidecar| !sidecar.named && sidecar.fate(|owner| owner < n_chosen) == Fate::Goes);
        files.extend(goes.filter_map(|sidecar| beside.get(sidecar.at)).cloned());
    }
    Ok(files)
}

/// The files that one side has in the rows of the comparison with these paths.
pub fn files_in_pairs<'a>(
    connection: &Connection,
    side: Root,
    paths: impl Iterator<Item = &'a RelPath>,
) -> Result<Vec<FileView>, StorageError> {
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
pub fn picture_beside(connection: &Connection, root: Root, model: &RelPath) -> Result<Option<FileView>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(None) };
    let name = model.name();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let folder = model.parent();
    let columns = columns_of("f");
    let sql = format!("SELECT {columns} FROM files f WHERE f.root_id = ?1 AND f.match_key = ?2 ORDER BY f.id LIMIT 1");
    let mut statement = connection.prepare_cached(&sql)?;
    for ending in PICTURES {
        // A name that grows too long with its ending can't be beside it.
        let Ok(beside) = RelPath::in_folder(folder.as_ref(), &format!("{stem}{ending}")) else { continue };
        let found = statement.query_row((row.id.0, beside.match_key()), |row| entry(row, 0, root)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
