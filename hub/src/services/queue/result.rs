//! What one try of a transfer works with and what it comes to, with the changes of the index that
//! belong to it.

use std::collections::BTreeSet;

use shared_protocol::{Blake3, RelPath};

use super::Queue;
use super::failure::Trouble;
use crate::domain::ids::RootRowId;
use crate::domain::ticks::Ticks;
use crate::fs::{FileStamp, RootDir, folders};
use crate::services::ServiceError;
use crate::services::roots::LiveRoot;
use crate::storage::hashes::{self, KnownContent};
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::Made;
use crate::storage::queue::waypoint::{self, Trashed};
use crate::storage::{Connection, StorageError, index};

/// The roots that a transfer touches, as they are now.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    pub(super) from: LiveRoot,
    pub(super) to: Option<LiveRoot>,
}

impl Ends {
    /// The roots of a transfer, if they are still those it was made for.
    pub(super) fn of(queue: &Queue, transfer: &TransferRow) -> Result<Self, Trouble> {
        let changed = || Trouble::last("root_changed", "The root's folder is another one now. Queue it again.");
        let from = queue.roots.live(transfer.from)?;
        let to = transfer.to.map(|root| queue.roots.live(root)).transpose()?;
        if from.row != transfer.from_row || to.as_ref().map(|to| to.row) != transfer.to_row {
            return Err(changed());
        }
        Ok(Self { from, to })
    }

    pub(super) fn to(&self) -> Result<&LiveRoot, Trouble> {
        self.to.as_ref().ok_or_else(|| Trouble::last("impossible", "The transfer has no destination."))
    }

    pub(super) fn all(&self) -> Vec<&LiveRoot> {
        std::iter::once(&self.from).chain(&self.to).collect()
    }
}

/// A change of the index that belongs to a result.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A file is there now.
    Put { root: RootRowId, path: RelPath, stamp: FileStamp, hash: Option<Blake3> },
    /// A file is no longer there.
    Gone { root: RootRowId, path: RelPath },
    /// A file was read whole.
    Content { root: RootRowId, path: RelPath, modified: Ticks, content: KnownContent },
    /// A file lies in the trash now.
    Trashed { root: RootRowId, path: RelPath, trash_path: String, stamp: FileStamp },
    /// A file came back from the trash.
    Untrashed { root: RootRowId, trash_path: String },
    /// A folder was removed because it had become empty.
    FolderGone { root: RootRowId, path: RelPath },
}

/// What a try came to.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) changes: Vec<Change>,
    pub(super) made: Option<Made>,
}

/// A transfer with what its try came to.
pub(super) type Tried<'a> = (&'a TransferRow, Result<Success, Trouble>);

/// Brings the index in line with what a transfer did.
pub(super) fn apply(tx: &Connection, transfer: &TransferRow, changes: &[Change]) -> Result<(), StorageError> {
    for change in changes {
        match change {
            Change::Put { root, path, stamp, hash } => {
                index::put_file(tx, *root, path, stamp.size_bytes, stamp.modified, *hash)?;
            }
            Change::Gone { root, path } => index::remove_file(tx, *root, path)?,
            Change::Content { root, path, modified, content } => hashes::store(tx, *root, path, *modified, content)?,
            Change::Trashed { root, path, trash_path, stamp } => {
                let hash = index::file_at(tx, *root, path)?.and_then(|file| file.hash);
                let file = Trashed {
                    root: *root,
                    path,
                    trash_path,
                    size_bytes: stamp.size_bytes,
                    modified: stamp.modified,
                    hash,
                };
                waypoint::trashed(tx, transfer, &file)?;
            }
            Change::Untrashed { root, trash_path } => waypoint::untrashed(tx, *root, trash_path)?,
            Change::FolderGone { root, path } => index::remove_empty_folder(tx, *root, path)?,
        }
    }
    Ok(())
}

/// Commits changes before the transfer is complete, as a move does before its source goes.
pub(super) fn commit(queue: &Queue, transfer: &TransferRow, changes: &[Change]) -> Result<(), ServiceError> {
    Ok(queue.database.write_blocking(|tx| apply(tx, transfer, changes))?)
}

/// Removes the folders that a move or delete left empty, except those that stand for a type.
pub(super) fn remove_emptied(dir: &RootDir, row: RootRowId, left: &BTreeSet<RelPath>) -> Vec<Change> {
    left.iter()
        .flat_map(|folder| match folders::remove_emptied_folders(dir, folder) {
            Ok(removed) => removed,
            Err(error) => {
                tracing::info!(%error, "an empty folder stays");
                Vec::new()
            }
        })
        .map(|path| Change::FolderGone { root: row, path })
        .collect()
}
