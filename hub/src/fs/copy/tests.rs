//! Copies that go well, that are interrupted anywhere, and that must not become a copy at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sha2::Digest as _;
use shared_protocol::Sha256;
use tempfile::TempDir;

use super::*;
use crate::domain::failure::FailureClass;
use crate::domain::temporary::part_name;
use crate::fs::entry::testing::entry;
use crate::fs::open::stamp_path;

const MIB: usize = 1 << 20;

/// A source and a place for its part file.
struct Place {
    folder: TempDir,
    source: Entry,
    part: Entry,
    bytes: Vec<u8>,
    expected: FileStamp,
}

impl Place {
    fn new(size: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = entry(folder.path(), "source");
        let mut bytes = vec![0; size];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        fs::write(source.path(), &bytes).unwrap();
        let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_700);
        fs::File::options().write(true).open(source.path()).unwrap().set_modified(old).unwrap();
        let expected = source.stamp().unwrap();
        let part = entry(folder.path(), &part_name("dest", "t1"));
        Self { folder, source, part, bytes, expected }
    }

    fn request(&self) -> CopyRequest<'_> {
        CopyRequest {
            source: &self.source,
            expected: self.expected,
            part: &self.part,
            resume_from: 0,
            resume_proof: None,
            sha256: true,
            may_share: true,
            sync_every: 4 << 20,
            sync: true,
        }
    }

    fn check(&self, copied: &CopiedPart) {
        assert!(fs::read(self.part.path()).unwrap() == self.bytes, "every byte is there");
        assert_eq!(copied.content.blake3, Blake3::from_bytes(*blake3::hash(&self.bytes).as_bytes()));
        assert_eq!(copied.content.sha256, Some(Sha256::from_bytes(sha2::Sha256::digest(&self.bytes).into())));
        assert_eq!(copied.stamp, stamp_path(self.part.path()).unwrap());
        assert!(copied.stamp.is_like(self.expected), "size and time are the source's");
    }

    /// Copies up to a place, and tells what was reported as synced last.
    fn stop_at(&self, at: u64) -> (u64, Option<Blake3>) {
        let mut control = Watch { stop_at: at, ..Watch::default() };
        let stopped = copy_to_part(self.request(), &mut control);
        assert!(matches!(stopped, Err(CopyError::Stopped)), "{stopped:?}");
        control.synced
    }
}

#[derive(Default)]
struct Watch {
    stop_at: u64,
    progress: Vec<u64>,
    checked: Vec<u64>,
    synced: (u64, Option<Blake3>),
}

impl CopyControl for Watch {
    fn progress(&mut self, bytes_done: u64) -> Flow {
        self.progress.push(bytes_done);
        if self.stop_at > 0 && bytes_done >= self.stop_at { Flow::Stop } else { Flow::Continue }
    }

    fn checked(&mut self, bytes: u64) -> Flow {
        self.checked.push(bytes);
        Flow::Continue
    }

    fn synced(&mut self, offset: u64, proof: Blake3) {
        self.synced = (offset, Some(proof));
    }
}

fn on(_: u64) -> Flow {
    Flow::Continue
}

#[test]
fn sizes_around_every_seam() {
    let mut buffers = Buffers::new();
    for size in [0, 1, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1, 21 * MIB + 3] {
        let place = Place::new(size);
        place.check(&copy_to_part_with(&mut buffers, place.request(), &mut on).unwrap());
    }
}

#[test]
fn a_part_becomes_the_file_unless_the_name_is_taken() {
    let place = Place::new(10);
    let dest = entry(place.folder.path(), "dest");
    let copied = copy_to_part(CopyRequest { sync: false, ..place.request() }, &mut on).unwrap();
    sync_part(&place.part).unwrap();
    fs::write(dest.path(), b"taken").unwrap();
    assert_eq!(finish_part(&place.part, &copied.identity, &dest).unwrap_err().class(), FailureClass::Exists);
    assert_eq!(fs::read(dest.path()).unwrap(), b"taken");
    fs::remove_file(dest.path()).unwrap();
    finish_part(&place.part, &copied.identity, &dest).unwrap();
    assert_eq!(fs::read(dest.path()).unwrap(), place.bytes);
    assert!(dest.stamp().unwrap().is_like(place.expected));
    place.part.discard().unwrap();
}

#[test]
fn a_name_of_255_bytes_is_copied() {
    let place = Place::new(10);
    let name = "é".repeat(127) + "x";
    let part = entry(place.folder.path(), &part_name(&name, "token"));
    let copied = copy_to_part(CopyRequest { part: &part, ..place.request() }, &mut on).unwrap();
    finish_part(&part, &copied.identity, &entry(place.folder.path(), &name)).unwrap();
    assert_eq!(fs::read(place.folder.path().join(&name)).unwrap(), place.bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn interrupted_and_gone_on_with_is_the_same(size in 4 * MIB + 1..24 * MIB, at in 1_u64..24 << 20) {
        let place = Place::new(size);
        let (resume_from, resume_proof) = place.stop_at(at.min((size as u64 - 1) >> 22 << 22));
        prop_assert!(resume_from > 0);
        prop_assert_eq!(fs::metadata(place.part.path()).unwrap().len(), size as u64, "its length says nothing");
        let mut control = Watch::default();
        let copied = copy_to_part(CopyRequest { resume_from, resume_proof, ..place.request() }, &mut control).unwrap();
        place.check(&copied);
        prop_assert!(control.progress.iter().all(|done| *done > resume_from), "the beginning was good");
        prop_assert!(control.checked.is_sorted());
        prop_assert_eq!(control.checked.last(), Some(&resume_from));
    }
}

#[test]
fn nothing_of_the_beginning_is_read_from_the_source_again() {
    let place = Place::new(12 * MIB);
    let (resume_from, resume_proof) = place.stop_at(8 << 20);
    assert_eq!(resume_from, 8 << 20);
    // Same size and time, other bytes: only a reader of the source's beginning could tell.
    let mut other = place.bytes.clone();
    other[..8 * MIB].fill(0);
    fs::write(place.source.path(), other).unwrap();
    fs::File::options()
        .write(true)
        .open(place.source.path())
        .unwrap()
        .set_modified(place.expected.modified.to_system_time())
        .unwrap();
    let expected = place.source.stamp().unwrap();
    let request = CopyRequest { expected, resume_from, resume_proof, ..place.request() };
    place.check(&copy_to_part(request, &mut on).unwrap());
}

#[test]
fn a_part_that_lost_its_beginning_is_begun_anew() {
    let damages: [fn(&Path); 4] = [
        |part| fs::remove_file(part).unwrap(),
        |part| fs::File::options().write(true).open(part).unwrap().set_len(3 << 20).unwrap(),
        |part| {
            let mut bytes = fs::read(part).unwrap();
            bytes[5 * MIB] ^= 1;
            fs::write(part, bytes).unwrap();
        },
        |part| {
            fs::remove_file(part).unwrap();
            fs::create_dir(part).unwrap();
            fs::remove_dir(part).unwrap();
        },
    ];
    for damage in damages {
        let place = Place::new(13 * MIB + 1);
        let (resume_from, resume_proof) = place.stop_at(8 << 20);
        damage(place.part.path());
        place.check(&copy_to_part(CopyRequest { resume_from, resume_proof, ..place.request() }, &mut on).unwrap());
    }
}

#[test]
fn without_a_proof_nothing_of_the_part_is_believed() {
    let place = Place::new(9 * MIB);
    let (resume_from, _) = place.stop_at(4 << 20);
    let mut bytes = fs::read(place.part.path()).unwrap();
    bytes[7] ^= 1;
    fs::write(place.part.path(), bytes).unwrap();
    place.check(&copy_to_part(CopyRequest { resume_from, ..place.request() }, &mut on).unwrap());
}

/// What is written would otherwise grow a file that lies elsewhere.
#[cfg(unix)]
#[test]
fn a_part_swapped_for_a_hard_link_grows_nothing() {
    let place = Place::new(13 * MIB);
    let victim = place.folder.path().join("victim");
    // When a copy is gone on with …
    let (resume_from, resume_proof) = place.stop_at(8 << 20);
    let begun = fs::read(place.part.path()).unwrap()[..8 * MIB].to_vec();
    fs::write(&victim, &begun).unwrap();
    fs::remove_file(place.part.path()).unwrap();
    fs::hard_link(&victim, place.part.path()).unwrap();
    place.check(&copy_to_part(CopyRequest { resume_from, resume_proof, ..place.request() }, &mut on).unwrap());
    assert!(fs::read(&victim).unwrap() == begun);
    // … in its middle …
    let other = place.folder.path().join("other");
    let mut link = |done: u64| {
        if done == 8 << 20 {
            fs::hard_link(place.part.path(), &other).unwrap();
        }
        Flow::Continue
    };
    let error = copy_to_part(place.request(), &mut link).unwrap_err();
    assert!(matches!(error, CopyError::Destination(_)), "{error}");
    fs::remove_file(&other).unwrap();
    // … and before it gets its name.
    let copied = copy_to_part(place.request(), &mut on).unwrap();
    fs::remove_file(place.part.path()).unwrap();
    fs::hard_link(&victim, place.part.path()).unwrap();
    let dest = entry(place.folder.path(), "dest");
    assert!(finish_part(&place.part, &copied.identity, &dest).is_err());
    assert!(!dest.path().exists());
}

/// Windows keeps writers off meanwhile.
#[cfg(unix)]
#[test]
fn a_source_that_changes_leaves_nothing() {
    for size in [1000, 20 * MIB] {
        let place = Place::new(size);
        let mut grow = |_: u64| {
            fs::File::options().write(true).open(place.source.path()).unwrap().set_len(size as u64 + 1).unwrap();
            Flow::Continue
        };
        assert!(matches!(copy_to_part(place.request(), &mut grow), Err(CopyError::SourceChanged)));
        assert!(!place.part.path().exists());
        assert!(matches!(copy_to_part(place.request(), &mut on), Err(CopyError::SourceChanged)), "before it begins");
    }
}

#[test]
fn whose_fault_it_is() {
    let place = Place::new(10);
    let gone = place.folder.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let nowhere = entry(&gone, ".dest.t1.part");
    fs::remove_dir(&gone).unwrap();
    let error = copy_to_part(CopyRequest { part: &nowhere, ..place.request() }, &mut on).unwrap_err();
    assert!(matches!(error, CopyError::Destination(error) if error.is_not_found()));
    fs::remove_file(place.source.path()).unwrap();
    let error = copy_to_part(place.request(), &mut on).unwrap_err();
    assert!(matches!(error, CopyError::Source(error) if error.is_not_found()));
}

#[cfg(target_os = "linux")]
#[test]
fn what_may_not_be_read_or_written_is_told_apart() {
    use std::os::unix::fs::PermissionsExt;
    crate::fs::ordinary_user::as_ordinary_user(|| {
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let place = Place::new(10);
        mode(place.source.path(), 0o000);
        let error = copy_to_part(place.request(), &mut on).unwrap_err();
        assert!(matches!(error, CopyError::Source(error) if error.class() == FailureClass::PermissionDenied));
        mode(place.source.path(), 0o600);
        mode(place.folder.path(), 0o500);
        let expected = place.source.stamp().unwrap();
        let error = copy_to_part(CopyRequest { expected, ..place.request() }, &mut on).unwrap_err();
        assert!(matches!(error, CopyError::Destination(error) if error.class() == FailureClass::PermissionDenied));
        mode(place.folder.path(), 0o700);
    });
}

#[test]
fn what_is_left_under_the_parts_name_is_replaced() {
    for size in [10, 2 * MIB] {
        let place = Place::new(size);
        fs::write(place.part.path(), b"left behind, and longer than ten bytes").unwrap();
        place.check(&copy_to_part(place.request(), &mut on).unwrap());
    }
}

#[cfg(unix)]
#[test]
fn a_part_that_is_a_link_leads_nowhere() {
    for resume_from in [0, 1 << 20] {
        let place = Place::new(3 * MIB);
        let victim = place.folder.path().join("victim");
        fs::write(&victim, vec![5; 4 * MIB]).unwrap();
        std::os::unix::fs::symlink(&victim, place.part.path()).unwrap();
        place.check(&copy_to_part(CopyRequest { resume_from, ..place.request() }, &mut on).unwrap());
        assert!(fs::read(&victim).unwrap() == vec![5; 4 * MIB]);
    }
}

/// A small file system in memory, if this user may mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then(|| Self(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        std::process::Command::new("umount").arg(self.0.path()).status().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stderr, reason = "a test that can't run says so")]
fn a_full_disk_is_known_before_anything_is_written() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: only root may mount the small disk that this needs");
        return;
    };
    let place = Place::new(9 * MIB);
    let part = entry(disk.0.path(), &part_name("dest", "t1"));
    let mut control = Watch::default();
    let error = copy_to_part(CopyRequest { part: &part, ..place.request() }, &mut control).unwrap_err();
    assert!(matches!(error, CopyError::Destination(error) if error.class() == FailureClass::DiskFull));
    assert_eq!(control.progress, [0]);
    assert!(!part.path().exists(), "it takes nobody's room");

    fs::write(disk.0.path().join("filler"), vec![0; 8 * MIB - 4096]).unwrap();
    let place = Place::new(MIB);
    let error = copy_to_part(CopyRequest { part: &part, ..place.request() }, &mut on).unwrap_err();
    assert!(matches!(error, CopyError::Destination(error) if error.class() == FailureClass::DiskFull));
    assert!(!part.path().exists());
}
