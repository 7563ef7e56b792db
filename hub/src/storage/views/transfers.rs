//! The queue's transfers.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};

use super::entry::path;
use super::page::{Page, PageRequest};
use super::statement::{Statement, text};
use crate::domain::ids::{BatchId, TransferId};
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::storage::{StorageError, digest_column, from_db, timestamp};

/// A transfer as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferEntry {
    /// Its row.
    pub id: TransferId,
    /// The request it came from.
    pub batch_id: BatchId,
    /// `copy`, `move`, `delete`, `restore` and the like.
    pub operation: String,
    /// Where the file is taken from.
    pub from: Root,
    /// Where it goes, if it goes to another root.
    pub to: Option<Root>,
    /// The file's path on the side it is taken from.
    pub path: RelPath,
    /// Its path on the other side, where that differs.
    pub to_path: Option<String>,
    /// Where it stands.
    pub state: TransferState,
    /// A worker was asked to stop and has not yet.
    pub stopping: bool,
    /// Its place in the queue.
    pub position: f64,
    /// The file's size.
    pub size_bytes: u64,
    /// Bytes done when this was last written down.
    pub bytes_done: u64,
    /// Tries after the first.
    pub attempts: u32,
    /// Why the last try failed: a code for programs.
    pub error_code: Option<String>,
    /// The same for people.
    pub error_detail: Option<String>,
    /// The content's hash, once it is known.
    pub hash: Option<Blake3>,
    /// When it will be tried again.
    pub next_try_at: Option<jiff::Timestamp>,
    /// When it was asked for.
    pub created_at: jiff::Timestamp,
    /// When it was first begun.
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended.
    pub finished_at: Option<jiff::Timestamp>,
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
struct Key {
    sorting: Sorting,
    position: f64,
    id: TransferId,
}

const COLUMNS: &str = "id, batch_id, operation, from_root, to_root, path, to_path, state, stop IS NOT NULL, position, \
     size_bytes, bytes_done, attempts, error_code, error_detail, coalesce(blake3, part_blake3), next_try_at, \
     created_at, started_at, finished_at";

fn entry(row: &Row<'_>) -> rusqlite::Result<TransferEntry> {
    let time = |column: usize| -> rusqlite::Result<_> { Ok(row.get::<_, Option<i64>>(column)?.map(timestamp)) };
    let state: String = row.get(7)?;
    Ok(TransferEntry {
        id: TransferId(row.get(0)?),
        batch_id: BatchId(row.get(1)?),
        operation: row.get(2)?,
        from: root(row, 3)?.unwrap_or(Root::Local),
        to: root(row, 4)?,
        path: path(row, 5)?,
        to_path: row.get(6)?,
        state: TransferState::from_name(&state).ok_or_else(|| unknown(7, &state))?,
        stopping: row.get(8)?,
        position: row.get(9)?,
        size_bytes: from_db(row.get(10)?),
        bytes_done: from_db(row.get(11)?),
        attempts: row.get(12)?,
        error_code: row.get(13)?,
        error_detail: row.get(14)?,
        hash: digest_column(row, 15)?,
        next_try_at: time(16)?,
        created_at: timestamp(row.get(17)?),
        started_at: time(18)?,
        finished_at: time(19)?,
    })
}

/// The root that a column names.
pub(super) fn root(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Root>> {
    let name: Option<String> = row.get(column)?;
    name.map(|name| name.parse().map_err(|_| unknown(column, &name))).transpose()
}

fn unknown(column: usize, text: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("unknown name {text:?}").into())
}

/// One transfer, given which are really worked on.
pub fn show(
    connection: &Connection,
    id: TransferId,
    at_work: &[TransferId],
) -> Result<Option<TransferEntry>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE id = ?1");
    let found = connection.prepare_cached(&sql)?.query_row([id.0], entry).optional()?;
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
) -> Result<Page<TransferEntry>, StorageError> {
    let sorting = filter.sorting();
    let after = request.after::<Key>()?;
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
    Ok(request.page(rows, total, |row| Key { sorting, position: row.position, id: row.id }))
}

/// Which rows of the table belong to what is shown as one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Those that the table has in the state.
    Stored,
    /// Running ones that are really worked on.
    AtWork,
    /// Claimed ones that come next.
    Next,
}

impl TransferEntry {
    fn shown(self, at_work: &[TransferId]) -> Self {
        let is_next = self.state == TransferState::Running && !at_work.contains(&self.id);
        if is_next { Self { state: TransferState::Queued, ..self } } else { self }
    }
}

fn list_statement(
    filter: &TransferFilter,
    which: Part,
    at_work: &[TransferId],
    after: Option<Key>,
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
    const fn parts(&self) -> &'static [Part] {
        match self.state {
            Some(TransferState::Running) => &[Part::AtWork],
            Some(TransferState::Queued) => &[Part::Next, Part::Stored],
            _ => &[Part::Stored],
        }
    }

    fn add(&self, which: Part, at_work: &[TransferId], statement: &mut Statement) {
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
            let state = if which == Part::Next { TransferState::Running } else { state };
            statement.add(&format!("AND {column} = ?"), [text(state.as_str())]);
        }
        let ids = || text(format!("[{}]", at_work.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",")));
        match which {
            Part::Stored => {}
            Part::AtWork => _ = statement.add("AND id IN (SELECT value FROM json_each(?))", [ids()]),
            Part::Next => _ = statement.add("AND id NOT IN (SELECT value FROM json_each(?))", [ids()]),
        }
    }
}

#[cfg(test)]
mod tests;
