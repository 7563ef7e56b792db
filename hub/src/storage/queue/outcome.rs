//! Storing where a transfer stands after an event.

use rusqlite::Connection;
use shared_protocol::Blake3;

use super::TransferRow;
use super::row;
use crate::domain::ids::{RootRowId, TransferId};
use crate::domain::retry::RetryPolicy;
use crate::domain::ticks::Ticks;
use crate::domain::transfer::{Effect, Event, Progress, Refused, Stop, TransferState, step};
use crate::storage::{StorageError, now_ms, to_db};

/// What came out of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The transfer as it is now.
    pub transfer: TransferRow,
    /// What has to be done.
    pub effects: Vec<Effect>,
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
    event: Event,
    reason: Option<&Reason>,
    policy: &RetryPolicy,
) -> Result<Result<Stepped, Refused>, StorageError> {
    let mut transfer = row::show(connection, id)?.ok_or(StorageError::Missing("transfer"))?;
    let (progress, effects) = match step(transfer.progress, event, policy) {
        Ok(next) => next,
        Err(refused) => return Ok(Err(refused)),
    };
    transfer.progress = progress;
    save(connection, &transfer, reason, &effects)?;
    Ok(Ok(Stepped { transfer, effects, why: reason.map(|reason| reason.detail.clone()) }))
}

fn save(
    connection: &Connection,
    transfer: &TransferRow,
    reason: Option<&Reason>,
    effects: &[Effect],
) -> Result<(), StorageError> {
    let Progress { state, stop, attempts } = transfer.progress;
    let now = now_ms();
    let wake = effects.iter().find_map(|effect| match effect {
        Effect::WakeAfter(pause) => Some(now + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2)),
        _ => None,
    });
    connection
        .prepare_cached(
            "UPDATE transfers SET state = ?2, stop = ?3, attempts = ?4, next_try_at = ?5,
                                  error_code = ?6, error_detail = ?7, finished_at = ?8
             WHERE id = ?1",
        )?
        .execute((
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
        ))?;
    if effects.contains(&Effect::StartOver) {
        connection
            .prepare_cached(
                "UPDATE transfers SET bytes_done = synced_bytes, finished_at = NULL, cleared = 0 WHERE id = ?1",
            )?
            .execute([transfer.id.0])?;
    }
    if effects.contains(&Effect::RemovePart) {
        connection
            .prepare_cached(
                "UPDATE transfers SET bytes_done = 0, synced_bytes = 0, synced_proof = NULL, part_blake3 = NULL,
                                      part_left = (started_at IS NOT NULL AND to_root_id IS NOT NULL)
                 WHERE id = ?1",
            )?
            .execute([transfer.id.0])?;
    }
    Ok(())
}

/// Transfers whose part file still has to go, as far as their roots are among `live`.
pub fn with_part_left(connection: &Connection, live: &[RootRowId]) -> Result<Vec<TransferRow>, StorageError> {
    let sql = format!("SELECT {} FROM transfers WHERE part_left = 1 LIMIT 1000", row::COLUMNS);
    let found = connection.prepare_cached(&sql)?.query_map([], row::read)?.collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().filter(|transfer| transfer.to_row.is_some_and(|to| live.contains(&to))).collect())
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
    /// Its time.
    pub modified: Ticks,
    /// Its hash.
    pub hash: Option<Blake3>,
}

/// Completes a transfer.
pub fn complete(
    connection: &Connection,
    id: TransferId,
    made: Option<Made>,
    policy: &RetryPolicy,
) -> Result<Result<Stepped, Refused>, StorageError> {
    let stepped = apply(connection, id, Event::Succeeded, None, policy)?;
    connection
        .prepare_cached(
            "UPDATE transfers SET bytes_done = size_bytes, blake3 = ?2, result_size = ?3, result_modified = ?4
             WHERE id = ?1",
        )?
        .execute((
            id.0,
            made.and_then(|m| m.hash).map(|h| *h.as_bytes()),
            made.map(|m| to_db(m.size_bytes)),
            made.map(|m| m.modified.0),
        ))?;
    Ok(stepped)
}

/// Treats everything that a killed hub left running. The answers tell what is left to do.
pub fn recover(connection: &Connection, policy: &RetryPolicy) -> Result<Vec<Stepped>, StorageError> {
    let mut stepped = Vec::new();
    for transfer in row::in_state(connection, TransferState::Running)? {
        if let Ok(one) = apply(connection, transfer.id, Event::Interrupted, None, policy)? {
            stepped.push(one);
        }
    }
    Ok(stepped)
}
