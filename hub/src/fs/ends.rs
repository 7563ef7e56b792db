//! The hash of a file's first and last bytes: enough to tell most files of one size apart.

use std::io::{Seek, SeekFrom};
use std::path::Path;

use shared_protocol::Blake3;

use crate::domain::duplicates::ENDS_BYTES;
use crate::fs::FileStamp;
use crate::fs::FsError;
use crate::fs::open::{open_with_metadata, read_full};
use crate::fs::rename::TouchError;

/// Reads both ends of a file that is larger than both together.
pub fn hash_ends(buffer: &mut Vec<u8>, path: &Path, expected: FileStamp) -> Result<Blake3, TouchError> {
    let (mut file, metadata) = open_with_metadata(path)?;
    if FileStamp::of_open(&file, &metadata) != expected {
        return Err(TouchError::Changed);
    }
    let end = usize::try_from(ENDS_BYTES).unwrap_or(0);
    buffer.resize(2 * end, 0);
    let (first, last) = buffer.split_at_mut(end);
    let mut read = read_full(&file, first).map_err(FsError::at("read", path))?;
    file.seek(SeekFrom::Start(expected.size_bytes.saturating_sub(ENDS_BYTES))).map_err(FsError::at("read", path))?;
    read += read_full(&file, last).map_err(FsError::at("read", path))?;
    if read < buffer.len() {
        return Err(TouchError::Changed);
    }
    Ok(Blake3::from_bytes(*blake3::hash(buffer).as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;
    use crate::fs::open::stamp_path;

    #[test]
    fn only_the_ends_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut buffer = Vec::new();
        let mut ends_with = |at: Option<usize>| {
            let mut bytes = vec![7; 300_000];
            if let Some(at) = at {
                bytes[at] = 8;
            }
            fs::write(&path, bytes).unwrap();
            hash_ends(&mut buffer, &path, stamp_path(&path).unwrap()).unwrap()
        };
        let plain = ends_with(None);
        for same in [65_536, 150_000, 300_000 - 65_537] {
            assert_eq!(ends_with(Some(same)), plain, "byte {same}");
        }
        for other in [0, 65_535, 300_000 - 65_536, 299_999] {
            assert_ne!(ends_with(Some(other)), plain, "byte {other}");
        }
    }

    #[test]
    fn a_changed_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, vec![7; 300_000]).unwrap();
        let stamp = stamp_path(&path).unwrap();
        fs::write(&path, vec![7; 300_001]).unwrap();
        assert!(matches!(hash_ends(&mut Vec::new(), &path, stamp), Err(TouchError::Changed)));
    }
}
