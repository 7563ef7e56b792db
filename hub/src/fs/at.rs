//! A file that is only read: by its path, or by its name in an opened folder.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use crate::fs::entry::Entry;
use crate::fs::open::{self, open_with_metadata, stamp_path};
use crate::fs::{FileStamp, FsError};

/// Where a file is read.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    /// Looked up from the top each time.
    Path(&'a Path),
    /// Looked up in its folder.
    Entry(&'a Entry),
}

impl<'a> At<'a> {
    pub fn path(self) -> &'a Path {
        match self {
            Self::Path(path) => path,
            Self::Entry(entry) => entry.path(),
        }
    }

    pub(super) fn open(self) -> Result<(File, Metadata), FsError> {
        match self {
            Self::Path(path) => open_with_metadata(path),
            Self::Entry(entry) => entry.open_for_reading(),
        }
    }

    /// The stamp of the regular file that has this name now.
    pub(super) fn stamp(self) -> Result<FileStamp, FsError> {
        match self {
            Self::Path(path) => stamp_path(path),
            Self::Entry(entry) => entry.stamp(),
        }
    }
}

/// Lets the next read come from the disk. Only a hint; where it can't be followed, the read tells what the
/// system believes to be on the disk.
pub fn forget_cached<'a>(at: impl Into<At<'a>>) {
    match at.into().open() {
        Ok((file, _)) => open::forget(&file),
        Err(error) => tracing::debug!(%error, "a file is read as the system has it"),
    }
}

impl<'a> From<&'a Path> for At<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a PathBuf> for At<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::Path(path)
    }
}

impl<'a> From<&'a Entry> for At<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self::Entry(entry)
    }
}
