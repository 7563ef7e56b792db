//! From a request to transfers: folders become files, sidecars come along, and what can't be done is
//! told with the reason instead of being queued to fail.

use std::collections::HashSet;

use shared_protocol::RelPath;

use super::{BatchReceipt, Queue, TransferRequest, summary};
use crate::domain::diff::Content;
use crate::domain::operation::{OnConflict, Operation};
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, ServiceError};
use crate::storage::StorageError;
use crate::storage::index::FileRow;
use crate::storage::views::named;

mod bundle;
mod destination;
mod plan;

pub(super) use destination::nearly;
use plan::EnqueuePlan;

/// Skipped paths kept with a batch; a request for a whole library may skip most of it.
pub(super) const MOST_SKIPPED: usize = 1_000;

pub(in crate::services::queue) fn enqueue(
    queue: &Queue,
    request: &TransferRequest,
) -> Result<BatchReceipt, ServiceError> {
    let (from, to) = check(queue, request)?;
    let missing = queue.database.read_blocking(|c| named::not_indexed(c, from.row, &request.paths))?;
    ServiceError::refuse_if_all(&missing, request.paths.len(), named::NOT_INDEXED)?;
    let receipt = queue.database.write_blocking(|tx| {
        let mut plan = EnqueuePlan::begin(tx, request, &from, to.as_ref())?;
        if request.include_damaged {
            plan.batch.include_damaged()?;
        }
        plan.add_all(outermost(&request.paths))?;
        let EnqueuePlan { batch, skipped, n_skipped, .. } = plan;
        let told = serde_json::to_string(&skipped).map_err(|e| StorageError::damaged("a list of paths", e))?;
        batch.set_skipped(&told)?;
        summary::begin(tx, batch.id, None, batch.n_transfers, n_skipped as u64)?;
        Ok(BatchReceipt { batch_id: batch.id, n_transfers: batch.n_transfers, size_bytes: batch.size_bytes, skipped })
    })?;
    queue.events.send(crate::services::Event::HistoryAdded);
    Ok(receipt)
}

/// The paths without those that lie within another one, in their order.
fn outermost(paths: &[RelPath]) -> impl Iterator<Item = &RelPath> {
    let named: HashSet<&RelPath> = paths.iter().collect();
    let mut seen = HashSet::new();
    paths.iter().filter(move |path| {
        let is_covered = std::iter::successors(path.parent(), RelPath::parent).any(|above| named.contains(&above));
        !is_covered && seen.insert(*path)
    })
}

/// What makes the whole request impossible.
fn check(queue: &Queue, request: &TransferRequest) -> Result<(LiveRoot, Option<LiveRoot>), ServiceError> {
    if request.paths.is_empty() {
        return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file or folder in \"paths\"."));
    }
    let to = match (request.operation, request.to) {
        (Operation::Restore, _) => {
            return Err(ServiceError::said(
                ErrorKind::Malformed,
                "Files come back by undoing the batch that deleted them.",
            ));
        }
        (Operation::Download, _) => {
            return Err(ServiceError::said(ErrorKind::Malformed, "Downloads are asked for at /api/downloads."));
        }
        (Operation::Evict, _) => {
            return Err(ServiceError::said(ErrorKind::Malformed, "Evicting is asked for at /api/evictions."));
        }
        (Operation::RemoveDuplicate | Operation::Hardlink | Operation::Reflink | Operation::Separate, _) => {
            let text = "What becomes of duplicates is asked for at /api/duplicates/resolve.";
            return Err(ServiceError::said(ErrorKind::Malformed, text));
        }
        (Operation::Delete, Some(_)) => {
            return Err(ServiceError::said(ErrorKind::Malformed, "A delete goes to no other root: leave out \"to\"."));
        }
        (Operation::Delete, None) => None,
        (Operation::Copy | Operation::Move, None) => {
            return Err(ServiceError::said(ErrorKind::Malformed, "Say where to, in \"to\": \"local\" or \"lake\"."));
        }
        (Operation::Copy | Operation::Move, Some(to)) if to == request.from => {
            return Err(ServiceError::said(ErrorKind::Impossible, "\"from\" and \"to\" are the same root."));
        }
        (Operation::Copy | Operation::Move, Some(to)) => Some(to),
    };
    if request.operation.takes_away() {
        queue.roots.check_delete(request.from)?;
    }
    if let (Some(to), OnConflict::Replace) = (to, request.on_conflict) {
        queue.roots.check_delete(to)?;
    }
    // Where something is taken away, a name has to be changed.
    let from = if request.operation.takes_away() {
        queue.roots.live_writable(request.from)?
    } else {
        queue.roots.live(request.from)?
    };
    let to = to.map(|to| queue.roots.live_writable(to)).transpose()?;
    Ok((from, to))
}

pub(super) const fn content(file: &FileRow) -> Content {
    Content { size_bytes: file.size_bytes, modified: file.modified, hash: file.hash }
}
