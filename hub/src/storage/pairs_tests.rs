//! The comparison against its rule, on small made-up indexes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared_protocol::{Blake3, RelPath};

use super::{Database, StorageError, index, invariants, pairs, roots};
use crate::domain::content_hash::ContentHash;
use crate::domain::diff::{Content, DiffStatus, compare};
use crate::domain::ids::RootRowId;
use crate::domain::root::{PerRoot, Root};
use crate::domain::ticks::Ticks;

struct Library {
    _folder: tempfile::TempDir,
    database: Database,
    roots: PerRoot<RootRowId>,
}

impl Library {
    fn new(case_sensitive: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let roots = PerRoot::from_fn(|root| {
            database
                .write_blocking(|tx| roots::activate(tx, root, "marker:x", "/x", case_sensitive).map(|row| row.id))
                .unwrap()
        });
        Self { _folder: folder, database, roots }
    }

    fn write(&self, work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<(), StorageError>) {
        self.database.write_blocking(work).unwrap();
    }

    fn put(&self, root: Root, path: &str, content: &Content) {
        self.write(|tx| {
            let path = RelPath::parse(path).unwrap();
            index::put_file(tx, *self.roots.get(root), &path, content.size_bytes, content.modified, content.hash)
        });
    }

    fn remove(&self, root: Root, path: &str) {
        self.write(|tx| index::remove_file(tx, *self.roots.get(root), &RelPath::parse(path).unwrap()));
    }

    /// A file has the same path on the other root now.
    fn rename(&self, root: Root, path: &str, content: &Content) {
        self.write(|tx| {
            let path = RelPath::parse(path).unwrap();
            let [from, to] = [root, root.other()].map(|root| (*self.roots.get(root), &path));
            let mut edits = index::Edits::new(tx);
            edits.rename(from, to, content.size_bytes, content.modified, None, content.hash)?;
            edits.finish()
        });
    }

    /// Says that a file was read and holds this.
    fn know(&self, root: Root, path: &str, hash: u8) {
        self.write(|tx| {
            let (row, path) = (*self.roots.get(root), RelPath::parse(path).unwrap());
            let Some(file) = index::file_at(tx, row, &path)? else { return Ok(()) };
            let blake3 = Blake3::from_bytes([hash; 32]);
            let content = ContentHash { size_bytes: file.size_bytes, blake3, sha256: None, groups: None };
            let mut edits = index::Edits::new(tx);
            edits.know(row, Some(file.id), &path, file.modified, None, &content)?;
            edits.finish()
        });
    }

    fn is_stale(&self) -> bool {
        self.database.read_blocking(pairs::is_stale).unwrap()
    }

    /// Path of the row, status, Local's path.
    fn pairs(&self) -> Vec<(String, DiffStatus, Option<String>)> {
        self.write(pairs::refresh);
        self.database
            .read_blocking(|c| {
                let mut statement = c.prepare(
                    "SELECT p.path, p.status, l.path FROM pairs p LEFT JOIN files l ON l.id = p.local_id ORDER BY 1",
                )?;
                let rows = statement
                    .query_map([], |row| Ok((row.get(0)?, DiffStatus::from_repr(row.get(1)?).unwrap(), row.get(2)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .unwrap()
    }

    fn pairs_anew(&self) -> Vec<(String, DiffStatus, Option<String>)> {
        self.write(|tx| pairs::mark_all_stale(tx));
        self.pairs()
    }
}

fn content(size_bytes: u64, seconds: i64, hash: Option<u8>) -> Content {
    Content { size_bytes, modified: Ticks(seconds * 10_000_000), hash: hash.map(|byte| Blake3::from_bytes([byte; 32])) }
}

#[test]
fn each_status_is_told() {
    let library = Library::new(true);
    library.put(Root::Local, "a", &content(1, 0, None));
    library.put(Root::Lake, "b", &content(1, 0, None));
    for (root, other) in [(Root::Local, 0), (Root::Lake, 100)] {
        library.put(root, "same", &content(5, 0, None));
        library.put(root, "unverified", &content(6, other, None));
        library.put(root, "different", &content(7, other, Some(u8::try_from(other).unwrap())));
        library.put(root, "equal", &content(8, other, Some(9)));
    }
    library.put(Root::Local, "here/m", &content(3, 0, Some(42)));
    library.put(Root::Lake, "there/m", &content(3, 7, Some(42)));
    let row = |path: &str, status, local: Option<&str>| (path.to_owned(), status, local.map(str::to_owned));
    let expected = [
        row("a", DiffStatus::LocalOnly, Some("a")),
        row("b", DiffStatus::LakeOnly, None),
        row("different", DiffStatus::Different, Some("different")),
        row("equal", DiffStatus::Same, Some("equal")),
        row("same", DiffStatus::Same, Some("same")),
        row("there/m", DiffStatus::Moved, Some("here/m")),
        row("unverified", DiffStatus::Unverified, Some("unverified")),
    ];
    assert_eq!(library.pairs(), expected);
    assert_eq!(library.pairs_anew(), expected);
}

/// A page that was read in the middle of a big first scan took the mark of everything away, and what
/// the scan wrote afterwards was never compared.
#[test]
fn a_comparison_in_the_middle_of_a_scan_misses_nothing_that_follows() {
    let library = Library::new(true);
    let mut changes = index::Changes::default();
    let file = |n: i64| {
        let name = format!("{n:05}");
        index::ListedFile { name, size_bytes: 1, modified: Ticks(n), placeholder: false, identity: None }
    };
    for folder in ["a", "b", "c"] {
        let listing = index::Listing {
            folder: folder.to_owned(),
            files: (0..4_000).map(file).collect(),
            skipped: Vec::new(),
            digest: Some([7; 32]),
            is_cut: false,
        };
        library.write(|tx| index::listing::apply(tx, library.roots.lake, &listing, &mut changes).map(drop));
        library.write(pairs::refresh);
    }
    assert_eq!(library.pairs().len(), 12_000);
}

#[test]
fn a_move_falls_apart_with_either_side() {
    let library = Library::new(true);
    library.put(Root::Local, "here/m", &content(3, 0, Some(42)));
    library.put(Root::Lake, "there/m", &content(3, 7, Some(42)));
    assert_eq!(library.pairs().len(), 1);
    library.remove(Root::Lake, "there/m");
    assert_eq!(library.pairs(), [("here/m".to_owned(), DiffStatus::LocalOnly, Some("here/m".to_owned()))]);
    library.put(Root::Lake, "elsewhere", &content(3, 7, Some(42)));
    assert_eq!(library.pairs(), [("elsewhere".to_owned(), DiffStatus::Moved, Some("here/m".to_owned()))]);
    library.put(Root::Local, "here/m", &content(4, 0, None));
    assert_eq!(library.pairs().len(), 2);
}

#[test]
fn names_that_differ_in_case_are_a_conflict_on_one_side() {
    for case_sensitive in [true, false] {
        let library = Library::new(case_sensitive);
        library.put(Root::Local, "Loras/a", &content(1, 0, None));
        library.put(Root::Local, "loras/A", &content(1, 0, None));
        library.put(Root::Lake, "loras/a", &content(1, 0, None));
        let pairs = library.pairs();
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        assert!(pairs.iter().all(|(_, status, _)| *status == DiffStatus::Conflict));
        library.remove(Root::Local, "Loras/a");
        assert!(library.pairs().iter().all(|(_, status, _)| *status != DiffStatus::Conflict));
    }
}

#[test]
fn a_row_that_is_compared_already_follows_every_change() {
    let library = Library::new(true);
    for root in [Root::Local, Root::Lake] {
        library.put(root, "vae/a", &content(5, 0, None));
        library.put(root, "vae/b", &content(5, 0, None));
    }
    assert!(library.pairs().iter().all(|(_, status, _)| *status == DiffStatus::Same));
    for root in [Root::Local, Root::Lake] {
        library.put(root, "vae/a", &content(7, 0, None));
    }
    library.put(Root::Local, "vae/B", &content(5, 0, None));
    let statuses: Vec<_> = library.pairs().into_iter().map(|(_, status, _)| status).collect();
    assert_eq!(statuses, [DiffStatus::Conflict, DiffStatus::Same], "a second name, and a pair that grew");
    let size: i64 = library
        .database
        .read_blocking(|c| Ok(c.query_row("SELECT size_bytes FROM pairs WHERE path = 'vae/a'", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(size, 7);
}

#[test]
fn a_hash_marks_a_row_only_where_it_says_something_else() {
    let library = Library::new(true);
    for (root, other) in [(Root::Local, 0), (Root::Lake, 100)] {
        library.put(root, "same", &content(5, 0, None));
        library.put(root, "equal", &content(5, other, None));
        library.put(root, "refuted", &content(5, 0, None));
    }
    library.put(Root::Local, "here/m", &content(3, 0, None));
    library.put(Root::Lake, "there/m", &content(3, 7, Some(42)));
    library.pairs();
    for (path, known) in [("same", 1), ("equal", 1), ("refuted", 2)] {
        library.know(Root::Local, path, 1);
        assert!(!library.is_stale(), "{path}: one side says nothing");
        library.know(Root::Lake, path, known);
        assert_eq!(library.is_stale(), path != "same", "{path}");
        library.pairs();
    }
    library.know(Root::Local, "here/m", 42);
    assert!(library.is_stale(), "a file that stands alone may have moved");
    let statuses = library.pairs().into_iter().map(|(path, status, _)| (path, status)).collect::<Vec<_>>();
    let expected = [
        ("equal", DiffStatus::Same),
        ("refuted", DiffStatus::Different),
        ("same", DiffStatus::Same),
        ("there/m", DiffStatus::Moved),
    ];
    assert_eq!(statuses, expected.map(|(path, status)| (path.to_owned(), status)));
    library.know(Root::Lake, "there/m", 43);
    assert_eq!(library.pairs().len(), 5, "a move falls apart with another content");
}

#[test]
fn case_decides_only_where_both_sides_keep_it() {
    let count = |case_sensitive| {
        let library = Library::new(case_sensitive);
        library.put(Root::Local, "A", &content(1, 0, None));
        library.put(Root::Lake, "a", &content(1, 0, None));
        library.pairs().len()
    };
    assert_eq!(count(true), 2);
    assert_eq!(count(false), 1);
}

#[derive(Debug, Clone)]
enum Change {
    Put(Root, u8, Content),
    Know(Root, u8, u8),
    Remove(Root, u8),
    Rename(Root, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let root = prop_oneof![Just(Root::Local), Just(Root::Lake)];
    let content = (1_u64..3, 0_i64..2, proptest::option::of(0_u8..3))
        .prop_map(|(size, time, hash)| content(hash.map_or(size, u64::from) + 1, time * 60, hash));
    prop_oneof![
        3 => (root.clone(), 0_u8..5, content).prop_map(|(root, path, content)| Change::Put(root, path, content)),
        2 => (root.clone(), 0_u8..5, 0_u8..3).prop_map(|(root, path, hash)| Change::Know(root, path, hash)),
        1 => (root.clone(), 0_u8..5).prop_map(|(root, path)| Change::Remove(root, path)),
        2 => (root, 0_u8..5).prop_map(|(root, path)| Change::Rename(root, path)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn changes_one_by_one_end_where_a_fresh_comparison_ends(changes in proptest::collection::vec(change(), 1..30)) {
        let library = Library::new(true);
        let mut model: BTreeMap<(Root, u8), Content> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put(root, path, content) => {
                    library.put(root, &format!("f{path}"), &content);
                    model.insert((root, path), content);
                }
                Change::Know(root, path, hash) => {
                    library.know(root, &format!("f{path}"), hash);
                    if let Some(known) = model.get_mut(&(root, path)) {
                        known.hash = Some(Blake3::from_bytes([hash; 32]));
                    }
                }
                Change::Remove(root, path) => {
                    library.remove(root, &format!("f{path}"));
                    model.remove(&(root, path));
                }
                Change::Rename(root, path) => {
                    if let Some(content) = model.remove(&(root, path)) {
                        library.rename(root, &format!("f{path}"), &content);
                        model.insert((root.other(), path), content);
                    }
                }
            }
            library.pairs();
        }
        let count = |pairs: &[(String, DiffStatus, Option<String>)]| {
            DiffStatus::ALL.map(|status| pairs.iter().filter(|p| p.1 == status).count())
        };
        let step_by_step = library.pairs();
        prop_assert_eq!(count(&step_by_step), count(&library.pairs_anew()));
        for path in 0..5 {
            let (local, lake) = (model.get(&(Root::Local, path)), model.get(&(Root::Lake, path)));
            if let (Some(local), Some(lake)) = (local, lake) {
                let row = step_by_step.iter().find(|p| p.0 == format!("f{path}"));
                prop_assert_eq!(row.map(|p| p.1), Some(compare(local, lake)));
            }
        }
    }
}

#[test]
fn a_row_that_is_not_true_is_found_at_the_end_of_a_test() {
    let library = Library::new(true);
    library.put(Root::Local, "loras/x", &Content { size_bytes: 1, modified: Ticks(1), hash: None });
    library.write(pairs::refresh);
    assert!(invariants::differing_pairs(&library.database).unwrap().is_empty());
    library.write(|tx| Ok(tx.execute("UPDATE pairs SET size_bytes = 2", []).map(drop)?));
    assert_eq!(invariants::differing_pairs(&library.database).unwrap().len(), 2, "as it is, and as it should be");
}
