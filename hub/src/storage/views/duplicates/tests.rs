//! Pages of groups, how the database keeps them true, and the plans behind them.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::domain::ids::BackgroundJobId;
use crate::storage::duplicates::{NewGroup, replace};
use crate::storage::index;
use crate::storage::views::test_library::TestLibrary;

const EVERYWHERE: GroupFilter = GroupFilter { kind: GroupKind::Content, within: None };
const IN_LOCAL: GroupFilter = GroupFilter { within: Some(Root::Local), ..EVERYWHERE };
const IN_LAKE: GroupFilter = GroupFilter { within: Some(Root::Lake), ..EVERYWHERE };

/// A group of files of one content; each file is `(root, names)`.
fn group(library: &TestLibrary, content: u8, size_bytes: u64, files: &[(Root, &[&str])]) -> NewGroup {
    let name = |root: Root, name: &str| {
        library.put(root, name, size_bytes, 1_700_000_000, Some(content));
        let path = RelPath::parse(name).unwrap();
        (library.read(|c| index::file_at(c, *library.roots.get(root), &path)).unwrap().id, root)
    };
    NewGroup {
        kind: GroupKind::Content,
        digest: Blake3::from_bytes([content; 32]),
        size_bytes,
        files: files.iter().map(|(root, names)| names.iter().map(|one| name(*root, one)).collect()).collect(),
    }
}

/// Three groups: one on Local alone, one across, one with hard links.
fn library() -> TestLibrary {
    let library = TestLibrary::new();
    let groups = [
        group(&library, 1, 100, &[(Root::Local, &["a/x"]), (Root::Local, &["b/x"]), (Root::Local, &["c/x"])]),
        group(&library, 2, 900, &[(Root::Local, &["y"]), (Root::Lake, &["y"])]),
        group(&library, 3, 50, &[(Root::Lake, &["l/1", "l/2"]), (Root::Lake, &["l/3"])]),
    ];
    library.write(|tx| replace(tx, BackgroundJobId(1), &groups));
    library
}

fn listed(library: &TestLibrary, filter: GroupFilter) -> Vec<(u64, u64, Vec<String>)> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = library.read(|c| list(c, filter, &PageRequest::new(1, cursor).unwrap()));
        let row = |group: DuplicateGroupView| {
            let names = group.files.iter().map(|file| format!("{}:{}", file.root, file.path)).collect();
            (group.n_files, group.reclaimable_bytes, names)
        };
        all.extend(page.items.into_iter().map(row));
        cursor = page.next_cursor;
        if cursor.is_none() {
            assert_eq!(page.total, all.len() as u64);
            let sum = library.read(|c| totals(c, filter));
            let extent = library.read(|c| extent(c, filter));
            assert_eq!((extent.n_groups, extent.reclaimable_bytes), (sum.n_groups, sum.reclaimable_bytes));
            assert_eq!(sum.reclaimable_bytes, all.iter().map(|group| group.1).sum::<u64>());
            assert_eq!(library.read(|c| super::all(c, filter)).len(), all.len());
            return all;
        }
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn what_wastes_most_comes_first_page_by_page() {
    let library = library();
    assert_eq!(
        listed(&library, EVERYWHERE),
        [
            (2, 900, names(&["local:y", "lake:y"])),
            (3, 200, names(&["local:a/x", "local:b/x", "local:c/x"])),
            (2, 50, names(&["lake:l/1", "lake:l/2", "lake:l/3"])),
        ]
    );
    assert_eq!(listed(&library, IN_LOCAL), [(3, 200, names(&["local:a/x", "local:b/x", "local:c/x"]))]);
    assert_eq!(listed(&library, IN_LAKE), [(2, 50, names(&["lake:l/1", "lake:l/2", "lake:l/3"]))]);
    let weights = GroupFilter { kind: GroupKind::Weights, ..EVERYWHERE };
    assert_eq!(listed(&library, weights), []);
}

#[test]
fn a_file_that_goes_or_changes_leaves_its_group() {
    let library = library();
    let row = *library.roots.get(Root::Local);
    library.write(|tx| index::remove_file(tx, row, &RelPath::parse("b/x").unwrap()));
    assert_eq!(listed(&library, IN_LOCAL), [(2, 100, names(&["local:a/x", "local:c/x"]))]);
    library.put(Root::Local, "c/x", 100, 1_700_000_009, None);
    assert_eq!(listed(&library, IN_LOCAL), []);
    library.put(Root::Lake, "y", 900, 1_700_000_009, Some(9));
    assert_eq!(listed(&library, EVERYWHERE).len(), 1, "a group of one is none");
    let left: i64 = library.read(|c| Ok(c.query_row("SELECT count(*) FROM duplicate_files", [], |r| r.get(0))?));
    assert_eq!(left, 3, "no name of a group that is gone stays");
}

#[test]
fn a_file_stays_in_its_group_as_long_as_one_of_its_names() {
    let library = library();
    let row = *library.roots.get(Root::Lake);
    library.write(|tx| index::remove_file(tx, row, &RelPath::parse("l/1").unwrap()));
    assert_eq!(listed(&library, IN_LAKE), [(2, 50, names(&["lake:l/2", "lake:l/3"]))]);
    library.write(|tx| index::remove_file(tx, row, &RelPath::parse("l/2").unwrap()));
    assert_eq!(listed(&library, IN_LAKE), []);
}

#[test]
fn what_changed_before_the_result_was_stored_is_no_part_of_it() {
    let library = TestLibrary::new();
    let found = group(&library, 1, 100, &[(Root::Local, &["a"]), (Root::Local, &["b"]), (Root::Local, &["c"])]);
    library.put(Root::Local, "b", 100, 1_700_000_009, Some(2));
    library.write(|tx| replace(tx, BackgroundJobId(1), std::slice::from_ref(&found)));
    assert_eq!(listed(&library, EVERYWHERE), [(2, 100, names(&["local:a", "local:c"]))]);
    library.put(Root::Local, "c", 100, 1_700_000_009, Some(2));
    library.write(|tx| replace(tx, BackgroundJobId(2), &[found]));
    assert_eq!(listed(&library, EVERYWHERE), []);
}

#[test]
fn a_link_across_both_roots_is_one_file() {
    let library = TestLibrary::new();
    let mut linked = group(&library, 1, 100, &[(Root::Local, &["x"]), (Root::Lake, &["x"])]);
    let both: Vec<_> = linked.files.iter().flatten().copied().collect();
    linked.files = vec![both];
    library.write(|tx| replace(tx, BackgroundJobId(1), &[linked]));
    assert_eq!(listed(&library, EVERYWHERE), []);
}

#[test]
fn another_root_folder_has_none_of_these() {
    let library = library();
    library.write(|tx| crate::storage::roots::show(tx, Root::Local, None));
    assert!(library.read(|c| crate::storage::roots::has_hidden_duplicates(c, Root::Local)));
    library.write(|tx| crate::storage::roots::drop_hidden_duplicates(tx, Root::Local));
    assert_eq!(listed(&library, EVERYWHERE), [(2, 50, names(&["lake:l/1", "lake:l/2", "lake:l/3"]))]);
}

#[test]
fn a_cursor_of_another_view_is_refused() {
    let library = library();
    let first = library.read(|c| list(c, EVERYWHERE, &PageRequest::new(1, None).unwrap()));
    let request = PageRequest::new(1, first.next_cursor).unwrap();
    let refused = library.database.read_blocking(|c| list(c, IN_LOCAL, &request).map(|_| ()));
    assert!(matches!(refused, Err(StorageError::Cursor)));
}

#[test]
fn each_view_has_its_order() {
    let library = library();
    for (filter, index) in [
        (EVERYWHERE, "duplicate_groups_everywhere"),
        (IN_LOCAL, "duplicate_groups_in_local"),
        (IN_LAKE, "duplicate_groups_in_lake"),
    ] {
        for after in [None, Some(GroupKey { kind: 0, within: filter.within, bytes: 100, id: 7 })] {
            let plan = library.read(|c| Ok(list_statement(filter, after, &PageRequest::first()).plan(c)));
            let text = plan.join("\n");
            assert!(text.contains(index) && !text.contains("TEMP B-TREE"), "{filter:?}: {text}");
        }
        let plan = library.read(|c| Ok(extent_statement(filter).plan(c))).join("\n");
        assert!(plan.contains(&format!("USING COVERING INDEX {index}")), "{filter:?}: {plan}");
    }
}
