//! Undoing a batch: deletes come back from the trash, copies that are unchanged go, moves go back.
//!
//! Nothing is forced: a file that was changed since stays, a path that is taken stays taken, and
//! each such case is told. Weights go first and take their sidecars along, as on the way there.

use std::collections::{HashMap, HashSet};

use shared_protocol::RelPath;

use super::enqueue::MOST_SKIPPED;
use super::{BatchReceipt, Queue, SkippedPath, conflict, summary};
use crate::domain::ids::{BatchId, TransferId};
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::services::{ErrorKind, ServiceError};
use crate::storage::queue::batches::{self, GrowingBatch, NewBatch, NewTransfer};
use crate::storage::queue::bundles::{self, WEIGHTS_PHASE};
use crate::storage::queue::row::{self, Of};
use crate::storage::queue::{TransferRow, checkpoint};
use crate::storage::{Connection, StorageError, retention};

/// Transfers read at once. A batch may have more of them than memory should hold.
const PAGE: u32 = 500;

/// Makes the batch that takes one back. All of it is one transaction that touches no file: a kill
/// leaves the whole batch or none of it.
pub(in crate::services::queue) fn undo(queue: &Queue, batch: BatchId) -> Result<BatchReceipt, ServiceError> {
    let receipt = queue.database.write_or_refuse_blocking(|tx| {
        if !batches::exists(tx, batch)? {
            return Err(StorageError::Missing("batch").into());
        }
        if let Some(done) = batches::undone_by(tx, batch)? {
            return Err(conflict(&format!("This batch was undone already, by batch {done}.")));
        }
        if retention::outcomes(tx, batch)?.is_some() {
            return Err(conflict(
                "This batch ended so long ago that its files are no longer listed: it can't be undone.",
            ));
        }
        if batches::is_open(tx, batch)? {
            return Err(conflict("This batch has not ended: cancel what is left of it, then undo it."));
        }
        let last = batches::last_phase(tx, batch)?;
        let order = match last {
            0 => UndoOrder::None,
            _ if bundles::any(tx, batch)? => UndoOrder::WeightsFirst,
            last => UndoOrder::Backwards { last },
        };
        let mut way_back = WayBack {
            queue,
            connection: tx,
            batch,
            order,
            made: None,
            bundles: HashMap::new(),
            torn: HashSet::new(),
            skipped: Vec::new(),
        };
        let of = if matches!(order, UndoOrder::Backwards { .. }) { Of::DoneBackwards } else { Of::Done };
        let mut behind = None;
        loop {
            let page = row::of_batch(tx, batch, of, behind, PAGE)?;
            let Some(end) = page.last() else { break };
            behind = Some(end.id);
            page.iter().try_for_each(|done| way_back.add(done))?;
        }
        way_back.finish()
    })?;
    queue.events.send(crate::services::Event::HistoryAdded);
    Ok(receipt)
}

/// In which order a batch is taken back.
#[derive(Debug, Clone, Copy)]
enum UndoOrder {
    /// As it comes.
    None,
    /// What was done in phases is taken back in the opposite order.
    Backwards { last: u32 },
    /// What belongs together goes as it went: sidecars behind their weights.
    WeightsFirst,
}

/// The batch that takes another one back, as it grows.
struct WayBack<'a> {
    queue: &'a Queue,
    connection: &'a Connection,
    batch: BatchId,
    order: UndoOrder,
    /// There is one as soon as there is something to do.
    made: Option<GrowingBatch<'a>>,
    /// The first transfer of each bundle, by the bundle that it takes back.
    bundles: HashMap<TransferId, TransferId>,
    /// Bundles of which weights can't be taken back.
    torn: HashSet<TransferId>,
    /// The first of them, to be told.
    skipped: Vec<SkippedPath>,
}

impl WayBack<'_> {
    /// Adds what takes back one transfer.
    fn add(&mut self, done: &TransferRow) -> Result<(), ServiceError> {
        let is_torn = done.phase > WEIGHTS_PHASE && done.bundle.is_some_and(|bundle| self.torn.contains(&bundle));
        if is_torn {
            self.skip(done, "the model that it belongs to can't be taken back".to_owned());
            return Ok(());
        }
        let reversed = match reverse(self.queue, self.connection, done) {
            Ok(reversed) => reversed,
            Err(ServiceError::Said { kind: ErrorKind::Impossible, text }) => {
                self.torn.extend(done.bundle.filter(|_| done.phase == WEIGHTS_PHASE));
                self.skip(done, text);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (transfer, phase) in reversed.into_iter().zip(self.order.phases_back(done.phase)) {
            let transfer = NewTransfer { phase, ..transfer };
            let made = match &mut self.made {
                Some(made) => made,
                none => none.insert(GrowingBatch::begin(self.connection, &first(&transfer, self.batch))?),
            };
            let id = made.add(&transfer)?;
            if let Some(bundle) = done.bundle {
                bundles::join(self.connection, id, *self.bundles.entry(bundle).or_insert(id))?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, done: &TransferRow, why: String) {
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(SkippedPath { path: done.path.to_string(), why });
        }
    }

    fn finish(self) -> Result<BatchReceipt, ServiceError> {
        let Some(made) = self.made else {
            let why = self.skipped.first().map(|one| format!(" {}: {}.", one.path, one.why.trim_end_matches('.')));
            let text = format!("This batch has nothing that could be undone.{}", why.unwrap_or_default());
            return Err(conflict(&text));
        };
        let told = serde_json::to_string(&self.skipped).map_err(|e| StorageError::damaged("a list of paths", e))?;
        made.set_skipped(&told)?;
        let GrowingBatch { id, n_transfers, size_bytes, .. } = made;
        summary::begin(self.connection, id, None, n_transfers, self.skipped.len() as u64)?;
        Ok(BatchReceipt { batch_id: id, n_transfers, size_bytes, skipped: self.skipped })
    }
}

/// A batch is named after its first transfer.
fn first(transfer: &NewTransfer, undo_of: BatchId) -> NewBatch {
    NewBatch {
        operation: transfer.operation,
        from: transfer.from.0,
        to: transfer.to.map(|to| to.0),
        on_conflict: OnConflict::Skip,
        skipped: "[]".to_owned(),
        undo_of: Some(undo_of),
    }
}

impl UndoOrder {
    /// The phases in which the one or two steps run that take back a step of a phase.
    fn phases_back(self, phase: u32) -> [u32; 2] {
        let first = match self {
            _ if phase == 0 => return [0, 0],
            Self::Backwards { last } => 1 + 2 * (last - phase),
            Self::None | Self::WeightsFirst => 1 + 2 * (phase - 1),
        };
        [first, first + 1]
    }
}

/// What puts one transfer's work back.
fn reverse(queue: &Queue, connection: &Connection, done: &TransferRow) -> Result<Vec<NewTransfer>, ServiceError> {
    match (done.operation, done.to) {
        // A duplicate that was removed outright is copied from the one that stayed.
        (Operation::RemoveDuplicate | Operation::Evict, Some(to)) => Ok(vec![copied_back(queue, done, to)?]),
        (Operation::Hardlink | Operation::Reflink, Some(to)) => Ok(vec![separated(queue, done, to)?]),
        (Operation::Delete, _) => Ok(vec![restore(queue, connection, done, done.from, &done.path, None)?]),
        (Operation::Restore, _) => Ok(vec![taken_away(queue, done, done.from, &done.path)?]),
        (Operation::Copy | Operation::Download, Some(to)) => match &done.trash_path {
            // The old file takes the place of the copy in one step, so that no moment is without one.
            Some(_) => Ok(vec![restore(queue, connection, done, to, &done.to_path, done.made)?]),
            None => Ok(vec![taken_away(queue, done, to, &done.to_path)?]),
        },
        (Operation::Move, Some(to)) => {
            let mut back = vec![moved_back(queue, done, to)?];
            if done.trash_path.is_some() {
                back.push(restore(queue, connection, done, to, &done.to_path, None)?);
            }
            Ok(back)
        }
        _ => Err(ServiceError::said(ErrorKind::Impossible, "it is not known what was done")),
    }
}

/// The finished file as the transfer left it.
fn result(done: &TransferRow) -> (u64, Ticks) {
    done.made.unwrap_or((done.size_bytes, done.modified))
}

/// What the trash is known to hold comes back. Whether it is really there shows when its turn comes.
fn restore(
    queue: &Queue,
    connection: &Connection,
    done: &TransferRow,
    root: Root,
    path: &RelPath,
    occupant: Option<(u64, Ticks)>,
) -> Result<NewTransfer, ServiceError> {
    let live = queue.roots.live_writable(root)?;
    if occupant.is_some() {
        queue.roots.check_delete(root)?;
    }
    let gone = || ServiceError::said(ErrorKind::Impossible, "it is no longer in the trash");
    let trash_path = done.trash_path.clone().ok_or_else(gone)?;
    let known = checkpoint::find_trashed(connection, live.row, &trash_path)?;
    let known = known.filter(|known| !known.leaving).ok_or_else(gone)?;
    Ok(NewTransfer {
        on_conflict: if occupant.is_some() { OnConflict::Replace } else { OnConflict::Skip },
        trash_path: Some(trash_path),
        occupant,
        ..NewTransfer::new(Operation::Restore, (root, live.row), path.clone(), (known.size_bytes, known.modified))
    })
}

/// A file that a copy or a restore made goes into the trash, if it is unchanged when its turn comes.
fn taken_away(queue: &Queue, done: &TransferRow, root: Root, path: &RelPath) -> Result<NewTransfer, ServiceError> {
    queue.roots.check_delete(root)?;
    let live = queue.roots.live_writable(root)?;
    Ok(NewTransfer::new(Operation::Delete, (root, live.row), path.clone(), result(done)))
}

/// A file that shares its bytes gets its own again.
fn separated(queue: &Queue, done: &TransferRow, to: Root) -> Result<NewTransfer, ServiceError> {
    let live = queue.roots.live_writable(to)?;
    Ok(NewTransfer {
        to: Some((to, live.row)),
        ..NewTransfer::new(Operation::Separate, (to, live.row), done.path.clone(), result(done))
    })
}

/// What left Local comes back from where its content was verified to be.
fn copied_back(queue: &Queue, done: &TransferRow, to: Root) -> Result<NewTransfer, ServiceError> {
    let (now, back) = (queue.roots.live(to)?, queue.roots.live_writable(done.from)?);
    Ok(NewTransfer {
        to: Some((done.from, back.row)),
        to_path: Some(done.path.clone()),
        ..NewTransfer::new(Operation::Copy, (to, now.row), done.to_path.clone(), result(done))
    })
}

fn moved_back(queue: &Queue, done: &TransferRow, to: Root) -> Result<NewTransfer, ServiceError> {
    queue.roots.check_delete(to)?;
    let (now, back) = (queue.roots.live_writable(to)?, queue.roots.live_writable(done.from)?);
    Ok(NewTransfer {
        to: Some((done.from, back.row)),
        to_path: Some(done.path.clone()),
        ..NewTransfer::new(Operation::Move, (to, now.row), done.to_path.clone(), result(done))
    })
}
