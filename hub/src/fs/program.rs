//! A program that is handed out to other machines: what it is, and its digest.

use std::io::Read as _;
use std::path::Path;

use sha2::Digest as _;
use shared_protocol::{Sha256, Target};

use crate::fs::open::{open_with_metadata, stamp_path};
use crate::fs::{FileStamp, FsError};

/// Larger than any agent, and small enough to be read whole.
const MAX_BYTES: u64 = 256 << 20;

/// Of an ELF header: what tells the machine it is for.
const HEADER_BYTES: usize = 20;

/// Why a file is not the program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is for another system, or no program at all.
    #[error("{0} is not a program for {processor} Linux", processor = .1.processor())]
    Wrong(String, Target),
    /// It changed while it was looked at.
    #[error("{0} is being changed")]
    Changed(String),
    /// The system refused.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Size and time of the program.
pub fn stamp(path: &Path) -> Result<FileStamp, FsError> {
    // A program may well be reached by a link; it is no model of anybody's.
    std::fs::metadata(path).map(|metadata| FileStamp::of(&metadata)).map_err(FsError::at("look at", path))
}

/// Checks that it is a program for this kind of machine, and takes its digest.
pub fn inspect(path: &Path, target: Target) -> Result<(FileStamp, Sha256), ProgramError> {
    let stamp = stamp(path)?;
    let bytes = read(path, stamp, target)?;
    if !is_for(target, &bytes) {
        return Err(ProgramError::Wrong(path.display().to_string(), target));
    }
    Ok((stamp, digest(&bytes)))
}

/// The digest that the bootstrapper compares.
pub fn digest(program: &[u8]) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(program).into())
}

/// Reads it whole, if it is as it was.
pub fn read(path: &Path, expected: FileStamp, target: Target) -> Result<Vec<u8>, ProgramError> {
    let real = std::fs::canonicalize(path).map_err(FsError::at("find", path))?;
    let (file, metadata) = open_with_metadata(&real)?;
    let changed = || ProgramError::Changed(path.display().to_string());
    if FileStamp::of(&metadata) != expected {
        return Err(changed());
    }
    if metadata.len() > MAX_BYTES {
        return Err(ProgramError::Wrong(path.display().to_string(), target));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(FsError::at("read", path))?;
    let now = stamp_path(&real)?;
    if now == expected && bytes.len() as u64 == expected.size_bytes { Ok(bytes) } else { Err(changed()) }
}

/// By the ELF header: 64 bit, little-endian, an executable (also one that can lie anywhere), the processor, and
/// for Linux or no system in particular.
fn is_for(target: Target, bytes: &[u8]) -> bool {
    let processor = match target {
        Target::X86_64Linux => 62,
        Target::Aarch64Linux => 183,
    };
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return false };
    let [m0, m1, m2, m3, class, data, _, system, ..] = header;
    let kind = header.get(16..18);
    [*m0, *m1, *m2, *m3] == *b"\x7fELF"
        && (*class, *data) == (2, 1)
        && matches!(system, 0 | 3)
        && matches!(kind, Some([2 | 3, 0]))
        && header.get(18..20) == Some(&[processor, 0])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn elf(machine: u8) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01\x00".to_vec();
        bytes.resize(16, 0);
        bytes.extend([3, 0, machine, 0]);
        bytes.extend(b"code");
        bytes
    }

    use Target::{Aarch64Linux, X86_64Linux};

    #[test]
    fn only_a_program_for_its_kind_of_machine_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        std::fs::write(&path, elf(62)).unwrap();
        let (stamp, sha256) = inspect(&path, X86_64Linux).unwrap();
        assert_eq!(sha256, Sha256::from_bytes(sha2::Sha256::digest(elf(62)).into()));
        assert_eq!(read(&path, stamp, X86_64Linux).unwrap(), elf(62));
        assert!(inspect(&path, Aarch64Linux).unwrap_err().to_string().contains("not a program for aarch64 Linux"));
        for wrong in
            [elf(183), b"#!/bin/sh\n".to_vec(), Vec::new(), b"MZ".to_vec(), elf(62).into_iter().take(19).collect()]
        {
            std::fs::write(&path, &wrong).unwrap();
            assert!(matches!(inspect(&path, X86_64Linux), Err(ProgramError::Wrong(..))), "{wrong:?}");
        }
        std::fs::write(&path, elf(183)).unwrap();
        assert!(inspect(&path, Aarch64Linux).is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(inspect(&path, X86_64Linux), Err(ProgramError::Fs(_))));
    }

    #[test]
    fn a_program_that_was_replaced_is_not_read_under_the_old_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        std::fs::write(&path, elf(62)).unwrap();
        let (stamp, _) = inspect(&path, X86_64Linux).unwrap();
        std::fs::write(&path, [elf(62), elf(62)].concat()).unwrap();
        assert!(matches!(read(&path, stamp, X86_64Linux), Err(ProgramError::Changed(_))));
    }
}
