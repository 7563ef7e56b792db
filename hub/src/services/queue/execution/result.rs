//! What one try of a transfer works with and what it comes to, with the changes of the index that
//! belong to it.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use shared_protocol::{Blake3, RelPath};

use super::Queue;
use super::failure::AttemptError;
use crate::domain::content_hash::ContentHash;
use crate::domain::ids::RootRowId;
use crate::fs::entry::OpenRoot;
use crate::fs::{FileStamp, folders};
use crate::services::ServiceError;
use crate::services::roots::LiveRoot;
use crate::storage::duplicates;
use crate::storage::evictions::{self, Evicted};
use crate::storage::identities::{self, Followed};
use crate::storage::index::{self, Edits};
use crate::storage::queue::TransferRow;
use crate::storage::queue::checkpoint::{self, Trashed};
use crate::storage::queue::outcome::Made;
use crate::storage::{Connection, StorageError};

/// A root that is open, verified to be the one that is meant.
#[derive(Debug, Clone)]
pub(super) struct End {
    live: LiveRoot,
    pub(super) open: Arc<OpenRoot>,
}

impl End {
    pub(super) fn open(queue: &Queue, live: LiveRoot) -> Result<Self, ServiceError> {
        let open = queue.roots.open_blocking(&live)?;
        Ok(Self { live, open })
    }
}

impl Deref for End {
    type Target = LiveRoot;

    fn deref(&self) -> &LiveRoot {
        &self.live
    }
}

/// The roots that a transfer touches, as they are now.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    pub(super) from: End,
    pub(super) to: Option<End>,
}

impl Ends {
    /// The roots of a transfer, if they are still those it was made for.
    pub(super) fn of(queue: &Queue, transfer: &TransferRow) -> Result<Self, AttemptError> {
        let changed = || AttemptError::last("root_changed", "The root's folder is another one now. Queue it again.");
        let from = queue.roots.live(transfer.from)?;
        let to = transfer.to.map(|root| queue.roots.live(root)).transpose()?;
        if from.row != transfer.from_row || to.as_ref().map(|to| to.row) != transfer.to_row {
            return Err(changed());
        }
        let to = to.map(|to| End::open(queue, to)).transpose()?;
        Ok(Self { from: End::open(queue, from)?, to })
    }

    pub(super) fn to(&self) -> Result<&End, AttemptError> {
        self.to.as_ref().ok_or_else(|| AttemptError::last("impossible", "The transfer has no destination."))
    }

    pub(super) fn all(&self) -> Vec<&LiveRoot> {
        std::iter::once(&self.from).chain(&self.to).map(Deref::deref).collect()
    }
}

/// A change of the index that belongs to a result.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A file is there now.
    Put { root: RootRowId, path: RelPath, stamp: FileStamp, hash: Option<Blake3> },
    /// A file is no longer there.
    Gone { root: RootRowId, path: RelPath },
    /// A file has another name now, maybe on the other root. What was known of its content is told beside it.
    Renamed { from: (RootRowId, RelPath), to: (RootRowId, RelPath), stamp: FileStamp, hash: Option<Blake3> },
    /// A file was read whole.
    Content { root: RootRowId, path: RelPath, stamp: FileStamp, content: ContentHash },
    /// What was known of a file goes along with its new name, or with the identity that it has now.
    Carried { from: (RootRowId, RelPath), to: (RootRowId, RelPath), stamp: FileStamp },
    /// What is known of a file of this size and time is known of it as it is now.
    Bound { root: RootRowId, path: RelPath, stamp: FileStamp },
    /// A file with several names was touched at one of them.
    Followed(Followed),
    /// A file lies in the trash now.
    Trashed { root: RootRowId, path: RelPath, trash_path: String, stamp: FileStamp },
    /// A file came back from the trash.
    Untrashed { root: RootRowId, trash_path: String },
    /// A file left Local because the Lake holds its content at `stays`.
    Evicted { root: RootRowId, path: RelPath, stays: RelPath, stamp: FileStamp, hash: Blake3 },
    /// A file takes no room of its own any more.
    Shared { root: RootRowId, path: RelPath },
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
pub(super) type Tried<'a> = (&'a TransferRow, Result<Success, AttemptError>);

/// Brings the index in line with what transfers did, within one transaction.
pub(super) struct Applied<'a> {
    connection: &'a Connection,
    edits: Edits<'a>,
    folders_gone: Vec<(RootRowId, RelPath)>,
}

impl<'a> Applied<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, edits: Edits::new(connection), folders_gone: Vec::new() }
    }

    pub(super) fn add(&mut self, transfer: &TransferRow, changes: &[Change]) -> Result<(), StorageError> {
        for change in changes {
            match change {
                Change::Put { root, path, stamp, hash } => {
                    self.edits.put(*root, path, stamp.size_bytes, stamp.modified, stamp.identity, *hash)?;
                    evictions::came_back(self.connection, *root, path)?;
                }
                Change::Renamed { from, to, stamp, hash } => {
                    let FileStamp { size_bytes, modified, identity } = *stamp;
                    self.edits.rename((from.0, &from.1), (to.0, &to.1), size_bytes, modified, identity, *hash)?;
                    evictions::came_back(self.connection, to.0, &to.1)?;
                }
                Change::Gone { root, path } => self.edits.remove(*root, path)?,
                Change::Content { root, path, stamp, content } => {
                    self.edits.know(*root, None, path, stamp.modified, stamp.identity, content)?;
                }
                Change::Carried { from, to, stamp } => {
                    let FileStamp { size_bytes, modified, identity } = *stamp;
                    self.edits.carry((from.0, &from.1), (to.0, &to.1), size_bytes, modified, identity)?;
                }
                Change::Bound { root, path, stamp } => {
                    let FileStamp { size_bytes, modified, identity } = *stamp;
                    identities::rebind(self.connection, *root, path, size_bytes, modified, identity)?;
                }
                Change::Followed(followed) => identities::follow(self.connection, followed)?,
                Change::Trashed { root, path, trash_path, stamp } => {
                    self.trashed(transfer, *root, path, trash_path, *stamp)?;
                }
                Change::Evicted { root, path, stays, stamp, hash } => {
                    let (size_bytes, modified) = (stamp.size_bytes, stamp.modified);
                    let file = Evicted { path, lake_path: stays, size_bytes, modified, hash: *hash };
                    evictions::note(self.connection, transfer.batch_id, *root, &file)?;
                }
                Change::Untrashed { root, trash_path } => checkpoint::untrashed(self.connection, *root, trash_path)?,
                Change::Shared { root, path } => duplicates::forget(self.connection, *root, path)?,
                Change::FolderGone { root, path } => self.folders_gone.push((*root, path.clone())),
            }
        }
        Ok(())
    }

    fn trashed(
        &self,
        transfer: &TransferRow,
        root: RootRowId,
        path: &RelPath,
        trash_path: &str,
        stamp: FileStamp,
    ) -> Result<(), StorageError> {
        let hash = index::file_at(self.connection, root, path)?.and_then(|file| file.hash);
        let FileStamp { size_bytes, modified, identity } = stamp;
        let file = Trashed { root, path, trash_path, size_bytes, modified, identity, hash };
        checkpoint::trashed(self.connection, transfer, &file)
    }

    /// Writes what belongs to folders; those that are gone go last, when nothing is left in them.
    pub(super) fn finish(self) -> Result<(), StorageError> {
        self.edits.finish()?;
        self.folders_gone.iter().try_for_each(|(root, path)| index::remove_empty_folder(self.connection, *root, path))
    }
}

/// Commits changes before the transfer is complete, as a move does before its source goes.
pub(super) fn commit(queue: &Queue, transfer: &TransferRow, changes: &[Change]) -> Result<(), ServiceError> {
    Ok(queue.database.write_blocking(|tx| {
        let mut applied = Applied::new(tx);
        applied.add(transfer, changes)?;
        applied.finish()
    })?)
}

/// Removes the folders that a move or delete left empty, except those that stand for a type.
pub(super) fn remove_emptied(root: &End, left: &BTreeSet<RelPath>) -> Vec<Change> {
    left.iter()
        .flat_map(|folder| match folders::remove_emptied_folders(&root.open, folder) {
            Ok(removed) => removed,
            Err(error) => {
                tracing::info!(%error, "an empty folder stays");
                Vec::new()
            }
        })
        .map(|path| Change::FolderGone { root: root.row, path })
        .collect()
}
