//! What may leave Local, and what has left it.

use crate::domain::described::{Blake3Text, RelPathText};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};
use utoipa::ToSchema;

use super::entry::Totals;
use super::page::{Page, PageRequest};
use super::search;
use super::statement::{Statement, text};
use crate::domain::diff::{Content, DiffStatus};
use crate::domain::eviction::{EvictBy, LakeCopy, lake_copy};
use crate::domain::ids::{BatchId, FileId};
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::skipped::is_below;
use crate::storage::{
    StorageError, digest_column, folder_range, from_db, index, path_column, path_column_if_any, roots, timestamp,
};

/// Files looked at for one choice. Whoever needs more than these asks again.
pub const MOST: u32 = 1_000;

/// A file that may leave Local.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CandidateView {
    #[serde(skip)]
    pub id: FileId,
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    pub size_bytes: u64,
    /// When it was last modified.
    #[serde(rename = "modified_at")]
    #[schema(value_type = String, format = DateTime)]
    pub modified: Ticks,
    /// What the index knows of the Lake's copy; the content is verified when its turn comes.
    pub lake_copy: LakeCopy,
}

/// The models that may leave Local, in this order; at most [`MOST`]. The caller has brought the
/// comparison up to date.
pub fn candidates(connection: &Connection, by: EvictBy) -> Result<Vec<CandidateView>, StorageError> {
    let (Some(local), Some(lake)) = (roots::active(connection, Root::Local)?, roots::active(connection, Root::Lake)?)
    else {
        return Ok(Vec::new());
    };
    // Left to itself SQLite may take another index and sort the whole library. While an empty index is
    // being filled these two are left out.
    let order = if index::bulk::is_open(connection)? { "" } else { in_order(by) };
    let statement = candidates_statement(local.id.0, lake.id.0, by, order);
    Ok(statement.rows(connection, candidate)?.into_iter().flatten().collect())
}

const fn in_order(by: EvictBy) -> &'static str {
    match by {
        EvictBy::Size => "INDEXED BY files_by_size",
        EvictBy::Age => "INDEXED BY files_by_modified",
    }
}

fn candidates_statement(local: i64, lake: i64, by: EvictBy, index: &str) -> Statement {
    let order = match by {
        EvictBy::Size => "f.size_bytes DESC, f.id DESC",
        EvictBy::Age => "f.modified, f.id",
    };
    let mut statement = Statement::new(
        "SELECT f.id, f.path, f.size_bytes, f.modified, f.blake3, k.size_bytes AS lake_size, k.modified AS lake_modified,
         k.blake3 AS lake_blake3, p.status,",
    );
    statement
        .add(
            &format!(
                "EXISTS (SELECT 1 FROM files e INDEXED BY files_by_content
                         WHERE e.blake3 = f.blake3 AND e.root_id = ? AND e.placeholder = 0 AND NOT {}) AS is_elsewhere",
                is_below("e.root_id", "e.match_key")
            ),
            [lake.into()],
        )
        .text(&format!("FROM files f {index}"))
        .text("CROSS JOIN pairs p ON p.local_id = f.id LEFT JOIN files k ON k.id = p.lake_id")
        .add("WHERE f.root_id = ? AND f.kind = ?", [local.into(), FileKind::Model.code().into()])
        .text("AND f.placeholder = 0 AND f.conflict = 0 AND f.size_bytes > 0 AND coalesce(k.placeholder, 0) = 0")
        .add(
            "AND p.status IN (?, ?, ?, ?)",
            [DiffStatus::LocalOnly, DiffStatus::Same, DiffStatus::Moved, DiffStatus::Unverified]
                .map(|status| status.code().into()),
        )
        .text("AND NOT EXISTS (SELECT 1 FROM transfers t WHERE t.path = f.path AND t.finished_at IS NULL)")
        .add(&format!("ORDER BY {order} LIMIT ?"), [MOST.into()]);
    statement
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Option<CandidateView>> {
    let local = Content {
        size_bytes: from_db(row.get("size_bytes")?),
        modified: Ticks(row.get("modified")?),
        hash: digest_column(row, "blake3")?,
    };
    let lake = match row.get::<_, Option<i64>>("lake_size")? {
        Some(size) => Some(Content {
            size_bytes: from_db(size),
            modified: Ticks(row.get("lake_modified")?),
            hash: digest_column(row, "lake_blake3")?,
        }),
        None => None,
    };
    let is_moved = row.get::<_, i64>("status")? == DiffStatus::Moved.code();
    let at_path = lake.filter(|_| !is_moved);
    let copy = lake_copy(&local, at_path.as_ref(), is_moved || row.get("is_elsewhere")?);
    let (size_bytes, modified) = (local.size_bytes, local.modified);
    let (id, path) = (FileId(row.get("id")?), path_column(row, "path")?);
    Ok(copy.map(|lake_copy| CandidateView { id, path, size_bytes, modified, lake_copy }))
}

/// A file that was evicted and is not back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EvictedView {
    /// Where it was on Local.
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// Where the Lake has its content; none where the index knows no such file any more.
    #[schema(value_type = Option<RelPathText>)]
    pub lake_path: Option<RelPath>,
    pub size_bytes: u64,
    /// When it was last modified.
    #[serde(rename = "modified_at")]
    #[schema(value_type = String, format = DateTime)]
    pub modified: Ticks,
    #[schema(value_type = Option<Blake3Text>)]
    pub hash: Option<Blake3>,
    pub evicted_at: jiff::Timestamp,
    /// The request it left with.
    pub batch_id: BatchId,
}

/// Which evicted files are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvictedFilter {
    /// In this folder or below it.
    pub folder: Option<RelPath>,
    /// Words that the path has, each somewhere, in any case.
    pub search: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EvictionKey(String, String);

/// One page of evicted files, by name.
pub fn evicted(
    connection: &Connection,
    filter: &EvictedFilter,
    request: &PageRequest,
) -> Result<Page<EvictedView>, StorageError> {
    let Some(local) = roots::active(connection, Root::Local)? else { return Ok(Page::empty()) };
    let lake = roots::active(connection, Root::Lake)?.map_or(-1, |row| row.id.0);
    let mut statement = Statement::new("SELECT e.path, e.size_bytes, e.modified, e.blake3, e.evicted_at, e.batch_id,");
    statement
        .add(
            &format!(
                "(SELECT k.path FROM files k INDEXED BY files_by_content
                  WHERE k.blake3 = e.blake3 AND k.root_id = ?
                  ORDER BY {}, k.path <> e.lake_path, k.match_key LIMIT 1) AS found",
                is_below("k.root_id", "k.match_key")
            ),
            [lake.into()],
        )
        .text("FROM evictions e");
    filter.add_where(&mut statement, local.id.0);
    if let Some(EvictionKey(key, path)) = request.after::<EvictionKey>()? {
        statement.add("AND (e.match_key, e.path) > (?, ?)", [text(key), text(path)]);
    }
    statement.add("ORDER BY e.match_key, e.path LIMIT ?", [request.rows_to_read().into()]);
    let rows = statement.rows(connection, entry)?;
    let total = evicted_totals(connection, filter)?.n_files;
    Ok(request.page(rows, total, |row: &EvictedView| EvictionKey(row.path.match_key(), row.path.to_string())))
}

/// How many files were evicted and are not back, and how large they are.
pub fn evicted_totals(connection: &Connection, filter: &EvictedFilter) -> Result<Totals, StorageError> {
    let Some(local) = roots::active(connection, Root::Local)? else { return Ok(Totals::default()) };
    let mut statement =
        Statement::new("SELECT count(*) AS n_files, coalesce(sum(e.size_bytes), 0) AS size_bytes FROM evictions e");
    filter.add_where(&mut statement, local.id.0);
    statement.row(connection, Totals::read)
}

impl EvictedFilter {
    fn add_where(&self, statement: &mut Statement, local: i64) {
        let (from, to) = folder_range(&self.folder.as_ref().map(RelPath::match_key).unwrap_or_default());
        statement
            .add("WHERE e.root_id = ? AND e.match_key >= ? AND e.match_key < ?", [local.into(), text(from), text(to)]);
        for word in search::words(self.search.as_deref()) {
            statement.add("AND instr(e.match_key, ?) > 0", [text(word)]);
        }
        statement.text(
            "AND NOT EXISTS (SELECT 1 FROM files f WHERE f.root_id = e.root_id AND f.match_key = e.match_key
                                                         AND f.path = e.path)",
        );
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<EvictedView> {
    Ok(EvictedView {
        path: path_column(row, "path")?,
        lake_path: path_column_if_any(row, "found")?,
        size_bytes: from_db(row.get("size_bytes")?),
        modified: Ticks(row.get("modified")?),
        hash: digest_column(row, "blake3")?,
        evicted_at: timestamp(row.get("evicted_at")?),
        batch_id: BatchId(row.get("batch_id")?),
    })
}

#[cfg(test)]
mod tests;
