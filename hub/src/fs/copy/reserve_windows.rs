//! Taking room for a file on Windows.

use std::fs::File;
use std::io;

/// Setting the length reserves the room there.
pub(super) fn reserve(file: &File, size_bytes: u64) -> io::Result<()> {
    file.set_len(size_bytes)
}
