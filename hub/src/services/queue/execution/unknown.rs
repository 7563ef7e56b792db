//! Nothing is touched at or below a place that was not seen.
//!
//! Asked when a file's turn comes: a scan may have found the place since the transfer was made, and a disk
//! may have gone since the last scan, so that a copy would fill the folder it was mounted on. An included link may lead
//! elsewhere by now.

use shared_protocol::RelPath;

use super::Queue;
use super::failure::AttemptError;
use crate::domain::ids::RootRowId;
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;
use crate::fs::entry::link::check as check_included;
use crate::fs::{FsError, walk};
use crate::services::ServiceError;
use crate::services::roots::LiveRoot;
use crate::storage::queue::TransferRow;
use crate::storage::{Connection, StorageError, index, skipped};

/// Refuses a transfer that touches an unknown place of either end; what a plan takes away also where the
/// other root is not seen, as it goes because that one lacks it.
pub(super) fn check(queue: &Queue, transfer: &TransferRow) -> Result<(), AttemptError> {
    let ends = [Some((transfer.from_row, &transfer.path)), transfer.to_row.map(|row| (row, &transfer.to_path))];
    let of_plan = transfer.phase > 0 && (transfer.operation.takes_away() || transfer.to == Some(transfer.from));
    let (covers, mounts) = queue
        .database
        .read_blocking(|connection| {
            let mut covers = Vec::new();
            let mut mounts = Vec::new();
            for (row, path) in ends.into_iter().flatten() {
                covers.extend(skipped::cover(connection, row, &path.match_key())?);
                if of_plan {
                    covers.extend(skipped::cover_of_either(connection, &path.match_key())?);
                }
                mounts.extend(mounts_above(connection, row, path)?.into_iter().map(|folder| (row, folder)));
            }
            Ok((covers, mounts))
        })
        .map_err(ServiceError::from)?;
    if let Some(cover) = covers.first() {
        return Err(AttemptError::last(
            "unknown_place",
            format!("Left alone: {}. {}", cover.text(), cover.reason.way_out()),
        ));
    }
    mounts.iter().try_for_each(|(row, folder)| check_mount(queue, *row, folder))?;
    for (row, path) in ends.into_iter().flatten() {
        let live = Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok());
        // What a plan takes away goes because the other root lacks it, which has to be seen still.
        live.filter(|live| of_plan || live.row == row).try_for_each(|live| check_link(&live, path))?;
    }
    Ok(())
}

fn check_link(live: &LiveRoot, path: &RelPath) -> Result<(), AttemptError> {
    let Some(link) = live.dir.links().above(path.as_str()) else { return Ok(()) };
    let changed = |error: FsError| {
        let (place, root) = (link.path(), live.root.label());
        let detail = format!(
            "Left alone: {place} on {root} is {}. {}",
            SkipReason::LinkChanged.why(Some(&error.cause.to_string())),
            SkipReason::LinkChanged.way_out()
        );
        AttemptError::last(SkipReason::LinkChanged.as_str(), detail)
    };
    check_included(&live.dir, link).map_err(changed)
}

/// The folders around a path that a disk was mounted on at the last scan.
fn mounts_above(connection: &Connection, row: RootRowId, path: &RelPath) -> Result<Vec<RelPath>, StorageError> {
    let mounted = index::mounted_folders(connection, row)?;
    Ok(mounted.into_iter().filter(|folder| path.is_within(folder)).collect())
}

fn check_mount(queue: &Queue, row: RootRowId, folder: &RelPath) -> Result<(), AttemptError> {
    let live = Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok());
    let Some(live) = live.into_iter().find(|live| live.row == row) else { return Ok(()) };
    if walk::is_mounted(&live.dir, folder)? {
        return Ok(());
    }
    let detail = format!(
        "The disk that was mounted on {folder} in {} is not mounted now. Mount it and try again, or scan {0}.",
        live.root.label()
    );
    Err(AttemptError::last("disk_missing", detail))
}
