//! Removing a duplicate outright. The transfer's other end is the copy that stays.

use super::failure::{AttemptError, explain};
use super::place::{self, expected};
use super::result::{self, Change, Ends, Success, Tried};
use super::verified::{self, Placed};
use super::{Queue, allowed};
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::{Made, Reason};

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let one = |transfer: &'a TransferRow| {
        if queue.live.flag(transfer.id).is_cancelled() {
            return (transfer, Err(AttemptError::Stopped));
        }
        (transfer, remove(queue, transfer, ends).map_err(|trouble| explain(queue, &ends.all(), changed(trouble))))
    };
    group.iter().map(one).collect()
}

fn remove(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, AttemptError> {
    allowed::check(queue, transfer)?;
    let (from, to) = (&ends.from, ends.to()?);
    let file = Placed { root: from, path: &transfer.path };
    let stays = Placed { root: to, path: &transfer.to_path };
    let verified = if place::stamp_at(from, &transfer.path)?.is_none() {
        let gone = || AttemptError::last("missing", format!("{} is not there any more.", transfer.path));
        verified::was_removed(queue, transfer, file, stays)?.ok_or_else(gone)?
    } else {
        verified::remove(queue, transfer, file, expected(transfer), stays)?
    };
    let mut changes = vec![Change::Gone { root: from.row, path: transfer.path.clone() }];
    let left = transfer.path.parent().into_iter().collect();
    changes.extend(result::remove_emptied(from, &left));
    let made =
        Made { size_bytes: verified.stamp.size_bytes, modified: verified.stamp.modified, hash: Some(verified.blake3) };
    Ok(Success { changes, made: Some(made) })
}

/// Whatever is not as it was when the duplicates were found has one code: nothing was touched.
pub(super) fn changed(trouble: AttemptError) -> AttemptError {
    match trouble {
        AttemptError::Failed(failure, Reason { code: "no_copy" | "differs" | "missing", detail }) => {
            AttemptError::Failed(failure, Reason { code: "changed", detail })
        }
        other => other,
    }
}
