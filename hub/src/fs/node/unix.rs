//! One `lstat` tells everything on Unix.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::domain::duplicates::Node;
use crate::fs::{FileStamp, FsError};

pub(super) fn look_at_file(path: &Path) -> Result<(FileStamp, Option<Node>), FsError> {
    let metadata = fs::symlink_metadata(path).map_err(FsError::at("look at", path))?;
    if !metadata.is_file() {
        return Err(FsError::refused("look at", path, ErrorKind::Unsupported, "it is not a regular file"));
    }
    let node = Node { device: metadata.dev(), file: u128::from(metadata.ino()) };
    Ok((FileStamp::of_named(path, &metadata), Some(node).filter(|_| metadata.nlink() > 1)))
}
