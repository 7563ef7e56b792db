//! Whether there is room, and what people are told when there is none.

use super::Queue;
use super::failure::Trouble;
use super::result::Ends;
use crate::domain::room::FullDisk;
use crate::domain::transfer::Failure;
use crate::fs::{FsError, volume};
use crate::services::roots::LiveRoot;
use crate::storage::queue::outcome::Reason;
use crate::storage::queue::{TransferRow, claim};

const FULL: &str = "disk_full";

/// Refuses a file that will not fit, before its first byte is written.
pub(super) fn check(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<(), Trouble> {
    let to = ends.to()?;
    if free(queue, transfer, to)? >= transfer.size_bytes {
        return Ok(());
    }
    // Told in full by `explain`, like a disk that fills up half-way.
    Err(Trouble::Failed(Failure::DiskFull, Reason { code: FULL, detail: "there is no room for it".to_owned() }))
}

/// Names the disk that is full and how much is missing on it.
pub(super) fn explain(queue: &Queue, transfer: &TransferRow, trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Failed(Failure::DiskFull, reason) => {
            let detail = match reason.code {
                FULL => full_root(queue, transfer),
                _ => full_data_folder(queue, &reason.detail),
            };
            Trouble::Failed(Failure::DiskFull, Reason { detail: detail.unwrap_or(reason.detail), ..reason })
        }
        other => other,
    }
}

/// Bytes that nobody has taken yet.
fn free(queue: &Queue, transfer: &TransferRow, to: &LiveRoot) -> Result<u64, FsError> {
    let free = volume::space(to.dir.path())?.free_bytes;
    Ok(free.saturating_sub(queue.live.bytes_to_come(transfer.id)))
}

/// Which disk has no room for a transfer, how much is missing there now, and what to do.
pub(super) fn full_root(queue: &Queue, transfer: &TransferRow) -> Option<String> {
    // What is deleted or put back stays on its own disk.
    let root = queue.roots.live(transfer.to.unwrap_or(transfer.from)).ok()?;
    let free = free(queue, transfer, &root).ok()?;
    let row = root.row;
    let queued = queue.database.read_blocking(|connection| claim::bytes_to_write(connection, row)).unwrap_or_default();
    // What is written already stays while the queue is held.
    let done = queue.live.view(transfer.id).map_or(transfer.synced_bytes, |live| live.bytes_done);
    let full = FullDisk {
        root: root.root.label(),
        folder: &root.dir.display(),
        path: transfer.to_path.as_str(),
        free,
        needed: transfer.size_bytes.saturating_sub(done),
        queued,
    };
    Some(full.advice())
}

/// The database is what can't be written.
pub(super) fn full_data_folder(queue: &Queue, why: &str) -> Option<String> {
    let folder = &queue.settings.current().app_data_dir;
    let free = volume::space(folder).ok()?.free_bytes;
    Some(format!(
        "The disk of the hub's own data ({}) is full, with {} free: {why}. Make room there, then resume the queue.",
        folder.display(),
        crate::domain::size::bytes(free)
    ))
}
