//! Folders behind included links, and links that lead elsewhere by now.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::testing::including;
use super::*;
use crate::fs::ensure_no_links;
use crate::fs::folders::{ensure_folder, remove_emptied_folders};
use crate::fs::links::{Link, Links};
use crate::fs::relocate::unwatched;
use crate::fs::trash::listing::{batch_folders, files_in};
use crate::fs::trash::{self, Bin};

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// A root with `checkpoints`, a link to `disk/sd`, and a stranger's folder with a file of the same name.
struct Case {
    folder: tempfile::TempDir,
    root: Arc<OpenRoot>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for dir in ["root/loras", "disk/sd/deep", "other/deep"] {
            fs::create_dir_all(folder.path().join(dir)).unwrap();
        }
        fs::write(folder.path().join("disk/sd/deep/x"), b"ours").unwrap();
        fs::write(folder.path().join("other/deep/x"), b"a stranger's").unwrap();
        symlink(folder.path().join("disk/sd"), folder.path().join("root/checkpoints")).unwrap();
        symlink(folder.path().join("other"), folder.path().join("disk/sd/inner")).unwrap();
        let root = OpenRoot::open(&including(&folder.path().join("root"), &["checkpoints"])).unwrap();
        Self { folder, root }
    }

    fn at(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn entry(&self, below: &str) -> Entry {
        Entry::open(&self.root, &path(below)).unwrap()
    }

    /// Points the link elsewhere.
    fn swap(&self, to: &str) {
        fs::remove_file(self.at("root/checkpoints")).unwrap();
        symlink(self.at(to), self.at("root/checkpoints")).unwrap();
    }
}

#[test]
fn the_folder_of_an_included_link_is_worked_in() {
    let case = Case::new();
    ensure_no_links(case.root.dir(), &path("checkpoints/deep/x")).unwrap();
    let (file, moved) = (case.entry("checkpoints/deep/x"), case.entry("checkpoints/y"));
    assert_eq!(file.stamp().unwrap().size_bytes, 4);
    file.rename_no_clobber(&moved).unwrap();
    assert_eq!(fs::read(case.at("disk/sd/y")).unwrap(), b"ours");
    moved.rename_no_clobber(&case.entry("loras/y")).unwrap();
    assert!(case.at("root/loras/y").exists(), "one disk");
    let made = ensure_folder(&case.root, Some(&path("checkpoints/new/deeper"))).unwrap();
    made.entry("z").create().unwrap();
    assert!(case.at("disk/sd/new/deeper/z").exists() && case.at("root/checkpoints").is_symlink());
}

#[test]
fn no_other_link_is_followed_not_even_behind_one() {
    let case = Case::new();
    symlink(case.at("other"), case.at("root/beside")).unwrap();
    for below in ["checkpoints/inner/deep/x", "beside/deep/x"] {
        let error = Entry::open(&case.root, &path(below)).unwrap_err();
        assert!(error.to_string().ends_with("it is a link"), "{below}: {error}");
        assert!(ensure_no_links(case.root.dir(), &path(below)).is_err(), "{below}");
    }
    // The link itself is no file and no folder that could be replaced.
    let link = case.entry("checkpoints");
    assert!(link.stamp().unwrap_err().to_string().ends_with("it is a link"));
}

/// Each way in which a link is not what was included.
#[test]
fn what_a_changed_link_leads_to_is_not_touched() {
    type Change = fn(&Case);
    let cases: [(&str, Change, &str); 7] = [
        ("another target", |case| case.swap("other"), "it leads to"),
        ("nowhere", |case| case.swap("no/such"), "can't be reached"),
        (
            "the folder is gone",
            |case| fs::rename(case.at("disk/sd"), case.at("disk/away")).unwrap(),
            "can't be reached",
        ),
        (
            "another folder of this path",
            |case| {
                fs::rename(case.at("disk/sd"), case.at("disk/away")).unwrap();
                fs::rename(case.at("other"), case.at("disk/sd")).unwrap();
            },
            "was changed",
        ),
        (
            "the same folder at another path",
            |case| {
                fs::rename(case.at("disk/sd"), case.at("root/sd")).unwrap();
                case.swap("root/sd");
            },
            "it leads to",
        ),
        (
            "a folder in place of the link",
            |case| {
                fs::remove_file(case.at("root/checkpoints")).unwrap();
                fs::rename(case.at("other"), case.at("root/checkpoints")).unwrap();
            },
            "it leads to",
        ),
        ("the link is gone", |case| fs::remove_file(case.at("root/checkpoints")).unwrap(), "can't be reached"),
    ];
    for (what, change, why) in cases {
        let case = Case::new();
        let (file, other) = (case.entry("checkpoints/deep/x"), case.entry("loras/y"));
        fs::write(other.path(), b"other").unwrap();
        let top = Folder::open(&case.root, None).unwrap();
        change(&case);
        let told = |error: FsError| {
            assert!(error.to_string().contains(why) && !error.is_not_found(), "{what}: {error}");
        };
        // What was opened before, and what is to be opened now.
        told(file.rename_no_clobber(&other).unwrap_err());
        told(other.rename_no_clobber(&file).unwrap_err());
        told(file.remove().unwrap_err());
        told(file.open_for_reading().map(drop).unwrap_err());
        told(file.folder().make("new").map(drop).unwrap_err());
        told(Folder::find(&case.root, Some(&path("checkpoints/deep"))).map(drop).unwrap_err());
        told(Folder::nearest(&case.root, &path("checkpoints/no/such")).map(drop).unwrap_err());
        told(top.child("checkpoints").map(drop).unwrap_err());
        told(ensure_folder(&case.root, Some(&path("checkpoints/new"))).map(drop).unwrap_err());
        told(ensure_no_links(case.root.dir(), &path("checkpoints/deep/x")).unwrap_err());
        let strangers = ["other/deep/x", "disk/sd/deep/x", "root/checkpoints/deep/x"].map(|at| case.at(at));
        let kept = |at: &PathBuf| fs::read(at).is_ok_and(|bytes| bytes == b"a stranger's");
        assert!(strangers.iter().any(kept), "{what}");
        assert_eq!(fs::read(other.path()).unwrap(), b"other");
    }
}

#[test]
fn a_barred_link_is_not_followed() {
    let case = Case::new();
    let included = case.root.dir().links().iter().next().unwrap().included().clone();
    let links = Links::new(vec![Link::new(included, Some("the folder that it leads to lies in Lake".to_owned()))]);
    let root = OpenRoot::open(&case.root.dir().clone().including(links)).unwrap();
    let error = Folder::find(&root, Some(&path("checkpoints"))).unwrap_err();
    assert!(error.to_string().ends_with("lies in Lake"), "{error}");
}

#[test]
fn deletes_go_to_a_trash_in_that_folder_and_are_found_there() {
    let case = Case::new();
    let file = case.entry("checkpoints/deep/x");
    assert_eq!(file.folder().top_of_mount().unwrap().below(), Some(&path("checkpoints")));
    let mut bin = Bin::new(&case.root, "2024-05-01".to_owned(), "7".to_owned());
    let put = bin.put(&file, file.stamp().unwrap(), "t1", &mut unwatched).unwrap();
    assert_eq!(put.trashed, "checkpoints/.comfy-hub-trash/2024-05-01/7/deep/x");
    assert!(case.at("disk/sd/.comfy-hub-trash/2024-05-01/7/deep/x").exists());
    assert!(!case.at("root/.comfy-hub-trash").exists());

    // Whether or not a database knows of it.
    let folders = batch_folders(&case.root, &[]).unwrap();
    let found = files_in(&case.root, folders.first().unwrap()).unwrap();
    let file = found.0.first().unwrap();
    assert_eq!((file.path.as_str(), &file.trashed), ("checkpoints/deep/x", &put.trashed));
    assert!(trash::is_there(&case.root, &put.trashed).unwrap());

    // Behind a link that leads elsewhere nothing is known, and the root's own trash is still looked through.
    fs::create_dir_all(case.at("root/.comfy-hub-trash/2024-05-01/8")).unwrap();
    fs::rename(case.at("disk/sd"), case.at("disk/away")).unwrap();
    let names: Vec<_> = batch_folders(&case.root, &["checkpoints/.comfy-hub-trash/2024-05-01/7".to_owned()]).unwrap();
    assert_eq!(names.iter().map(|folder| folder.name.as_str()).collect::<Vec<_>>(), ["2024-05-01/8"]);
    assert!(trash::is_there(&case.root, &put.trashed).is_err() && trash::stamp(&case.root, &put.trashed).is_err());
}

#[test]
fn neither_the_link_nor_its_folder_is_tidied_away() {
    let case = Case::new();
    fs::create_dir_all(case.at("root/a")).unwrap();
    symlink(case.at("disk/sd/deep"), case.at("root/a/link")).unwrap();
    let root = OpenRoot::open(&including(&case.at("root"), &["a/link"])).unwrap();
    fs::create_dir(case.at("disk/sd/deep/empty")).unwrap();
    fs::remove_file(case.at("disk/sd/deep/x")).unwrap();
    let removed = remove_emptied_folders(&root, &path("a/link/empty")).unwrap();
    assert_eq!(removed, [path("a/link/empty")]);
    assert!(case.at("root/a/link").is_symlink() && case.at("disk/sd/deep").is_dir());
}
