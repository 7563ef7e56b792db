//! What a walk finds, leaves alone and admits not to know.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use parking_lot::Mutex;

use super::*;
use crate::domain::exclusion::TRASH_FOLDER;
use crate::domain::skipped::SkipReason;

fn walk_all(root: &Path, threads: usize) -> BTreeMap<String, FolderListing> {
    walk_folder(root, None, threads)
}

fn walk_folder(root: &Path, folder: Option<&str>, threads: usize) -> BTreeMap<String, FolderListing> {
    let root = RootDir::open(root).unwrap();
    let folder = folder.map(|folder| RelPath::parse(folder).unwrap());
    let found = Mutex::new(BTreeMap::new());
    let end = walk(&root, folder.as_ref(), WalkOptions { threads }, &CancelFlag::new(), &|listing| {
        let name = listing.folder.as_ref().map_or_else(String::new, ToString::to_string);
        assert!(found.lock().insert(name, listing).is_none(), "each folder once");
    });
    assert_eq!(end, WalkEnd::Complete);
    found.into_inner()
}

fn put(root: &Path, path: &str, size: usize) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, vec![7; size]).unwrap();
}

fn names(listing: &FolderListing) -> Vec<&str> {
    listing.files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn every_folder_is_listed_once_whatever_the_number_of_threads() {
    let root = tempfile::tempdir().unwrap();
    for outer in 0..20 {
        for inner in 0..5 {
            put(root.path(), &format!("d{outer}/e{inner}/f"), outer);
        }
    }
    for threads in [0, 1, 2, 7] {
        let found = walk_all(root.path(), threads);
        assert_eq!(found.len(), 1 + 20 + 100, "{threads} threads");
        assert!(found.values().all(|listing| listing.error.is_none()));
        assert_eq!(found["d7/e3"].files[0].size_bytes, 7);
        assert_eq!(found[""].folders.len(), 20);
    }
}

#[test]
fn facts_are_those_of_a_stamp() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "b", 3);
    put(root.path(), "a", 5);
    let found = walk_all(root.path(), 1);
    let files = &found[""].files;
    assert_eq!(names(&found[""]), ["a", "b"], "sorted");
    for file in files {
        let stamp = crate::fs::open::stamp_path(&root.path().join(&file.name)).unwrap();
        assert_eq!((file.size_bytes, file.modified), (stamp.size_bytes, stamp.modified));
        assert!(!file.placeholder);
    }
}

#[test]
fn a_folder_can_be_walked_by_itself() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "loras/sdxl/x", 1);
    put(root.path(), "vae/y", 1);
    let found = walk_folder(root.path(), Some("loras"), 2);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["loras", "loras/sdxl"]);
}

fn skipped(listing: &FolderListing) -> Vec<(&str, SkipReason)> {
    listing.skipped.iter().map(|skip| (skip.name.as_str(), skip.reason)).collect()
}

#[test]
fn what_is_no_library_is_told_and_not_walked() {
    let root = tempfile::tempdir().unwrap();
    for path in [".Trash-1000/files/x", "#recycle/x", ".zfs/snapshot/a/x", "lost+found/x", ".git/config", ".cache/a"] {
        put(root.path(), path, 1);
    }
    for name in ["x.9.crdownload", ".nfs0001", "x.tmp", ".cache/huggingface/download/x.incomplete", "Thumbs.db"] {
        put(root.path(), name, 1);
    }
    // The hub's own is in every root.
    for path in [".comfy-hub-root.json", ".model_sources.json"] {
        put(root.path(), path, 1);
    }
    put(root.path(), &format!("{TRASH_FOLDER}/2024-01-01/1/x"), 1);
    put(root.path(), "x", 1);
    let found = walk_all(root.path(), 2);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["", ".cache"]);
    assert_eq!(names(&found[""]), ["x"]);
    let told = skipped(&found[""]);
    assert!(told.iter().all(|(_, reason)| *reason == SkipReason::Excluded), "{told:?}");
    let told: Vec<_> = told.into_iter().map(|(name, _)| name).collect();
    let expected =
        ["#recycle", ".Trash-1000", ".git", ".nfs0001", ".zfs", "Thumbs.db", "lost+found", "x.9.crdownload", "x.tmp"];
    assert_eq!(told, expected);
    assert_eq!(skipped(&found[".cache"]), [("huggingface", SkipReason::Excluded)]);
    assert!(found[""].skipped.iter().all(|skip| skip.detail.is_some()), "with the reason");
}

#[test]
fn a_control_file_makes_what_lies_beside_it_a_half_download() {
    let root = tempfile::tempdir().unwrap();
    for path in ["x.safetensors", "x.safetensors.aria2", "whole.safetensors", "torrent/a/y", "torrent.aria2", "other/z"]
    {
        put(root.path(), path, 1);
    }
    for (path, size) in [("held.gguf", 0), ("held.Ab12.gguf.part", 5), ("empty.gguf", 0), ("x.aria2", 1), ("z.st", 1)] {
        put(root.path(), path, size);
    }
    let found = walk_all(root.path(), 2);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["", "other"]);
    assert_eq!(names(&found[""]), ["empty.gguf", "whole.safetensors", "z.st"]);
    let told = skipped(&found[""]);
    for name in ["x.safetensors", "torrent", "held.gguf"] {
        assert!(told.contains(&(name, SkipReason::Unfinished)), "{name}: the other root may have it whole");
    }
    for name in ["x.safetensors.aria2", "torrent.aria2", "held.Ab12.gguf.part"] {
        assert!(told.contains(&(name, SkipReason::Excluded)), "{name}");
    }
}

#[test]
fn a_hubs_data_folder_is_no_library() {
    let root = tempfile::tempdir().unwrap();
    for path in [
        "deep/Hub Data/logs/x",
        "deep/Hub Data/hub.db",
        "deep/y",
        "old/hub.db",
        "old/hub.lock",
        "old/logs/z",
        "v/hub.db",
    ] {
        put(root.path(), path, 1);
    }
    let own = std::sync::Arc::new(crate::fs::OwnFolder::new(root.path().join("deep/Hub Data")));
    let dir = RootDir::open(root.path()).unwrap().keeping_out(own);
    let found = Mutex::new(BTreeMap::new());
    walk(&dir, None, WalkOptions { threads: 2 }, &CancelFlag::new(), &|listing| {
        found.lock().insert(listing.folder.as_ref().map_or_else(String::new, ToString::to_string), listing);
    });
    let found = found.into_inner();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["", "deep", "old", "v"]);
    assert_eq!((names(&found["deep"]), skipped(&found["deep"])), (vec!["y"], vec![("Hub Data", SkipReason::HubData)]));
    assert!(names(&found["old"]).is_empty(), "another hub's");
    assert_eq!(found["old"].skipped.len(), 3);
    assert_eq!(names(&found["v"]), ["hub.db"], "a file of that name alone is none");
}

#[test]
fn unicode_names_stay_as_they_are() {
    let root = tempfile::tempdir().unwrap();
    let composed = "caf\u{e9} 日本語.safetensors";
    put(root.path(), composed, 1);
    assert_eq!(names(&walk_all(root.path(), 1)[""]), [composed]);
}

#[test]
fn a_folder_that_is_not_there_says_so() {
    let root = tempfile::tempdir().unwrap();
    let found = walk_folder(root.path(), Some("no/such"), 2);
    assert!(found["no/such"].error.as_ref().unwrap().is_not_found());
    fs::write(root.path().join("file"), b"").unwrap();
    assert!(walk_folder(root.path(), Some("file"), 2)["file"].error.is_some());
    let root_gone = walk_all(&root.path().join("gone"), 2);
    assert!(root_gone[""].error.as_ref().unwrap().is_not_found());
}

#[test]
fn a_folder_of_the_same_disk_has_no_mount() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "loras/x", 1);
    assert_eq!(walk_all(root.path(), 1)["loras"].mount.as_deref(), Some(NO_MOUNT));
}

#[test]
fn an_empty_folder_is_no_error() {
    let root = tempfile::tempdir().unwrap();
    let found = walk_all(root.path(), 2);
    assert!(found[""].error.is_none() && found[""].files.is_empty());
}

#[test]
fn a_raised_flag_ends_the_walk() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..50 {
        put(root.path(), &format!("d{number}/f"), 1);
    }
    let cancel = CancelFlag::new();
    let n_listed = Mutex::new(0);
    let end = walk(&RootDir::open(root.path()).unwrap(), None, WalkOptions { threads: 1 }, &cancel, &|_| {
        *n_listed.lock() += 1;
        cancel.cancel();
    });
    assert_eq!((end, n_listed.into_inner()), (WalkEnd::Cancelled, 1));
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_and_odd_names_are_reported_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "real/x", 1);
        symlink(root.path().join("real"), root.path().join("folder link")).unwrap();
        symlink("/no/such", root.path().join("dangling")).unwrap();
        fs::write(root.path().join(OsStr::from_bytes(b"bad\xff")), b"").unwrap();
        fs::write(root.path().join("CON.txt"), b"").unwrap();
        fs::create_dir(root.path().join("a:b")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let found = walk_all(root.path(), 2);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["", "real"]);
        let skipped: Vec<_> = found[""].skipped.iter().map(|skip| (skip.name.as_str(), skip.reason)).collect();
        assert_eq!(
            skipped,
            [
                ("CON.txt", SkipReason::BadName),
                ("a:b", SkipReason::BadName),
                ("bad\u{fffd}", SkipReason::NotUnicode),
                ("dangling", SkipReason::Link),
                ("folder link", SkipReason::Link),
                ("pipe", SkipReason::Special),
            ]
        );
        assert!(found[""].error.is_none(), "they are known, so the listing is whole");
        let of = |name: &str| found[""].skipped.iter().find(|skip| skip.name == name).unwrap();
        assert_eq!(of("dangling").detail.as_deref(), Some("/no/such"));
        assert!(of("a:b").also.contains(&"a_b".to_owned()) && of("dangling").also.is_empty());
    }

    #[test]
    fn a_stream_beside_its_file_does_not_make_the_file_unknown() {
        let root = tempfile::tempdir().unwrap();
        for name in ["x.pt", "x.pt:Zone.Identifier", "y.pt:Zone.Identifier"] {
            put(root.path(), name, 1);
        }
        let found = walk_all(root.path(), 1);
        let also = |name: &str| &found[""].skipped.iter().find(|skip| skip.name == name).unwrap().also;
        assert!(!also("x.pt:Zone.Identifier").contains(&"x.pt".to_owned()));
        assert!(also("y.pt:Zone.Identifier").contains(&"y.pt".to_owned()));
    }

    #[test]
    fn a_root_may_be_a_link_but_no_folder_below_it() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "real/loras/x", 1);
        symlink(folder.path().join("real"), folder.path().join("root")).unwrap();
        symlink(folder.path().join("real/loras"), folder.path().join("real/link")).unwrap();
        let root = folder.path().join("root");
        assert_eq!(names(&walk_all(&root, 2)["loras"]), ["x"]);
        let found = walk_folder(&root, Some("link"), 2);
        assert!(found["link"].error.as_ref().unwrap().to_string().contains("it is a link"));
    }

    #[test]
    fn hard_links_are_one_file() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "a", 1);
        fs::hard_link(root.path().join("a"), root.path().join("b")).unwrap();
        let found = walk_all(root.path(), 1);
        let identities: Vec<_> = found[""].files.iter().map(|file| file.identity.unwrap()).collect();
        assert_eq!(identities[0], identities[1]);
        assert_eq!(identities[0].inode, fs::metadata(root.path().join("a")).unwrap().ino());
        assert_eq!(identities[0].n_links, 2);
    }

    /// `/dev/shm` is a disk of its own on every Linux, and the same one at every look.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_disk_that_is_mounted_on_a_folder_is_told_and_stays_the_same() {
        let look = || list_folder(&RootDir::open(Path::new("/dev")).unwrap(), Some(&RelPath::parse("shm").unwrap()));
        let mount = look().mount.unwrap();
        assert_ne!(mount, NO_MOUNT);
        assert_eq!(look().mount.unwrap(), mount);
    }

    #[test]
    fn a_name_of_255_bytes_is_listed() {
        let root = tempfile::tempdir().unwrap();
        let long = "é".repeat(127) + "x";
        put(root.path(), &long, 1);
        assert_eq!(names(&walk_all(root.path(), 1)[""]), [long]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_may_not_be_read_is_an_error_and_the_rest_is_listed() {
        use crate::domain::failure::FailureClass;
        use crate::fs::ordinary_user::as_ordinary_user;
        as_ordinary_user(|| {
            let root = tempfile::tempdir().unwrap();
            let mode = |path: &str, mode| {
                fs::set_permissions(root.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
            };
            put(root.path(), "open/x", 1);
            put(root.path(), "closed/x", 1);
            put(root.path(), "names only/x", 1);
            mode("closed", 0o000);
            mode("names only", 0o400);
            let found = walk_all(root.path(), 2);
            mode("closed", 0o700);
            mode("names only", 0o700);
            assert_eq!(names(&found["open"]), ["x"]);
            assert!(found["open"].error.is_none());
            for closed in ["closed", "names only"] {
                let error = found[closed].error.as_ref().unwrap();
                assert_eq!(error.class(), FailureClass::PermissionDenied, "{closed}");
                assert!(found[closed].files.is_empty());
            }
            assert_eq!(found["names only"].skipped[0].reason, SkipReason::Unreadable);
            assert!(found["closed"].is_cut && !found["names only"].is_cut, "all names are known");
        });
    }
}

/// What anyone may make on Windows without asking, and what most tools take for a folder.
#[cfg(windows)]
#[test]
fn a_junction_is_neither_followed_nor_gone_through() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(root.path(), "loras/mine", 3);
    put(outside.path(), "private", 5);
    let junction = root.path().join("loras").join("elsewhere");
    let made =
        std::process::Command::new("cmd").args(["/c", "mklink", "/J"]).arg(&junction).arg(outside.path()).output();
    assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
    let found = walk_all(root.path(), 2);
    let skipped: Vec<_> = found["loras"].skipped.iter().map(|skip| (skip.name.as_str(), skip.reason)).collect();
    assert_eq!(skipped, [("elsewhere", SkipReason::Link)]);
    assert!(!found.contains_key("loras/elsewhere"));
    let through = walk_folder(root.path(), Some("loras/elsewhere"), 1);
    assert!(through["loras/elsewhere"].error.as_ref().is_some_and(|error| error.to_string().ends_with("it is a link")));
}
