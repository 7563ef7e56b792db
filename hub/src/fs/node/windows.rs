//! A listing has no number of the file on Windows: it is asked of an open handle.

use std::path::Path;

use file_id::FileId;

use crate::domain::duplicates::Node;
use crate::fs::open::stamp_path;
use crate::fs::{FileStamp, FsError};

pub(super) fn look_at_file(path: &Path) -> Result<(FileStamp, Option<Node>), FsError> {
    let stamp = stamp_path(path)?;
    let node = match file_id::get_file_id(path).map_err(FsError::at("look at", path))? {
        FileId::Inode { device_id, inode_number } => Node { device: device_id, file: inode_number.into() },
        FileId::LowRes { volume_serial_number, file_index } => {
            Node { device: volume_serial_number.into(), file: file_index.into() }
        }
        FileId::HighRes { volume_serial_number, file_id } => Node { device: volume_serial_number, file: file_id },
    };
    Ok((stamp, Some(node)))
}
