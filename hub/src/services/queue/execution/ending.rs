//! What follows when a file has its final name: what the index learns, and the end of a move's source.

use shared_protocol::{Blake3, RelPath};

use super::Queue;
use super::failure::AttemptError;
use super::place::{self, CopyTarget, expected};
use super::result::{Change, Ends, Success};
use crate::fs::FileStamp;
use crate::fs::copy::CopiedPart;
use crate::fs::rename::remove_source;
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::Made;
use crate::storage::{StorageError, hashes};

/// What is known of the content of files that are renamed, in their order.
pub(super) fn known_of<'a>(
    queue: &Queue,
    transfers: impl IntoIterator<Item = &'a TransferRow>,
) -> Result<Vec<Option<Blake3>>, StorageError> {
    queue.database.read_blocking(|connection| {
        let known = |transfer: &TransferRow| {
            let known = hashes::cached(connection, transfer.from_row, &transfer.path)?;
            let is_it = |known: &hashes::CachedHash| {
                expected(transfer) == FileStamp::known(known.size_bytes, known.modified, known.identity)
            };
            Ok(known.filter(is_it).map(|known| known.blake3))
        };
        transfers.into_iter().map(known).collect()
    })
}

/// The result of a rename: what was known of the content goes along.
pub(super) fn renamed(
    transfer: &TransferRow,
    ends: &Ends,
    to_path: &RelPath,
    stamp: FileStamp,
    hash: Option<Blake3>,
) -> Result<Success, AttemptError> {
    let to = ends.to()?;
    let (from, to) = ((ends.from.row, transfer.path.clone()), (to.row, to_path.clone()));
    let mut changes = vec![Change::Renamed { from: from.clone(), to: to.clone(), stamp, hash }];
    if hash.is_some() {
        changes.push(Change::Carried { from, to, stamp });
    }
    Ok(Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) })
}

/// What the index learns of a copy that has its final name.
pub(super) fn landed_changes(
    transfer: &TransferRow,
    ends: &Ends,
    place: &CopyTarget,
    copied: &CopiedPart,
) -> Result<Vec<Change>, AttemptError> {
    let stamp = copied.stamp.behind_rename(place.dest.stamp().ok());
    let content = copied.content.clone();
    let to = ends.to()?;
    let source = Change::Content {
        root: ends.from.row,
        path: transfer.path.clone(),
        stamp: place.expected,
        content: content.clone(),
    };
    let hash = Some(copied.content.blake3);
    Ok(vec![
        source,
        Change::Put { root: to.row, path: place.to_path.clone(), stamp, hash },
        Change::Content { root: to.row, path: place.to_path.clone(), stamp, content },
    ])
}

/// Removes the source of a move whose copy is committed.
pub(super) fn drop_source(transfer: &TransferRow, ends: &Ends, place: &CopyTarget) -> Result<Change, AttemptError> {
    place::touch_while_in_use(|| remove_source(&place.source, place.expected))?;
    Ok(Change::Gone { root: ends.from.row, path: transfer.path.clone() })
}
