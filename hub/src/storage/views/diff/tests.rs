//! Pages of the comparison, and the plans behind them.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::views::test_library::TestLibrary;

fn filter(status: Option<DiffStatus>, folder: Option<&str>, search: Option<&str>) -> PairFilter {
    PairFilter {
        folder: folder.map(|folder| RelPath::parse(folder).unwrap()),
        status,
        search: search.map(ToOwned::to_owned),
    }
}

fn walk(library: &TestLibrary, filter: &PairFilter, limit: u32) -> (Vec<PairView>, u64) {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = library.read(|c| list(c, filter, &PageRequest::new(limit, cursor).unwrap(), &CountCache::default()));
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return (all, page.total);
        }
    }
}

#[test]
fn each_filter_leaves_what_it_says() {
    let library = TestLibrary::new();
    library.fill(600);
    let (all, total) = walk(&library, &filter(None, None, None), 1_000);
    assert_eq!(total, all.len() as u64);
    assert_eq!(all.len(), 660, "540 pairs, 60 alone on each side");
    for wanted in [
        filter(Some(DiffStatus::LocalOnly), None, None),
        filter(Some(DiffStatus::Same), Some("vae"), None),
        filter(None, Some("loras/family 001"), None),
        filter(None, None, Some("lake tensors")),
        filter(Some(DiffStatus::LakeOnly), Some("loras"), Some("v3")),
        filter(Some(DiffStatus::Moved), None, None),
        filter(None, None, Some("absent")),
    ] {
        let expected: Vec<PairView> = all
            .iter()
            .filter(|pair| {
                let key = pair.path.match_key();
                wanted.status.is_none_or(|status| status == pair.status)
                    && wanted.folder.as_ref().is_none_or(|f| key.starts_with(&format!("{}/", f.match_key())))
                    && wanted.search.as_ref().is_none_or(|q| q.split_whitespace().all(|word| key.contains(word)))
            })
            .cloned()
            .collect();
        let (listed, total) = walk(&library, &wanted, 41);
        assert_eq!(listed, expected, "{wanted:?}");
        assert_eq!(total, expected.len() as u64, "{wanted:?}");
        let sum = library.read(|c| totals(c, &wanted));
        assert_eq!(sum.size_bytes, expected.iter().map(|pair| pair.size_bytes).sum::<u64>());
        let local: Vec<_> = expected.iter().filter_map(|pair| pair.local.as_ref()).map(|f| f.path.clone()).collect();
        assert_eq!(
            library.read(|c| chosen(c, &wanted, Root::Local)).into_iter().map(|file| file.path).collect::<Vec<_>>(),
            local,
            "{wanted:?}"
        );
    }
}

#[test]
fn a_moved_file_is_one_row_with_both_sides() {
    let library = TestLibrary::new();
    library.put(Root::Local, "old/a", 9, 0, Some(3));
    library.put(Root::Lake, "new/a", 9, 0, Some(3));
    library.reconcile();
    let (rows, _) = walk(&library, &filter(None, None, None), 10);
    assert_eq!(rows.len(), 1);
    let row = rows.first().unwrap();
    assert_eq!((row.status, row.path.as_str()), (DiffStatus::Moved, "new/a"));
    assert_eq!(row.local.as_ref().map(|file| file.path.as_str()), Some("old/a"));
    assert_eq!(row.lake.as_ref().map(|file| (file.root, file.path.as_str())), Some((Root::Lake, "new/a")));
}

#[test]
fn the_summary_is_the_sum_of_the_rows() {
    let library = TestLibrary::new();
    library.fill(300);
    for folder in [None, Some("loras"), Some("loras/family 000"), Some("nowhere")] {
        let (rows, _) = walk(&library, &filter(None, folder, None), 1_000);
        let folder = folder.map(|folder| RelPath::parse(folder).unwrap());
        let summary = library.read(|c| {
            summary(c, &PairFilter { folder: folder.clone(), ..PairFilter::default() }, &CountCache::default())
        });
        for status in DiffStatus::ALL {
            let of_status: Vec<_> = rows.iter().filter(|row| row.status == status).collect();
            let told = summary.iter().find(|totals| totals.status == status);
            assert_eq!(told.map_or(0, |totals| totals.n), of_status.len() as u64, "{status:?}");
            assert_eq!(
                told.map_or(0, |totals| totals.size_bytes),
                of_status.iter().map(|row| row.size_bytes).sum::<u64>()
            );
        }
    }
}

#[test]
fn pages_and_summaries_are_ranges() {
    let library = TestLibrary::new();
    library.fill(6_000);
    let plan = |wanted: &PairFilter| {
        library.read(|c| {
            let source = PairSource::choose(c, wanted)?;
            let after = PairKey { status: wanted.status, name: "m".into(), path: "m".into() };
            Ok(list_statement(wanted, &source, Some(&after), &PageRequest::first()).plan(c).join("\n"))
        })
    };
    let by_status = plan(&filter(Some(DiffStatus::Same), Some("loras"), None));
    let range = "SEARCH p USING INDEX pairs_by_status (status=? AND (match_key,path)>(?,?) AND match_key<?)";
    assert!(by_status.contains(range), "{by_status}");
    let by_name = plan(&filter(None, None, None));
    assert!(by_name.contains("SEARCH p USING PRIMARY KEY ((match_key,path)>(?,?)"), "{by_name}");
    let searched = plan(&filter(None, None, Some("0007919")));
    assert!(searched.contains("VIRTUAL TABLE INDEX"), "{searched}");
    assert!(!searched.contains("SCAN p\n") && !searched.contains("SCAN q\n"), "{searched}");
    for plan in [by_status, by_name] {
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        assert!(plan.contains("SEARCH l USING INTEGER PRIMARY KEY"), "{plan}");
    }
}
