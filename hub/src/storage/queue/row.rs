//! One transfer as it is stored.

use rusqlite::{Connection, Row};
use shared_protocol::{Blake3, RelPath, Sha256};

use crate::domain::identity::Identity;
use crate::domain::ids::{BatchId, RootRowId, TransferId};
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::domain::transfer::{Stop, TransferProgress, TransferState};
use crate::storage::columns::{columns, digest_column, identity_column, path_column, path_column_if_any};
use crate::storage::{StorageError, first, from_db, rows};

/// Everything a worker has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferRow {
    pub id: TransferId,
    /// The request it came from.
    pub batch_id: BatchId,
    pub operation: Operation,
    pub from: Root,
    /// Which adopted folder that was.
    pub from_row: RootRowId,
    /// Where it goes, for copies and moves.
    pub to: Option<Root>,
    /// Which adopted folder that was.
    pub to_row: Option<RootRowId>,
    pub path: RelPath,
    /// Its path on the other side.
    pub to_path: RelPath,
    /// What to do where that is taken.
    pub on_conflict: OnConflict,
    pub progress: TransferProgress,
    /// The file's size when the transfer was made.
    pub size_bytes: u64,
    /// The file's time when the transfer was made.
    pub modified: Ticks,
    /// What stood beside them, if it was recorded.
    pub identity: Option<Identity>,
    /// Bytes of the part file that are on the disk.
    pub synced_bytes: u64,
    /// Stands for their content.
    pub synced_proof: Option<Blake3>,
    /// The digests of a finished part file.
    pub part: Option<(Blake3, Option<Sha256>)>,
    /// Where the file lies in the trash: for a restore, and for what a replace put there.
    pub trash_path: Option<String>,
    /// Size and time of the file that makes way, if one was seen when that was decided.
    pub occupant: Option<(u64, Ticks)>,
    /// Size and time of the finished file.
    pub made: Option<(u64, Ticks)>,
    /// What the source has to hold, if that was said.
    pub wanted: Option<Blake3>,
    /// It was begun before.
    pub begun: bool,
    /// Its place in the order.
    pub position: f64,
    /// It begins when all of its batch with a lower number have ended; 0 waits for nothing.
    pub phase: u32,
    /// The first transfer of the model and its sidecars that this is one of.
    pub bundle: Option<TransferId>,
}

columns!(mod at {
    id, batch_id, operation, from_root, from_root_id, to_root, to_root_id, path, to_path, on_conflict, state, stop,
    attempts, size_bytes, modified, synced_bytes, synced_proof, part_blake3, part_sha256, trash_path, result_size,
    result_modified, started_at, position, phase, bundle, identity, wanted, occupant_size, occupant_modified
});
pub(super) const COLUMNS: &str = at::ALL;

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<TransferRow> {
    let path = path_column(row, at::path)?;
    let to_path = path_column_if_any(row, at::to_path)?.unwrap_or_else(|| path.clone());
    let stop: Option<String> = row.get(at::stop)?;
    let part = digest_column(row, at::part_blake3)?;
    let part_sha256: Option<[u8; 32]> = row.get(at::part_sha256)?;
    let size_and_time = |size, time| {
        let found: (Option<i64>, Option<i64>) = (row.get(size)?, row.get(time)?);
        Ok::<_, rusqlite::Error>(found.0.zip(found.1).map(|(size, time)| (from_db(size), Ticks(time))))
    };
    Ok(TransferRow {
        id: TransferId(row.get(at::id)?),
        batch_id: BatchId(row.get(at::batch_id)?),
        operation: row.get(at::operation)?,
        from: row.get(at::from_root)?,
        from_row: RootRowId(row.get(at::from_root_id)?),
        to: row.get(at::to_root)?,
        to_row: row.get(at::to_root_id)?,
        path,
        to_path,
        on_conflict: row.get_ref(at::on_conflict)?.as_str()?.parse().unwrap_or_default(),
        progress: TransferProgress {
            state: row.get(at::state)?,
            stop: match stop.as_deref() {
                Some("pause") => Some(Stop::Pause),
                Some("cancel") => Some(Stop::Cancel),
                _ => None,
            },
            attempts: row.get(at::attempts)?,
        },
        size_bytes: from_db(row.get(at::size_bytes)?),
        modified: Ticks(row.get(at::modified)?),
        identity: identity_column(row, at::identity)?,
        wanted: digest_column(row, at::wanted)?,
        synced_bytes: from_db(row.get(at::synced_bytes)?),
        synced_proof: digest_column(row, at::synced_proof)?,
        part: part.map(|blake3| (blake3, part_sha256.map(Sha256::from_bytes))),
        trash_path: row.get(at::trash_path)?,
        occupant: size_and_time(at::occupant_size, at::occupant_modified)?,
        made: size_and_time(at::result_size, at::result_modified)?,
        begun: row.get_ref(at::started_at)? != rusqlite::types::ValueRef::Null,
        position: row.get(at::position)?,
        phase: row.get(at::phase)?,
        bundle: row.get(at::bundle)?,
    })
}

pub fn show(connection: &Connection, id: TransferId) -> Result<Option<TransferRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE id = ?1");
    first(connection, &sql, [id.0], read)
}

/// Which transfers of a batch are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// What is done, in the order it was asked for.
    Done,
    /// The same, the last one first.
    DoneBackwards,
    Open,
}

/// The next transfers of a batch behind one of them, at most `limit`.
pub fn of_batch(
    connection: &Connection,
    batch: BatchId,
    of: Of,
    behind: Option<TransferId>,
    limit: u32,
) -> Result<Vec<TransferRow>, StorageError> {
    let (which, beyond, order, start) = match of {
        Of::Done => ("state = 'completed'", ">", "ASC", i64::MIN),
        Of::DoneBackwards => ("state = 'completed'", "<", "DESC", i64::MAX),
        Of::Open => ("finished_at IS NULL", ">", "ASC", i64::MIN),
    };
    // A plus keeps the indexes of states out: the batch is walked once from end to end.
    let sql = format!(
        "SELECT {COLUMNS} FROM transfers WHERE batch_id = ?1 AND +{which} AND id {beyond} ?2 ORDER BY id {order} LIMIT ?3"
    );
    let behind = behind.map_or(start, |id| id.0);
    rows(connection, &sql, (batch.0, behind, limit), read)
}

/// The transfers in a state, in the order of the queue.
pub fn in_state(connection: &Connection, state: TransferState) -> Result<Vec<TransferRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE state = ?1 ORDER BY position");
    rows(connection, &sql, [state.as_str()], read)
}
