//! Copying or moving one big file.

use shared_protocol::Blake3;

use super::Queue;
use super::failure::AttemptError;
use super::landing::{self, LandingStage};
use super::place::{self, CopyTarget};
use super::result::{self, Change, End, Ends, Success};
use super::room;
use super::verified::{self, Placed};
use super::{download, recovery};
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::fs::copy::{CopyControl, CopyRequest, copy_to_part_with};
use crate::fs::entry::Entry;
use crate::fs::rename::{TouchError, finish_rename, move_within_volume};
use crate::fs::{CancelFlag, ContentHash, FileStamp, Flow, FsError};
use crate::services::Event;
use crate::services::roots::LiveRoot;
use crate::storage::hashes;
use crate::storage::queue::outcome;
use crate::storage::queue::{TransferRow, checkpoint};
use crate::storage::{Connection, StorageError, index};

/// Between two syncs of a part file: what a kill costs at most, besides reading the part again.
const SYNC_EVERY: u64 = 128 << 20;

/// From this size on, the hash of a finished part file is written down before it gets its name. A kill
/// just then costs smaller files a second look at their source, which a copy leaves where it is.
const WORTH_A_COMMIT: u64 = 256 << 20;

pub(super) fn run(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, AttemptError> {
    let mut cache = place::GroupCache::new(std::slice::from_ref(transfer));
    cache.checks.check(queue, transfer)?;
    if let Some(success) = recovery::find(queue, transfer, ends)? {
        return Ok(success);
    }
    let place = place::prepare(queue, transfer, ends, &mut cache)?;
    let stage = if renamed(queue, transfer, ends, &place)? {
        LandingStage::Renamed(place)
    } else {
        write(queue, transfer, ends, place)?
    };
    let landed = landing::land(queue, vec![(transfer, stage)], ends).pop();
    landed.map_or(Err(AttemptError::Stopped), |(_, result)| result)
}

/// Writes the part file of a big file, with checkpoints.
pub(super) fn write(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    place: CopyTarget,
) -> Result<LandingStage, AttemptError> {
    check_space(queue, transfer, &place)?;
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
    check_known(queue, transfer, ends, &place, known, &copied.content)?;
    if transfer.operation != Operation::Copy || transfer.size_bytes >= WORTH_A_COMMIT {
        queue.database.write_blocking(|tx| {
            checkpoint::part_complete(tx, transfer.id, &copied.content.blake3, copied.content.sha256.as_ref())
        })?;
    }
    Ok(LandingStage::Written(place, copied))
}

/// SHA-256 is taken on the way unless the source's is known already.
pub(super) fn wants_sha256(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<bool, AttemptError> {
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
        .filter(|file| FileStamp::known(file.size_bytes, file.modified, file.identity) == place::expected(transfer))
        .and_then(|file| file.hash))
}

/// A content that differs from the source's known hash, though size, time and identity are the same, was damaged on its
/// way or on the source's disk: it must not spread, and what was known is not known any more. Nor may another content
/// than the one that was asked for take a place.
pub(super) fn check_known(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    place: &CopyTarget,
    known: Option<Blake3>,
    content: &ContentHash,
) -> Result<(), AttemptError> {
    let found = content.blake3;
    if let Some(known) = known.filter(|known| *known != found) {
        place.part.clean_up();
        let source = Change::Content {
            root: ends.from.row,
            path: transfer.path.clone(),
            stamp: place.expected,
            content: content.clone(),
        };
        result::commit(queue, transfer, &[source])?;
        queue.events.send(Event::HistoryAdded);
        let detail = format!(
            "What was read of {} is {found}, but it was known as {known}, with the same size and time: the file or its \
             disk may be damaged. Nothing was copied, and the old hash is forgotten. Verify it again, or heal it: see \
             Hashes.",
            transfer.path
        );
        return Err(AttemptError::last("corrupt", detail));
    }
    if let Some(wanted) = transfer.wanted.filter(|wanted| *wanted != found) {
        place.part.clean_up();
        let detail = format!("{} holds {found} and not {wanted}: nothing was replaced.", transfer.path);
        return Err(AttemptError::last("corrupt", detail));
    }
    Ok(())
}

/// A move on one volume: nothing is read or written but the name. `false` if it has to be copied.
pub(super) fn renamed(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    place: &CopyTarget,
) -> Result<bool, AttemptError> {
    let is_near = || Ok::<_, FsError>(place.source.folder().mount()? == place.dest.folder().mount()?);
    if transfer.operation != Operation::Move || !is_near()? {
        return Ok(false);
    }
    place::make_way(queue, transfer, ends.to()?, &place.dest, &place.to_path)?;
    match place::touch_while_in_use(|| move_within_volume(&place.source, place.expected, &place.dest)) {
        Ok(()) => Ok(true),
        // Some file systems are made of several disks that look like one.
        Err(TouchError::Fs(error)) if error.is_across_volumes() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn check_space(queue: &Queue, transfer: &TransferRow, place: &CopyTarget) -> Result<(), AttemptError> {
    if transfer.synced_bytes > 0 && place.part.look()?.is_some() {
        // Its room was taken when it was begun.
        return Ok(());
    }
    room::check(queue, transfer, place.dest.folder())
}

/// Removes the part files of transfers that will not go on, as far as their roots can be reached.
pub(in crate::services::queue) fn discard_left(queue: &Queue) -> Result<(), StorageError> {
    let live: Vec<LiveRoot> = Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok()).collect();
    let rows: Vec<_> = live.iter().map(|root| root.row).collect();
    let left = queue.database.read_blocking(|connection| outcome::with_part_left(connection, &rows))?;
    if left.is_empty() {
        return Ok(());
    }
    let roots: Vec<End> = live.into_iter().filter_map(|live| End::open(queue, live).ok()).collect();
    let mut gone = Vec::new();
    for transfer in &left {
        let Some(root) = roots.iter().find(|root| Some(root.row) == transfer.to_row) else { continue };
        // What was about to be removed outright is a person's file, not a part of a copy.
        if matches!(transfer.operation, Operation::RemoveDuplicate | Operation::Evict) {
            let Some(from) = roots.iter().find(|root| root.row == transfer.from_row) else { continue };
            if let Err(trouble) = verified::put_back(queue, transfer, Placed { root: from, path: &transfer.path }) {
                tracing::warn!(?trouble, id = transfer.id.0, "a file that was set aside could not be put back");
                continue;
            }
        }
        let from = roots.iter().find(|root| root.row == transfer.from_row);
        match discard_of(queue, transfer, from, root) {
            Ok(()) => gone.push(transfer.id),
            Err(trouble) => tracing::warn!(?trouble, id = transfer.id.0, "a part file could not be removed"),
        }
    }
    if gone.is_empty() { Ok(()) } else { queue.database.write_blocking(|tx| outcome::part_gone(tx, &gone)) }
}

/// Removes what a transfer left: its part file, and the second name of a rename that was killed halfway. A name that
/// the index knows is no such name: it was there before, as another name of the file.
fn discard_of(queue: &Queue, transfer: &TransferRow, from: Option<&End>, to: &End) -> Result<(), AttemptError> {
    if let Some(part) = place::part_of(queue, transfer, to)? {
        part.discard()?;
        if transfer.operation == Operation::Download {
            download::discard_notes(&part)?;
        }
    }
    let is_known = |connection: &_| index::file_at(connection, to.row, &transfer.to_path);
    if let Some(from) = from.filter(|_| transfer.operation == Operation::Move)
        && queue.database.read_blocking(is_known)?.is_none()
        && let Some(source) = Entry::find(&from.open, &transfer.path)?
        && let Some(dest) = Entry::find(&to.open, &transfer.to_path)?
    {
        finish_rename(&dest, &source, place::expected(transfer))?;
    }
    Ok(())
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
        let stored = self.queue.database.write_blocking(|tx| checkpoint::synced(tx, self.transfer.id, offset, &proof));
        match stored {
            Ok(()) => self.queue.live.stored(self.transfer.id, offset),
            // The copy goes on; a kill would cost more of it.
            Err(error) => tracing::warn!(%error, "how far a copy is could not be stored"),
        }
    }
}
