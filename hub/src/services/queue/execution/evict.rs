//! Evicting: a file leaves Local for good, because the Lake holds it.
//!
//! What the Lake lacks is copied first, as any copy is. Then both files are read and compared, and
//! only then the one on Local goes: not to the trash, so that it frees space at once. Killed at any
//! point, the transfer begins with a look at what is there.

use super::copy;
use super::failure::{AttemptError, explain};
use super::place::{self, expected};
use super::result::{self, Change, Ends, Success, Tried};
use super::verified::{self, Placed, Verified};
use super::{Queue, allowed};
use crate::storage::StorageError;
use crate::storage::queue::outcome::Made;
use crate::storage::queue::{TransferRow, row};

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let one = |transfer: &'a TransferRow| {
        if queue.live.flag(transfer.id).is_cancelled() {
            return (transfer, Err(AttemptError::Stopped));
        }
        (transfer, evict(queue, transfer, ends).map_err(|trouble| explain(queue, &ends.all(), trouble)))
    };
    group.iter().map(one).collect()
}

fn evict(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, AttemptError> {
    allowed::check(queue, transfer)?;
    let to = ends.to()?;
    let stays = Placed { root: to, path: &transfer.to_path };
    if place::stamp_at(&ends.from, &transfer.path)?.is_none() {
        let gone = || AttemptError::last("missing", format!("{} is not there any more.", transfer.path));
        let file = Placed { root: &ends.from, path: &transfer.path };
        let verified = verified::was_removed(queue, transfer, file, stays)?.ok_or_else(gone)?;
        return Ok(evicted(transfer, ends, stays, &verified));
    }
    if place::stamp_at(to, &transfer.to_path)?.is_some() {
        return remove(queue, transfer, ends, stays);
    }
    let copied = copy::run(queue, transfer, ends)?;
    result::commit(queue, transfer, &copied.changes)?;
    // A folder that is spelled in another way on the Lake changed the path.
    let now = queue
        .database
        .read_blocking(|connection| row::show(connection, transfer.id)?.ok_or(StorageError::Missing("transfer")))?;
    remove(queue, transfer, ends, Placed { root: to, path: &now.to_path })
}

fn remove(queue: &Queue, transfer: &TransferRow, ends: &Ends, stays: Placed<'_>) -> Result<Success, AttemptError> {
    let file = Placed { root: &ends.from, path: &transfer.path };
    let verified = verified::remove(queue, transfer, file, expected(transfer), stays)?;
    Ok(evicted(transfer, ends, stays, &verified))
}

fn evicted(transfer: &TransferRow, ends: &Ends, stays: Placed<'_>, verified: &Verified) -> Success {
    let hash = Some(verified.blake3);
    let mut changes = vec![
        // A kill may have come before the index learned of a copy that was made.
        Change::Put { root: stays.root.row, path: stays.path.clone(), stamp: verified.stamp, hash },
        Change::Gone { root: ends.from.row, path: transfer.path.clone() },
        Change::Evicted {
            root: ends.from.row,
            path: transfer.path.clone(),
            stays: stays.path.clone(),
            stamp: expected(transfer),
            hash: verified.blake3,
        },
    ];
    let left = transfer.path.parent().into_iter().collect();
    changes.extend(result::remove_emptied(&ends.from, &left));
    let made = Made { size_bytes: verified.stamp.size_bytes, modified: verified.stamp.modified, hash };
    Success { changes, made: Some(made) }
}
