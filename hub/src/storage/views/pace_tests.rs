//! How long pages of a big library take. Run with `cargo nextest run -p hub pace --run-ignored all`.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a measurement is printed")]

use std::time::{Duration, Instant};

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::diff::{self, PairFilter};
use super::files::{self, FileFilter, FileOrder, FileSort};
use super::test_library::TestLibrary;
use super::{CountCache, PageRequest, evictions, folders, plan_items, space, trash};
use crate::domain::diff::DiffStatus;
use crate::domain::eviction::EvictBy;
use crate::domain::kind::FileKind;
use crate::domain::mirror::{Compare, Rules};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::StorageError;
use crate::storage::plans::{self, NewPlan};

/// What a page may take here. The goal for a whole answer is 50 ms at the 99th percentile.
const LIMIT: Duration = Duration::from_millis(10);

/// The same for what has to look at every name: the goal itself.
const SEARCH_LIMIT: Duration = Duration::from_millis(50);

/// The same for views that add up or compare more: what is left is for making the page.
const ROOM_LIMIT: Duration = Duration::from_millis(25);

/// The best and the first of several runs.
fn measure(library: &TestLibrary, name: &str, work: impl Fn(&Connection) -> Result<u64, StorageError>) -> Duration {
    let mut runs = Vec::new();
    let mut n = 0;
    for _ in 0..7 {
        let begin = Instant::now();
        n = library.read(&work);
        runs.push(begin.elapsed());
    }
    let first = *runs.first().unwrap();
    let best = runs.into_iter().min().unwrap();
    eprintln!("{name:44} first {first:>9.2?}  then {best:>9.2?}  ({n})");
    best
}

#[test]
#[ignore = "builds an index of 200,000 files, which takes half a minute"]
fn every_page_of_a_big_library_is_quick() {
    let library = TestLibrary::new();
    library.fill(200_000);
    let counts = CountCache::default();
    let deep = |filter: &FileFilter, by: (FileSort, FileOrder), n: usize| {
        let mut request = PageRequest::new(1_000, None).unwrap();
        for _ in 0..n {
            let page = library.read(|c| files::list(c, filter, by, &request, &counts));
            request = PageRequest::new(1_000, page.next_cursor).unwrap();
        }
        library.read(|c| files::list(c, filter, by, &request, &counts)).next_cursor
    };
    let whole = || FileFilter::whole(Root::Lake);
    let folder = |folder| Some(RelPath::parse(folder).unwrap());
    let by_name = (FileSort::Name, FileOrder::Asc);
    let search = |text: &str| FileFilter { search: Some(text.to_owned()), ..whole() };
    let mut slow = Vec::new();
    for (name, filter, by, pages) in [
        ("all by name, first", whole(), by_name, 0),
        ("all by name, page at 150,000", whole(), by_name, 150),
        ("all by name, backwards at 150,000", whole(), (FileSort::Name, FileOrder::Desc), 150),
        ("all by size, at 150,000", whole(), (FileSort::Size, FileOrder::Desc), 150),
        ("all by time, at 150,000", whole(), (FileSort::Modified, FileOrder::Desc), 150),
        (
            "40,000 in a folder by size",
            FileFilter { folder: folder("loras"), ..whole() },
            (FileSort::Size, FileOrder::Desc),
            0,
        ),
        (
            "100 in a folder by size",
            FileFilter { folder: folder("loras/family 007"), ..whole() },
            (FileSort::Size, FileOrder::Asc),
            0,
        ),
        ("previews by name", FileFilter { kind: Some(FileKind::Preview), ..whole() }, by_name, 0),
        ("no such kind", FileFilter { kind: Some(FileKind::Other), ..whole() }, by_name, 0),
        ("search of a rare word", search("0007919"), by_name, 0),
        ("search of a frequent word", search("safetensors"), by_name, 0),
        ("search of a frequent word by size", search("safetensors"), (FileSort::Size, FileOrder::Desc), 0),
        ("search of two letters", search("v3"), by_name, 0),
        ("search of two letters that are nowhere", search("qq"), by_name, 0),
        ("search of what is nowhere", search("nowhere"), by_name, 0),
        ("search of a word of every tenth", search("lake"), by_name, 0),
    ] {
        let cursor = if pages > 0 { deep(&filter, by, pages) } else { None };
        let request = PageRequest::new(200, cursor).unwrap();
        let took = measure(&library, name, |c| Ok(files::list(c, &filter, by, &request, &counts)?.total));
        if took > LIMIT {
            slow.push((name, took));
        }
    }
    for (name, filter) in [
        ("diff of all", PairFilter::default()),
        ("diff: same", PairFilter { status: Some(DiffStatus::Same), ..PairFilter::default() }),
        ("diff: only local", PairFilter { status: Some(DiffStatus::LocalOnly), ..PairFilter::default() }),
        ("diff of a folder", PairFilter { folder: folder("loras"), ..PairFilter::default() }),
        ("diff: rare word", PairFilter { search: Some("0007919".into()), ..PairFilter::default() }),
        ("diff: frequent word", PairFilter { search: Some("safetensors".into()), ..PairFilter::default() }),
    ] {
        let request = PageRequest::first();
        let took = measure(&library, name, |c| Ok(diff::list(c, &filter, &request, &counts)?.total));
        if took > LIMIT {
            slow.push((name, took));
        }
    }
    measure(&library, "diff summary of all", |c| Ok(diff::summary(c, &PairFilter::default(), &counts)?.len() as u64));
    for text in ["safetensors", "lake", "v3", "qq", "0007919"] {
        let filter = PairFilter { search: Some(text.into()), ..PairFilter::default() };
        let name = format!("diff summary of \"{text}\", never taken before");
        // Each look is the first one: a person types another letter every time.
        let took = measure(&library, &name, |c| Ok(diff::summary(c, &filter, &CountCache::default())?.len() as u64));
        if took > SEARCH_LIMIT {
            slow.push(("diff summary of a search", took));
        }
    }
    measure(&library, "totals of a frequent word", |c| Ok(files::totals(c, &search("safetensors"))?.n_files));
    measure(&library, "a level of folders", |c| {
        Ok(folders::level(c, Root::Lake, folder("loras").as_ref())?.unwrap().totals.n_files)
    });
    slow.extend(measure_room(&library, &counts));
    assert!(slow.is_empty(), "{slow:?}");
}

#[test]
#[ignore = "builds an index of 200,000 files, which takes half a minute"]
fn plans_of_a_big_library_are_quick() {
    let library = TestLibrary::new();
    library.fill(200_000);
    let (local, lake) = ((Root::Local, library.roots.local), (Root::Lake, library.roots.lake));
    let plan = |folder: Option<&str>, compare: Compare, name: &str| {
        let folder = folder.map(|folder| RelPath::parse(folder).unwrap());
        let rules = Rules { compare, deletes: true, overwrites: true, damaged: false };
        let new = NewPlan { from: local, to: lake, folder, rules };
        let begin = Instant::now();
        let id = library.write(|tx| plans::build(tx, &new, &std::collections::BTreeSet::new()));
        let record = library.read(|c| plans::show(c, id)).unwrap();
        eprintln!("{name:44} {:>9.2?}  ({} rows)", begin.elapsed(), record.totals.n_transfers());
        record
    };
    plan(Some("loras/family 007"), Compare::SizeMtime, "plan of a folder of 100");
    let record = plan(None, Compare::SizeMtime, "plan of all, 40,000 differ");
    assert_eq!((record.totals.copies.n, record.totals.deletes.n), (20_000, 20_000));
    let many = plan(None, Compare::Hash, "plan of all by hash, 220,000 rows");
    assert_eq!(many.totals.unverified.n, 180_000);
    let page = |cursor| PageRequest::new(200, cursor).unwrap();
    let mut cursor = None;
    for _ in 0..600 {
        cursor = library.read(|c| plan_items::list(c, many.id, &many.totals, None, &page(cursor))).next_cursor;
    }
    let took = measure(&library, "rows of a plan, at 120,000", |c| {
        Ok(plan_items::list(c, many.id, &many.totals, None, &page(cursor.clone()))?.total)
    });
    assert!(took <= LIMIT, "{took:?}");
}

/// The views behind the pages of trash, space and evictions, with as many files in the trash.
fn measure_room(library: &TestLibrary, counts: &CountCache) -> Vec<(&'static str, Duration)> {
    library.write(|tx| {
        tx.execute(
            "INSERT INTO trash (root_id, batch_id, transfer_id, path, trash_path, size_bytes, modified, deleted_at)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
             SELECT ?1, i / 1000, i, 'loras/f' || i, '2024-05-01/' || (i / 1000) || '/loras/f' || i, i, 0, i FROM n",
            [library.roots.local.0],
        )?;
        tx.execute(
            "INSERT INTO evictions
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             SELECT ?1, 'e/f' || i, 'e/f' || i, 'e/f' || i, i, 0, randomblob(32), 0, 1, i FROM n",
            [library.roots.local.0],
        )?;
        Ok(())
    });
    let now = Ticks(17_000_000_000_000_000);
    let first = PageRequest::first();
    let all = trash::TrashList::of(Root::Local);
    let deep = library.read(|c| trash::list(c, &all, &PageRequest::new(1_000, None).unwrap())).next_cursor;
    let deep = PageRequest::new(200, deep).unwrap();
    measure(library, "ages of all, not known yet", |c| Ok(space::ages(c, Root::Local, now)?.len() as u64));
    [
        measure(library, "trash, first page", |c| Ok(trash::list(c, &all, &first)?.total)),
        measure(library, "trash, a later page", |c| Ok(trash::list(c, &all, &deep)?.total)),
        measure(library, "space of a root", |c| Ok(space::show(c, Root::Local)?.totals.n_files)),
        measure(library, "ages of all", |c| Ok(counts.ages(c, Root::Local, now)?.len() as u64)),
        measure(library, "candidates by size", |c| Ok(evictions::candidates(c, EvictBy::Size)?.len() as u64)),
        measure(library, "candidates by age", |c| Ok(evictions::candidates(c, EvictBy::Age)?.len() as u64)),
        measure(library, "evicted, first page", |c| {
            Ok(evictions::evicted(c, &evictions::EvictedFilter::default(), &first)?.total)
        }),
    ]
    .into_iter()
    .zip(["trash", "trash deep", "space", "ages", "candidates by size", "candidates by age", "evicted"])
    .filter(|(took, _)| *took > ROOM_LIMIT)
    .map(|(took, name)| (name, took))
    .collect()
}
