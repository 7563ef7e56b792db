//! Trashes of disks that are mounted inside a root. Only root may mount.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::listing::{batch_folders, files_in};
use super::*;
use crate::fs::relocate::unwatched;

/// A root with something mounted at `vae/disk`, taken away at the end.
struct Case {
    folder: tempfile::TempDir,
    root: Arc<OpenRoot>,
}

impl Case {
    /// What is mounted is a disk in memory, or a second mount of the root's own disk.
    fn new(is_other_disk: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let point = folder.path().join("root/vae/disk");
        fs::create_dir_all(&point).unwrap();
        fs::create_dir_all(folder.path().join("bound")).unwrap();
        let mut mount = Command::new("mount");
        if is_other_disk {
            mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]);
        } else {
            mount.arg("--bind").arg(folder.path().join("bound"));
        }
        let done = mount.arg(&point).stderr(Stdio::null()).status();
        if !done.is_ok_and(|status| status.success()) {
            return None;
        }
        fs::create_dir_all(point.join("sub")).unwrap();
        fs::write(point.join("sub/x"), b"on the disk").unwrap();
        fs::write(folder.path().join("root/vae/y"), b"beside it").unwrap();
        let root = OpenRoot::open(&RootDir::open(&folder.path().join("root")).unwrap()).unwrap();
        Some(Self { folder, root })
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join("root").join(below)
    }

    fn put(&self, path: &str) -> String {
        let source = Entry::open(&self.root, &RelPath::parse(path).unwrap()).unwrap();
        let mut bin = Bin::new(&self.root, "2024-05-01".to_owned(), "7".to_owned());
        bin.put(&source, source.stamp().unwrap(), "t1", &mut unwatched).unwrap().trashed
    }

    fn back(&self, trashed: &str, to: &str) {
        let to = Entry::open(&self.root, &RelPath::parse(to).unwrap()).unwrap();
        let expected = stamp(&self.root, trashed).unwrap().unwrap();
        let lying = entry(&self.root, trashed).unwrap().unwrap();
        relocate(&lying, expected, &to, "t1", &mut unwatched).unwrap();
        remove_folders_of(&self.root, trashed).unwrap();
    }

    fn unmount(&self) {
        let point = self.path("vae/disk");
        Command::new("umount").arg("-l").arg(&point).stderr(Stdio::null()).status().unwrap();
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        self.unmount();
    }
}

#[allow(clippy::print_stderr, reason = "a test that can't run says so")]
fn skipped() {
    eprintln!("skipped: only root may mount what this needs");
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).unwrap().ino()
}

#[test]
fn a_file_goes_to_the_trash_of_its_own_disk_and_comes_back() {
    for is_other_disk in [true, false] {
        let Some(case) = Case::new(is_other_disk) else { return skipped() };
        let before = inode(&case.path("vae/disk/sub/x"));
        let trashed = case.put("vae/disk/sub/x");
        assert_eq!(trashed, "vae/disk/.comfy-hub-trash/2024-05-01/7/sub/x");
        assert_eq!(case.put("vae/y"), "2024-05-01/7/vae/y");
        let lying = case.path("vae/disk/.comfy-hub-trash/2024-05-01/7/sub/x");
        assert_eq!(inode(&lying), before, "a rename, no copy");

        // Found again, whether or not a database knows of it.
        let folders = batch_folders(&case.root, &[]).unwrap();
        let names: Vec<_> = folders.iter().map(|folder| folder.name.as_str()).collect();
        assert_eq!(names, ["2024-05-01/7", "vae/disk/.comfy-hub-trash/2024-05-01/7"]);
        let found = files_in(&case.root, &folders[1]).unwrap().0;
        assert_eq!((found[0].trashed.as_str(), found[0].path.as_str()), (trashed.as_str(), "vae/disk/sub/x"));

        assert!(is_there(&case.root, &trashed).unwrap());
        case.back(&trashed, "vae/disk/sub/x");
        assert_eq!(fs::read(case.path("vae/disk/sub/x")).unwrap(), b"on the disk");
        assert!(!case.path("vae/disk/.comfy-hub-trash").exists(), "an empty trash leaves no folder");
        assert!(case.path("vae/disk").exists());
    }
}

/// What is not seen is not gone.
#[test]
fn the_trash_of_a_disk_that_is_not_mounted_is_not_empty() {
    let Some(case) = Case::new(true) else { return skipped() };
    let trashed = case.put("vae/disk/sub/x");
    case.unmount();
    assert_eq!(stamp(&case.root, &trashed).unwrap(), None);
    assert!(!is_there(&case.root, &trashed).unwrap());
    assert!(is_there(&case.root, "2024-05-01/7/vae/y").unwrap(), "the root's own is always there");
}

#[test]
fn where_a_disk_takes_no_folder_the_roots_trash_takes_a_copy() {
    let Some(case) = Case::new(true) else { return skipped() };
    fs::write(case.path("vae/disk/.comfy-hub-trash"), b"a file is in the way").unwrap();
    let trashed = case.put("vae/disk/sub/x");
    assert_eq!(trashed, "2024-05-01/7/vae/disk/sub/x");
    assert_eq!(fs::read(case.path(".comfy-hub-trash/2024-05-01/7/vae/disk/sub/x")).unwrap(), b"on the disk");
    assert!(!case.path("vae/disk/sub/x").exists());
    case.back(&trashed, "vae/disk/sub/x");
    assert_eq!(fs::read(case.path("vae/disk/sub/x")).unwrap(), b"on the disk");
}

#[test]
fn what_can_not_be_removed_is_not_copied_either() {
    let Some(case) = Case::new(true) else { return skipped() };
    let disk = case.path("vae/disk");
    Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().unwrap();
    let source = Entry::open(&case.root, &RelPath::parse("vae/disk/sub/x").unwrap()).unwrap();
    let mut bin = Bin::new(&case.root, "2024-05-01".to_owned(), "7".to_owned());
    let refused = bin.put(&source, source.stamp().unwrap(), "t1", &mut unwatched).unwrap_err();
    assert!(matches!(&refused, CopyError::Destination(error) if error.class() == FailureClass::ReadOnly), "{refused}");
    assert!(!case.path(TRASH_FOLDER).exists() && case.path("vae/disk/sub/x").exists());
}

#[test]
fn neither_a_disk_nor_its_mount_point_is_tidied_away() {
    use crate::fs::folders::remove_emptied_folders;
    let Some(case) = Case::new(true) else { return skipped() };
    fs::remove_file(case.path("vae/disk/sub/x")).unwrap();
    let removed = remove_emptied_folders(&case.root, &RelPath::parse("vae/disk/sub").unwrap()).unwrap();
    assert_eq!(removed, [RelPath::parse("vae/disk/sub").unwrap()]);
    assert!(case.path("vae/disk").exists());
}
