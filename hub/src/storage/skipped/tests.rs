//! Unknown places against the plain rule, and what plans make of them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rusqlite::{Connection, Transaction};
use shared_protocol::{Blake3, RelPath};

use super::*;
use crate::domain::diff::DiffStatus;
use crate::domain::mirror::{Compare, PlanAction, Rules};
use crate::domain::root::{PerRoot, Root};
use crate::domain::ticks::Ticks;
use crate::storage::plans::{self, NewPlan};
use crate::storage::{Database, index, pairs, roots};

struct Library {
    _folder: tempfile::TempDir,
    database: Database,
    roots: PerRoot<RootRowId>,
}

impl Library {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let roots = PerRoot::from_fn(|root| {
            database.write_blocking(|tx| roots::activate(tx, root, "marker:x", "/x", true).map(|row| row.id)).unwrap()
        });
        Self { _folder: folder, database, roots }
    }

    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, StorageError>) -> T {
        self.database.write_blocking(work).unwrap()
    }

    fn put(&self, root: Root, path: &str, content: u8) {
        let path = RelPath::parse(path).unwrap();
        let hash = Blake3::from_bytes([content; 32]);
        let row = *self.roots.get(root);
        self.write(|tx| index::put_file(tx, row, &path, u64::from(content) + 1, Ticks(0), Some(hash)));
    }

    /// These folders of a root were not seen.
    fn unsee(&self, root: Root, places: &[&str]) {
        let unseen: Vec<UnseenFolder> = places
            .iter()
            .map(|path| UnseenFolder {
                path: (*path).to_owned(),
                reason: SkipReason::Unlisted,
                detail: None,
                mount: None,
            })
            .collect();
        let row = *self.roots.get(root);
        self.write(|tx| {
            write_unseen(tx, row, &unseen, true)?;
            reconcile(tx, row)?;
            pairs::refresh(tx)
        });
    }

    /// Path and status of each row.
    fn pairs(&self) -> Vec<(String, DiffStatus)> {
        self.write(pairs::refresh);
        self.database
            .read_blocking(|c| {
                let mut statement = c.prepare("SELECT path, status FROM pairs ORDER BY 1")?;
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, DiffStatus::from_repr(row.get(1)?).unwrap()));
                Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
            })
            .unwrap()
    }
}

fn is_at_or_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn statuses(library: &Library) -> Vec<DiffStatus> {
    library.pairs().into_iter().map(|(_, status)| status).collect()
}

#[test]
fn what_lies_below_an_unknown_place_of_either_side_is_unknown_until_it_is_seen() {
    use DiffStatus::{LakeOnly, Same, Unknown};
    for side in Root::ALL {
        let library = Library::new();
        library.put(Root::Lake, "checkpoints/a", 1);
        library.put(Root::Lake, "checkpoints.x/a", 1);
        library.put(Root::Lake, "Loras/b", 2);
        library.put(Root::Local, "vae/c", 3);
        library.put(Root::Lake, "vae/c", 3);
        assert_eq!(statuses(&library), [LakeOnly, LakeOnly, LakeOnly, Same]);
        library.unsee(side, &["checkpoints", "loras/b", "vae"]);
        assert_eq!(statuses(&library), [Unknown, LakeOnly, Unknown, Unknown], "{side}");
        library.unsee(side, &["vae/other"]);
        assert_eq!(statuses(&library), [LakeOnly, LakeOnly, LakeOnly, Same], "{side}");
    }
}

#[test]
fn a_hash_does_not_write_over_what_is_unknown() {
    let library = Library::new();
    for root in Root::ALL {
        library.put(root, "vae/c", 3);
    }
    library.unsee(Root::Local, &["vae"]);
    library.write(|tx| crate::storage::stale::StaleMarker::new(tx)?.mark_unless_right("vae/c"));
    assert!(!library.database.read_blocking(pairs::is_stale).unwrap(), "it is right as it is");
    library.put(Root::Lake, "vae/c", 9);
    assert_eq!(statuses(&library), [DiffStatus::Unknown]);
}

#[test]
fn two_names_that_are_shown_alike_are_two_entries_at_every_scan() {
    let library = Library::new();
    let row = library.roots.local;
    let skip = Skip { name: "bad\u{fffd}".to_owned(), also: Vec::new(), reason: SkipReason::NotUnicode, detail: None };
    for _ in 0..3 {
        let n = library.write(|tx| {
            write_listing(tx, row, (FolderId(1), ""), &[skip.clone(), skip.clone()])?;
            count(tx, row)
        });
        assert_eq!(n, 2);
    }
    let written = library.write(|tx| write_listing(tx, row, (FolderId(1), ""), &[skip]));
    assert_eq!((written.added, written.gone.len()), (false, 1));
}

#[test]
fn a_place_is_taken_as_it_is_only_where_that_is_offered() {
    let library = Library::new();
    let row = library.roots.lake;
    let disk = |path: &str| UnseenFolder {
        path: path.to_owned(),
        reason: SkipReason::DiskMissing,
        detail: None,
        mount: Some(String::new()),
    };
    let unlisted = UnseenFolder { reason: SkipReason::Unlisted, mount: None, ..disk("closed") };
    library.write(|tx| {
        for path in ["a/x", "a/b/y", "closed/z"] {
            index::put_file(tx, row, &RelPath::parse(path).unwrap(), 1, Ticks(0), None)?;
        }
        tx.execute("UPDATE folders SET mount = 'fsid:1'", [])?;
        write_unseen(tx, row, &[disk("a"), disk("a/b"), unlisted], true)
    });
    let accept = |path: &str| library.write(|tx| accept(tx, row, path));
    assert_eq!(accept("nowhere"), Accepted::NotThere);
    assert_eq!(accept("closed"), Accepted::NotOffered(SkipReason::Unlisted));
    assert_eq!(accept("a"), Accepted::Yes);
    let known = library.database.read_blocking(|c| index::known_folders(c, row)).unwrap();
    let mount = |path: &str| known.get(path).unwrap().mount.clone().unwrap();
    assert_eq!([mount("a"), mount("a/b"), mount("closed")], ["", "", "fsid:1"]);
}

/// Paths in few folders, so that much of them meets.
fn paths() -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set("[ab](/[ab]){0,2}", 0..6)
}

fn below(connection: &Connection, root: RootRowId, key: &str) -> bool {
    let sql = format!("SELECT {}", is_below("?1", "?2"));
    connection.query_row(&sql, (root.0, key), |row| row.get(0)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_key_is_covered_by_the_plain_rule(
        first in paths(),
        second in paths(),
        keys in proptest::collection::vec("[ab.0](/[ab]){0,3}", 1..12),
    ) {
        let library = Library::new();
        // Places that come and go leave the same as those that are there from the beginning.
        for places in [first, second] {
            let places: Vec<&str> = places.iter().map(String::as_str).collect();
            library.unsee(Root::Local, &places);
            for key in &keys {
                let expected = places.iter().any(|place| is_at_or_below(key, place));
                let (sql, found) = library.database.read_blocking(|c| {
                    let row = library.roots.local;
                    Ok((below(c, row, key), cover(c, row, key)?))
                }).unwrap();
                prop_assert_eq!(sql, expected, "{} in {:?}", key, places);
                prop_assert_eq!(found.is_some(), expected);
                prop_assert!(found.is_none_or(|cover| is_at_or_below(key, &cover.path)));
            }
        }
    }

    /// Whatever lies on both sides, in both directions and by both comparisons.
    #[test]
    fn no_plan_touches_what_lies_at_or_below_an_unknown_place(
        local in proptest::collection::btree_map("[ab]/[cd](/[ef])?", 0_u8..4, 0..7),
        lake in proptest::collection::btree_map("[ab]/[cd](/[ef])?", 0_u8..4, 0..7),
        unseen_local in proptest::collection::btree_set("[ab](/[cd])?(/[ef])?", 0..3),
        unseen_lake in proptest::collection::btree_set("[ab](/[cd])?(/[ef])?", 0..3),
        to_lake in any::<bool>(),
        by_hash in any::<bool>(),
    ) {
        let library = Library::new();
        for (root, files) in [(Root::Local, &local), (Root::Lake, &lake)] {
            for (path, content) in files {
                // A file has no files below it.
                let clashes = |other: &&String| *other != path && is_at_or_below(other, path);
                if !files.keys().any(|other| clashes(&other)) {
                    library.put(root, path, *content);
                }
            }
        }
        let unseen = PerRoot { local: unseen_local, lake: unseen_lake };
        for (root, places) in unseen.iter() {
            library.unsee(root, &places.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let to = if to_lake { Root::Lake } else { Root::Local };
        let new = NewPlan {
            from: (to.other(), *library.roots.get(to.other())),
            to: (to, *library.roots.get(to)),
            folder: None,
            rules: Rules {
                compare: if by_hash { Compare::Hash } else { Compare::SizeMtime },
                deletes: true,
                overwrites: true, damaged: false,
            },
        };
        let rows = library.write(|tx| {
            let id = plans::build(tx, &new, &std::collections::BTreeSet::new())?;
            let mut statement = tx.prepare(
                "SELECT i.action, i.path, coalesce(i.to_path, i.path), i.last_copy, f.blake3, i.place FROM plan_items i
                 LEFT JOIN files f ON f.id = i.gone_id WHERE i.plan_id = ?1")?;
            let read = |row: &rusqlite::Row<'_>| Ok((
                PlanAction::from_repr(row.get(0)?).unwrap(), row.get::<_, String>(1)?, row.get::<_, String>(2)?,
                row.get::<_, bool>(3)?, row.get::<_, Option<Vec<u8>>>(4)?, row.get::<_, Option<String>>(5)?,
            ));
            Ok(statement.query_map([id.0], read)?.collect::<Result<Vec<_>, _>>()?)
        });
        let is_unknown = |path: &str| unseen.iter().any(|(_, places)| places.iter().any(|p| is_at_or_below(path, p)));
        let is_seen = |root: Root, path: &str| !unseen.get(root).iter().any(|place| is_at_or_below(path, place));
        let gone: BTreeSet<&str> = rows.iter()
            .filter(|row| matches!(row.0, PlanAction::Delete | PlanAction::Overwrite | PlanAction::Move))
            .map(|row| if row.0 == PlanAction::Overwrite { row.2.as_str() } else { row.1.as_str() }).collect();
        for (action, path, to_path, last_copy, content, place) in &rows {
            prop_assert_eq!(action.is_done() && (is_unknown(path) || is_unknown(to_path)), false, "{:?} {}", action, path);
            prop_assert_eq!(place.is_some(), is_unknown(path), "what is left alone says where and why: {}", path);
            if *action == PlanAction::Delete && !last_copy {
                let content = content.as_ref().and_then(|bytes| bytes.first()).copied();
                let holds = |root: Root, files: &std::collections::BTreeMap<String, u8>| files.iter().any(|(at, c)| {
                    Some(*c) == content && is_seen(root, at) && (root != to || !gone.contains(at.as_str()))
                });
                prop_assert!(holds(Root::Local, &local) || holds(Root::Lake, &lake), "a copy that was seen: {}", path);
            }
        }
    }
}
