//! Walking a root: one listing per folder, several folders side by side.
//!
//! `walkdir` lists each folder by itself, and a few threads share a stack of folders still to be
//! listed. A listing tells the whole truth about one folder or carries an error: a caller may take a
//! file for gone only if its folder was listed without one.

use std::sync::Arc;
use std::thread;

use shared_protocol::RelPath;

use crate::domain::identity::Identity;
use crate::domain::skipped::Skip;
use crate::domain::ticks::Ticks;
use crate::fs::{CancelFlag, FsError, RootDir, ensure_no_links};

mod list;
mod stack;
mod unfinished;

#[cfg(unix)]
#[path = "walk/facts_unix.rs"]
mod facts;
#[cfg(windows)]
#[path = "walk/facts_windows.rs"]
mod facts;
#[cfg(windows)]
#[path = "walk/identities_windows.rs"]
mod identities;

use stack::Stack;

#[derive(Debug, Clone, Copy)]
pub struct WalkOptions {
    /// Folders listed at the same time, at least one. A rotating disk is read fastest by one.
    pub threads: usize,
}

/// What one folder holds.
#[derive(Debug)]
pub struct FolderListing {
    /// The folder; `None` is the root's own.
    pub folder: Option<RelPath>,
    /// Files that can be managed, sorted by name. With the folder each makes a [`RelPath`].
    pub files: Vec<FoundFile>,
    /// Folders that are walked too, sorted by name.
    pub folders: Vec<String>,
    /// What else is there and is left alone.
    pub skipped: Vec<Skip>,
    /// The disk that is mounted on this folder, [`NO_MOUNT`] if none is; none if the folder could not be
    /// opened.
    pub mount: Option<String>,
    /// Why the listing is not the whole truth; what it has is true all the same.
    pub error: Option<FsError>,
    /// Names may be missing. Else the error is about single files, which are among what is skipped.
    pub is_cut: bool,
    /// The number of the folder's device, by which its own folders are told from other disks.
    device: Option<u64>,
}

/// Says of a folder that no disk is mounted on it.
pub const NO_MOUNT: &str = "";

/// One file in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its name, valid as a part of a [`RelPath`].
    pub name: String,
    pub size_bytes: u64,
    /// Modification time.
    pub modified: Ticks,
    /// Its content lies in a cloud: it is listed but never opened.
    pub placeholder: bool,
    /// Identity of the content's place on disk, where the listing has it for nothing.
    pub identity: Option<FileIdentity>,
    /// What stands beside size and time, where the file system keeps it.
    pub stands_by: Option<Identity>,
}

/// Two names with one identity are hard links of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// The device's number.
    pub device: u64,
    /// The file's number on it.
    pub inode: u64,
    /// Names that the file has.
    pub n_links: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkEnd {
    /// Every folder was listed, though perhaps with errors.
    Complete,
    /// The flag was raised; folders are missing.
    Cancelled,
}

/// Lists `folder` (`None` is the whole root) and everything below it. `sink` gets each listing as soon
/// as it is there, from several threads at once and in no order; while it blocks, that thread lists
/// nothing more.
pub fn walk(
    root: &RootDir,
    folder: Option<&RelPath>,
    options: WalkOptions,
    cancel: &CancelFlag,
    sink: &(dyn Fn(FolderListing) + Sync),
) -> WalkEnd {
    if let Some(error) = folder.and_then(|folder| ensure_no_links(root, folder).err()) {
        sink(FolderListing::failed(folder.cloned(), error));
        return WalkEnd::Complete;
    }
    let stack = Stack::starting_with(folder.cloned().map(Arc::new));
    let work = || {
        while let Some(task) = stack.next(cancel) {
            let listing = list::list(root, task.folder(), task.device_above());
            task.push_below(&listing);
            sink(listing);
        }
    };
    thread::scope(|scope| {
        for _ in 1..options.threads {
            scope.spawn(work);
        }
        work();
    });
    if cancel.is_cancelled() { WalkEnd::Cancelled } else { WalkEnd::Complete }
}

/// Lists one folder and nothing below it.
#[cfg(test)]
pub fn list_folder(root: &RootDir, folder: Option<&RelPath>) -> FolderListing {
    match folder.map_or(Ok(()), |folder| ensure_no_links(root, folder)) {
        Ok(()) => list::list(root, folder, None),
        Err(error) => FolderListing::failed(folder.cloned(), error),
    }
}

/// Whether a disk is mounted on a folder now. A folder that is not there has none.
pub fn is_mounted(root: &RootDir, folder: &RelPath) -> Result<bool, FsError> {
    list::is_mounted(root, folder)
}

impl FolderListing {
    fn failed(folder: Option<RelPath>, error: FsError) -> Self {
        Self { is_cut: true, error: Some(error), ..Self::empty(folder) }
    }

    const fn empty(folder: Option<RelPath>) -> Self {
        Self {
            folder,
            files: Vec::new(),
            folders: Vec::new(),
            skipped: Vec::new(),
            mount: None,
            error: None,
            is_cut: false,
            device: None,
        }
    }
}

#[cfg(test)]
#[path = "walk/tests.rs"]
mod tests;

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
#[path = "walk/link_tests.rs"]
mod link_tests;
