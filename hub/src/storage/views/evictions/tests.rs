//! What may leave Local and what has left it, read from a made-up library.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::evictions::{self, Evicted};
use crate::storage::views::test_library::TestLibrary;

fn names(candidates: &[CandidateView]) -> Vec<(&str, LakeCopy)> {
    candidates.iter().map(|one| (one.path.as_str(), one.lake_copy)).collect()
}

fn library() -> TestLibrary {
    let library = TestLibrary::new();
    let hours = 3_600;
    for (root, path, size, time, hash) in [
        (Root::Local, "loras/verified.safetensors", 50, 9 * hours, Some(1)),
        (Root::Lake, "loras/verified.safetensors", 50, 5 * hours, Some(1)),
        (Root::Local, "loras/likely.safetensors", 40, 8 * hours, None),
        (Root::Lake, "loras/likely.safetensors", 40, 8 * hours, None),
        (Root::Local, "loras/unsure.safetensors", 30, 7 * hours, None),
        (Root::Lake, "loras/unsure.safetensors", 30, hours, None),
        (Root::Local, "loras/alone.safetensors", 20, 6 * hours, None),
        (Root::Local, "loras/moved.safetensors", 10, 5 * hours, Some(2)),
        (Root::Lake, "old/moved.safetensors", 10, 5 * hours, Some(2)),
        // Another content has its place on the Lake.
        (Root::Local, "loras/other.safetensors", 90, 4 * hours, None),
        (Root::Lake, "loras/other.safetensors", 91, 4 * hours, None),
        // No model, and nothing in it.
        (Root::Local, "loras/verified.preview.png", 80, 3 * hours, None),
        (Root::Local, "loras/empty.safetensors", 0, 2 * hours, None),
    ] {
        library.put(root, path, size, time, hash);
    }
    library.reconcile();
    library
}

#[test]
fn candidates_have_a_copy_or_room_for_one() {
    let library = library();
    let by_size = library.read(|c| candidates(c, EvictBy::Size));
    assert_eq!(
        names(&by_size),
        [
            ("loras/verified.safetensors", LakeCopy::Known),
            ("loras/likely.safetensors", LakeCopy::Likely),
            ("loras/unsure.safetensors", LakeCopy::Unsure),
            ("loras/alone.safetensors", LakeCopy::Missing),
            ("loras/moved.safetensors", LakeCopy::Known),
        ]
    );
    let by_age = library.read(|c| candidates(c, EvictBy::Age));
    let mut reversed = by_size;
    reversed.reverse();
    assert_eq!(names(&by_age), names(&reversed));
}

#[test]
fn what_is_about_to_move_is_no_candidate() {
    let library = library();
    library.write(|tx| {
        tx.execute("INSERT INTO batches (id, operation, from_root, created_at) VALUES (1, 'evict', 'local', 0)", [])?;
        tx.execute(
            "INSERT INTO transfers (batch_id, operation, from_root, from_root_id, path, state, position, size_bytes,
                                    modified, created_at)
             VALUES (1, 'evict', 'local', ?1, 'loras/verified.safetensors', 'queued', 1, 50, 0, 0)",
            [library.roots.local.0],
        )?;
        Ok(())
    });
    let left = library.read(|c| candidates(c, EvictBy::Size));
    assert_eq!(left.first().map(|one| one.path.as_str()), Some("loras/likely.safetensors"));
}

#[test]
fn the_orders_are_read_from_an_index() {
    let library = library();
    let by_age = library.read(|c| candidates(c, EvictBy::Age));
    library.write(|tx| index::bulk::begin(tx));
    assert_eq!(library.read(|c| candidates(c, EvictBy::Age)), by_age, "without the index that is left out meanwhile");
    for by in [EvictBy::Size, EvictBy::Age] {
        // What SQLite chooses by itself depends on what it knows of the library: it is told, and can't do without.
        let told = library.read(|c| Ok(candidates_statement(1, 2, by, in_order(by)).rows(c, candidate)));
        assert!(told.is_err(), "{by:?} is left to SQLite");
    }
    library.write(|tx| index::bulk::end(tx));
    for (by, index) in [(EvictBy::Size, "files_by_size"), (EvictBy::Age, "files_by_modified")] {
        let plan = library.read(|c| Ok(candidates_statement(1, 2, by, in_order(by)).plan(c)));
        assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
        assert!(!plan.iter().any(|step| step.contains("B-TREE")), "{plan:?}");
    }
}

#[test]
fn what_was_evicted_is_listed_until_it_is_back() {
    let library = library();
    let evict = |path: &str, lake_path: &str, hash: u8| {
        let (path, lake_path) = (RelPath::parse(path).unwrap(), RelPath::parse(lake_path).unwrap());
        let hash = Blake3::from_bytes([hash; 32]);
        let file = Evicted { path: &path, lake_path: &lake_path, size_bytes: 7, modified: Ticks(0), hash };
        library.write(|tx| evictions::note(tx, BatchId(1), library.roots.local, &file));
    };
    evict("loras/sub/A.safetensors", "loras/verified.safetensors", 1);
    evict("loras/gone.safetensors", "loras/gone.safetensors", 9);
    evict("vae/x.safetensors", "old/elsewhere.safetensors", 2);
    let list = |filter: &EvictedFilter| {
        let page = library.read(|c| evicted(c, filter, &PageRequest::new(2, None).unwrap()));
        let shown: Vec<_> = page
            .items
            .iter()
            .map(|e| (e.path.to_string(), e.lake_path.as_ref().map(ToString::to_string).unwrap_or_default()))
            .collect();
        (shown, page)
    };
    let (shown, page) = list(&EvictedFilter::default());
    assert_eq!(
        shown,
        [
            ("loras/gone.safetensors".to_owned(), String::new()),
            ("loras/sub/A.safetensors".to_owned(), "loras/verified.safetensors".to_owned())
        ]
    );
    assert_eq!(page.total, 3);
    let next = PageRequest::new(2, page.next_cursor).unwrap();
    let rest = library.read(|c| evicted(c, &EvictedFilter::default(), &next));
    assert_eq!(rest.items.first().unwrap().lake_path, Some(RelPath::parse("old/moved.safetensors").unwrap()));
    assert_eq!(rest.next_cursor, None);
    let folder = EvictedFilter { folder: Some(RelPath::parse("Loras/Sub").unwrap()), search: None };
    assert_eq!(list(&folder).0.len(), 1);
    let search = EvictedFilter { folder: None, search: Some("gone".to_owned()) };
    assert_eq!(list(&search).0.len(), 1);

    library.put(Root::Local, "vae/x.safetensors", 7, 0, None);
    assert_eq!(library.read(|c| evicted_totals(c, &EvictedFilter::default())), Totals { n_files: 2, size_bytes: 14 });
    assert_eq!(library.write(|tx| evictions::forget_returned(tx)), 1);
    assert_eq!(library.read(|c| evicted_totals(c, &EvictedFilter::default())).n_files, 2);
}
