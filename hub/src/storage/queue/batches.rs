//! Making batches, and what a person asks of several transfers at once.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension};
use shared_protocol::rel_path::match_key;
use shared_protocol::{Blake3, RelPath};

use crate::domain::ids::{BatchId, RootRowId, TransferId};
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::{StorageError, execute, first, now_ms, one, to_db};

/// A request, before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    pub operation: Operation,
    pub from: Root,
    pub to: Option<Root>,
    /// What to do with names that are taken.
    pub on_conflict: OnConflict,
    /// JSON: what was asked for and not queued.
    pub skipped: String,
    /// The batch that this one undoes.
    pub undo_of: Option<BatchId>,
}

/// A transfer, before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTransfer {
    pub operation: Operation,
    pub from: (Root, RootRowId),
    pub to: Option<(Root, RootRowId)>,
    pub path: RelPath,
    /// Its path on the other side, if it differs.
    pub to_path: Option<RelPath>,
    /// What to do where that is taken.
    pub on_conflict: OnConflict,
    /// The file's size now.
    pub size_bytes: u64,
    /// The file's time now.
    pub modified: Ticks,
    /// For a restore: where it lies in the trash.
    pub trash_path: Option<String>,
    /// Size and time of the file that is to make way, if one was seen.
    pub occupant: Option<(u64, Ticks)>,
    /// It begins when all of its batch with a lower number have ended; 0 waits for nothing.
    pub phase: u32,
}

impl NewTransfer {
    /// What is to be done with a file of this size and time, where nothing else is said: on its own root,
    /// under its own path, waiting for nothing.
    pub const fn new(
        operation: Operation,
        from: (Root, RootRowId),
        path: RelPath,
        (size_bytes, modified): (u64, Ticks),
    ) -> Self {
        Self {
            operation,
            from,
            to: None,
            path,
            to_path: None,
            on_conflict: OnConflict::Skip,
            size_bytes,
            modified,
            trash_path: None,
            occupant: None,
            phase: 0,
        }
    }
}

/// Stores a batch with its transfers at the end of the queue.
#[cfg(test)]
pub fn insert(connection: &Connection, batch: &NewBatch, transfers: &[NewTransfer]) -> Result<BatchId, StorageError> {
    let mut growing = GrowingBatch::begin(connection, batch)?;
    transfers.iter().try_for_each(|new| growing.add(new).map(drop))?;
    Ok(growing.id)
}

/// Sidecars follow their weights.
pub fn in_phases(mut weights: Vec<NewTransfer>, mut sidecars: Vec<NewTransfer>) -> Vec<NewTransfer> {
    if !weights.is_empty() && !sidecars.is_empty() {
        for transfer in &mut weights {
            transfer.phase = super::bundles::WEIGHTS_PHASE;
        }
        for transfer in &mut sidecars {
            transfer.phase = super::bundles::SIDECARS_PHASE;
        }
    }
    weights.append(&mut sidecars);
    weights
}

/// Stores a batch of transfers of which some belong together; see [`GrowingBatch::add_bundle`].
pub fn insert_bundles(
    connection: &Connection,
    batch: &NewBatch,
    bundles: &[Vec<NewTransfer>],
) -> Result<BatchId, StorageError> {
    let mut growing = GrowingBatch::begin(connection, batch)?;
    bundles.iter().try_for_each(|bundle| growing.add_bundle(bundle))?;
    Ok(growing.id)
}

/// A batch whose transfers are stored one by one: a library has more of them than memory should hold.
pub struct GrowingBatch<'a> {
    connection: &'a Connection,
    pub id: BatchId,
    /// Transfers so far.
    pub n_transfers: u64,
    pub size_bytes: u64,
    position: f64,
    now: i64,
}

impl<'a> GrowingBatch<'a> {
    /// Stores the batch itself.
    pub fn begin(connection: &'a Connection, batch: &NewBatch) -> Result<Self, StorageError> {
        let now = now_ms();
        let sql = "INSERT INTO batches (operation, from_root, to_root, on_conflict, skipped, undo_of, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        connection.prepare_cached(sql)?.execute((
            batch.operation.as_str(),
            batch.from.as_str(),
            batch.to.map(Root::as_str),
            batch.on_conflict.as_str(),
            &batch.skipped,
            batch.undo_of.map(|id| id.0),
            now,
        ))?;
        let id = BatchId(connection.last_insert_rowid());
        let position = connection.query_row("SELECT coalesce(max(position), 0) FROM transfers", [], |r| r.get(0))?;
        Ok(Self { connection, id, n_transfers: 0, size_bytes: 0, position, now })
    }

    /// Puts a transfer at the end of the queue whose source has to hold this content.
    pub fn add_wanted(&mut self, new: &NewTransfer, wanted: &Blake3) -> Result<(), StorageError> {
        let id = self.add(new)?;
        self.connection.execute("UPDATE transfers SET wanted = ?2 WHERE id = ?1", (id.0, wanted.as_bytes()))?;
        Ok(())
    }

    /// Puts a transfer at the end of the queue.
    pub fn add(&mut self, new: &NewTransfer) -> Result<TransferId, StorageError> {
        self.position += 1.0;
        self.n_transfers += 1;
        self.size_bytes += new.size_bytes;
        let sql = "INSERT INTO transfers (batch_id, operation, from_root, from_root_id, to_root, to_root_id, path,
                                        to_path, on_conflict, state, position, size_bytes, modified, trash_path,
                                        occupant_size, occupant_modified, created_at, phase, identity)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'queued', ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                         -- What comes back from the trash is none of the files that are there.
                         CASE WHEN ?2 <> 'restore' THEN
                             (SELECT identity FROM files WHERE root_id = ?4 AND match_key = ?18 AND path = ?7
                                                               AND size_bytes = ?11 AND modified = ?12)
                         END)";
        execute(
            self.connection,
            sql,
            rusqlite::params![
                self.id.0,
                new.operation.as_str(),
                new.from.0.as_str(),
                new.from.1.0,
                new.to.map(|to| to.0.as_str()),
                new.to.map(|to| to.1.0),
                new.path.as_str(),
                new.to_path.as_ref().map(RelPath::as_str),
                new.on_conflict.as_str(),
                self.position,
                to_db(new.size_bytes),
                new.modified.0,
                new.trash_path,
                new.occupant.map(|o| to_db(o.0)),
                new.occupant.map(|o| o.1.0),
                self.now,
                new.phase,
                new.path.match_key(),
            ],
        )?;
        Ok(TransferId(self.connection.last_insert_rowid()))
    }

    /// The same for a model and its sidecars, which share a number and go together. Those that have a phase
    /// begin in its order.
    pub fn add_bundle(&mut self, members: &[NewTransfer]) -> Result<(), StorageError> {
        let ids = members.iter().map(|new| self.add(new)).collect::<Result<Vec<_>, _>>()?;
        super::bundles::tie(self.connection, &ids)
    }

    /// Notes that damaged files may take the place of others.
    pub fn include_damaged(&self) -> Result<(), StorageError> {
        self.connection.execute("UPDATE batches SET include_damaged = 1 WHERE id = ?1", [self.id.0])?;
        Ok(())
    }

    /// Notes what was asked for and not queued, as JSON.
    pub fn set_skipped(&self, skipped: &str) -> Result<(), StorageError> {
        self.connection.execute("UPDATE batches SET skipped = ?2 WHERE id = ?1", (self.id.0, skipped))?;
        Ok(())
    }
}

/// Whether there is such a batch.
pub fn exists(connection: &Connection, batch: BatchId) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM batches WHERE id = ?1)";
    one(connection, sql, [batch.0], |row| row.get(0))
}

/// When a batch was made, milliseconds since 1970 UTC.
pub fn created_at(connection: &Connection, batch: BatchId) -> Result<i64, StorageError> {
    let sql = "SELECT created_at FROM batches WHERE id = ?1";
    let found = first(connection, sql, [batch.0], |row| row.get(0))?;
    found.ok_or(StorageError::Missing("batch"))
}

/// Whether it was said that damaged files may take the place of others.
pub fn includes_damaged(connection: &Connection, batch: BatchId) -> Result<bool, StorageError> {
    let sql = "SELECT include_damaged FROM batches WHERE id = ?1";
    let found = first(connection, sql, [batch.0], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

/// The batch that undoes this one, if someone asked for that.
pub fn undone_by(connection: &Connection, batch: BatchId) -> Result<Option<BatchId>, StorageError> {
    let sql = "SELECT id FROM batches WHERE undo_of = ?1 ORDER BY id DESC LIMIT 1";
    first(connection, sql, [batch.0], |row| row.get(0).map(BatchId))
}

/// Whether anything of a batch has not ended.
pub fn is_open(connection: &Connection, batch: BatchId) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM transfers INDEXED BY transfers_open
                              WHERE batch_id = ?1 AND finished_at IS NULL)";
    one(connection, sql, [batch.0], |row| row.get(0))
}

/// The last phase of a batch; 0 without phases.
pub fn last_phase(connection: &Connection, batch: BatchId) -> Result<u32, StorageError> {
    let sql = "SELECT coalesce(max(phase), 0) FROM transfers WHERE batch_id = ?1";
    one(connection, sql, [batch.0], |row| row.get(0))
}

/// The paths that unfinished transfers read or write, as `(folder, key)`.
pub fn open_paths(connection: &Connection) -> Result<HashSet<(RootRowId, String)>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT from_root_id, path, to_root_id, coalesce(to_path, path) AS to_path FROM transfers WHERE finished_at IS NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut open = HashSet::new();
    while let Some(row) = rows.next()? {
        let key = |column| row.get_ref(column).map(|value| match_key(value.as_str().unwrap_or_default()));
        open.insert((RootRowId(row.get("from_root_id")?), key("path")?));
        if let Some(to) = row.get::<_, Option<i64>>("to_root_id")? {
            open.insert((RootRowId(to), key("to_path")?));
        }
    }
    Ok(open)
}

/// Takes ended transfers out of the queue's lists; their batches still tell of them.
pub fn clear_finished(connection: &Connection) -> Result<u64, StorageError> {
    let n = connection.execute(
        "UPDATE transfers SET cleared = 1,
                              part_left = (part_left OR started_at IS NOT NULL AND to_root_id IS NOT NULL
                                                        AND state <> 'completed')
         WHERE cleared = 0 AND state IN ('completed', 'failed', 'cancelled')",
        [],
    )?;
    Ok(n as u64)
}

/// Where in the order a transfer is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchPlace {
    /// Before all that wait.
    First,
    /// Before the one in front of it.
    Up,
    /// Behind the one after it.
    Down,
    /// Behind all that wait.
    Last,
}

/// Puts a waiting transfer elsewhere in the order.
pub fn place(connection: &Connection, id: TransferId, place: BatchPlace) -> Result<(), StorageError> {
    const OPEN: &str = "state IN ('queued', 'waiting', 'paused')";
    let own: f64 = connection.query_row("SELECT position FROM transfers WHERE id = ?1", [id.0], |row| row.get(0))?;
    let edge =
        |sql: &str| -> Result<Option<f64>, StorageError> { Ok(connection.query_row(sql, [], |row| row.get(0))?) };
    let neighbour = |sql: &str| -> Result<Option<(i64, f64)>, StorageError> {
        Ok(connection.query_row(sql, [own], |row| row.try_into()).optional()?)
    };
    let set = |id: i64, position: f64| -> Result<(), StorageError> {
        execute(connection, "UPDATE transfers SET position = ?2 WHERE id = ?1", (id, position))?;
        Ok(())
    };
    match place {
        BatchPlace::First => {
            let first = edge(&format!("SELECT min(position) FROM transfers WHERE {OPEN}"))?;
            set(id.0, first.unwrap_or(own) - 1.0)
        }
        BatchPlace::Last => {
            let last = edge("SELECT max(position) FROM transfers")?;
            set(id.0, last.unwrap_or(own) + 1.0)
        }
        BatchPlace::Up | BatchPlace::Down => {
            let (sign, order) = if place == BatchPlace::Up { ("<", "DESC") } else { (">", "ASC") };
            let sql = format!(
                "SELECT id, position FROM transfers WHERE {OPEN} AND position {sign} ?1 ORDER BY position {order} LIMIT 1"
            );
            if let Some((other, position)) = neighbour(&sql)? {
                set(other, own)?;
                set(id.0, position)?;
            }
            Ok(())
        }
    }
}
