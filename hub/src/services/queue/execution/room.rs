//! Whether there is room where a file goes, and what people are told when there is none.
//!
//! Room is that of the folder: a disk may be mounted inside a root. When that one is full, only what goes
//! there waits; when the root's own is, the queue does.

use std::sync::Arc;

use super::Queue;
use super::failure::AttemptError;
use super::result::End;
use crate::domain::operation::Operation;
use crate::domain::room::FullDisk;
use crate::domain::transfer::Failure;
use crate::fs::FsError;
use crate::fs::entry::Folder;
use crate::storage::queue::outcome::Reason;
use crate::storage::queue::{TransferRow, claim};

const FULL: &str = "disk_full";

/// Refuses a file that will not fit into its folder, before its first byte is written.
pub(super) fn check(queue: &Queue, transfer: &TransferRow, folder: &Folder) -> Result<(), AttemptError> {
    let mount = folder.mount()?;
    queue.live.goes_to(transfer.id, mount);
    if free(queue, transfer, folder)?.is_none_or(|free| free >= transfer.size_bytes) {
        return Ok(());
    }
    // Told in full by `explain`, like a disk that fills up half-way.
    Err(AttemptError::Failed(Failure::DiskFull, Reason { code: FULL, detail: "there is no room for it".to_owned() }))
}

/// Names the disk that is full and how much is missing on it.
pub(super) fn explain(queue: &Queue, transfer: &TransferRow, trouble: AttemptError) -> AttemptError {
    match trouble {
        AttemptError::Failed(Failure::DiskFull, reason) if reason.code == FULL => match full_disk(queue, transfer) {
            Some((failure, detail)) => AttemptError::Failed(failure, Reason { detail, ..reason }),
            None => AttemptError::Failed(Failure::DiskFull, reason),
        },
        AttemptError::Failed(Failure::DiskFull, reason) => {
            let detail = full_root(queue, transfer);
            AttemptError::Failed(Failure::DiskFull, Reason { detail: detail.unwrap_or(reason.detail), ..reason })
        }
        other => other,
    }
}

/// Bytes that nobody has taken yet; none where the system does not know.
fn free(queue: &Queue, transfer: &TransferRow, folder: &Folder) -> Result<Option<u64>, FsError> {
    let Some(space) = folder.space()? else { return Ok(None) };
    let to_come = queue.live.bytes_to_come(transfer.id, folder.mount()?);
    Ok(Some(space.free_bytes.saturating_sub(to_come)))
}

/// Which disk has no room for a transfer, how much is missing there now, and what to do.
pub(in crate::services::queue) fn full_root(queue: &Queue, transfer: &TransferRow) -> Option<String> {
    full_disk(queue, transfer).map(|(_, detail)| detail)
}

/// The disk that a transfer writes to: whether everything waits for it, and what is told.
fn full_disk(queue: &Queue, transfer: &TransferRow) -> Option<(Failure, String)> {
    let root = End::open(queue, queue.roots.live(transfer.to.unwrap_or(transfer.from)).ok()?).ok()?;
    let folder = match transfer.operation {
        // What can't stay on its own disk goes to the root's trash.
        Operation::Delete => Folder::open(&root.open, None).ok()?,
        _ => Folder::nearest(&root.open, &transfer.to_path).ok()?,
    };
    let top: Arc<Folder> = folder.top_of_mount().ok()?;
    // A link may lead to another folder of the root's own disk.
    let is_mount = top.below().is_some() && top.mount().ok()? != Folder::open(&root.open, None).ok()?.mount().ok()?;
    let free = free(queue, transfer, &folder).ok()??;
    let row = root.row;
    // What is written already stays while the queue is held.
    let done = queue.live.view(transfer.id).map_or(transfer.synced_bytes, |live| live.bytes_done);
    let needed = transfer.size_bytes.saturating_sub(done);
    let queued = if is_mount {
        needed
    } else {
        queue.database.read_blocking(|connection| claim::bytes_to_write(connection, row)).unwrap_or_default()
    };
    let full = FullDisk {
        root: root.root.label(),
        folder: &crate::fs::verbatim::shown(top.path()),
        is_mount,
        path: transfer.to_path.as_str(),
        free,
        needed,
        queued,
    };
    Some((if is_mount { Failure::MountFull } else { Failure::DiskFull }, full.advice()))
}
