//! What a walk finds behind included links.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use parking_lot::Mutex;

use super::*;
use crate::domain::skipped::SkipReason;
use crate::fs::entry::testing::including;

fn walked(root: &RootDir) -> BTreeMap<String, FolderListing> {
    let found = Mutex::new(BTreeMap::new());
    walk(root, None, WalkOptions { threads: 2 }, &CancelFlag::new(), &|listing| {
        found.lock().insert(listing.folder.as_ref().map_or_else(String::new, ToString::to_string), listing);
    });
    found.into_inner()
}

fn file_names(listing: &FolderListing) -> Vec<&str> {
    listing.files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn an_included_link_is_a_folder_and_one_that_changed_was_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let at = |below: &str| folder.path().join(below);
    for (path, content) in [("disk/sd/deep/x", "ours"), ("disk/sd/y", "ours"), ("other/deep/x", "a stranger's")] {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), content).unwrap();
    }
    fs::create_dir(at("root")).unwrap();
    for (target, link) in [("disk/sd", "root/a"), ("other", "root/b"), ("other", "disk/sd/inner")] {
        symlink(at(target), at(link)).unwrap();
    }
    let root = including(&at("root"), &["a"]);
    let found = walked(&root);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["", "a", "a/deep"]);
    assert!(found.values().all(|listing| listing.error.is_none() && listing.mount.as_deref() == Some(NO_MOUNT)));
    assert_eq!((file_names(&found["a"]), file_names(&found["a/deep"])), (vec!["y"], vec!["x"]));
    let links = |listing: &FolderListing| {
        let links = listing.skipped.iter().filter(|skip| skip.reason == SkipReason::Link);
        links.map(|skip| skip.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!((links(&found[""]), links(&found["a"])), (vec!["b".to_owned()], vec!["inner".to_owned()]));
    assert!(!is_mounted(&root, &RelPath::parse("a/deep").unwrap()).unwrap());
    assert!(list_folder(&root, Some(&RelPath::parse("a/deep").unwrap())).error.is_none());

    fs::remove_file(at("root/a")).unwrap();
    symlink(at("other"), at("root/a")).unwrap();
    let found = walked(&root);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["", "a"]);
    assert!(found["a"].is_cut && found["a"].files.is_empty() && found["a"].folders.is_empty());
    // A walk that is below already does not go on there.
    let deep = list::list(&root, Some(&RelPath::parse("a/deep").unwrap()), None);
    assert!(deep.is_cut && deep.files.is_empty());
}
