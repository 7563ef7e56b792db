//! Hashes against those of the crates themselves, through every way of reading and stopping.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sha2::Digest as _;
use shared_protocol::groups::{GROUP_BYTES, group_value};
use shared_protocol::{Blake3, Sha256};

use super::*;
use crate::fs::open::stamp_path;

const BOTH: HashOptions = HashOptions { sha256: true, threads: true };
const IN_PLACE: HashOptions = HashOptions { threads: false, ..BOTH };

fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn file(folder: &tempfile::TempDir, bytes: &[u8]) -> (PathBuf, FileStamp) {
    let path = folder.path().join("x");
    fs::write(&path, bytes).unwrap();
    let stamp = stamp_path(&path).unwrap();
    (path, stamp)
}

fn check(content: &ContentHash, bytes: &[u8]) {
    assert_eq!(content.blake3, Blake3::from_bytes(*blake3::hash(bytes).as_bytes()));
    assert_eq!(content.sha256, Some(Sha256::from_bytes(sha2::Sha256::digest(bytes).into())));
    assert_eq!(content.size_bytes, bytes.len() as u64);
    let groups = content.groups.as_ref().map(|groups| groups.values().len() as u64);
    assert_eq!(groups, (bytes.len() as u64 > GROUP_BYTES).then(|| content.size_bytes.div_ceil(GROUP_BYTES)));
}

/// Stops at a place and keeps the checkpoint that is offered there.
struct StopAt {
    at: u64,
    kept: Option<HashCheckpoint>,
    first: Option<u64>,
}

impl HashControl for StopAt {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        self.first.get_or_insert(bytes_done);
        if bytes_done >= self.at { Flow::Stop } else { Flow::Continue }
    }

    fn checkpoint(&mut self, checkpoint: &HashCheckpoint) {
        self.kept = Some(checkpoint.clone());
    }
}

fn on(_: u64) -> Flow {
    Flow::Continue
}

#[test]
fn sizes_around_every_seam() {
    let folder = tempfile::tempdir().unwrap();
    let mut buffers = Buffers::new();
    let mib = 1 << 20;
    for size in [0, 1, 1000, mib - 1, mib, mib + 1, 2 * mib, 3 * mib, 3 * mib + 1, 4 * mib, 4 * mib + 1, 17 * mib + 5] {
        let bytes = content(size);
        let (path, stamp) = file(&folder, &bytes);
        for options in [BOTH, IN_PLACE] {
            check(&hash_file_with(&mut buffers, &path, stamp, options, None, &mut on).unwrap(), &bytes);
        }
    }
}

#[test]
fn group_values_are_those_of_the_groups() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content((5 << 20) + 9);
    let (path, stamp) = file(&folder, &bytes);
    let hash = hash_file(&path, stamp, HashOptions { sha256: false, ..BOTH }, None, &mut on).unwrap();
    assert_eq!(hash.sha256, None);
    let values: Vec<_> =
        bytes.chunks(1 << 20).enumerate().map(|(n, b)| group_value(n as u64 * GROUP_BYTES, b)).collect();
    assert_eq!(hash.groups.unwrap().values(), values);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn stopped_and_gone_on_with_is_the_same(
        size in (4_usize << 20) + 1..24 << 20, at in 1_u64..24 << 20, first in any::<bool>(), then in any::<bool>(),
    ) {
        let (first, then) = (HashOptions { threads: first, ..BOTH }, HashOptions { threads: then, ..BOTH });
        let folder = tempfile::tempdir().unwrap();
        let bytes = content(size);
        let (path, stamp) = file(&folder, &bytes);
        // Blocks of 4 MiB: the last place to stop is where the last block begins.
        let last = (stamp.size_bytes - 1) >> 22 << 22;
        let mut control = StopAt { at: at.min(last), kept: None, first: None };
        let stopped = hash_file(&path, stamp, first, None, &mut control);
        prop_assert!(matches!(stopped, Err(HashError::Stopped)));
        let stored = control.kept.map(|checkpoint| checkpoint.to_bytes());
        let resume = stored.as_deref().map(|bytes| HashCheckpoint::from_bytes(bytes).unwrap());
        let offset = resume.as_ref().map_or(0, HashCheckpoint::offset);
        let mut control = StopAt { at: u64::MAX, kept: None, first: None };
        check(&hash_file(&path, stamp, then, resume, &mut control).unwrap(), &bytes);
        prop_assert_eq!(control.first, Some(offset), "goes on where it was stopped");
    }
}

fn checkpoint(path: &Path, stamp: FileStamp, options: HashOptions) -> HashCheckpoint {
    let mut control = StopAt { at: 4 << 20, kept: None, first: None };
    assert!(hash_file(path, stamp, options, None, &mut control).is_err());
    control.kept.unwrap()
}

#[test]
fn a_file_without_checkpoints_stops_too() {
    let folder = tempfile::tempdir().unwrap();
    let (path, stamp) = file(&folder, &content(5 << 19));
    let mut control = StopAt { at: 1 << 20, kept: None, first: None };
    assert!(matches!(hash_file(&path, stamp, BOTH, None, &mut control), Err(HashError::Stopped)));
    assert_eq!((control.first, control.kept), (Some(0), None));
}

#[test]
fn a_checkpoint_that_does_not_fit_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(9 << 20);
    let (path, stamp) = file(&folder, &bytes);
    let other = FileStamp { modified: crate::domain::ticks::Ticks(stamp.modified.0 - 1), ..stamp };
    let without_sha256 = checkpoint(&path, stamp, HashOptions { sha256: false, ..BOTH });
    let mut of_another = checkpoint(&path, stamp, BOTH).to_bytes();
    of_another[10..18].copy_from_slice(&other.modified.0.to_le_bytes());
    for unfit in [without_sha256, HashCheckpoint::from_bytes(&of_another).unwrap()] {
        let mut control = StopAt { at: u64::MAX, kept: None, first: None };
        check(&hash_file(&path, stamp, BOTH, Some(unfit), &mut control).unwrap(), &bytes);
        assert_eq!(control.first, Some(0));
    }
}

#[test]
fn a_damaged_checkpoint_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (path, stamp) = file(&folder, &content(9 << 20));
    let stored = checkpoint(&path, stamp, BOTH).to_bytes();
    assert!(HashCheckpoint::from_bytes(&stored).is_some());
    for len in 0..stored.len() {
        assert_eq!(HashCheckpoint::from_bytes(&stored[..len]), None, "{len} bytes of it");
    }
    assert_eq!(HashCheckpoint::from_bytes(&[&[9], &stored[1..]].concat()), None, "a later version");
}

#[test]
fn a_file_that_is_not_the_expected_one_has_no_hash() {
    let folder = tempfile::tempdir().unwrap();
    let (path, stamp) = file(&folder, b"12345");
    let other = FileStamp { size_bytes: 6, ..stamp };
    assert!(matches!(hash_file(&path, other, BOTH, None, &mut on), Err(HashError::Changed)));
    fs::remove_file(&path).unwrap();
    assert!(matches!(hash_file(&path, stamp, BOTH, None, &mut on), Err(HashError::Fs(error)) if error.is_not_found()));
}

/// Windows keeps writers off meanwhile.
#[cfg(unix)]
#[test]
fn a_file_that_changes_meanwhile_has_no_hash() {
    let folder = tempfile::tempdir().unwrap();
    for size in [1000, 2 << 20, 20 << 20] {
        let (path, stamp) = file(&folder, &content(size));
        let mut grow = |_: u64| {
            let mut file = fs::File::options().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, b"more").unwrap();
            Flow::Continue
        };
        assert!(matches!(hash_file(&path, stamp, BOTH, None, &mut grow), Err(HashError::Changed)), "{size}");
        let (path, stamp) = file(&folder, &content(size));
        let mut shrink = |_: u64| {
            fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
            Flow::Continue
        };
        assert!(matches!(hash_file(&path, stamp, BOTH, None, &mut shrink), Err(HashError::Changed)), "{size}");
    }
}

/// Whoever reads for long learns that the name is another file's by now; what is read at once is right for its stamp.
#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_meanwhile_has_its_own_hash_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("y");
    for size in [1000, 2 << 20, 20 << 20] {
        let bytes = content(size);
        let (path, stamp) = file(&folder, &bytes);
        let mut replace = |_: u64| {
            if fs::write(&other, b"other").is_ok() {
                fs::rename(&other, &path).unwrap();
            }
            Flow::Continue
        };
        let hashed = hash_file(&path, stamp, BOTH, None, &mut replace);
        match hashed {
            Ok(hashed) => {
                assert!(size <= 1 << 20, "{size}");
                check(&hashed, &bytes);
            }
            Err(error) => assert!(size > 1 << 20 && matches!(error, HashError::Changed), "{size}: {error}"),
        }
        assert_eq!(fs::read(&path).unwrap(), b"other");
    }
}
