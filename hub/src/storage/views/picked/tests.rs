//! Single files of lists.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::views::files::{self, FileFilter, FileOrder, FileSort};
use crate::storage::views::test_library::TestLibrary;
use crate::storage::views::{CountCache, PageRequest};

fn paths(texts: &[&str]) -> Vec<RelPath> {
    texts.iter().map(|text| RelPath::parse(text).unwrap()).collect()
}

#[test]
fn standings_come_in_the_order_of_the_files() {
    let library = TestLibrary::new();
    library.put(Root::Local, "a", 1, 0, None);
    library.put(Root::Local, "b", 1, 0, None);
    library.put(Root::Lake, "b", 1, 0, None);
    library.reconcile();
    library.put(Root::Local, "c", 1, 0, None);
    let found = library.read(|c| {
        let by = (FileSort::Name, FileOrder::Asc);
        let list = files::list(c, &FileFilter::whole(Root::Local), by, &PageRequest::first(), &CountCache::default())?;
        standings(c, Root::Local, list.items.iter().map(|file| file.id))
    });
    assert_eq!(found, [Some(DiffStatus::LocalOnly), Some(DiffStatus::Same), None]);
}

#[test]
fn only_files_that_are_still_there_are_found() {
    let library = TestLibrary::new();
    library.put(Root::Local, "Loras/a", 1, 0, None);
    let wanted = paths(&["Loras/a", "loras/a", "gone"]);
    let found = library.read(|c| files_at(c, Root::Local, wanted.iter()));
    assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["Loras/a"]);
}

#[test]
fn a_row_of_the_comparison_leads_to_each_sides_own_file() {
    let library = TestLibrary::new();
    library.put(Root::Lake, "new/x", 9, 0, Some(1));
    library.put(Root::Local, "old/x", 9, 0, Some(1));
    library.reconcile();
    let wanted = paths(&["new/x"]);
    let side = |root| library.read(|c| files_in_pairs(c, root, wanted.iter())).pop().unwrap().path;
    assert_eq!((side(Root::Lake).as_str(), side(Root::Local).as_str()), ("new/x", "old/x"));
}

#[test]
fn the_picture_of_a_model_lies_beside_it() {
    let library = TestLibrary::new();
    library.put(Root::Local, "l/Style v1.5.safetensors", 1, 0, None);
    library.put(Root::Local, "l/style v1.5.preview.PNG", 1, 0, None);
    library.put(Root::Local, "l/Style v1.5.png", 1, 0, None);
    let of = |path: &str| library.read(|c| picture_beside(c, Root::Local, &RelPath::parse(path).unwrap()));
    assert_eq!(of("l/Style v1.5.safetensors").unwrap().path.as_str(), "l/style v1.5.preview.PNG");
    assert!(of("m/Style v1.5.safetensors").is_none());
}
