//! The hash of what stands behind a model's header.

use std::io::{Seek, SeekFrom};
use std::path::Path;

use shared_protocol::Blake3;

use crate::fs::hash::HashError;
use crate::fs::open::{open_with_metadata, read_full, stamp, stamp_path};
use crate::fs::{FileStamp, Flow, FsError};

/// Bytes read at once.
const BLOCK: usize = 1 << 20;

/// Hashes a file from `start` to its end. `progress` is told of each block and may stop it.
pub fn hash_from(
    buffer: &mut Vec<u8>,
    path: &Path,
    expected: FileStamp,
    start: u64,
    progress: &mut dyn FnMut(u64) -> Flow,
) -> Result<Blake3, HashError> {
    let (mut file, metadata) = open_with_metadata(path).map_err(HashError::Fs)?;
    if FileStamp::of_open(&file, &metadata) != expected {
        return Err(HashError::Changed);
    }
    let failed = |error| HashError::Fs(FsError::new("read", path, error));
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    buffer.resize(BLOCK, 0);
    let mut hasher = blake3::Hasher::new();
    loop {
        let n = read_full(&file, buffer).map_err(failed)?;
        hasher.update(buffer.get(..n).unwrap_or_default());
        if progress(n as u64) == Flow::Stop {
            return Err(HashError::Stopped);
        }
        if n < BLOCK {
            break;
        }
    }
    if stamp(&file).map_err(failed)? != expected {
        return Err(HashError::Changed);
    }
    if stamp_path(path).map_err(HashError::Fs)? != expected {
        return Err(HashError::Changed);
    }
    Ok(Blake3::from_bytes(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_follows_counts_and_a_changed_file_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes = vec![7; 2 * BLOCK + 5];
        fs::write(&path, [b"head".as_slice(), &bytes].concat()).unwrap();
        let stamp = stamp_path(&path).unwrap();
        let found = hash_from(&mut Vec::new(), &path, stamp, 4, &mut |_| Flow::Continue).unwrap();
        assert_eq!(found.as_bytes(), blake3::hash(&bytes).as_bytes());
        let stopped = hash_from(&mut Vec::new(), &path, stamp, 4, &mut |_| Flow::Stop);
        assert!(matches!(stopped, Err(HashError::Stopped)));
        fs::write(&path, b"shorter").unwrap();
        let changed = hash_from(&mut Vec::new(), &path, stamp, 4, &mut |_| Flow::Continue);
        assert!(matches!(changed, Err(HashError::Changed)));
    }
}
