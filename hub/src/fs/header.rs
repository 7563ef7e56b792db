//! Describing a model by its header, and comparing its data with what that says of them.

use std::fs::File;
use std::io;
use std::path::Path;

use model_header::{Damage, Description, compare_digest, describe};

use crate::fs::hash::HashError;
use crate::fs::open::open_with_metadata;
use crate::fs::{FileStamp, Flow, FsError};

/// Describes the file that has this stamp.
///
/// # Errors
/// It has changed, or can't be read. Whatever is odd about its content is part of the description.
pub fn describe_file(path: &Path, expected: FileStamp) -> Result<Description, HashError> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    read(path, expected, |file| describe(file, expected.size_bytes, &name))
}

/// Compares the data of the safetensors file that has this stamp with the digest that its header tells. `moved` is
/// told the bytes of each step.
///
/// # Errors
/// It has changed, can't be read, or `moved` said to stop.
pub fn compare_file(
    path: &Path,
    expected: FileStamp,
    declared: &str,
    moved: &mut dyn FnMut(u64) -> Flow,
) -> Result<Result<(), Damage>, HashError> {
    let mut go_on = |bytes| moved(bytes) == Flow::Continue;
    read(path, expected, |file| compare_digest(file, declared, &mut go_on))?.ok_or(HashError::Stopped)
}

/// What is read of the file that has this stamp, before and after.
fn read<T>(path: &Path, expected: FileStamp, work: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T, HashError> {
    let (mut file, metadata) = open_with_metadata(path).map_err(HashError::Fs)?;
    if FileStamp::of_open(&file, &metadata) != expected {
        return Err(HashError::Changed);
    }
    let found = work(&mut file).map_err(FsError::at("read", path)).map_err(HashError::Fs)?;
    let metadata = file.metadata().map_err(FsError::at("look at", path)).map_err(HashError::Fs)?;
    // What was read while it was written is that of neither of the two.
    if FileStamp::of_open(&file, &metadata) == expected { Ok(found) } else { Err(HashError::Changed) }
}
