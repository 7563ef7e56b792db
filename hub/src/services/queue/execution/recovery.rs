//! A transfer that was begun before may have done its work already: a kill between the last rename
//! and the commit leaves a finished file that the database does not know of. It is verified by its
//! content, never by its name.

use super::Queue;
use super::ending;
use super::failure::AttemptError;
use super::place::{self, expected};
use super::result::{self, Change, Ends, Success};
use crate::domain::operation::Operation;
use crate::fs::entry::{Entry, Folder};
use crate::fs::hash::{HashOptions, hash_file};
use crate::fs::rename::finish_rename;
use crate::fs::{ContentHash, FileStamp};
use crate::services::Event;
use crate::storage::index;
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::Made;

/// The result of an earlier try, if there is one.
pub(super) fn find(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Option<Success>, AttemptError> {
    if !transfer.begun {
        return Ok(None);
    }
    let to = ends.to()?;
    let Some(dest) = Entry::find(&to.open, &transfer.to_path)? else { return Ok(None) };
    // Its time may be another one: not every file system keeps it. The content decides.
    let Some(stamp) = dest.stamp_if_there()?.filter(|stamp| stamp.size_bytes == transfer.size_bytes) else {
        return Ok(None);
    };
    let source = Entry::find(&ends.from.open, &transfer.path)?;
    let is_move = transfer.operation == Operation::Move;
    if let Some(source) = source.as_ref().filter(|_| is_move)
        && let Some(stamp) = finish_rename(source, &dest, expected(transfer))?
    {
        return lasting(queue, transfer, ends, &dest, stamp).map(Some);
    }
    let there = source.as_ref().map_or(Ok(None), Entry::stamp_if_there)?;
    let source = source.filter(|_| there == Some(expected(transfer)));
    let keeps_time = stamp.modified.same(transfer.modified);
    if is_move && source.is_none() && transfer.part.is_none() && keeps_time && is_near(transfer, ends, &dest)? {
        return lasting(queue, transfer, ends, &dest, stamp).map(Some);
    }
    let found = hash(queue, transfer, &dest, stamp)?;
    let is_ours = match (transfer.part, &source) {
        (Some((blake3, _)), _) => blake3 == found.blake3,
        (None, Some(source)) => hash(queue, transfer, source, expected(transfer))?.blake3 == found.blake3,
        (None, None) => known_hash(queue, transfer, ends)? == Some(found.blake3),
    };
    if !is_ours {
        return Ok(None);
    }
    dest.folder().sync()?;
    let content = found.clone();
    let hash = Some(found.blake3);
    let mut changes = vec![
        Change::Put { root: to.row, path: transfer.to_path.clone(), stamp, hash },
        Change::Content { root: to.row, path: transfer.to_path.clone(), stamp, content },
    ];
    if is_move {
        result::commit(queue, transfer, &changes)?;
        changes.clear();
        match source {
            Some(source) => {
                let part = place::part_in(queue, transfer, dest.folder());
                let to_path = transfer.to_path.clone();
                let place = place::CopyTarget { source, expected: expected(transfer), to_path, dest, part };
                changes.push(ending::drop_source(transfer, ends, &place)?);
            }
            None => changes.push(Change::Gone { root: ends.from.row, path: transfer.path.clone() }),
        }
        changes.extend(result::remove_emptied(&ends.from, &transfer.path.parent().into_iter().collect()));
    }
    Ok(Some(Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) }))
}

/// A rename is all or nothing; that it lasts was not made sure of.
fn lasting(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    dest: &Entry,
    stamp: FileStamp,
) -> Result<Success, AttemptError> {
    Folder::nearest(&ends.from.open, &transfer.path)?.sync()?;
    dest.folder().sync()?;
    let known = ending::known_of(queue, [transfer])?;
    ending::renamed(transfer, ends, &transfer.to_path, stamp, known.into_iter().flatten().next())
}

/// Whether the file can have come by a rename.
fn is_near(transfer: &TransferRow, ends: &Ends, dest: &Entry) -> Result<bool, AttemptError> {
    Ok(Folder::nearest(&ends.from.open, &transfer.path)?.mount()? == dest.folder().mount()?)
}

fn known_hash(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
) -> Result<Option<shared_protocol::Blake3>, AttemptError> {
    Ok(queue.database.read_blocking(|connection| {
        Ok(index::file_at(connection, ends.from.row, &transfer.path)?.and_then(|file| file.hash))
    })?)
}

fn hash(queue: &Queue, transfer: &TransferRow, file: &Entry, stamp: FileStamp) -> Result<ContentHash, AttemptError> {
    let stop = queue.live.flag(transfer.id);
    let options = HashOptions { sha256: false, threads: true };
    Ok(hash_file(file, stamp, options, None, &mut |done: u64| {
        queue.live.checking(transfer.id, done);
        queue.events.progress(Event::TransferChanged(transfer.id));
        stop.flow()
    })?)
}
