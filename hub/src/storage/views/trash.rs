//! What lies in the trash, the latest first.

use crate::domain::described::RelPathText;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;
use utoipa::ToSchema;

use super::entry::Totals;
use super::page::{Page, PageRequest};
use super::search;
use super::statement::{Statement, text};
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::storage::{StorageError, from_db, one, path_column, roots, timestamp};

/// A file in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrashView {
    pub id: i64,
    /// In which root's trash it lies.
    pub root: Root,
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// Its size. The trash lies on the same disk, so this much is not free.
    pub size_bytes: u64,
    /// When it was deleted; only the day if this database did not do it.
    pub deleted_at: jiff::Timestamp,
    /// The request that deleted it; none if this database did not do it.
    pub batch_id: Option<BatchId>,
}

/// Which files are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrashList {
    /// Of this root; of both without.
    pub root: Option<Root>,
    /// Words that the path has, each somewhere, in any case.
    pub search: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TrashKey(i64, i64);

/// One page of files.
pub fn list(
    connection: &Connection,
    filter: &TrashList,
    request: &PageRequest,
) -> Result<Page<TrashView>, StorageError> {
    let sides = filter.sides(connection)?;
    let mut statement = Statement::new("SELECT id, path, size_bytes, deleted_at, batch_id, root_id FROM trash t");
    filter.add_where(&mut statement, &sides);
    if let Some(TrashKey(at, id)) = request.after::<TrashKey>()? {
        statement.add("AND (t.deleted_at, t.id) < (?, ?)", [at.into(), id.into()]);
    }
    statement.add("ORDER BY t.deleted_at DESC, t.id DESC LIMIT ?", [request.rows_to_read().into()]);
    let rows = statement.rows(connection, |row| entry(row, &sides))?;
    let total = totals(connection, filter)?.n_files;
    Ok(request.page(rows, total, |row| TrashKey(row.deleted_at.as_millisecond(), row.id)))
}

/// How many files these are, and how large they are together.
pub fn totals(connection: &Connection, filter: &TrashList) -> Result<Totals, StorageError> {
    let sides = filter.sides(connection)?;
    let mut statement =
        Statement::new("SELECT count(*) AS n_files, coalesce(sum(t.size_bytes), 0) AS size_bytes FROM trash t");
    filter.add_where(&mut statement, &sides);
    statement.row(connection, Totals::read)
}

/// What a batch has put into the trash and what is still there.
pub fn of_batch(connection: &Connection, batch: BatchId) -> Result<Totals, StorageError> {
    let sql = "SELECT count(*) AS n_files, coalesce(sum(size_bytes), 0) AS size_bytes FROM trash WHERE batch_id = ?1 AND leaving = 0";
    one(connection, sql, [batch.0], Totals::read)
}

impl TrashList {
    /// The whole trash of a root.
    pub const fn of(root: Root) -> Self {
        Self { root: Some(root), search: None }
    }

    fn sides(&self, connection: &Connection) -> Result<Vec<(Root, i64)>, StorageError> {
        let mut sides = Vec::new();
        for root in Root::ALL.into_iter().filter(|root| self.root.is_none_or(|wanted| wanted == *root)) {
            sides.extend(roots::active(connection, root)?.map(|row| (root, row.id.0)));
        }
        Ok(sides)
    }

    fn add_where(&self, statement: &mut Statement, sides: &[(Root, i64)]) {
        let id = |n: usize| sides.get(n).map_or(-1, |side| side.1);
        if sides.len() == 1 {
            statement.add("WHERE t.root_id = ? AND t.leaving = 0", [id(0).into()]);
        } else {
            statement.add("WHERE t.root_id IN (?, ?) AND t.leaving = 0", [id(0).into(), id(1).into()]);
        }
        for word in search::words(self.search.as_deref()) {
            statement.add("AND instr(lower(t.path), ?) > 0", [text(word)]);
        }
    }
}

fn entry(row: &Row<'_>, sides: &[(Root, i64)]) -> rusqlite::Result<TrashView> {
    let root: i64 = row.get("root_id")?;
    Ok(TrashView {
        id: row.get("id")?,
        root: sides.iter().find(|side| side.1 == root).map_or(Root::Local, |side| side.0),
        path: path_column(row, "path")?,
        size_bytes: from_db(row.get("size_bytes")?),
        deleted_at: timestamp(row.get("deleted_at")?),
        batch_id: Some(row.get("batch_id")?).filter(|id| *id != 0).map(BatchId),
    })
}
