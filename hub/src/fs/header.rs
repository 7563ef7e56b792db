//! Describing a model by its header.

use std::path::Path;

use model_header::{Description, describe};

use crate::fs::hash::HashError;
use crate::fs::open::open_with_metadata;
use crate::fs::{FileStamp, FsError};

/// Describes the file that has this stamp.
///
/// # Errors
/// It has changed, or can't be read. Whatever is odd about its content is part of the description.
pub fn describe_file(path: &Path, expected: FileStamp) -> Result<Description, HashError> {
    let (mut file, metadata) = open_with_metadata(path).map_err(HashError::Fs)?;
    if FileStamp::of_open(&file, &metadata) != expected {
        return Err(HashError::Changed);
    }
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let described = describe(&mut file, expected.size_bytes, &name);
    let described = described.map_err(FsError::at("read", path)).map_err(HashError::Fs)?;
    let metadata = file.metadata().map_err(FsError::at("look at", path)).map_err(HashError::Fs)?;
    // What was read while it was written describes neither of the two.
    if FileStamp::of_open(&file, &metadata) == expected { Ok(described) } else { Err(HashError::Changed) }
}
