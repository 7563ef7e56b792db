//! What follows when a file has its final name: what the index learns, and the end of a move's source.

use shared_protocol::RelPath;

use super::Queue;
use super::failure::Trouble;
use super::place::{self, Place};
use super::result::{Change, Ends, Success};
use crate::fs::copy::CopiedPart;
use crate::fs::rename::remove_source;
use crate::fs::{ContentHash, FileStamp};
use crate::storage::hashes::{self, KnownContent};
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::Made;

/// The result of a rename: what was known of the content goes along.
pub(super) fn renamed(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    to_path: &RelPath,
    stamp: FileStamp,
) -> Result<Success, Trouble> {
    let to = ends.to()?;
    let known = queue.database.read_blocking(|connection| {
        let cached = hashes::cached(connection, ends.from.row, &transfer.path)?;
        let Some((size, modified, blake3)) = cached else { return Ok(None) };
        if (size, modified) != (stamp.size_bytes, stamp.modified) {
            return Ok(None);
        }
        let sha256 = hashes::sha256_of(connection, ends.from.row, &transfer.path, &blake3)?;
        let groups = hashes::groups_of(connection, &blake3)?;
        Ok(Some(KnownContent { size_bytes: size, blake3, sha256, groups }))
    })?;
    let hash = known.as_ref().map(|content| content.blake3);
    let mut changes = vec![
        Change::Gone { root: ends.from.row, path: transfer.path.clone() },
        Change::Put { root: to.row, path: to_path.clone(), stamp, hash },
    ];
    if let Some(content) = known {
        changes.push(Change::Content { root: to.row, path: to_path.clone(), modified: stamp.modified, content });
    }
    Ok(Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) })
}

/// What the index learns of a copy that has its final name.
pub(super) fn landed_changes(
    transfer: &TransferRow,
    ends: &Ends,
    place: &Place,
    copied: &CopiedPart,
) -> Result<Vec<Change>, Trouble> {
    let content = known(&copied.content);
    let to = ends.to()?;
    let source = Change::Content {
        root: ends.from.row,
        path: transfer.path.clone(),
        modified: place.expected.modified,
        content: content.clone(),
    };
    let hash = Some(copied.content.blake3);
    Ok(vec![
        source,
        Change::Put { root: to.row, path: place.to_path.clone(), stamp: copied.stamp, hash },
        Change::Content { root: to.row, path: place.to_path.clone(), modified: copied.stamp.modified, content },
    ])
}

/// Removes the source of a move whose copy is committed.
pub(super) fn drop_source(transfer: &TransferRow, ends: &Ends, place: &Place) -> Result<Change, Trouble> {
    place::touch_while_in_use(|| remove_source(&place.source, place.expected))?;
    Ok(Change::Gone { root: ends.from.row, path: transfer.path.clone() })
}

pub(super) fn known(content: &ContentHash) -> KnownContent {
    KnownContent {
        size_bytes: content.size_bytes,
        blake3: content.blake3,
        sha256: content.sha256,
        groups: content.groups.clone(),
    }
}
