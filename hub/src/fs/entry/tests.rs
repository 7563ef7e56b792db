//! Folders that are swapped, moved away and linked while a name in them is worked on.

use std::fs;
use std::path::Path;

use super::testing::entry;
use super::*;
use crate::fs::RootDir;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn root(folder: &Path) -> Arc<OpenRoot> {
    OpenRoot::open(&RootDir::open(folder).unwrap()).unwrap()
}

#[test]
fn a_name_is_looked_at_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("loras")).unwrap();
    let file = entry(folder.path(), "loras/x");
    assert_eq!(file.look().unwrap(), None);
    assert!(file.stamp().unwrap_err().is_not_found());
    fs::write(file.path(), b"12345").unwrap();
    assert_eq!(file.stamp().unwrap().size_bytes, 5);
    assert_eq!(file.look().unwrap().unwrap().kind, EntryKind::File);
    assert_eq!(file.open_for_reading().unwrap().1.len(), 5);
    assert!(entry(folder.path(), "loras").stamp().is_err(), "a folder is no file");
    assert!(Entry::find(&root(folder.path()), &path("no/such")).unwrap().is_none());
    assert!(Entry::find(&root(folder.path()), &path("loras/x/y")).unwrap().is_none(), "a file is no folder");
}

#[cfg(unix)]
mod swapped {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with a folder of one file, and a folder outside with a file of the same name.
    fn place() -> (tempfile::TempDir, Arc<OpenRoot>) {
        let folder = tempfile::tempdir().unwrap();
        for dir in ["root/loras/deep", "root/vae", "outside/deep"] {
            fs::create_dir_all(folder.path().join(dir)).unwrap();
        }
        fs::write(folder.path().join("root/loras/deep/x"), b"ours").unwrap();
        fs::write(folder.path().join("outside/deep/x"), b"a stranger's").unwrap();
        let root = root(&folder.path().join("root"));
        (folder, root)
    }

    /// All that can be done with a name, tried on one that leads elsewhere by now.
    fn assert_nothing_happens(file: &Entry, other: &Entry, why: &str) {
        let told = |error: FsError| assert!(error.to_string().contains(why), "{error}");
        told(file.rename_no_clobber(other).unwrap_err());
        told(other.rename_no_clobber(file).unwrap_err());
        told(file.replace(other).unwrap_err());
        told(file.link(other).unwrap_err());
        told(file.remove().unwrap_err());
        told(file.remove_for_good().unwrap_err());
        told(file.open_for_reading().map(drop).unwrap_err());
        told(file.reopen().map(drop).unwrap_err());
        told(file.folder().entry("new").create().map(drop).unwrap_err());
        told(file.folder().make("new").map(drop).unwrap_err());
    }

    #[test]
    fn a_folder_that_was_moved_away_and_linked_is_not_worked_in() {
        let (folder, root) = place();
        let file = Entry::open(&root, &path("loras/deep/x")).unwrap();
        let other = Entry::open(&root, &path("vae/y")).unwrap();
        fs::write(other.path(), b"other").unwrap();
        fs::rename(folder.path().join("root/loras"), folder.path().join("moved")).unwrap();
        symlink(folder.path().join("outside"), folder.path().join("root/loras")).unwrap();
        assert_nothing_happens(&file, &other, "it is a link");
        // Back as a folder, but another one.
        fs::remove_file(folder.path().join("root/loras")).unwrap();
        fs::rename(folder.path().join("outside"), folder.path().join("root/loras")).unwrap();
        assert_nothing_happens(&file, &other, "moved or replaced");
        assert_eq!(fs::read(folder.path().join("root/loras/deep/x")).unwrap(), b"a stranger's");
        assert_eq!(fs::read(folder.path().join("moved/deep/x")).unwrap(), b"ours");
        assert_eq!(fs::read(other.path()).unwrap(), b"other");
        assert_eq!(fs::read_dir(folder.path().join("root/loras")).unwrap().count(), 1);
        // What is the hub's own goes from where it was made, and only there.
        file.discard().unwrap();
        assert!(!folder.path().join("moved/deep/x").exists());
        assert!(folder.path().join("root/loras/deep/x").exists());
    }

    #[test]
    fn a_root_that_was_swapped_for_a_link_is_not_worked_in() {
        let (folder, root) = place();
        let file = Entry::open(&root, &path("loras/deep/x")).unwrap();
        let other = Entry::open(&root, &path("vae/y")).unwrap();
        fs::write(other.path(), b"other").unwrap();
        fs::create_dir_all(folder.path().join("outside/loras/deep")).unwrap();
        fs::write(folder.path().join("outside/loras/deep/x"), b"a stranger's").unwrap();
        fs::rename(folder.path().join("root"), folder.path().join("moved")).unwrap();
        symlink(folder.path().join("outside"), folder.path().join("root")).unwrap();
        assert_nothing_happens(&file, &other, "moved or replaced");
        assert_eq!(fs::read(folder.path().join("outside/loras/deep/x")).unwrap(), b"a stranger's");
    }

    #[test]
    fn a_link_on_the_way_is_refused_and_named() {
        let (folder, root) = place();
        symlink(folder.path().join("outside"), folder.path().join("root/link")).unwrap();
        symlink("/no/such", folder.path().join("root/dangling")).unwrap();
        for below in ["link/deep/x", "link/x", "dangling/x"] {
            let error = Entry::open(&root, &path(below)).unwrap_err();
            assert!(error.to_string().ends_with("it is a link"), "{below}: {error}");
            assert!(Entry::find(&root, &path(below)).is_err(), "a link is not nothing");
        }
        let link = Entry::open(&root, &path("link")).unwrap();
        assert!(link.stamp().unwrap_err().to_string().ends_with("it is a link"));
        assert!(link.folder().child("link").is_err());
    }

    #[test]
    fn the_root_itself_may_be_a_link() {
        let (folder, _) = place();
        symlink(folder.path().join("root"), folder.path().join("by_link")).unwrap();
        let root = root(&folder.path().join("by_link"));
        let file = Entry::open(&root, &path("loras/deep/x")).unwrap();
        file.rename_no_clobber(&file.folder().entry("y")).unwrap();
        assert!(folder.path().join("root/loras/deep/y").exists());
    }

    /// Kernels before 5.6, and some sandboxes, know no `openat2`.
    #[test]
    fn the_way_step_by_step_is_the_same() {
        let (folder, root) = place();
        symlink(folder.path().join("outside"), folder.path().join("root/link")).unwrap();
        let at_once = Folder::open(&root, Some(&path("loras/deep"))).unwrap();
        let steps = super::super::folder::step_by_step(&root, root.handle(), &path("loras/deep")).unwrap();
        assert!(system::folder_identity(&steps).unwrap().is(&at_once.identity()));
        for below in ["link/deep", "loras/deep/x", "no/such"] {
            assert!(system::open_at_once(root.handle(), below).is_none(), "{below}");
            assert!(super::super::folder::step_by_step(&root, root.handle(), &path(below)).is_err(), "{below}");
        }
    }

    #[test]
    fn one_folder_is_on_one_mount() {
        let (_folder, root) = place();
        let deep = Folder::open(&root, Some(&path("loras/deep"))).unwrap();
        assert_eq!(deep.top_of_mount().unwrap().below(), None);
        assert!(deep.space().unwrap().is_some());
    }
}
