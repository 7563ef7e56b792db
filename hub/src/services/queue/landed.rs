//! A transfer that was begun before may have done its work already: a kill between the last rename
//! and the commit leaves a finished file that the database does not know of. It is proved by its
//! content, never by its name.

use super::Queue;
use super::ending;
use super::failure::Trouble;
use super::place::{self, expected};
use super::result::{Change, Ends, Success};
use crate::domain::operation::Operation;
use crate::fs::hash::{HashOptions, hash_file};
use crate::fs::open::stamp_if_there;
use crate::fs::{ContentHash, FileStamp, volume};
use crate::services::Event;
use crate::storage::index;
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::Made;

/// The result of an earlier try, if there is one.
pub(super) fn find(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Option<Success>, Trouble> {
    if !transfer.begun {
        return Ok(None);
    }
    let to = ends.to()?;
    let dest = to.dir.resolve(&transfer.to_path);
    let Some(stamp) = stamp_if_there(&dest)? else { return Ok(None) };
    let looks_like_ours = stamp.size_bytes == transfer.size_bytes && stamp.modified.same(transfer.modified);
    if !looks_like_ours {
        return Ok(None);
    }
    let source = ends.from.dir.resolve(&transfer.path);
    let source_is_there = stamp_if_there(&source)? == Some(expected(transfer));
    let one_volume = volume::same_volume(ends.from.dir.path(), to.dir.path())?;
    if transfer.operation == Operation::Move && !source_is_there && one_volume && transfer.part.is_none() {
        // A rename is all or nothing.
        return ending::renamed(queue, transfer, ends, &transfer.to_path, stamp).map(Some);
    }
    let found = hash(queue, transfer, &dest, stamp)?;
    let is_ours = match transfer.part {
        Some((blake3, _)) => blake3 == found.blake3,
        None if source_is_there => hash(queue, transfer, &source, expected(transfer))?.blake3 == found.blake3,
        None => known_hash(queue, transfer, ends)? == Some(found.blake3),
    };
    if !is_ours {
        return Ok(None);
    }
    let content = ending::known(&found);
    let hash = Some(found.blake3);
    let mut changes = vec![
        Change::Put { root: to.row, path: transfer.to_path.clone(), stamp, hash },
        Change::Content { root: to.row, path: transfer.to_path.clone(), modified: stamp.modified, content },
    ];
    if transfer.operation == Operation::Move {
        super::result::commit(queue, transfer, &changes)?;
        changes.clear();
        if source_is_there {
            let place = place::Place {
                source,
                expected: expected(transfer),
                to_path: transfer.to_path.clone(),
                dest: dest.clone(),
                part: place::part_of(queue, transfer, &to.dir),
            };
            changes.extend(ending::drop_source(transfer, ends, &place)?);
        } else {
            changes.push(Change::Gone { root: ends.from.row, path: transfer.path.clone() });
        }
    }
    Ok(Some(Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) }))
}

fn known_hash(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Option<shared_protocol::Blake3>, Trouble> {
    Ok(queue.database.read_blocking(|connection| {
        Ok(index::file_at(connection, ends.from.row, &transfer.path)?.and_then(|file| file.hash))
    })?)
}

fn hash(
    queue: &Queue,
    transfer: &TransferRow,
    path: &std::path::Path,
    stamp: FileStamp,
) -> Result<ContentHash, Trouble> {
    let stop = queue.live.flag(transfer.id);
    let options = HashOptions { sha256: false, threads: true };
    Ok(hash_file(path, stamp, options, None, &mut |done: u64| {
        queue.live.checking(transfer.id, done);
        queue.events.progress(Event::TransferChanged(transfer.id));
        stop.flow()
    })?)
}
