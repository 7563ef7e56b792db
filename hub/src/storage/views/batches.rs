//! Requests to the queue, with what became of their files.

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::page::{Page, PageRequest};
use super::statement::Statement;
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::storage::retention::{self, Outcome};
use crate::storage::{StorageError, first, from_db, timestamp};

/// A request with what became of its files. The files themselves: `/api/transfers?batch=`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BatchView {
    pub id: BatchId,
    /// `copy`, `move`, `delete`, `restore` and the like.
    pub operation: String,
    /// Where the files are taken from.
    pub from: Root,
    pub to: Option<Root>,
    /// What was to happen with names that are taken: `skip`, `replace` or `keep_both`.
    pub on_conflict: String,
    /// How many files were asked for and not queued; a batch shown by itself names them.
    pub n_skipped: u64,
    /// The batch that this one undoes.
    pub undo_of: Option<BatchId>,
    /// The batch that undoes this one.
    pub undone_by: Option<BatchId>,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    pub n_transfers: u64,
    /// That will still happen.
    pub n_open: u64,
    /// Of these, held by a person.
    pub n_paused: u64,
    /// That are done.
    pub n_completed: u64,
    /// That were given up.
    pub n_failed: u64,
    /// That were dropped.
    pub n_cancelled: u64,
    /// Bytes of all of them.
    pub size_bytes: u64,
    /// Bytes of what is done.
    pub completed_bytes: u64,
    /// It ended so long ago that its files are no longer listed (`HISTORY_DAYS`, `HISTORY_ROWS`): the
    /// numbers stay, and it can't be undone.
    pub forgotten: bool,
    /// The files that were asked for and not queued with the reason, as the queue wrote them; a list
    /// leaves them out, as they may be a thousand for each batch.
    #[serde(skip)]
    pub skipped: Json,
}

const COLUMNS: &str = "id, operation, from_root, to_root, on_conflict, undo_of, created_at,
     n_skipped + json_array_length(skipped) AS n_left_out,
     (SELECT max(u.id) FROM batches u WHERE u.undo_of = b.id) AS undone_by, outcomes IS NOT NULL AS is_forgotten";

fn entry(row: &Row<'_>) -> rusqlite::Result<BatchView> {
    Ok(BatchView {
        id: row.get("id")?,
        operation: row.get("operation")?,
        from: row.get("from_root")?,
        to: row.get("to_root")?,
        on_conflict: row.get("on_conflict")?,
        n_skipped: from_db(row.get("n_left_out")?),
        skipped: Json::Array(Vec::new()),
        undo_of: row.get("undo_of")?,
        undone_by: row.get("undone_by")?,
        created_at: timestamp(row.get("created_at")?),
        forgotten: row.get("is_forgotten")?,
        n_transfers: 0,
        n_open: 0,
        n_paused: 0,
        n_completed: 0,
        n_failed: 0,
        n_cancelled: 0,
        size_bytes: 0,
        completed_bytes: 0,
    })
}

pub fn show(connection: &Connection, id: BatchId) -> Result<Option<BatchView>, StorageError> {
    let sql = format!("SELECT {COLUMNS}, skipped FROM batches b WHERE id = ?1");
    let read = |row: &Row<'_>| {
        let skipped: String = row.get("skipped")?;
        Ok(BatchView { skipped: serde_json::from_str(&skipped).unwrap_or(Json::Null), ..entry(row)? })
    };
    let found = first(connection, &sql, [id.0], read)?;
    found.map(|batch| with_progress(connection, batch)).transpose()
}

/// One page of batches, the newest first.
pub fn list(connection: &Connection, request: &PageRequest) -> Result<Page<BatchView>, StorageError> {
    let mut statement = Statement::new(format!("SELECT {COLUMNS} FROM batches b"));
    if let Some(id) = request.after::<BatchId>()? {
        statement.add("WHERE id < ?", [id.0.into()]);
    }
    statement.add("ORDER BY id DESC LIMIT ?", [request.rows_to_read().into()]);
    let rows = statement.rows(connection, entry)?;
    let total = Statement::new("SELECT count(*) FROM batches").row(connection, |row| Ok(from_db(row.get(0)?)))?;
    let mut page = request.page(rows, total, |batch| batch.id);
    page.items = page.items.into_iter().map(|batch| with_progress(connection, batch)).collect::<Result<_, _>>()?;
    Ok(page)
}

fn with_progress(connection: &Connection, mut batch: BatchView) -> Result<BatchView, StorageError> {
    for Outcome { state, n, size_bytes } in outcomes(connection, &batch)? {
        batch.n_transfers += n;
        batch.size_bytes += size_bytes;
        match state.parse().ok() {
            Some(TransferState::Completed) => {
                batch.n_completed += n;
                batch.completed_bytes += size_bytes;
            }
            Some(TransferState::Failed) => batch.n_failed += n,
            Some(TransferState::Cancelled) => batch.n_cancelled += n,
            Some(TransferState::Paused) => {
                batch.n_paused += n;
                batch.n_open += n;
            }
            Some(_) | None => batch.n_open += n,
        }
    }
    Ok(batch)
}

/// What came of a batch so far: of its transfers, or as it was written down before they were removed.
fn outcomes(connection: &Connection, batch: &BatchView) -> Result<Vec<Outcome>, StorageError> {
    if batch.forgotten {
        return Ok(retention::outcomes(connection, batch.id)?.unwrap_or_default());
    }
    retention::count(connection, batch.id)
}

#[cfg(test)]
mod tests;
