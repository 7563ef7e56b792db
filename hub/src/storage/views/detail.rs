//! Everything the index knows of one file.

use model_header::Description;
use rusqlite::Connection;
use shared_protocol::{Blake3, RelPath, Sha256};

use super::entry::{FileView, columns_of, entry};
use crate::domain::bundle;
use crate::domain::diff::DiffStatus;
use crate::domain::ids::{FileId, TransferId};
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::storage::columns::Json;
use crate::storage::roots::{self, RootRow};
use crate::storage::skipped::{Cover, cover_of_either, is_below};
use crate::storage::{StorageError, first, hashes, index, one, rows, timestamp};

/// Copies of a content that are named; more are only counted.
const NAMED_COPIES: i64 = 50;

/// A file with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct FileDetail {
    /// The file itself.
    pub file: FileView,
    /// Its SHA-256, if it was taken.
    pub sha256: Option<Sha256>,
    /// When its hash was taken.
    pub hashed_at: Option<jiff::Timestamp>,
    /// What the header of a model says, or why that is not known; none if nobody has read it yet.
    pub header: Option<Result<Description, String>>,
    /// What lies beside a model and belongs to it, by name.
    pub sidecars: Vec<FileView>,
    /// How it stands to the other root, if that was compared.
    pub status: Option<DiffStatus>,
    /// The unknown places that it lies at or below.
    pub covers: Vec<Cover>,
    /// Other names of its root that differ only in case or in how accents are written.
    pub nearly: Vec<RelPath>,
    /// The file on the other root that it is compared with.
    pub twin: Option<FileView>,
    /// Other files of the same content on both roots, with the twin; at most the first fifty.
    pub copies: Vec<FileView>,
    /// How many these are in truth.
    pub n_copies: u64,
    /// Transfers that have not ended and read or write this path.
    pub transfers: Vec<TransferId>,
}

/// What is known of the file of exactly this path.
pub fn show(connection: &Connection, root: Root, path: &RelPath) -> Result<Option<FileDetail>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(None) };
    let Some(file) = find(connection, &row, path)? else { return Ok(None) };
    let (sha256, hashed_at) = match &file.hash {
        Some(hash) => (hashes::sha256_of(connection, row.id, path, hash)?, hashed_at(connection, &row, path, hash)?),
        None => (None, None),
    };
    let (status, twin) = twin(connection, &file)?;
    let (copies, n_copies) = copies(connection, &file)?;
    Ok(Some(FileDetail {
        sha256,
        hashed_at,
        header: header(connection, &file)?,
        sidecars: sidecars(connection, &row, &file)?,
        status,
        covers: cover_of_either(connection, &path.match_key())?,
        nearly: nearly(connection, &row, &file)?,
        twin,
        copies,
        n_copies,
        transfers: transfers(connection, path)?,
        file,
    }))
}

fn find(connection: &Connection, root: &RootRow, path: &RelPath) -> Result<Option<FileView>, StorageError> {
    let sql =
        format!("SELECT {} FROM files f WHERE f.root_id = ?1 AND f.match_key = ?2 AND f.path = ?3", columns_of("f"));
    first(connection, &sql, (root.id.0, path.match_key(), path.as_str()), |row| entry(row, 0, root.root))
}

fn hashed_at(
    connection: &Connection,
    root: &RootRow,
    path: &RelPath,
    hash: &Blake3,
) -> Result<Option<jiff::Timestamp>, StorageError> {
    let sql = "SELECT hashed_at FROM hashes WHERE root_id = ?1 AND path = ?2 AND blake3 = ?3";
    let at: Option<i64> = first(connection, sql, (root.id.0, path.as_str(), hash.as_bytes()), |row| row.get(0))?;
    Ok(at.map(timestamp))
}

/// What was read of a model's header.
fn header(connection: &Connection, file: &FileView) -> Result<Option<Result<Description, String>>, StorageError> {
    let sql = "SELECT d.description, m.damage_detail FROM files f JOIN models m ON m.id = f.model_id
               LEFT JOIN model_descriptions d ON d.model_id = m.id WHERE f.id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get("description")?, row.get("damage_detail")?));
    let found: Option<(Option<Json<Description>>, Option<String>)> = first(connection, sql, [file.id], read)?;
    Ok(match found {
        Some((Some(Json(description)), _)) => Some(Ok(description)),
        _ if file.placeholder => Some(Err("the content is not on this disk but in a cloud".to_owned())),
        Some((None, Some(why))) => Some(Err(why)),
        _ => None,
    })
}

/// What lies beside a model and belongs to it, by name.
pub(super) fn sidecars(
    connection: &Connection,
    root: &RootRow,
    file: &FileView,
) -> Result<Vec<FileView>, StorageError> {
    if file.kind != FileKind::Model {
        return Ok(Vec::new());
    }
    let near = index::beside::beside(connection, root.id, &file.path)?;
    let names: Vec<&str> = near.iter().map(|near| near.path.name()).collect();
    let split = bundle::split(&names, |at| near.get(at).is_some_and(|near| near.id == file.id));
    let sidecars = split.bundles.iter().flat_map(|bundle| &bundle.sidecars);
    let ids = sidecars.filter_map(|sidecar| near.get(sidecar.at)).map(|near| near.id);
    let found = ids.map(|id| by_id(connection, id, root.root)).collect::<Result<Vec<_>, _>>()?;
    let mut found: Vec<FileView> = found.into_iter().flatten().collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn nearly(connection: &Connection, root: &RootRow, file: &FileView) -> Result<Vec<RelPath>, StorageError> {
    let found = index::files_at_key(connection, root.id, &file.path.match_key())?;
    Ok(found.into_iter().filter(|found| found.id != file.id).map(|found| found.path).collect())
}

fn twin(connection: &Connection, file: &FileView) -> Result<(Option<DiffStatus>, Option<FileView>), StorageError> {
    let (own, other) = match file.root {
        Root::Local => ("local_id", "lake_id"),
        Root::Lake => ("lake_id", "local_id"),
    };
    let sql = format!("SELECT status, {other} FROM pairs WHERE {own} = ?1");
    let pair: Option<(i64, Option<i64>)> = first(connection, &sql, [file.id.0], |row| row.try_into())?;
    let Some((status, other)) = pair else { return Ok((None, None)) };
    let twin = match other {
        Some(id) => by_id(connection, FileId(id), file.root.other())?,
        None => None,
    };
    Ok((DiffStatus::from_repr(status), twin))
}

pub(super) fn by_id(connection: &Connection, id: FileId, root: Root) -> Result<Option<FileView>, StorageError> {
    let sql = format!("SELECT {} FROM files f WHERE f.id = ?1", columns_of("f"));
    first(connection, &sql, [id.0], |row| entry(row, 0, root))
}

fn copies(connection: &Connection, file: &FileView) -> Result<(Vec<FileView>, u64), StorageError> {
    let Some(hash) = &file.hash else { return Ok((Vec::new(), 0)) };
    let sql = format!(
        "SELECT {}, r.root FROM files f JOIN roots r ON r.id = f.root_id AND r.active = 1
         WHERE f.blake3 = ?1 AND f.id <> ?2 AND NOT {} ORDER BY r.root DESC, f.match_key, f.id LIMIT ?3",
        columns_of("f"),
        is_below("f.root_id", "f.match_key")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((hash.as_bytes(), file.id.0, NAMED_COPIES), |row| {
        let root = row.get("root")?;
        entry(row, 0, root)
    })?;
    let copies: Vec<FileView> = rows.collect::<Result<_, _>>()?;
    let sql = format!(
        "SELECT count(*) FROM files f JOIN roots r ON r.id = f.root_id AND r.active = 1
             WHERE f.blake3 = ?1 AND f.id <> ?2 AND NOT {}",
        is_below("f.root_id", "f.match_key")
    );
    let n = one(connection, &sql, (hash.as_bytes(), file.id.0), |row| row.get(0))?;
    Ok((copies, crate::storage::from_db(n)))
}

fn transfers(connection: &Connection, path: &RelPath) -> Result<Vec<TransferId>, StorageError> {
    let sql = "SELECT id FROM transfers WHERE path = ?1 AND finished_at IS NULL ORDER BY id LIMIT 50";
    rows(connection, sql, [path.as_str()], |row| row.get(0).map(TransferId))
}

#[cfg(test)]
mod tests;
