//! Undoing a batch: deletes come back from the trash, copies that are unchanged go, moves go back.
//!
//! Nothing is forced: a file that was changed since stays, a path that is taken stays taken, and
//! each such case is told.

use shared_protocol::RelPath;

use super::{BatchReceipt, Queue, SkippedPath, conflict};
use crate::domain::ids::BatchId;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::domain::transfer::TransferState;
use crate::services::{ErrorKind, ServiceError};
use crate::storage::StorageError;
use crate::storage::history::{self, Level, NewLine};
use crate::storage::queue::batches::{self, NewBatch, NewTransfer};
use crate::storage::queue::{TransferRow, row, waypoint};

pub(super) fn undo(queue: &Queue, batch: BatchId) -> Result<BatchReceipt, ServiceError> {
    let rows = queue.database.read_blocking(|connection| {
        if !batches::exists(connection, batch)? {
            return Err(StorageError::Missing("batch"));
        }
        let done = batches::undone_by(connection, batch)?;
        Ok((row::of_batch(connection, batch)?, done))
    })?;
    let (rows, done) = rows;
    if let Some(done) = done {
        return Err(conflict(&format!("This batch was undone already, by batch {done}.")));
    }
    if rows.iter().any(|row| !row.progress.state.is_final()) {
        return Err(conflict("This batch has not ended: cancel what is left of it, then undo it."));
    }
    let mut transfers = Vec::new();
    let mut skipped = Vec::new();
    let last = rows.iter().map(|row| row.phase).max().unwrap_or(0);
    // What was done in phases is taken back in the opposite order.
    let back: Box<dyn Iterator<Item = &TransferRow>> =
        if last > 0 { Box::new(rows.iter().rev()) } else { Box::new(rows.iter()) };
    for row in back.filter(|row| row.progress.state == TransferState::Completed) {
        match reverse(queue, row) {
            Ok(reversed) => transfers.extend(reversed.into_iter().zip(phases_back(row.phase, last)).map(phased)),
            Err(ServiceError::Said { kind: ErrorKind::Impossible, text }) => {
                skipped.push(SkippedPath { path: row.path.to_string(), why: text });
            }
            Err(error) => return Err(error),
        }
    }
    let Some(head) = transfers.first() else {
        return Err(conflict("This batch has nothing that could be undone."));
    };
    let new = NewBatch {
        operation: head.operation,
        from: head.from.0,
        to: head.to.map(|to| to.0),
        on_conflict: OnConflict::Skip,
        skipped: serde_json::to_string(&skipped).map_err(|error| StorageError::damaged("a list of paths", error))?,
        undo_of: Some(batch),
    };
    let n = transfers.len() as u64;
    let size_bytes = transfers.iter().map(|transfer| transfer.size_bytes).sum();
    let batch_id = queue.database.write_blocking(|tx| {
        let id = batches::insert(tx, &new, &transfers)?;
        let line = NewLine::new("batch", Level::Info, format!("Asked to undo batch {batch}: {n} files")).batch(id);
        history::add(tx, &line)?;
        Ok(id)
    })?;
    queue.events.send(crate::services::Event::HistoryAdded);
    Ok(BatchReceipt { batch_id, n_transfers: n, size_bytes, skipped })
}

/// The phases in which the one or two steps run that take back a step of a phase.
fn phases_back(phase: u32, last: u32) -> [u32; 2] {
    let first = if phase == 0 { 0 } else { 1 + 2 * (last - phase) };
    [first, if first == 0 { 0 } else { first + 1 }]
}

fn phased((transfer, phase): (NewTransfer, u32)) -> NewTransfer {
    NewTransfer { phase, ..transfer }
}

/// What puts one transfer's work back.
fn reverse(queue: &Queue, done: &TransferRow) -> Result<Vec<NewTransfer>, ServiceError> {
    match (done.operation, done.to, done.occupant) {
        // A duplicate that was removed outright is copied from the one that stayed.
        (Operation::Delete | Operation::Evict, Some(to), _) => Ok(vec![copied_back(queue, done, to)?]),
        (Operation::Hardlink | Operation::Reflink, Some(to), _) => Ok(vec![separated(queue, done, to)?]),
        (Operation::Delete, ..) => Ok(vec![restore(queue, done, done.from, &done.path, None)?]),
        (Operation::Restore, ..) => Ok(vec![taken_away(queue, done, done.from, &done.path)?]),
        (Operation::Copy, Some(to), _) => match &done.trash_path {
            // The old file takes the place of the copy in one step, so that no moment is without one.
            Some(_) => Ok(vec![restore(queue, done, to, &done.to_path, done.occupant)?]),
            None => Ok(vec![taken_away(queue, done, to, &done.to_path)?]),
        },
        (Operation::Move, Some(to), _) => {
            let mut back = vec![moved_back(queue, done, to)?];
            if done.trash_path.is_some() {
                back.push(restore(queue, done, to, &done.to_path, None)?);
            }
            Ok(back)
        }
        _ => Err(ServiceError::said(ErrorKind::Impossible, "it is not known what was done")),
    }
}

/// The finished file as the transfer left it.
fn result(done: &TransferRow) -> (u64, Ticks) {
    done.occupant.unwrap_or((done.size_bytes, done.modified))
}

fn restore(
    queue: &Queue,
    done: &TransferRow,
    root: Root,
    path: &RelPath,
    occupant: Option<(u64, Ticks)>,
) -> Result<NewTransfer, ServiceError> {
    let live = queue.roots.live(root)?;
    if occupant.is_some() {
        queue.roots.check_delete(root)?;
    }
    let gone = || ServiceError::said(ErrorKind::Impossible, "it is no longer in the trash");
    let trash_path = done.trash_path.clone().ok_or_else(gone)?;
    let known = queue.database.read_blocking(|connection| waypoint::find_trashed(connection, live.row, &trash_path))?;
    if known.is_some_and(|known| known.leaving) {
        return Err(gone());
    }
    let stamp = crate::fs::trash::stamp(&live.dir, &trash_path).ok().flatten().ok_or_else(gone)?;
    Ok(NewTransfer {
        operation: Operation::Restore,
        from: (root, live.row),
        to: None,
        path: path.clone(),
        to_path: None,
        on_conflict: if occupant.is_some() { OnConflict::Replace } else { OnConflict::Skip },
        size_bytes: stamp.size_bytes,
        modified: stamp.modified,
        trash_path: Some(trash_path),
        occupant,
        phase: 0,
    })
}

/// A file that a copy or a restore made goes into the trash, if it is unchanged when its turn comes.
fn taken_away(queue: &Queue, done: &TransferRow, root: Root, path: &RelPath) -> Result<NewTransfer, ServiceError> {
    queue.roots.check_delete(root)?;
    let live = queue.roots.live(root)?;
    let (size_bytes, modified) = result(done);
    Ok(NewTransfer {
        operation: Operation::Delete,
        from: (root, live.row),
        to: None,
        path: path.clone(),
        to_path: None,
        on_conflict: OnConflict::Skip,
        size_bytes,
        modified,
        trash_path: None,
        occupant: None,
        phase: 0,
    })
}

/// A file that shares its bytes gets its own again.
fn separated(queue: &Queue, done: &TransferRow, to: Root) -> Result<NewTransfer, ServiceError> {
    let live = queue.roots.live(to)?;
    let (size_bytes, modified) = result(done);
    Ok(NewTransfer {
        operation: Operation::Separate,
        from: (to, live.row),
        to: Some((to, live.row)),
        path: done.path.clone(),
        to_path: None,
        on_conflict: OnConflict::Skip,
        size_bytes,
        modified,
        trash_path: None,
        occupant: None,
        phase: 0,
    })
}

/// What left Local comes back from where its content was proved to be.
fn copied_back(queue: &Queue, done: &TransferRow, to: Root) -> Result<NewTransfer, ServiceError> {
    let (now, back) = (queue.roots.live(to)?, queue.roots.live(done.from)?);
    let (size_bytes, modified) = result(done);
    Ok(NewTransfer {
        operation: Operation::Copy,
        from: (to, now.row),
        to: Some((done.from, back.row)),
        path: done.to_path.clone(),
        to_path: Some(done.path.clone()),
        on_conflict: OnConflict::Skip,
        size_bytes,
        modified,
        trash_path: None,
        occupant: None,
        phase: 0,
    })
}

fn moved_back(queue: &Queue, done: &TransferRow, to: Root) -> Result<NewTransfer, ServiceError> {
    queue.roots.check_delete(to)?;
    let (now, back) = (queue.roots.live(to)?, queue.roots.live(done.from)?);
    let (size_bytes, modified) = result(done);
    Ok(NewTransfer {
        operation: Operation::Move,
        from: (to, now.row),
        to: Some((done.from, back.row)),
        path: done.to_path.clone(),
        to_path: Some(done.path.clone()),
        on_conflict: OnConflict::Skip,
        size_bytes,
        modified,
        trash_path: None,
        occupant: None,
        phase: 0,
    })
}
