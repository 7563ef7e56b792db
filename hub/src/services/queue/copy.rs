//! Copying or moving one big file.

use shared_protocol::Blake3;

use super::Queue;
use super::ending;
use super::failure::Trouble;
use super::landed;
use super::place::{self, Place};
use super::result::{self, Ends, Success};
use super::room;
use super::verified::{self, Placed};
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::fs::copy::{CopiedPart, CopyControl, CopyRequest, copy_to_part_with, discard_part, finish_part};
use crate::fs::rename::{move_within_volume, sync_folder};
use crate::fs::{CancelFlag, ContentHash, Flow, volume};
use crate::services::Event;
use crate::services::roots::LiveRoot;
use crate::storage::hashes::{self};
use crate::storage::queue::outcome::{self, Made};
use crate::storage::queue::{TransferRow, waypoint};
use crate::storage::{Connection, StorageError, index};

/// Between two syncs of a part file: what a kill costs at most, besides reading the part again.
const SYNC_EVERY: u64 = 128 << 20;

/// From this size on, the hash of a finished part file is written down before it gets its name. A kill
/// just then costs smaller files a second look at their source, which a copy leaves where it is.
const WORTH_A_COMMIT: u64 = 256 << 20;

pub(super) fn run(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, Trouble> {
    place::check_allowed(queue, transfer)?;
    let to = ends.to()?;
    queue.roots.check_blocking(&ends.from)?;
    queue.roots.check_blocking(to)?;
    if let Some(success) = landed::find(queue, transfer, ends)? {
        return Ok(success);
    }
    let place = place::prepare(queue, transfer, ends, &mut place::Trodden::default())?;
    if transfer.operation == Operation::Move && can_rename(ends, &place)? {
        return rename(queue, transfer, ends, &place);
    }
    check_space(queue, transfer, ends, &place)?;
    let mut control = Control { queue, transfer, stop: queue.live.flag(transfer.id) };
    let request = CopyRequest {
        source: &place.source,
        expected: place.expected,
        part: &place.part,
        resume_from: transfer.synced_bytes,
        resume_proof: transfer.synced_proof,
        sha256: wants_sha256(queue, transfer, ends)?,
        may_share: true,
        sync_every: SYNC_EVERY,
        sync: true,
    };
    let copied = queue.with_buffers(|buffers| copy_to_part_with(buffers, request, &mut control))?;
    let known = queue.database.read_blocking(|connection| known_hash(connection, transfer, ends))?;
    check_known(transfer, &place, known, &copied.content)?;
    if transfer.operation != Operation::Copy || transfer.size_bytes >= WORTH_A_COMMIT {
        queue.database.write_blocking(|tx| {
            waypoint::part_complete(tx, transfer.id, &copied.content.blake3, copied.content.sha256.as_ref())
        })?;
    }
    land(queue, transfer, ends, &place)?;
    if let Some(folder) = place.dest.parent() {
        sync_folder(folder)?;
    }
    finish(queue, transfer, ends, &place, &copied)
}

/// SHA-256 is taken on the way unless the source's is known already.
pub(super) fn wants_sha256(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<bool, Trouble> {
    if !queue.settings.current().hash_sha256 {
        return Ok(false);
    }
    let known = queue.database.read_blocking(|connection| {
        let Some(file) = index::file_at(connection, ends.from.row, &transfer.path)? else { return Ok(None) };
        let Some(hash) = file.hash else { return Ok(None) };
        hashes::sha256_of(connection, ends.from.row, &transfer.path, &hash)
    })?;
    Ok(known.is_none())
}

/// What the index knows of the source's content.
pub(super) fn known_hash(
    connection: &Connection,
    transfer: &TransferRow,
    ends: &Ends,
) -> Result<Option<Blake3>, StorageError> {
    Ok(index::file_at(connection, ends.from.row, &transfer.path)?
        .filter(|file| file.size_bytes == transfer.size_bytes && file.modified == transfer.modified)
        .and_then(|file| file.hash))
}

/// A content that differs from the source's known hash, though size and time are the same, was
/// damaged on its way or on the source's disk: it must not spread.
pub(super) fn check_known(
    transfer: &TransferRow,
    place: &Place,
    known: Option<Blake3>,
    content: &ContentHash,
) -> Result<(), Trouble> {
    match known {
        Some(known) if known != content.blake3 => {
            discard_part(&place.part)?;
            let detail = format!(
                "What was read of {} is {}, but its known hash is {known}, with the same size and time: the file or \
                 its disk may be damaged. Nothing was copied. Hash it again to see.",
                transfer.path, content.blake3
            );
            Err(Trouble::last("corrupt", detail))
        }
        _ => Ok(()),
    }
}

fn can_rename(ends: &Ends, place: &Place) -> Result<bool, Trouble> {
    let folder = place.dest.parent().unwrap_or(&place.dest);
    Ok(volume::same_volume(ends.from.dir.path(), folder)?)
}

/// A move on one volume: nothing is read or written but the name.
pub(super) fn rename(queue: &Queue, transfer: &TransferRow, ends: &Ends, place: &Place) -> Result<Success, Trouble> {
    place::make_way(queue, transfer, ends.to()?.root, &place.to_path)?;
    place::touch_while_in_use(|| move_within_volume(&place.source, place.expected, &place.dest))?;
    for folder in [place.dest.parent(), place.source.parent()].into_iter().flatten() {
        sync_folder(folder)?;
    }
    ending::renamed(queue, transfer, ends, &place.to_path, place.expected)
}

fn check_space(queue: &Queue, transfer: &TransferRow, ends: &Ends, place: &Place) -> Result<(), Trouble> {
    if transfer.synced_bytes > 0 && place.part.exists() {
        // Its room was taken when it was begun.
        return Ok(());
    }
    room::check(queue, transfer, ends)
}

/// Gives the finished part file its name.
pub(super) fn land(queue: &Queue, transfer: &TransferRow, ends: &Ends, place: &Place) -> Result<(), Trouble> {
    place::make_way(queue, transfer, ends.to()?.root, &place.to_path)?;
    Ok(place::while_in_use(|| finish_part(&place.part, &place.dest))?)
}

/// Ends a copy; a move's source goes only now, after the copy's hash is committed and the source was
/// looked at again.
fn finish(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    place: &Place,
    copied: &CopiedPart,
) -> Result<Success, Trouble> {
    let mut changes = ending::landed_changes(transfer, ends, place, copied)?;
    if transfer.operation == Operation::Move {
        result::commit(queue, transfer, &changes)?;
        changes = ending::drop_source(transfer, ends, place)?;
    }
    let made = Made {
        size_bytes: copied.stamp.size_bytes,
        modified: copied.stamp.modified,
        hash: Some(copied.content.blake3),
    };
    Ok(Success { changes, made: Some(made) })
}

/// Removes the part files of transfers that will not go on, as far as their roots can be reached.
pub(super) fn discard_left(queue: &Queue) -> Result<(), StorageError> {
    let roots: Vec<LiveRoot> = Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok()).collect();
    let rows: Vec<_> = roots.iter().map(|root| root.row).collect();
    let left = queue.database.read_blocking(|connection| outcome::with_part_left(connection, &rows))?;
    let mut gone = Vec::new();
    for transfer in &left {
        let Some(root) = roots.iter().find(|root| Some(root.row) == transfer.to_row) else { continue };
        // What was about to be removed outright is a person's file, not a part of a copy.
        if matches!(transfer.operation, Operation::Delete | Operation::Evict) {
            let Some(from) = roots.iter().find(|root| root.row == transfer.from_row) else { continue };
            if let Err(trouble) = verified::put_back(queue, transfer, Placed { root: from, path: &transfer.path }) {
                tracing::warn!(?trouble, id = transfer.id.0, "a file that was set aside could not be put back");
                continue;
            }
        }
        match discard_part(&place::part_of(queue, transfer, &root.dir)) {
            Ok(()) => gone.push(transfer.id),
            Err(error) => tracing::warn!(%error, id = transfer.id.0, "a part file could not be removed"),
        }
    }
    if gone.is_empty() { Ok(()) } else { queue.database.write_blocking(|tx| outcome::part_gone(tx, &gone)) }
}

/// Watches over one copy: tells how far it is, writes down what is synced, stops it when asked.
struct Control<'a> {
    queue: &'a Queue,
    transfer: &'a TransferRow,
    stop: CancelFlag,
}

impl CopyControl for Control<'_> {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        self.queue.live.progress(self.transfer.id, bytes_done);
        self.queue.events.progress(Event::TransferChanged(self.transfer.id));
        self.stop.flow()
    }

    fn checked(&mut self, bytes: u64) -> Flow {
        self.queue.live.checking(self.transfer.id, bytes);
        self.queue.events.progress(Event::TransferChanged(self.transfer.id));
        self.stop.flow()
    }

    fn synced(&mut self, offset: u64, proof: Blake3) {
        let stored = self.queue.database.write_blocking(|tx| waypoint::synced(tx, self.transfer.id, offset, &proof));
        match stored {
            Ok(()) => self.queue.live.stored(self.transfer.id, offset),
            // The copy goes on; a kill would cost more of it.
            Err(error) => tracing::warn!(%error, "how far a copy is could not be stored"),
        }
    }
}
