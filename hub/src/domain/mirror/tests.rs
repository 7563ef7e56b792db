//! Plans carried out on model file systems.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared_protocol::{Blake3, RelPath};

use super::moves::{IsDelete, order, pair};
use super::*;

/// Path → content and time. Contents are equal if their numbers are.
type Tree = BTreeMap<String, (u8, i64)>;

/// Names in few folders, so that much of them meets; some that are a folder on one side only.
const NAMES: [&str; 9] = ["a", "b", "c", "d", "x/a", "x/b", "x/y/a", "y", "y/a"];

fn tree() -> impl Strategy<Value = Tree> {
    proptest::collection::btree_map(proptest::sample::select(&NAMES), (0_u8..5, 0_i64..3), 0..7).prop_map(|files| {
        let mut tree = Tree::new();
        for (path, (content, time)) in files {
            // A file has no files below it.
            let clashes =
                |other: &String| other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"));
            if !tree.keys().any(clashes) {
                tree.insert(path.to_owned(), (content, time * 36_000_000_000));
            }
        }
        tree
    })
}

/// Every second content is hashed; a content's size is its number divided by two, so that different
/// contents may be of equal size.
fn file(id: i64, path: &str, (content, time): (u8, i64), hashed: bool) -> PlanFile {
    PlanFile {
        id: FileId(id),
        path: RelPath::parse(path).unwrap(),
        content: Content {
            size_bytes: u64::from(content / 2) + 1,
            modified: Ticks(time),
            hash: hashed.then(|| Blake3::from_bytes([content; 32])),
        },
        placeholder: false,
        damaged: false,
        rotted: false,
    }
}

fn files(tree: &Tree, first_id: i64, hashed: bool) -> BTreeMap<String, PlanFile> {
    let numbered = tree.iter().zip(first_id..);
    numbered.map(|((path, what), id)| (path.clone(), file(id, path, *what, hashed))).collect()
}

/// The offers and wants of one content.
type Group = (Vec<(i64, IsDelete)>, Vec<i64>);

/// The whole plan, built as the service builds it.
fn plan(source: &Tree, dest: &Tree, rules: Rules, hashed: bool) -> Vec<PlanRow> {
    let (source, dest) = (files(source, 1, hashed), files(dest, 1_000, hashed));
    let keys: BTreeSet<&String> = source.keys().chain(dest.keys()).collect();
    let mut rows: BTreeMap<i64, PlanRow> = BTreeMap::new();
    for key in keys {
        let (s, d) = (source.get(key), dest.get(key));
        let mut verdict = judge_sides(s, d, rules);
        let is_below = |other: &String, folder: &str| other.starts_with(&format!("{folder}/"));
        let blocked = dest.keys().any(|other| is_below(other, key) || is_below(key, other));
        if verdict == PairVerdict::Do(PlanAction::Copy) && blocked {
            verdict = PairVerdict::Leave(Why::InTheWay);
        }
        rows.extend(PlanRow::of(s, d, verdict).map(|row| (i64::try_from(rows.len()).unwrap(), row)));
    }
    let hash = |files: &BTreeMap<String, PlanFile>, id: Option<FileId>| {
        files.values().find(|file| Some(file.id) == id).and_then(|file| file.content.hash)
    };
    let mut groups: BTreeMap<Blake3, Group> = BTreeMap::new();
    for (n, row) in rows.iter().filter(|_| rules.deletes) {
        if let Some(hash) = hash(&dest, row.gone) {
            groups.entry(hash).or_default().0.push((*n, IsDelete(row.action == PlanAction::Delete)));
        }
        if let Some(hash) = hash(&source, row.source).filter(|_| row.phase == COPY_PHASE) {
            groups.entry(hash).or_default().1.push(*n);
        }
    }
    let mut edges = Vec::new();
    for (offers, wants) in groups.into_values() {
        pair(offers, &wants, &mut edges);
    }
    for (edge, phase) in order(edges) {
        let offer = rows.remove(&edge.offer).unwrap();
        let want = rows.remove(&edge.want).unwrap();
        rows.insert(edge.want, want.moved_from(&offer, phase));
        rows.extend(offer.vacated().map(|row| (edge.offer, row)));
    }
    let mut rows: Vec<PlanRow> = rows.into_values().filter(|row| row.action.is_done()).collect();
    rows.sort_by_key(|row| row.phase);
    rows
}

/// One step that was done, to be taken back.
enum Done {
    Made(String),
    Renamed(String, String),
    Trashed(String, (u8, i64)),
}

/// Carries a plan out. Every step that finds a taken name or a file other than expected panics.
fn carry_out(rows: &[PlanRow], source: &Tree, dest: &mut Tree) -> Vec<Done> {
    let mut done = Vec::new();
    for row in rows {
        let path = row.path.as_str().to_owned();
        let to = row.to_path.as_ref().map_or(path.clone(), |to| to.as_str().to_owned());
        if row.action == PlanAction::Delete {
            done.push(Done::Trashed(path.clone(), dest.remove(&path).unwrap()));
            continue;
        }
        let content = if row.action == PlanAction::Move { dest.remove(&path).unwrap() } else { source[&path] };
        if let Some(there) = row.there
            && let Some(old) = dest.remove(&to)
        {
            assert_eq!((there.size_bytes, there.modified.0), (u64::from(old.0 / 2) + 1, old.1), "as expected: {row:?}");
            done.push(Done::Trashed(to.clone(), old));
        }
        let clashes = |other: &String| other.starts_with(&format!("{to}/")) || to.starts_with(&format!("{other}/"));
        assert!(!dest.keys().any(clashes), "in the way: {row:?}");
        assert!(dest.insert(to.clone(), content).is_none(), "taken: {row:?}");
        done.push(if row.action == PlanAction::Move { Done::Renamed(path, to) } else { Done::Made(to) });
    }
    done
}

fn take_back(done: Vec<Done>, dest: &mut Tree) {
    for step in done.into_iter().rev() {
        match step {
            Done::Made(path) => drop(dest.remove(&path).unwrap()),
            Done::Renamed(from, to) => {
                let content = dest.remove(&to).unwrap();
                assert!(dest.insert(from, content).is_none());
            }
            Done::Trashed(path, content) => assert!(dest.insert(path, content).is_none()),
        }
    }
}

fn contents(tree: &Tree) -> BTreeMap<&String, u8> {
    tree.iter().map(|(path, (content, _))| (path, *content)).collect()
}

const ALL: Rules = Rules { compare: Compare::Hash, deletes: true, overwrites: true, damaged: false };

proptest! {
    #[test]
    fn plans_lead_to_the_mirrored_tree_and_back(source in tree(), old in tree()) {
        let mut dest = old.clone();
        let rows = plan(&source, &dest, ALL, true);
        let done = carry_out(&rows, &source, &mut dest);
        // A folder that stood in the way of a file is gone now, so a second plan does the rest.
        carry_out(&plan(&source, &dest, ALL, true), &source, &mut dest);
        prop_assert_eq!(contents(&dest), contents(&source));
        prop_assert!(plan(&source, &dest, ALL, true).is_empty(), "nothing is left to do");

        let mut back = old.clone();
        let again = carry_out(&rows, &source, &mut back);
        take_back(again, &mut back);
        prop_assert_eq!(&back, &old);
        prop_assert_eq!(done.len() >= rows.len(), true);
    }

    #[test]
    fn nothing_goes_where_nothing_may_go(source in tree(), old in tree()) {
        let mut dest = old.clone();
        let rules = Rules { deletes: false, overwrites: false, ..ALL };
        carry_out(&plan(&source, &dest, rules, true), &source, &mut dest);
        for (path, what) in &old {
            prop_assert_eq!(dest.get(path), Some(what), "{} is as it was", path);
        }
        let blocked = |path: &String| old.keys().any(|other| {
            other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"))
        });
        for path in source.keys().filter(|path| !blocked(path)) {
            prop_assert!(dest.contains_key(path), "{} was copied", path);
        }
    }

    #[test]
    fn without_hashes_nothing_of_equal_size_is_called_different(source in tree(), old in tree()) {
        for row in plan(&source, &old, ALL, false) {
            prop_assert_ne!(row.action, PlanAction::Move);
            if row.action == PlanAction::Overwrite {
                prop_assert_ne!(row.stamp.size_bytes, row.there.unwrap().size_bytes);
            }
        }
    }

    #[test]
    fn by_size_and_time_all_but_a_clock_change_is_settled(source in tree(), old in tree()) {
        let rules = Rules { compare: Compare::SizeMtime, ..ALL };
        let mut dest = old;
        carry_out(&plan(&source, &dest, rules, false), &source, &mut dest);
        carry_out(&plan(&source, &dest, rules, false), &source, &mut dest);
        prop_assert_eq!(dest.keys().collect::<Vec<_>>(), source.keys().collect::<Vec<_>>());
        for (path, (content, time)) in &source {
            let (other, at) = dest[path];
            prop_assert_eq!(other / 2, content / 2, "equal in size");
            prop_assert!(at == *time || at.abs_diff(*time) == 36_000_000_000, "{} {} {}", path, at, time);
        }
    }
}

fn moves(rows: &[PlanRow]) -> Vec<(&str, &str, u32, bool)> {
    let moves = rows.iter().filter(|row| row.action == PlanAction::Move);
    moves
        .map(|row| (row.path.as_str(), row.to_path.as_ref().unwrap().as_str(), row.phase, row.there.is_some()))
        .collect()
}

fn of(files: &[(&str, u8)]) -> Tree {
    files.iter().map(|(path, content)| ((*path).to_owned(), (*content, 0))).collect()
}

#[test]
fn a_line_of_renames_begins_at_its_free_end() {
    let source = of(&[("b", 1), ("c", 2), ("d", 3)]);
    let dest = of(&[("a", 1), ("b", 2), ("c", 3)]);
    let rows = plan(&source, &dest, ALL, true);
    assert_eq!(moves(&rows), [("c", "d", 1, false), ("b", "c", 2, false), ("a", "b", 3, false)]);
    assert_eq!(rows.len(), 3, "nothing is copied or deleted: {rows:?}");
}

#[test]
fn a_circle_of_renames_is_cut_open_by_one_copy() {
    let source = of(&[("a", 3), ("b", 1), ("c", 2)]);
    let dest = of(&[("a", 1), ("b", 2), ("c", 3)]);
    let rows = plan(&source, &dest, ALL, true);
    assert_eq!(moves(&rows).len(), 2, "{rows:?}");
    let copied: Vec<_> = rows.iter().filter(|row| row.action == PlanAction::Overwrite).collect();
    assert_eq!(copied.len(), 1, "{rows:?}");
    assert_eq!(moves(&rows).iter().filter(|(.., makes_way)| *makes_way).count(), 1, "{rows:?}");
}

#[test]
fn one_content_is_not_given_twice() {
    let source = of(&[("a", 7), ("b", 7), ("c", 7)]);
    let dest = of(&[("d", 7), ("x/a", 7)]);
    let rows = plan(&source, &dest, ALL, true);
    assert_eq!((moves(&rows).len(), rows.len()), (2, 3), "{rows:?}");
}

#[test]
fn codes_and_names_lead_back() {
    for action in PlanAction::ALL {
        assert_eq!(PlanAction::from_repr(action.code()), Some(action));
    }
    for why in Why::ALL.iter().copied() {
        assert_eq!(Why::from_repr(why.code()), Some(why));
        assert!(!why.action().is_done());
    }
    for way in [Compare::SizeMtime, Compare::Hash] {
        assert_eq!(way.as_str().parse(), Ok(way));
    }
}

#[test]
fn a_damaged_file_replaces_another_one_only_if_that_was_said() {
    let (whole, mut broken) = (file(1, "x", (1, 10), false), file(2, "x", (2, 90), false));
    broken.content.size_bytes += 7;
    broken.damaged = true;
    let size = Rules { compare: Compare::SizeMtime, ..ALL };
    assert_eq!(judge_sides(Some(&broken), Some(&whole), size), PairVerdict::Leave(Why::Damaged));
    assert_eq!(
        judge_sides(Some(&broken), Some(&whole), Rules { damaged: true, ..size }),
        PairVerdict::Do(PlanAction::Overwrite)
    );
    assert_eq!(judge_sides(Some(&broken), None, size), PairVerdict::Do(PlanAction::Copy), "there is nothing to lose");
    let none = Rules { overwrites: false, ..size };
    assert_eq!(judge_sides(Some(&broken), Some(&whole), none), PairVerdict::Leave(Why::Differs));
    let rotted = PlanFile { rotted: true, damaged: false, ..broken };
    assert_eq!(judge_sides(Some(&rotted), Some(&whole), size), PairVerdict::Leave(Why::Rotted));
    assert_eq!(judge_sides(Some(&rotted), None, size), PairVerdict::Leave(Why::Rotted), "no copy is made of it");
    assert_eq!(judge_sides(Some(&rotted), Some(&whole), none), PairVerdict::Leave(Why::Differs));
}
