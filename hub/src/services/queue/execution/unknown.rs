//! Nothing is touched at or below a place that was not seen.
//!
//! Asked when a file's turn comes: a scan may have found the place since the transfer was made, and a disk
//! may have gone since the last scan, so that a copy would fill the folder it was mounted on. An included link may lead
//! elsewhere by now.

use std::collections::HashMap;

use shared_protocol::RelPath;

use super::Queue;
use super::failure::AttemptError;
use crate::domain::ids::{RootRowId, TransferId};
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;
use crate::fs::entry::link::check as check_included;
use crate::fs::{FsError, walk};
use crate::services::ServiceError;
use crate::services::roots::LiveRoot;
use crate::storage::queue::TransferRow;
use crate::storage::skipped::{self, Cover};
use crate::storage::{Connection, StorageError, index};

/// What the index does not know of the places that transfers touch.
#[derive(Debug)]
pub(super) struct Unknown {
    covers: HashMap<TransferId, Cover>,
    mounts: HashMap<RootRowId, Vec<RelPath>>,
}

impl Unknown {
    /// Asks for all transfers that were claimed together.
    pub(super) fn of(queue: &Queue, group: &[TransferRow]) -> Result<Self, ServiceError> {
        Ok(queue.database.read_blocking(|connection| read(connection, group))?)
    }

    /// Refuses a transfer that touches an unknown place of either end; what a plan takes away also where the
    /// other root is not seen, as it goes because that one lacks it.
    pub(super) fn check(&self, queue: &Queue, transfer: &TransferRow) -> Result<(), AttemptError> {
        if let Some(cover) = self.covers.get(&transfer.id) {
            let detail = format!("Left alone: {}. {}", cover.text(), cover.reason.way_out());
            return Err(AttemptError::last("unknown_place", detail));
        }
        for (row, path) in ends(transfer) {
            // The folders around a path that a disk was mounted on at the last scan.
            let mut above = self.mounts.get(&row).into_iter().flatten().filter(|folder| path.is_within(folder));
            above.try_for_each(|folder| check_mount(queue, row, folder))?;
        }
        for (row, path) in ends(transfer) {
            let live = Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok());
            // What a plan takes away goes because the other root lacks it, which has to be seen still.
            live.filter(|live| is_of_plan(transfer) || live.row == row).try_for_each(|live| check_link(&live, path))?;
        }
        Ok(())
    }
}

fn ends(transfer: &TransferRow) -> impl Iterator<Item = (RootRowId, &RelPath)> {
    let to = transfer.to_row.map(|row| (row, &transfer.to_path));
    std::iter::once((transfer.from_row, &transfer.path)).chain(to)
}

fn is_of_plan(transfer: &TransferRow) -> bool {
    transfer.phase > 0 && (transfer.operation.takes_away() || transfer.to == Some(transfer.from))
}

fn read(connection: &Connection, group: &[TransferRow]) -> Result<Unknown, StorageError> {
    let mut unknown = Unknown { covers: HashMap::new(), mounts: HashMap::new() };
    for transfer in group {
        for (row, path) in ends(transfer) {
            let key = path.match_key();
            let mut cover = skipped::cover(connection, row, &key)?;
            if cover.is_none() && is_of_plan(transfer) {
                cover = skipped::cover_of_either(connection, &key)?.into_iter().next();
            }
            if let Some(cover) = cover {
                unknown.covers.entry(transfer.id).or_insert(cover);
            }
            if let std::collections::hash_map::Entry::Vacant(new) = unknown.mounts.entry(row) {
                new.insert(index::mounted_folders(connection, row)?);
            }
        }
    }
    Ok(unknown)
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
