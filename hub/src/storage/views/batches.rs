//! Requests to the queue, with what became of their files.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value as Json;

use super::page::{Page, PageRequest};
use super::statement::Statement;
use super::transfers::root;
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::storage::retention::{self, Outcome};
use crate::storage::{StorageError, from_db, timestamp};

/// A request with the state of its transfers.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchEntry {
    /// Its row.
    pub id: BatchId,
    /// `copy`, `move`, `delete`, `undo` and the like.
    pub operation: String,
    /// Where the files are taken from.
    pub from: Root,
    /// Where they go.
    pub to: Option<Root>,
    /// What was to happen with names that are taken.
    pub on_conflict: String,
    /// How many files were asked for and not queued, as far as the queue wrote them down.
    pub n_skipped: u64,
    /// These files with the reason, as the queue wrote them; a list leaves them out, as they may be
    /// a thousand for each batch.
    pub skipped: Json,
    /// The batch that this one undoes.
    pub undo_of: Option<BatchId>,
    /// The batch that undoes this one.
    pub undone_by: Option<BatchId>,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    /// Its files are no longer listed: it ended long ago, and can't be undone any more.
    pub forgotten: bool,
    /// Its transfers.
    pub progress: BatchProgress,
}

/// The transfers of a batch taken together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchProgress {
    /// All of them.
    pub n_transfers: u64,
    /// That will still happen: queued, running, paused, waiting.
    pub n_open: u64,
    /// That are held.
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
}

const COLUMNS: &str =
    "id, operation, from_root, to_root, on_conflict, n_skipped + json_array_length(skipped), undo_of, created_at,
     (SELECT max(u.id) FROM batches u WHERE u.undo_of = b.id), outcomes IS NOT NULL";

fn entry(row: &Row<'_>) -> rusqlite::Result<BatchEntry> {
    Ok(BatchEntry {
        id: BatchId(row.get(0)?),
        operation: row.get(1)?,
        from: root(row, 2)?.unwrap_or(Root::Local),
        to: root(row, 3)?,
        on_conflict: row.get(4)?,
        n_skipped: from_db(row.get(5)?),
        skipped: Json::Array(Vec::new()),
        undo_of: row.get::<_, Option<i64>>(6)?.map(BatchId),
        undone_by: row.get::<_, Option<i64>>(8)?.map(BatchId),
        created_at: timestamp(row.get(7)?),
        forgotten: row.get(9)?,
        progress: BatchProgress::default(),
    })
}

/// One batch.
pub fn show(connection: &Connection, id: BatchId) -> Result<Option<BatchEntry>, StorageError> {
    let sql = format!("SELECT {COLUMNS}, skipped FROM batches b WHERE id = ?1");
    let read = |row: &Row<'_>| {
        let skipped: String = row.get(10)?;
        Ok(BatchEntry { skipped: serde_json::from_str(&skipped).unwrap_or(Json::Null), ..entry(row)? })
    };
    let found = connection.prepare_cached(&sql)?.query_row([id.0], read).optional()?;
    found.map(|batch| with_progress(connection, batch)).transpose()
}

/// One page of batches, the newest first.
pub fn list(connection: &Connection, request: &PageRequest) -> Result<Page<BatchEntry>, StorageError> {
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

fn with_progress(connection: &Connection, batch: BatchEntry) -> Result<BatchEntry, StorageError> {
    let mut progress = BatchProgress::default();
    for Outcome { state, n, size_bytes } in outcomes(connection, &batch)? {
        progress.n_transfers += n;
        progress.size_bytes += size_bytes;
        match TransferState::from_name(&state) {
            Some(TransferState::Completed) => {
                progress.n_completed += n;
                progress.completed_bytes += size_bytes;
            }
            Some(TransferState::Failed) => progress.n_failed += n,
            Some(TransferState::Cancelled) => progress.n_cancelled += n,
            Some(TransferState::Paused) => {
                progress.n_paused += n;
                progress.n_open += n;
            }
            Some(_) | None => progress.n_open += n,
        }
    }
    Ok(BatchEntry { progress, ..batch })
}

/// What came of a batch so far: of its transfers, or as it was written down before they were removed.
fn outcomes(connection: &Connection, batch: &BatchEntry) -> Result<Vec<Outcome>, StorageError> {
    if batch.forgotten {
        return Ok(retention::outcomes(connection, batch.id)?.unwrap_or_default());
    }
    retention::count(connection, batch.id)
}

#[cfg(test)]
mod tests;
