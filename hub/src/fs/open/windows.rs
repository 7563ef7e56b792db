//! Opening on Windows.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::domain::identity::Identity;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_OFFLINE, FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, FILE_ATTRIBUTE_RECALL_ON_OPEN,
    FILE_FLAG_SEQUENTIAL_SCAN, FILE_SHARE_DELETE, FILE_SHARE_READ,
};

const PLACEHOLDER: u32 = FILE_ATTRIBUTE_OFFLINE | FILE_ATTRIBUTE_RECALL_ON_OPEN | FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS;

/// Looks before it opens: `FILE_FLAG_OPEN_REPARSE_POINT` would refuse links too, but read the raw
/// data of deduplicated and compressed files.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.file_type().is_symlink() {
        return Err(io::Error::new(ErrorKind::Unsupported, "it is a link"));
    }
    if is_placeholder(&metadata) {
        return Err(io::Error::new(ErrorKind::Unsupported, "its content is in a cloud and not on this disk"));
    }
    OpenOptions::new()
        .read(true)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE)
        .custom_flags(FILE_FLAG_SEQUENTIAL_SCAN)
        .open(path)
}

pub(super) fn is_placeholder(metadata: &Metadata) -> bool {
    metadata.file_attributes() & PLACEHOLDER != 0
}

/// Said when the file was opened.
pub(super) const fn advise_sequential(_: &File) {}

/// Windows has no such hint for a file that is open for reading.
pub(super) const fn forget_cached(_: &File) {}

/// Only listings tell it, see [`crate::fs::walk`]: what a handle says of its change time is ahead of what the folder
/// says, so that one may not be held against the other. A file that is read can't be written meanwhile.
pub(super) const fn identity(_: &File, _: &Metadata) -> Option<Identity> {
    None
}

/// The same for a name.
pub(super) const fn identity_at(_: &Path, _: &Metadata) -> Option<Identity> {
    None
}
