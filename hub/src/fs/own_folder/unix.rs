//! By device and number, which come with every look.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderNumber {
    pub device: u64,
    pub file: u64,
}

pub(super) fn identity(path: &Path) -> io::Result<FolderNumber> {
    let metadata = fs::metadata(path)?;
    Ok(FolderNumber { device: metadata.dev(), file: metadata.ino() })
}

pub(super) fn is(own: &FolderNumber, _own_path: &Path, _path: &Path, metadata: &Metadata) -> bool {
    own.device == metadata.dev() && own.file == metadata.ino()
}
