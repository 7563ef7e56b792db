//! Reading the beginning of a model, and small files whole: with a cap, so that a broken or hostile
//! file can't fill the memory.

use std::io::ErrorKind;
use std::path::Path;

use crate::fs::at::At;
use crate::fs::hash::HashError;
use crate::fs::open::{open_with_metadata, read_full};
use crate::fs::{FileStamp, FsError};

/// Bytes that hold the header's length at the start of a safetensors file.
pub const LENGTH_BYTES: u64 = 8;

/// Reads the JSON header of a safetensors file: 8 bytes of length, then as many bytes. None where there is no such
/// header, or a longer one than `max_bytes`.
pub fn read_head(path: &Path, expected: FileStamp, max_bytes: u64) -> Result<Option<Vec<u8>>, HashError> {
    let (file, metadata) = open_with_metadata(path).map_err(HashError::Fs)?;
    if FileStamp::of_open(&file, &metadata) != expected {
        return Err(HashError::Changed);
    }
    let read = |bytes: &mut [u8]| read_full(&file, bytes).map_err(FsError::at("read", path)).map_err(HashError::Fs);
    let mut length = [0; 8];
    if read(&mut length)? < length.len() {
        return Ok(None);
    }
    let length = u64::from_le_bytes(length);
    let is_header = length <= max_bytes && length <= expected.size_bytes.saturating_sub(LENGTH_BYTES);
    let Some(bytes) = usize::try_from(length).ok().filter(|_| is_header) else { return Ok(None) };
    let mut header = vec![0; bytes];
    if read(&mut header)? < bytes { Err(HashError::Changed) } else { Ok(Some(header)) }
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
        assert_eq!(read_head(&path, stamp, 100).unwrap().unwrap(), b"{}");
    }

    #[test]
    fn lies_about_the_length_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let cut = model(10, b"{}").get(..10).unwrap().to_vec();
        for bytes in [model(10, b"[]"), model(u64::MAX, b"{}"), b"short".to_vec(), Vec::new(), cut] {
            let (path, stamp) = file(&folder, &bytes);
            assert!(read_head(&path, stamp, 100).unwrap().is_none(), "{bytes:?}");
        }
        let (path, stamp) = file(&folder, &model(8, b"{\"a\": 1}"));
        assert!(read_head(&path, stamp, 7).unwrap().is_none());
    }

    #[test]
    fn a_changed_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stamp) = file(&folder, &model(2, b"{}"));
        let other = FileStamp { size_bytes: stamp.size_bytes + 1, ..stamp };
        assert!(matches!(read_head(&path, other, 100), Err(HashError::Changed)));
    }

    #[test]
    fn small_files_have_a_cap() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = file(&folder, b"12345");
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        assert!(read_small(&path, 4).is_err());
    }
}
