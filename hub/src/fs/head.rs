//! Reading the beginning of a model, and small files whole: with a cap, so that a broken or hostile
//! file can't fill the memory.

use std::io::ErrorKind;
use std::path::Path;

use crate::fs::at::At;
use crate::fs::open::{open_with_metadata, read_full};
use crate::fs::{FileStamp, FsError};

/// Bytes that hold the header's length at the start of a safetensors file.
const LENGTH_BYTES: u64 = 8;

/// Why a header was not read.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The file is not the one in the index.
    #[error("the file has changed since it was last looked at")]
    Changed,
    /// The length in front is longer than the file, or the file has none.
    #[error("this is not a safetensors file")]
    NotSafetensors,
    /// The file ends before its header does.
    #[error("the file is cut off within its header")]
    CutShort,
    /// A header longer than anyone needs.
    #[error("the header has {0} bytes, more than is read")]
    TooLong(u64),
    /// The system refused.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Reads the JSON header of a safetensors file: 8 bytes of length, then as many bytes.
pub fn read_head(path: &Path, expected: FileStamp, max_bytes: u64) -> Result<Vec<u8>, HeadError> {
    let (file, metadata) = open_with_metadata(path)?;
    if FileStamp::of_open(&file, &metadata) != expected {
        return Err(HeadError::Changed);
    }
    let mut length = [0; 8];
    if read_full(&file, &mut length).map_err(FsError::at("read", path))? < length.len() {
        return Err(HeadError::NotSafetensors);
    }
    let length = u64::from_le_bytes(length);
    if expected.size_bytes.checked_sub(LENGTH_BYTES).is_none_or(|rest| rest < length) {
        // What begins like a header is one; any eight bytes are a length.
        let mut first = [0];
        let begins = read_full(&file, &mut first).map_err(FsError::at("read", path))? == 1 && first == *b"{";
        return Err(if begins && length <= max_bytes { HeadError::CutShort } else { HeadError::NotSafetensors });
    }
    let bytes = usize::try_from(length).ok().filter(|_| length <= max_bytes).ok_or(HeadError::TooLong(length))?;
    let mut header = vec![0; bytes];
    if read_full(&file, &mut header).map_err(FsError::at("read", path))? < bytes {
        return Err(HeadError::Changed);
    }
    Ok(header)
}

/// Reads a small file whole; one that is larger than `max_bytes` is an error.
pub fn read_small<'a>(at: impl Into<At<'a>>, max_bytes: u64) -> Result<Vec<u8>, FsError> {
    let at = at.into();
    let (path, (file, metadata)) = (at.path(), at.open()?);
    let size_bytes = metadata.len();
    let too_large = || FsError::refused("read", path, ErrorKind::InvalidData, "it is larger than expected");
    let size = usize::try_from(size_bytes).ok().filter(|_| size_bytes <= max_bytes).ok_or_else(too_large)?;
    let mut bytes = vec![0; size];
    let read = read_full(&file, &mut bytes).map_err(FsError::at("read", path))?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::fs::open::stamp_path;

    fn file(folder: &tempfile::TempDir, bytes: &[u8]) -> (PathBuf, FileStamp) {
        let path = folder.path().join("x.safetensors");
        fs::write(&path, bytes).unwrap();
        let stamp = stamp_path(&path).unwrap();
        (path, stamp)
    }

    fn model(length: u64, header: &[u8]) -> Vec<u8> {
        [&length.to_le_bytes(), header, b"weights"].concat()
    }

    #[test]
    fn a_header_is_read_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stamp) = file(&folder, &model(2, b"{}"));
        assert_eq!(read_head(&path, stamp, 100).unwrap(), b"{}");
    }

    #[test]
    fn lies_about_the_length_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [model(10, b"[]"), model(u64::MAX, b"{}"), b"short".to_vec(), Vec::new()] {
            let (path, stamp) = file(&folder, &bytes);
            assert!(matches!(read_head(&path, stamp, 100), Err(HeadError::NotSafetensors)), "{bytes:?}");
        }
        let (path, stamp) = file(&folder, model(10, b"{}").get(..10).unwrap());
        assert!(matches!(read_head(&path, stamp, 100), Err(HeadError::CutShort)));
        let (path, stamp) = file(&folder, &model(8, b"{\"a\": 1}"));
        assert!(matches!(read_head(&path, stamp, 7), Err(HeadError::TooLong(8))));
    }

    #[test]
    fn a_changed_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stamp) = file(&folder, &model(2, b"{}"));
        let other = FileStamp { size_bytes: stamp.size_bytes + 1, ..stamp };
        assert!(matches!(read_head(&path, other, 100), Err(HeadError::Changed)));
    }

    #[test]
    fn small_files_have_a_cap() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = file(&folder, b"12345");
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        assert!(read_small(&path, 4).is_err());
    }
}
