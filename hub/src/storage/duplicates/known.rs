//! What a search begins with: files of a size that occurs more than once, and what is known of them
//! already.

use rusqlite::{Connection, Row};
use shared_protocol::Blake3;

use crate::domain::ids::RootRowId;
use crate::domain::kind::FileKind;
use crate::storage::index::FileRow;
use crate::storage::index::single::{columns_of, row as file_row};
use crate::storage::skipped::is_below;
use crate::storage::{StorageError, digest_column, from_db, to_db};

/// A name that is compared with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    pub root: RootRowId,
    pub file: FileRow,
    /// The hash of its ends, if known.
    pub ends: Option<Blake3>,
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
         SELECT {}, f.root_id, e.ends
         FROM files f NOT INDEXED
         LEFT JOIN file_ends e ON e.root_id = f.root_id AND e.path = f.path
                                  AND e.size_bytes = f.size_bytes AND e.modified = f.modified
                                  AND coalesce(e.identity = f.identity, 1)
         WHERE f.root_id IN (?1, ?2) AND f.size_bytes IN (SELECT size_bytes FROM shared) AND f.placeholder = 0
               AND NOT {}",
        columns_of("f"),
        is_below("f.root_id", "f.match_key")
    ))?;
    let read = |row: &Row<'_>| {
        Ok(CandidateRow {
            root: row.get("root_id")?,
            file: file_row(row)?,
            ends: digest_column(row, row.as_ref().column_index("ends")?)?,
        })
    };
    let mut found: Vec<CandidateRow> =
        statement.query_map((first, second, to_db(min_size.max(1))), read)?.collect::<Result<_, _>>()?;
    found.sort_unstable_by(|a, b| (a.root, &a.file.path).cmp(&(b.root, &b.file.path)));
    Ok(found)
}

/// Keeps the hash of a file's ends.
pub fn put_ends(connection: &Connection, file: &CandidateRow, ends: &Blake3) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO file_ends VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute((
        file.root.0,
        file.file.path.as_str(),
        to_db(file.file.size_bytes),
        file.file.modified.0,
        ends.as_bytes(),
        file.file.identity.map(|identity| identity.0),
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
    pub file: CandidateRow,
    /// What is known of its weights at this size and time.
    pub known: Option<KnownWeights>,
}

/// The safetensors files in these roots, in the order of their paths.
pub fn models(connection: &Connection, roots: &[RootRowId], min_size: u64) -> Result<Vec<ModelRow>, StorageError> {
    let first = roots.first().map_or(-1, |root| root.0);
    let second = roots.get(1).map_or(-1, |root| root.0);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, f.root_id, w.tensors, w.data_start, w.weights
         FROM files f NOT INDEXED
         LEFT JOIN file_weights w ON w.root_id = f.root_id AND w.path = f.path
                                     AND w.size_bytes = f.size_bytes AND w.modified = f.modified
                                     AND coalesce(w.identity = f.identity, 1)
         WHERE f.root_id IN (?1, ?2) AND f.size_bytes >= ?3 AND f.placeholder = 0 AND f.kind = ?4
               AND (f.match_key LIKE '%.safetensors' OR f.match_key LIKE '%.sft') AND NOT {}",
        columns_of("f"),
        is_below("f.root_id", "f.match_key")
    ))?;
    let read = |row: &Row<'_>| {
        let file = CandidateRow { root: row.get("root_id")?, file: file_row(row)?, ends: None };
        let data_start: Option<i64> = row.get("data_start")?;
        let (tensors, weights) = (
            digest_column(row, row.as_ref().column_index("tensors")?)?,
            digest_column(row, row.as_ref().column_index("weights")?)?,
        );
        let known = data_start.map(|start| KnownWeights { tensors, data_start: from_db(start), weights });
        Ok(ModelRow { file, known })
    };
    let smallest = to_db(min_size.max(1));
    let mut found: Vec<ModelRow> =
        statement.query_map((first, second, smallest, FileKind::Model.code()), read)?.collect::<Result<_, _>>()?;
    found.sort_unstable_by(|a, b| (a.file.root, &a.file.file.path).cmp(&(b.file.root, &b.file.file.path)));
    Ok(found)
}

/// Keeps what is known of a model's weights.
pub fn put_weights(connection: &Connection, file: &CandidateRow, known: &KnownWeights) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO file_weights VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute((
        file.root.0,
        file.file.path.as_str(),
        to_db(file.file.size_bytes),
        file.file.modified.0,
        known.tensors.map(|digest| *digest.as_bytes()),
        to_db(known.data_start),
        known.weights.map(|digest| *digest.as_bytes()),
        file.file.identity.map(|identity| identity.0),
    ))?;
    Ok(())
}
