//! Downloading one file: from public addresses to a part file beside its destination, verified, and then to its name as
//! a copy gets one.
//!
//! The part file has the name of a transfer's, so whoever looks for those finds it; the journal beside it says what is
//! there, so that a kill costs little (`shared_io::download`). A try begins with a look at the addresses (`addresses`):
//! where all of them refuse, that is told by its cause, and where none answers now, the transfer waits in the queue and
//! takes no place.

mod addresses;
mod fetch;

use shared_io::download::PartFile;
use shared_protocol::RelPath;

use super::failure::{AttemptError, explain};
use super::place::{self, Destination, GroupCache};
use super::result::{Change, End, Ends, Success, Tried};
use super::{Queue, recovery, room};
use crate::fs::copy::{CopiedPart, finish_part};
use crate::fs::entry::Entry;
use crate::fs::{FileStamp, FsError};
use crate::storage::queue::outcome::Made;
use crate::storage::queue::{TransferRow, checkpoint, downloads};

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let one = |transfer: &'a TransferRow| {
        (transfer, download(queue, transfer, ends).map_err(|trouble| explain(queue, &ends.all(), trouble)))
    };
    group.iter().map(one).collect()
}

fn download(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, AttemptError> {
    let mut cache = GroupCache::new(std::slice::from_ref(transfer));
    cache.checks.check(queue, transfer)?;
    // Whose digests were written down may have its name already.
    if transfer.part.is_some()
        && let Some(success) = recovery::find(queue, transfer, ends)?
    {
        return Ok(success);
    }
    let to = ends.to()?;
    // Before a folder is made for what nobody has.
    let found = addresses::find(queue, transfer)?;
    let place = place::destination(queue, transfer, to, &mut cache)?;
    let transfer = &TransferRow { size_bytes: found.size_bytes, ..transfer.clone() };
    queue.live.is_of(transfer.id, transfer.size_bytes);
    queue.database.write_blocking(|tx| downloads::found(tx, transfer.id, found.size_bytes, &found.host))?;
    check_room(queue, transfer, &place)?;
    let is_verified = found.is_verified();
    let fetched = fetch::fetch(queue, transfer, &place, found)?;
    let (blake3, sha256) = (fetched.content.blake3, fetched.content.sha256);
    queue.database.write_blocking(|tx| {
        downloads::is_whole(tx, transfer.id, is_verified)?;
        checkpoint::part_complete(tx, transfer.id, &blake3, sha256.as_ref())
    })?;
    land(queue, transfer, to, &place, fetched)
}

/// What is there already of it takes no more room.
fn check_room(queue: &Queue, transfer: &TransferRow, place: &Destination) -> Result<(), AttemptError> {
    let there = place.part.stamp_if_there()?.map_or(0, |stamp| stamp.size_bytes);
    let left = TransferRow { size_bytes: transfer.size_bytes.saturating_sub(there), ..transfer.clone() };
    room::check(queue, &left, place.dest.folder())
}

/// Gives the file its name, and tells what the index learns.
fn land(
    queue: &Queue,
    transfer: &TransferRow,
    to: &End,
    place: &Destination,
    fetched: CopiedPart,
) -> Result<Success, AttemptError> {
    let Destination { to_path, dest, part, .. } = place;
    place::make_way(queue, transfer, to, dest, to_path)?;
    place::while_in_use(|| finish_part(part, &fetched.identity, dest))?;
    dest.folder().sync()?;
    if let Err(error) = discard_notes(part) {
        // The transfer's row finds them again.
        tracing::warn!(%error, "the notes of a download stay");
    }
    let stamp = fetched.stamp.behind_rename(dest.stamp().ok());
    Ok(put(to, to_path, stamp, fetched))
}

fn put(to: &End, path: &RelPath, stamp: FileStamp, fetched: CopiedPart) -> Success {
    let (root, path, hash) = (to.row, path.clone(), Some(fetched.content.blake3));
    let changes = vec![
        Change::Put { root, path: path.clone(), stamp, hash },
        Change::Content { root, path, stamp, content: fetched.content },
    ];
    Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) }
}

/// Removes what lies beside a part file.
pub(super) fn discard_notes(part: &Entry) -> Result<(), FsError> {
    let names = PartFile::note_names(part.name());
    names.iter().try_for_each(|name| part.folder().entry(name).discard())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::temporary::{Owner, download_name, owner_of, token_of};

    #[test]
    fn all_that_lies_beside_a_download_is_in_the_registry() {
        let part = download_name(&"x".repeat(255), &token_of("0123abcd", 17));
        let of_transfer = Owner::Transfer { database: "0123abcd", id: 17, is_aside: false };
        for name in PartFile::note_names(&part) {
            assert!(name.len() <= 255, "{name}");
            assert_eq!(owner_of(&name), Some(of_transfer), "{name}");
        }
    }
}
