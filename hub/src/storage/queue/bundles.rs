//! Transfers of a model and its sidecars, which go together or stay together.

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::TransferRow;
use super::row::{self, COLUMNS};
use crate::domain::ids::{BatchId, TransferId};
use crate::storage::{StorageError, execute, first, one, rows};

/// The phase of weights that have sidecars in their batch.
pub const WEIGHTS_PHASE: u32 = 1;

/// The phase of what follows them.
pub const SIDECARS_PHASE: u32 = 2;

/// What a transfer fails with that can't go without its weights.
pub const LEFT_BEHIND: &str = "bundle";

/// Makes these one bundle; one alone is none.
pub fn tie(connection: &Connection, ids: &[TransferId]) -> Result<(), StorageError> {
    let (Some(first), true) = (ids.first(), ids.len() > 1) else { return Ok(()) };
    ids.iter().try_for_each(|id| join(connection, *id, *first))
}

/// Adds a transfer to the bundle that is named after its first one.
pub fn join(connection: &Connection, id: TransferId, bundle: TransferId) -> Result<(), StorageError> {
    execute(connection, "UPDATE transfers SET bundle = ?2 WHERE id = ?1", (id.0, bundle.0)).map(drop)
}

/// All transfers of a bundle, in their order.
pub fn members(connection: &Connection, bundle: TransferId) -> Result<Vec<TransferRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE bundle = ?1 ORDER BY id");
    rows(connection, &sql, [bundle.0], row::read)
}

/// Weights of a follower's bundle that did not go, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotGone {
    pub path: RelPath,
    /// The word for why they failed, if they did.
    pub code: Option<String>,
}

/// Of what goes before this transfer in its bundle: the first that is not done.
pub fn not_gone(connection: &Connection, transfer: &TransferRow) -> Result<Option<NotGone>, StorageError> {
    let Some(bundle) = transfer.bundle else { return Ok(None) };
    let sql = "SELECT path, error_code FROM transfers
               WHERE bundle = ?1 AND phase < ?2 AND state <> 'completed' ORDER BY id LIMIT 1";
    let found: Option<(String, Option<String>)> =
        first(connection, sql, (bundle.0, transfer.phase), |row| row.try_into())?;
    let Some((path, code)) = found else { return Ok(None) };
    let path = RelPath::parse(&path).map_err(|error| StorageError::damaged("a path", error))?;
    Ok(Some(NotGone { path, code }))
}

/// What failed only because this transfer, or others of its bundle, had not gone.
pub fn left_behind(connection: &Connection, transfer: &TransferRow) -> Result<Vec<TransferId>, StorageError> {
    let Some(bundle) = transfer.bundle else { return Ok(Vec::new()) };
    let sql = "SELECT id FROM transfers WHERE bundle = ?1 AND phase > ?2 AND state = 'failed' AND error_code = ?3";
    rows(connection, sql, (bundle.0, transfer.phase, LEFT_BEHIND), |row| row.get(0).map(TransferId))
}

/// What still waits for this transfer in its bundle.
pub fn followers(connection: &Connection, transfer: &TransferRow) -> Result<Vec<TransferId>, StorageError> {
    let Some(bundle) = transfer.bundle else { return Ok(Vec::new()) };
    let sql = "SELECT id FROM transfers WHERE bundle = ?1 AND phase > ?2 AND finished_at IS NULL";
    rows(connection, sql, (bundle.0, transfer.phase), |row| row.get(0).map(TransferId))
}

/// Whether a batch has bundles.
pub fn any(connection: &Connection, batch: BatchId) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM transfers WHERE batch_id = ?1 AND bundle IS NOT NULL)";
    one(connection, sql, [batch.0], |row| row.get(0))
}
