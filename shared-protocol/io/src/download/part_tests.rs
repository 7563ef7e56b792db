//! The half-done file is believed only as far as it can be verified.

use std::fs;

use super::*;

const SIZE: u64 = 3 * GROUP_BYTES + 17;

fn content() -> Vec<u8> {
    (0..SIZE).map(|i| u8::try_from((i * 7 + i / 1_009) % 251).unwrap()).collect()
}

fn digest(bytes: &[u8]) -> Blake3 {
    Blake3::from_bytes(*blake3::hash(bytes).as_bytes())
}

fn list(bytes: &[u8]) -> GroupList {
    let group = usize::try_from(GROUP_BYTES).unwrap();
    let values = bytes.chunks(group).zip((0..).step_by(group)).map(|(block, at)| group_value(at, block)).collect();
    GroupList::new(SIZE, values).unwrap()
}

struct Place {
    _folder: tempfile::TempDir,
    models: ConfinedFolder,
    dest: RelPath,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let models = ConfinedFolder::open(folder.path()).unwrap();
    Place { _folder: folder, models, dest: RelPath::parse("loras/x.safetensors").unwrap() }
}

impl Place {
    fn open(&self) -> PartFile {
        PartFile::open(&self.models, &self.dest, digest(&content()), SIZE).unwrap().unwrap()
    }
}

fn recorded(verified: GroupSet, partial: Vec<KeptBytes>) -> Recorded {
    Recorded { verified, partial, sources: Vec::new() }
}

fn half_done(place: &Place, is_open: bool) {
    let (part, bytes) = (place.open(), content());
    part.stretch().unwrap();
    let mut held = GroupSet::none_of(4);
    for (group, block) in (0..2).zip(bytes.chunks(1 << 20)) {
        part.write(group * GROUP_BYTES, block).unwrap();
        held.insert(group);
    }
    part.record(recorded(held, vec![KeptBytes::counted(2, 9)]), is_open).unwrap();
}

#[test]
fn after_a_clean_end_what_was_verified_is_there() {
    let place = place();
    half_done(&place, false);
    let resumed = place.open().resume(&list(&content()), &|| false).unwrap();
    assert_eq!(resumed.held.n_held(), 2);
    assert_eq!(resumed.partial, [KeptBytes::counted(2, 9)]);
}

#[test]
fn what_came_without_a_list_is_verified_when_there_is_one() {
    let place = place();
    let (part, bytes) = (place.open(), content());
    part.write(0, bytes.get(..2 * (1 << 20) + 9).unwrap()).unwrap();
    part.write(5, b"rot").unwrap();
    part.record_stream(2 * GROUP_BYTES + 9, Vec::new()).unwrap();
    drop(part);
    let part = place.open();
    assert_eq!(part.kept_stream(), 2 * GROUP_BYTES + 9);
    let resumed = part.resume(&list(&bytes), &|| false).unwrap();
    assert!(!resumed.held.has(0) && resumed.held.has(1));
    assert_eq!(resumed.partial, [KeptBytes::counted(2, 9)]);
}

#[test]
fn what_can_not_be_there_is_not_believed() {
    let place = place();
    let part = place.open();
    let wrong =
        [(0, 0), (1, GROUP_BYTES), (3, 17), (4, 1), (2, 9)].map(|(group, bytes)| KeptBytes::counted(group, bytes));
    part.record(recorded(GroupSet::none_of(4), wrong.to_vec()), true).unwrap();
    assert_eq!(part.resume(&list(&content()), &|| false).unwrap().partial, [], "the file is too short");
    part.stretch().unwrap();
    let partial = part.resume(&list(&content()), &|| false).unwrap().partial;
    assert_eq!(partial, [KeptBytes::counted(2, 9)]);
}

#[test]
fn after_an_unclean_end_every_group_is_verified_again() {
    let place = place();
    half_done(&place, true);
    let part = place.open();
    part.write(GROUP_BYTES + 5, b"never synced").unwrap();
    let held = part.resume(&list(&content()), &|| false).unwrap().held;
    assert!(held.has(0) && !held.has(1));
}

#[test]
fn a_journal_of_another_content_or_none_at_all_proves_nothing() {
    let place = place();
    half_done(&place, false);
    let other = PartFile::open(&place.models, &place.dest, digest(b"other"), SIZE).unwrap().unwrap();
    assert_eq!(other.resume(&list(&content()), &|| false).unwrap().held.n_held(), 0);
    drop(other);
    let part = place.open();
    fs::write(&part.journal, "{\"version\":1").unwrap();
    assert_eq!(part.resume(&list(&content()), &|| false).unwrap().held.n_held(), 0);
}

#[test]
fn the_list_is_kept_and_a_wrong_one_is_none() {
    let place = place();
    let (part, list) = (place.open(), list(&content()));
    assert_eq!(part.stored_groups(), None);
    part.store_groups(&list).unwrap();
    assert_eq!(part.stored_groups(), Some(list.clone()));
    let mut bytes = list.to_bytes();
    bytes.reverse();
    fs::write(&part.groups, bytes).unwrap();
    assert_eq!(part.stored_groups(), None);
}

#[test]
fn nothing_that_has_the_name_is_replaced() {
    let place = place();
    let part = place.open();
    fs::write(part.dest(), "someone's").unwrap();
    assert!(matches!(part.finish(), Err(PlaceError::Occupied(_))));
    assert_eq!(fs::read(part.dest()).unwrap(), b"someone's");
    fs::remove_file(part.dest()).unwrap();
    part.finish().unwrap();
    let folder = part.dest().parent().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "only the file is left");
}

#[test]
fn two_never_work_on_the_same_file() {
    let place = place();
    let first = place.open();
    let again = || PartFile::open(&place.models, &place.dest, digest(&content()), SIZE).unwrap();
    assert!(again().is_none());
    drop(first);
    assert!(again().is_some());
}

#[test]
fn a_journal_that_is_written_late_brings_nothing_back() {
    for is_finished in [true, false] {
        let place = place();
        let part = place.open();
        let held = GroupSet::none_of(4);
        part.record(recorded(held.clone(), Vec::new()), true).unwrap();
        if is_finished {
            part.finish().unwrap();
        } else {
            part.discard().unwrap();
        }
        part.record(recorded(held.clone(), Vec::new()), true).unwrap();
        let folder = part.dest().parent().unwrap();
        let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, if is_finished { vec!["x.safetensors"] } else { vec![] });
    }
}

/// A content of one group.
fn small(place: &Place) -> PartFile {
    PartFile::open(&place.models, &place.dest, digest(b"small"), 5).unwrap().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_small_file_has_no_name_before_its_final_one() {
    let place = place();
    let part = small(&place);
    part.empty().unwrap();
    part.write(0, b"small").unwrap();
    let folder = part.dest().parent().unwrap();
    if fs::read_dir(folder).unwrap().count() > 0 {
        // This disk has no files without a name: it is written as any other.
        return part.discard().unwrap();
    }
    fs::write(part.dest(), "someone's").unwrap();
    assert!(matches!(part.finish(), Err(PlaceError::Occupied(_))));
    fs::remove_file(part.dest()).unwrap();
    part.finish().unwrap();
    assert_eq!(fs::read(part.dest()).unwrap(), b"small");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    fs::remove_file(part.dest()).unwrap();
    small(&place).discard().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn one_whose_name_is_gone_begins_anew_with_nothing() {
    let place = place();
    half_done(&place, true);
    let part = place.open();
    assert!(!part.is_gone());
    fs::remove_file(&part.path).unwrap();
    assert!(part.is_gone());
    part.begin_anew().unwrap();
    assert!(!part.is_gone() && part.journal.exists());
    assert_eq!(part.resume(&list(&content()), &|| false).unwrap().n_bytes(SIZE), 0);
}
