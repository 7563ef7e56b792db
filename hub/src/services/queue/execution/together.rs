//! A model and its sidecars when their turn comes: sidecars follow their weights or stay with them, and
//! all have the same number where both of two names are kept.

use shared_protocol::RelPath;

use super::Queue;
use super::failure::AttemptError;
use crate::domain::bundle::numbered;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::transfer::TransferEvent;
use crate::services::ServiceError;
use crate::storage::queue::bundles::{self, LEFT_BEHIND, NotGone};
use crate::storage::queue::{TransferRow, checkpoint, row};

/// Numbers tried before giving up.
const MOST_NUMBERS: u32 = 1_000;

/// Refuses a sidecar whose weights did not go. A copy may go before them, as it takes nothing away; but
/// not where the name of the weights turned out to be another model's.
pub(super) fn check(queue: &Queue, transfer: &TransferRow) -> Result<(), AttemptError> {
    if transfer.bundle.is_none() || transfer.phase == 0 {
        return Ok(());
    }
    let Some(NotGone { path, code }) =
        queue.database.read_blocking(|connection| bundles::not_gone(connection, transfer))?
    else {
        return Ok(());
    };
    if transfer.operation == Operation::Copy && code.as_deref() != Some("exists") {
        return Ok(());
    }
    let detail = format!("It belongs to {path}, which was not done. Try that again: this goes along then.");
    Err(AttemptError::last(LEFT_BEHIND, detail))
}

/// What a person does with weights is done with what waits for them, too: dropped weights leave nothing
/// behind that would go without them, and weights that are tried again take along what stayed with them.
pub(in crate::services::queue) fn follow(
    queue: &Queue,
    transfer: &TransferRow,
    event: TransferEvent,
) -> Result<(), ServiceError> {
    let followers = match event {
        TransferEvent::Cancel if transfer.operation != Operation::Copy => {
            queue.database.read_blocking(|connection| bundles::followers(connection, transfer))?
        }
        TransferEvent::Retry => {
            queue.database.read_blocking(|connection| bundles::left_behind(connection, transfer))?
        }
        _ => Vec::new(),
    };
    for id in followers {
        // One that has just ended by itself is as it is.
        if let Ok(stepped) = queue.step_blocking(id, event) {
            queue.run_effects(&stepped);
        }
    }
    Ok(())
}

/// The path of a transfer by now, in a folder as it is spelled on the disk: another of its bundle may have found the
/// number for all of them.
pub(super) fn path_now(
    queue: &Queue,
    transfer: &TransferRow,
    folder: Option<&RelPath>,
) -> Result<RelPath, AttemptError> {
    let is_numbered = transfer.bundle.is_some() && transfer.on_conflict == OnConflict::KeepBoth;
    let now =
        if is_numbered { queue.database.read_blocking(|connection| row::show(connection, transfer.id))? } else { None };
    let name = now.as_ref().map_or_else(|| transfer.to_path.name(), |now| now.to_path.name());
    RelPath::in_folder(folder, name).map_err(|error| AttemptError::last("name", error.to_string()))
}

/// Another path for a transfer whose own is taken. All of its bundle get the same number, which has to be
/// free for each of them.
pub(super) fn renumber(
    queue: &Queue,
    transfer: &TransferRow,
    folder: Option<&RelPath>,
    is_taken: impl Fn(&RelPath) -> Result<bool, AttemptError>,
) -> Result<RelPath, AttemptError> {
    let bundle = match transfer.bundle {
        Some(bundle) => queue.database.read_blocking(|connection| bundles::members(connection, bundle))?,
        None => vec![transfer.clone()],
    };
    // What only goes because the destination's own model goes has no name there.
    let members: Vec<&TransferRow> = bundle.iter().filter(|member| member.to.is_some()).collect();
    let is_other = |member: &&&TransferRow| member.id != transfer.id;
    if members.iter().filter(is_other).any(|member| member.progress.state.is_final()) {
        // It would be torn: a part of it has its name.
        return Err(AttemptError::exists(transfer.to_path.as_str()));
    }
    let names: Vec<&str> = members.iter().map(|member| member.path.name()).collect();
    for number in 2..MOST_NUMBERS {
        let paths = numbered(&names, number)
            .iter()
            .map(|name| RelPath::in_folder(folder, name))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| AttemptError::last("name", error.to_string()))?;
        let mut taken = false;
        for path in &paths {
            taken |= is_taken(path)?;
        }
        if taken {
            continue;
        }
        let mut own = None;
        queue.database.write_blocking(|tx| {
            for (member, path) in members.iter().zip(&paths) {
                if member.id == transfer.id {
                    own = Some(path.clone());
                } else {
                    checkpoint::renamed(tx, member.id, path)?;
                }
            }
            Ok(())
        })?;
        return own.ok_or_else(|| AttemptError::exists(transfer.to_path.as_str()));
    }
    Err(AttemptError::exists(transfer.to_path.as_str()))
}
