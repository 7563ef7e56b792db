//! Every order and filter against a plain scan of the rows, and the plans behind them.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use rstest::rstest;
use shared_protocol::RelPath;

use super::*;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::storage::views::files::{chosen, totals};
use crate::storage::views::test_library::TestLibrary;

fn filter(folder: Option<&str>, search: Option<&str>, kind: Option<FileKind>) -> FileFilter {
    FileFilter {
        root: Root::Lake,
        folder: folder.map(|folder| RelPath::parse(folder).unwrap()),
        search: search.map(ToOwned::to_owned),
        kind,
    }
}

/// All pages of a list, each as long as `limit`.
fn walk(library: &TestLibrary, filter: &FileFilter, by: (FileSort, FileOrder), limit: u32) -> (Vec<FileView>, u64) {
    let counts = CountCache::default();
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let request = PageRequest::new(limit, cursor).unwrap();
        let page = library.read(|c| list(c, filter, by, &request, &counts));
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return (all, page.total);
        }
    }
}

/// What the list has to be: every file of the root, filtered and sorted here.
fn expected(library: &TestLibrary, filter: &FileFilter, (sort, order): (FileSort, FileOrder)) -> Vec<FileView> {
    let all = FileFilter::whole(filter.root);
    let (mut files, _) = walk(library, &all, (FileSort::Name, FileOrder::Asc), 1_000);
    files.retain(|file| {
        let key = file.path.match_key();
        filter.folder.as_ref().is_none_or(|folder| key.starts_with(&format!("{}/", folder.match_key())))
            && filter.search.as_ref().is_none_or(|q| q.to_lowercase().split_whitespace().all(|w| key.contains(w)))
            && filter.kind.is_none_or(|kind| kind == file.kind)
    });
    match sort {
        FileSort::Name => files.sort_by_key(|file| (file.path.match_key(), file.id)),
        FileSort::Size => files.sort_by_key(|file| (file.size_bytes, file.id)),
        FileSort::Modified => files.sort_by_key(|file| (file.modified, file.id)),
    }
    if order == FileOrder::Desc {
        files.reverse();
    }
    files
}

#[test]
fn every_page_of_every_order_is_as_a_plain_sort_says() {
    let library = TestLibrary::new();
    library.fill(700);
    for filter in [
        filter(None, None, None),
        filter(Some("LORAS"), None, None),
        filter(Some("loras/family 001"), None, None),
        filter(Some("nowhere"), None, None),
        filter(None, Some("Style V3"), None),
        filter(None, Some("v3"), None),
        filter(None, Some("lake tensors"), None),
        filter(None, Some("absent words"), None),
        filter(Some("vae"), Some("lake"), Some(FileKind::Model)),
        filter(None, None, Some(FileKind::Preview)),
    ] {
        for sort in [FileSort::Name, FileSort::Size, FileSort::Modified] {
            for order in [FileOrder::Asc, FileOrder::Desc] {
                let (listed, total) = walk(&library, &filter, (sort, order), 37);
                let expected = expected(&library, &filter, (sort, order));
                assert_eq!(total, expected.len() as u64, "{filter:?}");
                assert_eq!(listed, expected, "{filter:?} {sort:?} {order:?}");
            }
        }
        let by_name = expected(&library, &filter, (FileSort::Name, FileOrder::Asc));
        let sum = library.read(|c| totals(c, &filter));
        assert_eq!(sum.n_files, by_name.len() as u64);
        assert_eq!(sum.size_bytes, by_name.iter().map(|file| file.size_bytes).sum::<u64>());
        let all = library.read(|c| chosen(c, &filter));
        assert_eq!(
            all.into_iter().map(|f| (f.path, f.size_bytes)).collect::<Vec<_>>(),
            by_name.into_iter().map(|f| (f.path, f.size_bytes)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn files_that_the_search_index_has_not_seen_are_found() {
    let library = TestLibrary::new();
    library.put(Root::Lake, "loras/Élan.safetensors", 1, 0, None);
    library.reconcile();
    library.put(Root::Lake, "loras/élan two.safetensors", 1, 0, None);
    let (found, total) = walk(&library, &filter(None, Some("ÉLAN"), None), (FileSort::Name, FileOrder::Asc), 10);
    assert_eq!((found.len(), total), (2, 2));
}

#[test]
fn signs_of_the_search_language_are_plain_letters() {
    let library = TestLibrary::new();
    library.put(Root::Lake, "loras/a (b) AND c% _ 'd' -e.safetensors", 1, 0, None);
    library.reconcile();
    for (search, n) in [("(b)", 1), ("AND", 1), ("c%", 1), ("'d'", 1), ("\"b\"", 0), ("*", 0), ("NOT b", 0), ("-e.", 1)]
    {
        let (found, _) = walk(&library, &filter(None, Some(search), None), (FileSort::Name, FileOrder::Asc), 10);
        assert_eq!(found.len(), n, "{search}");
    }
}

#[test]
fn a_cursor_of_another_order_is_refused() {
    let library = TestLibrary::new();
    library.fill(50);
    let counts = CountCache::default();
    let whole = filter(None, None, None);
    let first = PageRequest::new(10, None).unwrap();
    let page = library.read(|c| list(c, &whole, (FileSort::Name, FileOrder::Asc), &first, &counts));
    let next = PageRequest::new(10, page.next_cursor).unwrap();
    for by in [(FileSort::Size, FileOrder::Asc), (FileSort::Name, FileOrder::Desc)] {
        let refused = library.database.read_blocking(|c| list(c, &whole, by, &next, &counts));
        assert!(matches!(refused, Err(StorageError::Cursor)));
    }
}

#[test]
fn lists_work_while_the_orders_are_left_out() {
    let library = TestLibrary::new();
    library.fill(300);
    let whole = filter(None, None, None);
    let expected = expected(&library, &whole, (FileSort::Size, FileOrder::Desc));
    library.write(|tx| index::bulk::begin(tx));
    assert_eq!(walk(&library, &whole, (FileSort::Size, FileOrder::Desc), 100).0, expected);
}

/// The plan of a page deep in a list.
fn plan(library: &TestLibrary, filter: &FileFilter, by: (FileSort, FileOrder)) -> Vec<String> {
    library.read(|c| {
        let root = roots::active(c, filter.root)?.unwrap();
        let request = PageRequest::new(200, None).unwrap();
        let value = if by.0 == FileSort::Name { KeyValue::Name("m".to_owned()) } else { KeyValue::Number(5) };
        let after = FileKey { sort: by.0, order: by.1, value, id: FileId(9) };
        let source = source(c, filter, &root, by.0)?;
        Ok(statement(filter, &root, &source, by, Some(&after), &request).plan(c))
    })
}

#[rstest]
#[case(None, FileSort::Name, "files_by_key (root_id=? AND match_key>? AND match_key<?)")]
#[case(Some("loras"), FileSort::Name, "files_by_key (root_id=? AND match_key>? AND match_key<?)")]
#[case(None, FileSort::Size, "files_by_size (root_id=? AND size_bytes>?)")]
#[case(None, FileSort::Modified, "files_by_modified (root_id=? AND modified>?)")]
fn a_page_is_one_range_of_one_index(#[case] folder: Option<&str>, #[case] sort: FileSort, #[case] range: &str) {
    let library = TestLibrary::new();
    library.fill(i64::try_from(SORTED_ON_THE_SPOT).unwrap() + 500);
    for order in [FileOrder::Asc, FileOrder::Desc] {
        let plan = plan(&library, &filter(folder, None, None), (sort, order));
        let range =
            if order == FileOrder::Desc && sort != FileSort::Name { range.replace('>', "<") } else { range.to_owned() };
        // Besides, each row that is spelled otherwise than the folder is asked whether that folder is there.
        let of_files: Vec<_> = plan.iter().filter(|step| !step.contains("SUBQUERY") && !step.contains(" d ")).collect();
        assert_eq!(of_files, [&format!("SEARCH f USING INDEX {range}")]);
    }
}

#[test]
fn a_small_folder_is_sorted_instead_of_walking_the_root() {
    let library = TestLibrary::new();
    library.fill(i64::try_from(SORTED_ON_THE_SPOT).unwrap() + 500);
    let plan = plan(&library, &filter(Some("vae/family 001"), None, None), (FileSort::Size, FileOrder::Desc));
    assert!(
        plan.iter().any(|step| step.contains("files_by_key (root_id=? AND match_key>? AND match_key<?)")),
        "{plan:?}"
    );
}

#[test]
fn a_rare_word_is_looked_up() {
    let library = TestLibrary::new();
    library.fill(8_000);
    let plan = plan(&library, &filter(None, Some("0007919"), None), (FileSort::Name, FileOrder::Asc));
    assert!(plan.iter().any(|step| step.contains("VIRTUAL TABLE INDEX")), "{plan:?}");
    assert!(plan.iter().any(|step| step.contains("f USING INTEGER PRIMARY KEY")), "{plan:?}");
    assert!(!plan.iter().any(|step| step == "SCAN f" || step.starts_with("SCAN f ")), "{plan:?}");
}
