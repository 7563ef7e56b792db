//! Letting a duplicate take no room of its own: by a hard link to the copy that stays, or by sharing its
//! bytes on the disk; and the way back.
//!
//! What takes the file's place is made under a temporary name beside it and then renamed over it, so
//! that the name leads to the right content at every moment.

use super::duplicate::changed;
use super::failure::{AttemptError, explain};
use super::place::{self, expected};
use super::result::{Change, Ends, Success, Tried};
use super::room;
use super::verified::{self, Placed, VerifiedPair};
use super::{Queue, allowed};
use crate::domain::content_hash::ContentHash;
use crate::domain::operation::Operation;
use crate::domain::transfer::Failure;
use crate::fs::copy::{CopyRequest, copy_to_part};
use crate::fs::entry::Entry;
use crate::fs::hash::{HashOptions, hash_file};
use crate::fs::{FileStamp, share};
use crate::services::Event;
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::{Made, Reason};

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let one = |transfer: &'a TransferRow| {
        if queue.live.flag(transfer.id).is_cancelled() {
            return (transfer, Err(AttemptError::Stopped));
        }
        let done = match transfer.operation {
            Operation::Separate => separate(queue, transfer, ends),
            _ => join(queue, transfer, ends),
        };
        (transfer, done.map_err(|trouble| explain(queue, &ends.all(), changed(trouble))))
    };
    group.iter().map(one).collect()
}

/// Puts a link to the copy that stays, or a file that shares its bytes, in the place of the duplicate.
fn join(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, AttemptError> {
    allowed::check(queue, transfer)?;
    let (from, to) = (&ends.from, ends.to()?);
    if from.row != to.row {
        return Err(AttemptError::last(
            "impossible",
            "The two lie in different roots: no link leads from one to the other.",
        ));
    }
    let file = Placed { root: from, path: &transfer.path };
    let stays = Placed { root: to, path: &transfer.to_path };
    let (name, keeper) = (Entry::open(&from.open, file.path)?, Entry::open(&to.open, stays.path)?);
    if transfer.operation == Operation::Hardlink && transfer.begun && is_linked(&name, &keeper)? {
        // An earlier try was killed behind its last step. Both names are one file: it is what it is.
        let pair_stamp = keeper.stamp()?;
        if let Some((blake3, _)) = transfer.part {
            return Ok(joined(transfer, ends, pair_stamp, blake3));
        }
    }
    let mut pair = verified::prove(queue, transfer, file, expected(transfer), stays)?;
    let part = place::part_in(queue, transfer, pair.file.folder());
    let made = make(queue, transfer, &pair, &part);
    // One name more is another identity of the same content.
    pair.verified.stamp = pair.verified.stamp.behind_rename(pair.survivor.stamp().ok());
    let put = made.and_then(|()| {
        verified::check_still(queue, transfer, &pair, stays)?;
        Ok(place::touch_while_in_use(|| share::replace(&part, &pair.file, expected(transfer)))?)
    });
    if put.is_err() {
        part.clean_up();
    }
    put?;
    let stamp = pair.file.stamp()?;
    if transfer.operation == Operation::Hardlink && !pair.file.identity()?.is(&pair.survivor.identity()?) {
        let detail = format!("{} was linked, but is not the same file as {} afterwards.", file.path, stays.path);
        return Err(AttemptError::last("not_linked", detail));
    }
    Ok(joined(transfer, ends, stamp, pair.verified.blake3))
}

fn is_linked(name: &Entry, keeper: &Entry) -> Result<bool, AttemptError> {
    let both = name.stamp_if_there()?.is_some() && keeper.stamp_if_there()?.is_some();
    Ok(both && name.identity()?.is(&keeper.identity()?))
}

/// Makes what takes the file's place.
fn make(queue: &Queue, transfer: &TransferRow, pair: &VerifiedPair, part: &Entry) -> Result<(), AttemptError> {
    part.discard()?;
    let cannot = |trouble: AttemptError| match trouble {
        // What the file system can't do at all it will not do at the next try.
        AttemptError::Failed(Failure::Transient, Reason { detail, .. }) => AttemptError::last("not_supported", detail),
        other => other,
    };
    if transfer.operation == Operation::Hardlink {
        return pair.survivor.link(part).map_err(|error| cannot(error.into()));
    }
    share::clone(&pair.survivor, part, &pair.file).map_err(|error| cannot(error.into()))?;
    let stop = queue.live.flag(transfer.id);
    let options = HashOptions { sha256: false, threads: true };
    let content = hash_file(part, part.stamp()?, options, None, &mut |_| stop.flow())?;
    if content.blake3 == pair.verified.blake3 {
        return Ok(());
    }
    Err(AttemptError::last("corrupt", "What shares the bytes of the copy that stays does not hold its content."))
}

fn joined(transfer: &TransferRow, ends: &Ends, stamp: FileStamp, blake3: shared_protocol::Blake3) -> Success {
    let (root, path) = (ends.from.row, transfer.path.clone());
    let content = ContentHash { size_bytes: stamp.size_bytes, blake3, sha256: None, groups: None };
    let changes = vec![
        Change::Put { root, path: path.clone(), stamp, hash: Some(blake3) },
        Change::Content { root, path: path.clone(), stamp, content },
        Change::Shared { root, path },
    ];
    let made = Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash: Some(blake3) };
    Success { changes, made: Some(made) }
}

/// Copies a file's bytes and puts the copy in its place.
fn separate(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, AttemptError> {
    let root = &ends.from;
    let file = Entry::open(&root.open, &transfer.path)?;
    let part = place::part_in(queue, transfer, file.folder());
    room::check(queue, transfer, file.folder())?;
    let stop = queue.live.flag(transfer.id);
    let request = CopyRequest {
        source: &file,
        expected: expected(transfer),
        part: &part,
        resume_from: 0,
        resume_proof: None,
        sha256: false,
        may_share: false,
        sync_every: 0,
        sync: true,
    };
    let copied = copy_to_part(request, &mut |done: u64| {
        queue.live.progress(transfer.id, done);
        queue.events.progress(Event::TransferChanged(transfer.id));
        stop.flow()
    });
    let put = copied.map_err(AttemptError::from).and_then(|copied| {
        place::touch_while_in_use(|| share::replace(&part, &file, expected(transfer)))?;
        Ok(copied)
    });
    if put.is_err() {
        part.clean_up();
    }
    let copied = put?;
    let stamp = file.stamp()?;
    let (row, hash) = (root.row, Some(copied.content.blake3));
    let changes = vec![
        Change::Put { root: row, path: transfer.path.clone(), stamp, hash },
        Change::Content { root: row, path: transfer.path.clone(), stamp, content: copied.content.clone() },
    ];
    Ok(Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) })
}
