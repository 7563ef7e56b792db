//! The queue's transfers.

use crate::domain::described::{Blake3Text, RelPathText};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};
use utoipa::ToSchema;

use super::page::{Page, PageRequest};
use super::statement::{Statement, text};
use crate::domain::ids::{BatchId, TransferId};
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::storage::{StorageError, columns, digest_column, first, from_db, path_column, timestamp};

/// One file's copy, move, delete or the like.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TransferView {
    pub id: TransferId,
    /// The request it came from.
    pub batch_id: BatchId,
    /// `copy`, `move`, `delete`, `restore` and the like.
    pub operation: String,
    /// Where the file is taken from; of a download, where it goes.
    pub from: Root,
    /// Where it goes; of a duplicate that goes, where the copy that stays lies.
    pub to: Option<Root>,
    /// Its path where it is taken from.
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// Its path where it goes, if that is another; of a duplicate that goes, the copy that stays.
    pub to_path: Option<String>,
    /// Of a download, the site that it comes from.
    pub site: Option<String>,
    /// Of a download that is done: whether a hash was known beforehand that it was checked against.
    pub verified: Option<bool>,
    pub state: TransferState,
    /// It was asked to pause or to end and is about to.
    pub stopping: bool,
    pub bytes_done: u64,
    /// Bytes that were read again so far, while a copy that was interrupted checks what it has.
    pub bytes_checked: Option<u64>,
    /// Bytes of the whole file.
    pub size_bytes: u64,
    /// How fast it is, while it runs.
    pub bytes_per_second: Option<u64>,
    /// How long it will still take, while it runs.
    pub eta_seconds: Option<u64>,
    /// Tries after the first.
    pub attempts: u32,
    /// Why the last try failed.
    pub error: Option<TransferErrorView>,
    /// The content's hash, once it is known.
    #[schema(value_type = Option<Blake3Text>)]
    pub hash: Option<Blake3>,
    /// When it will be tried again.
    pub next_try_at: Option<jiff::Timestamp>,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    /// When it was first begun.
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
    /// Its place in the queue.
    #[serde(skip)]
    pub position: f64,
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TransferErrorView {
    /// For programs: `changed`, `exists`, `disk_full`, `in_use`, `offline` and the like.
    pub code: String,
    pub detail: String,
}

/// Which transfers are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferFilter {
    /// Only in this state.
    pub state: Option<TransferState>,
    /// Only of this request.
    pub batch: Option<BatchId>,
}

/// How a list is sorted follows from its filter, so that each has its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Sorting {
    /// A state's transfers in the order of the queue: what comes first is first.
    Turn,
    /// A final state's transfers: what was queued last is first.
    Latest,
    /// A request's transfers, as they were asked for.
    Asked,
    /// All of them, the newest first.
    Newest,
}

/// Where a page ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct TransferKey {
    sorting: Sorting,
    position: f64,
    id: TransferId,
}

columns!(mod at {
    id, batch_id, operation, from_root, to_root, path, to_path, state, is_stopping = "stop IS NOT NULL", position,
    size_bytes, bytes_done, attempts, error_code, error_detail, hash = "coalesce(blake3, part_blake3)", next_try_at,
    created_at, started_at, finished_at, site = "(SELECT host FROM downloads WHERE transfer_id = id)",
    is_verified = "(SELECT is_verified FROM downloads WHERE transfer_id = id)"
});
const COLUMNS: &str = at::ALL;

fn entry(row: &Row<'_>) -> rusqlite::Result<TransferView> {
    let time = |column: usize| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(column)?.map(timestamp)) };
    let detail: Option<String> = row.get(at::error_detail)?;
    let error = row.get::<_, Option<String>>(at::error_code)?;
    let error = error.map(|code| TransferErrorView { code, detail: detail.unwrap_or_default() });
    Ok(TransferView {
        id: row.get(at::id)?,
        batch_id: row.get(at::batch_id)?,
        operation: row.get(at::operation)?,
        from: row.get(at::from_root)?,
        to: row.get(at::to_root)?,
        path: path_column(row, at::path)?,
        to_path: row.get(at::to_path)?,
        site: row.get(at::site)?,
        verified: row.get(at::is_verified)?,
        state: row.get(at::state)?,
        stopping: row.get(at::is_stopping)?,
        position: row.get(at::position)?,
        size_bytes: from_db(row.get(at::size_bytes)?),
        bytes_done: from_db(row.get(at::bytes_done)?),
        attempts: row.get(at::attempts)?,
        error,
        bytes_checked: None,
        bytes_per_second: None,
        eta_seconds: None,
        hash: digest_column(row, at::hash)?,
        next_try_at: time(at::next_try_at)?,
        created_at: timestamp(row.get(at::created_at)?),
        started_at: time(at::started_at)?,
        finished_at: time(at::finished_at)?,
    })
}

/// One transfer, given which are really worked on.
pub fn show(
    connection: &Connection,
    id: TransferId,
    at_work: &[TransferId],
) -> Result<Option<TransferView>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE id = ?1");
    let found = first(connection, &sql, [id.0], entry)?;
    Ok(found.map(|found| found.shown(at_work)))
}

/// One page of transfers, given which are really worked on: of those that were claimed together the others
/// count as queued. With a state: in the order of the queue, or the latest first where they have ended. Of a
/// batch: as they were asked for. Else the newest first.
pub fn list(
    connection: &Connection,
    filter: &TransferFilter,
    request: &PageRequest,
    at_work: &[TransferId],
) -> Result<Page<TransferView>, StorageError> {
    let sorting = filter.sorting();
    let after = request.after::<TransferKey>()?;
    if after.is_some_and(|key| key.sorting != sorting) {
        return Err(StorageError::Cursor);
    }
    let mut rows = Vec::new();
    let mut total = 0;
    for which in filter.parts().iter().copied() {
        rows.extend(list_statement(filter, which, at_work, after, request).rows(connection, entry)?);
        let mut count = Statement::new("SELECT count(*) FROM transfers WHERE 1");
        filter.add(which, at_work, &mut count);
        total += count.row(connection, |row| Ok(from_db(row.get(0)?)))?;
    }
    if filter.parts().len() > 1 {
        match sorting {
            Sorting::Asked => rows.sort_by_key(|row| row.id),
            _ => rows.sort_by(|a, b| a.position.total_cmp(&b.position).then(a.id.cmp(&b.id))),
        }
        rows.truncate(usize::try_from(request.rows_to_read()).unwrap_or(usize::MAX));
    }
    let rows = rows.into_iter().map(|row| row.shown(at_work)).collect();
    Ok(request.page(rows, total, |row| TransferKey { sorting, position: row.position, id: row.id }))
}

/// Which rows of the table belong to what is shown as one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransferPart {
    /// Those that the table has in the state.
    Stored,
    /// Running ones that are really worked on.
    AtWork,
    /// Claimed ones that come next.
    Next,
}

impl TransferView {
    fn shown(self, at_work: &[TransferId]) -> Self {
        let is_next = self.state == TransferState::Running && !at_work.contains(&self.id);
        if is_next { Self { state: TransferState::Queued, ..self } } else { self }
    }
}

fn list_statement(
    filter: &TransferFilter,
    which: TransferPart,
    at_work: &[TransferId],
    after: Option<TransferKey>,
    request: &PageRequest,
) -> Statement {
    let mut statement = Statement::new(format!("SELECT {COLUMNS} FROM transfers WHERE 1"));
    filter.add(which, at_work, &mut statement);
    let (order, beyond) = match filter.sorting() {
        Sorting::Turn => ("position, id", "AND (position, id) > (?, ?)"),
        Sorting::Latest => ("position DESC, id DESC", "AND (position, id) < (?, ?)"),
        Sorting::Asked => ("id", "AND id > ?"),
        Sorting::Newest => ("id DESC", "AND id < ?"),
    };
    match (after, filter.sorting()) {
        (None, _) => {}
        (Some(key), Sorting::Turn | Sorting::Latest) => {
            _ = statement.add(beyond, [key.position.into(), key.id.0.into()]);
        }
        (Some(key), Sorting::Asked | Sorting::Newest) => _ = statement.add(beyond, [key.id.0.into()]),
    }
    statement.add(&format!("ORDER BY {order} LIMIT ?"), [request.rows_to_read().into()]);
    statement
}

impl TransferFilter {
    const fn sorting(&self) -> Sorting {
        match self {
            Self { batch: Some(_), .. } => Sorting::Asked,
            Self { state: Some(state), .. } if state.is_final() => Sorting::Latest,
            Self { state: Some(_), .. } => Sorting::Turn,
            Self { .. } => Sorting::Newest,
        }
    }

    /// The rows that are meant, in parts that have an index each.
    const fn parts(&self) -> &'static [TransferPart] {
        match self.state {
            Some(TransferState::Running) => &[TransferPart::AtWork],
            Some(TransferState::Queued) => &[TransferPart::Next, TransferPart::Stored],
            _ => &[TransferPart::Stored],
        }
    }

    fn add(&self, which: TransferPart, at_work: &[TransferId], statement: &mut Statement) {
        if let Some(batch) = self.batch {
            statement.add("AND batch_id = ?", [batch.0.into()]);
        } else {
            // What people cleared from the queue is only seen in the batch it belongs to.
            statement.add("AND cleared = 0", []);
        }
        if let (Some(_), Some(TransferState::Failed)) = (self.batch, self.state) {
            // In these words it is the index of what failed of a batch: a few among very many.
            statement.add("AND state = 'failed'", []);
        } else if let Some(state) = self.state {
            // A plus keeps the index of states out of a batch's list.
            let column = if self.batch.is_some() { "+state" } else { "state" };
            let state = if which == TransferPart::Next { TransferState::Running } else { state };
            statement.add(&format!("AND {column} = ?"), [text(state.as_str())]);
        }
        let ids = || text(format!("[{}]", at_work.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",")));
        match which {
            TransferPart::Stored => {}
            TransferPart::AtWork => _ = statement.add("AND id IN (SELECT value FROM json_each(?))", [ids()]),
            TransferPart::Next => _ = statement.add("AND id NOT IN (SELECT value FROM json_each(?))", [ids()]),
        }
    }
}

#[cfg(test)]
mod tests;
