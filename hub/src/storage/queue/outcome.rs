//! Storing where a transfer stands after an event.

use rusqlite::Connection;
use shared_protocol::Blake3;

use super::TransferRow;
use super::row;
use crate::domain::ids::{RootRowId, TransferId};
use crate::domain::retry::RetryPolicy;
use crate::domain::ticks::Ticks;
use crate::domain::transfer::{
    Stop, TransferEffect, TransferEvent, TransferProgress, TransferRefused, TransferState, step,
};
use crate::storage::{StorageError, execute, now_ms, rows, to_db};

/// What came out of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The transfer as it is now.
    pub transfer: TransferRow,
    /// What has to be done.
    pub effects: Vec<TransferEffect>,
    /// Why, if something failed.
    pub why: Option<String>,
}

/// Why a try failed, for people and for tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A word that tools may rely on.
    pub code: &'static str,
    /// What happened and what to do.
    pub detail: String,
}

/// Applies an event to a stored transfer; `Ok(Err(…))` if it does not fit the state.
pub fn apply(
    connection: &Connection,
    id: TransferId,
    event: TransferEvent,
    reason: Option<&Reason>,
    policy: &RetryPolicy,
) -> Result<Result<Stepped, TransferRefused>, StorageError> {
    apply_with(connection, id, event, (reason, None), policy)
}

/// What a try came to besides the event: why it failed, or what it made.
type Came<'a> = (Option<&'a Reason>, Option<Made>);

fn apply_with(
    connection: &Connection,
    id: TransferId,
    event: TransferEvent,
    came: Came<'_>,
    policy: &RetryPolicy,
) -> Result<Result<Stepped, TransferRefused>, StorageError> {
    let mut transfer = row::show(connection, id)?.ok_or(StorageError::Missing("transfer"))?;
    let (progress, effects) = match step(transfer.progress, event, policy) {
        Ok(next) => next,
        Err(refused) => return Ok(Err(refused)),
    };
    transfer.progress = progress;
    save(connection, &transfer, came, &effects)?;
    Ok(Ok(Stepped { transfer, effects, why: came.0.map(|reason| reason.detail.clone()) }))
}

fn save(
    connection: &Connection,
    transfer: &TransferRow,
    (reason, made): Came<'_>,
    effects: &[TransferEffect],
) -> Result<(), StorageError> {
    let TransferProgress { state, stop, attempts } = transfer.progress;
    let now = now_ms();
    let wake = effects.iter().find_map(|effect| match effect {
        TransferEffect::WakeAfter(pause) => Some(now + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2)),
        _ => None,
    });
    let sql = "UPDATE transfers SET state = ?2, stop = ?3, attempts = ?4, next_try_at = ?5,
                                  error_code = ?6, error_detail = ?7, finished_at = ?8,
                                  bytes_done = CASE ?2 WHEN 'completed' THEN size_bytes ELSE bytes_done END,
                                  blake3 = coalesce(?9, blake3), result_size = coalesce(?10, result_size),
                                  result_modified = coalesce(?11, result_modified)
             WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        transfer.id.0,
        state.as_str(),
        match stop {
            Some(Stop::Pause) => Some("pause"),
            Some(Stop::Cancel) => Some("cancel"),
            None => None,
        },
        attempts,
        wake,
        reason.map(|r| r.code),
        reason.map(|r| r.detail.as_str()),
        state.is_final().then_some(now),
        made.and_then(|made| made.hash).map(|hash| *hash.as_bytes()),
        made.map(|made| to_db(made.size_bytes)),
        made.map(|made| made.modified.0),
    ))?;
    if effects.contains(&TransferEffect::StartOver) {
        let sql = "UPDATE transfers SET bytes_done = synced_bytes, finished_at = NULL, cleared = 0 WHERE id = ?1";
        execute(connection, sql, [transfer.id.0])?;
    }
    if effects.contains(&TransferEffect::RemovePart) {
        let sql = "UPDATE transfers SET bytes_done = 0, synced_bytes = 0, synced_proof = NULL, part_blake3 = NULL,
                                      part_left = (started_at IS NOT NULL AND to_root_id IS NOT NULL)
                 WHERE id = ?1";
        execute(connection, sql, [transfer.id.0])?;
    }
    Ok(())
}

/// Notes that a transfer, whatever became of it, may have left a temporary file: a try before the last one was
/// killed or broke off, and the last one may have found that the work was done.
pub fn may_have_left_part(connection: &Connection, id: TransferId) -> Result<(), StorageError> {
    execute(connection, "UPDATE transfers SET part_left = 1 WHERE id = ?1 AND to_root_id IS NOT NULL", [id.0]).map(drop)
}

/// Transfers whose part file still has to go, as far as their roots are among `live`.
pub fn with_part_left(connection: &Connection, live: &[RootRowId]) -> Result<Vec<TransferRow>, StorageError> {
    let live: Vec<i64> = live.iter().map(|root| root.0).collect();
    let live = serde_json::to_string(&live).map_err(|error| StorageError::damaged("a list of roots", error))?;
    // Those of a root that is away hide no others.
    let sql = format!(
        "SELECT {} FROM transfers INDEXED BY transfers_with_part
         WHERE part_left = 1 AND to_root_id IN (SELECT value FROM json_each(?1)) LIMIT 1000",
        row::COLUMNS
    );
    rows::<_, Vec<_>>(connection, &sql, [live], row::read)
}

/// Notes that these transfers have no part file any more.
pub fn part_gone(connection: &Connection, ids: &[TransferId]) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached("UPDATE transfers SET part_left = 0 WHERE id = ?1")?;
    for id in ids {
        statement.execute([id.0])?;
    }
    Ok(())
}

/// What a completed transfer made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The finished file's size.
    pub size_bytes: u64,
    pub modified: Ticks,
    pub hash: Option<Blake3>,
}

/// Completes a transfer.
pub fn complete(
    connection: &Connection,
    id: TransferId,
    made: Option<Made>,
    policy: &RetryPolicy,
) -> Result<Result<Stepped, TransferRefused>, StorageError> {
    apply_with(connection, id, TransferEvent::Succeeded, (None, made), policy)
}

/// Treats everything that a killed hub left running. The answers tell what is left to do.
pub fn recover(connection: &Connection, policy: &RetryPolicy) -> Result<Vec<Stepped>, StorageError> {
    let mut stepped = Vec::new();
    for transfer in row::in_state(connection, TransferState::Running)? {
        if let Ok(one) = apply(connection, transfer.id, TransferEvent::Interrupted, None, policy)? {
            stepped.push(one);
        }
    }
    Ok(stepped)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::operation::{OnConflict, Operation};
    use crate::domain::root::Root;
    use crate::storage::Database;
    use crate::storage::queue::batches::{self, NewBatch, NewTransfer};
    use crate::storage::queue::claim::{self, ClaimLimits, Work};

    #[test]
    fn a_part_is_looked_for_however_its_transfer_ended_and_though_another_root_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let policy = RetryPolicy::with_tries(0);
        let live = [RootRowId(1), RootRowId(2)];
        let new = |n: u64| NewTransfer {
            operation: Operation::Copy,
            from: (Root::Lake, RootRowId(1)),
            to: Some((Root::Local, RootRowId(2))),
            path: shared_protocol::RelPath::parse(&format!("{n}.bin")).unwrap(),
            to_path: None,
            on_conflict: OnConflict::Skip,
            size_bytes: 100,
            modified: Ticks(5),
            trash_path: None,
            occupant: None,
            phase: 0,
        };
        let batch = NewBatch {
            operation: Operation::Copy,
            from: Root::Lake,
            to: Some(Root::Local),
            on_conflict: OnConflict::Skip,
            skipped: "[]".into(),
            undo_of: None,
        };
        let limits = ClaimLimits { work: Work::Files, small_bytes: 1_000, n_most: 10, bytes_most: 10_000 };
        let left = |live: &[RootRowId]| -> Vec<i64> {
            let found = database.read_blocking(|connection| with_part_left(connection, live)).unwrap();
            found.iter().map(|transfer| transfer.id.0).collect()
        };
        database
            .write_blocking(|tx| {
                batches::insert(tx, &batch, &[new(1), new(2), new(3)])?;
                claim::next(tx, &live, limits, &policy)?;
                complete(tx, TransferId(1), None, &policy)?.unwrap();
                may_have_left_part(tx, TransferId(1))?;
                complete(tx, TransferId(2), None, &policy)?.unwrap();
                let reason = Reason { code: "changed", detail: String::new() };
                let failed = TransferEvent::Failed(crate::domain::transfer::Failure::Transient);
                apply(tx, TransferId(3), failed, Some(&reason), &policy)?.unwrap();
                Ok(())
            })
            .unwrap();
        assert_eq!(left(&live), [1], "what failed may be tried again and go on");
        database.write_blocking(|tx| batches::clear_finished(tx)).unwrap();
        assert_eq!(left(&live), [1, 3], "what nobody will try again");
        assert_eq!(left(&[RootRowId(1)]), [0_i64; 0], "its root is away");
        database.write_blocking(|tx| part_gone(tx, &[TransferId(1), TransferId(3)])).unwrap();
        assert_eq!(left(&live), [0_i64; 0]);
    }
}
