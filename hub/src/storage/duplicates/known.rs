//! What a search begins with: files of a size that occurs more than once, and what is known of them
//! already.

use rusqlite::{Connection, Row};
use shared_protocol::{Blake3, RelPath};

use crate::domain::identity::Identity;
use crate::domain::ids::{FileId, RootRowId};
use crate::domain::kind::FileKind;
use crate::domain::ticks::Ticks;
use crate::storage::skipped::is_below;
use crate::storage::{StorageError, digest_column, from_db, identity_column, to_db};

/// A name whose size occurs more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    /// Its row.
    pub id: FileId,
    /// In which root.
    pub root: RootRowId,
    /// Its path.
    pub path: RelPath,
    /// Its size.
    pub size_bytes: u64,
    /// When it was modified last.
    pub modified: Ticks,
    /// Its hash, if known.
    pub hash: Option<Blake3>,
    /// The hash of its ends, if known.
    pub ends: Option<Blake3>,
    /// What stands beside size and time, if it is recorded.
    pub identity: Option<Identity>,
}

fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<RelPath> {
    RelPath::parse(row.get_ref(column)?.as_str()?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}

// Both read the table from front to back: a row after the other in the order of an index of sizes takes a page of the
// file for each, and most files share their size with another.

/// Names in these roots whose size occurs there more than once, in the order of their paths.
pub fn candidates(
    connection: &Connection,
    roots: &[RootRowId],
    min_size: u64,
) -> Result<Vec<CandidateRow>, StorageError> {
    let first = roots.first().map_or(-1, |root| root.0);
    let second = roots.get(1).map_or(-1, |root| root.0);
    let mut statement = connection.prepare_cached(&format!(
        "WITH shared (size_bytes) AS MATERIALIZED (
             SELECT size_bytes FROM files WHERE root_id IN (?1, ?2) AND size_bytes >= ?3
             GROUP BY size_bytes HAVING count(*) > 1)
         SELECT f.id, f.root_id, f.path, f.size_bytes, f.modified, f.blake3, e.ends, f.identity
         FROM files f NOT INDEXED
         LEFT JOIN file_ends e ON e.root_id = f.root_id AND e.path = f.path
                                  AND e.size_bytes = f.size_bytes AND e.modified = f.modified
                                  AND coalesce(e.identity = f.identity, 1)
         WHERE f.root_id IN (?1, ?2) AND f.size_bytes IN (SELECT size_bytes FROM shared) AND f.placeholder = 0
               AND NOT {}",
        is_below("f.root_id", "f.match_key")
    ))?;
    let read = |row: &Row<'_>| {
        Ok(CandidateRow {
            id: FileId(row.get(0)?),
            root: RootRowId(row.get(1)?),
            path: path(row, 2)?,
            size_bytes: from_db(row.get(3)?),
            modified: Ticks(row.get(4)?),
            hash: digest_column(row, 5)?,
            ends: digest_column(row, 6)?,
            identity: identity_column(row, 7)?,
        })
    };
    let mut found: Vec<CandidateRow> =
        statement.query_map((first, second, to_db(min_size.max(1))), read)?.collect::<Result<_, _>>()?;
    found.sort_unstable_by(|a, b| (a.root, &a.path).cmp(&(b.root, &b.path)));
    Ok(found)
}

/// Keeps the hash of a file's ends.
pub fn put_ends(connection: &Connection, file: &CandidateRow, ends: &Blake3) -> Result<(), StorageError> {
    connection.prepare_cached("INSERT OR REPLACE INTO file_ends VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
        file.root.0,
        file.path.as_str(),
        to_db(file.size_bytes),
        file.modified.0,
        ends.as_bytes(),
        file.identity.map(|identity| identity.0),
    ))?;
    Ok(())
}

/// What is known of a model apart from what its maker wrote about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownWeights {
    /// The digest of its table of tensors; none if it has no readable one.
    pub tensors: Option<Blake3>,
    /// Where the tensors' bytes begin.
    pub data_start: u64,
    /// The digest of these bytes, once someone needed it.
    pub weights: Option<Blake3>,
}

/// A safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    /// The file.
    pub file: CandidateRow,
    /// What is known of its weights at this size and time.
    pub known: Option<KnownWeights>,
}

/// The safetensors files in these roots, in the order of their paths.
pub fn models(connection: &Connection, roots: &[RootRowId], min_size: u64) -> Result<Vec<ModelRow>, StorageError> {
    let first = roots.first().map_or(-1, |root| root.0);
    let second = roots.get(1).map_or(-1, |root| root.0);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT f.id, f.root_id, f.path, f.size_bytes, f.modified, f.blake3, w.tensors, w.data_start, w.weights,
                f.identity
         FROM files f NOT INDEXED
         LEFT JOIN file_weights w ON w.root_id = f.root_id AND w.path = f.path
                                     AND w.size_bytes = f.size_bytes AND w.modified = f.modified
                                     AND coalesce(w.identity = f.identity, 1)
         WHERE f.root_id IN (?1, ?2) AND f.size_bytes >= ?3 AND f.placeholder = 0 AND f.kind = ?4
               AND (f.match_key LIKE '%.safetensors' OR f.match_key LIKE '%.sft') AND NOT {}",
        is_below("f.root_id", "f.match_key")
    ))?;
    let read = |row: &Row<'_>| {
        let file = CandidateRow {
            id: FileId(row.get(0)?),
            root: RootRowId(row.get(1)?),
            path: path(row, 2)?,
            size_bytes: from_db(row.get(3)?),
            modified: Ticks(row.get(4)?),
            hash: digest_column(row, 5)?,
            ends: None,
            identity: identity_column(row, 9)?,
        };
        let data_start: Option<i64> = row.get(7)?;
        let (tensors, weights) = (digest_column(row, 6)?, digest_column(row, 8)?);
        let known = data_start.map(|start| KnownWeights { tensors, data_start: from_db(start), weights });
        Ok(ModelRow { file, known })
    };
    let smallest = to_db(min_size.max(1));
    let mut found: Vec<ModelRow> =
        statement.query_map((first, second, smallest, FileKind::Model.code()), read)?.collect::<Result<_, _>>()?;
    found.sort_unstable_by(|a, b| (a.file.root, &a.file.path).cmp(&(b.file.root, &b.file.path)));
    Ok(found)
}

/// Keeps what is known of a model's weights.
pub fn put_weights(connection: &Connection, file: &CandidateRow, known: &KnownWeights) -> Result<(), StorageError> {
    connection.prepare_cached("INSERT OR REPLACE INTO file_weights VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
        (
            file.root.0,
            file.path.as_str(),
            to_db(file.size_bytes),
            file.modified.0,
            known.tensors.map(|digest| *digest.as_bytes()),
            to_db(known.data_start),
            known.weights.map(|digest| *digest.as_bytes()),
            file.identity.map(|identity| identity.0),
        ),
    )?;
    Ok(())
}
