//! Making folders for what is copied, and removing those that became empty.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

use crate::domain::exclusion::ROOT_MARKER;
use crate::domain::failure::FailureClass;
use crate::fs::confine::look_unless_link;
use crate::fs::rename::sync_folder;
use crate::fs::{FsError, RootDir};

/// Makes a folder and those above it as far as they are missing, and tells how it is spelled on disk:
/// a volume that knows no case keeps `loras` where `Loras` was asked for. Refuses to go through links.
pub fn ensure_folder(root: &RootDir, folder: Option<&RelPath>) -> Result<Option<RelPath>, FsError> {
    // Never the root itself: that would fill the empty mount point of a disk that is away.
    root.check_present()?;
    let mut reached: Option<RelPath> = None;
    for part in folder.iter().flat_map(|folder| folder.parts()) {
        let parent = root.resolve_folder(reached.as_ref());
        let path = parent.join(part);
        let spelled = match look_unless_link(&path)? {
            Some(found) if found.is_dir() => spelling_on_disk(&parent, part),
            Some(_) => return Err(FsError::refused("create", &path, ErrorKind::AlreadyExists, "a file has this name")),
            None => {
                create(&path)?;
                // Else a power cut could take the folder with all that was copied into it.
                sync_folder(&parent)?;
                part.to_owned()
            }
        };
        let step = RelPath::in_folder(reached.as_ref(), &spelled);
        reached = Some(step.map_err(|error| FsError::new("create", &path, io::Error::other(error)))?);
    }
    Ok(reached)
}

/// Someone else may make it at the same moment; a file of that name is an error.
fn create(path: &Path) -> Result<(), FsError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created.map_err(FsError::at("create", path)),
    }
}

/// How an existing name is really written. Only where case does not matter can it be another, and only
/// then is the folder around it listed.
fn spelling_on_disk(parent: &Path, name: &str) -> String {
    let as_asked = name.to_owned();
    if is_case_sensitive_at(parent, name) != Some(false) {
        return as_asked;
    }
    let Ok(entries) = fs::read_dir(parent) else { return as_asked };
    let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    if names.contains(&as_asked) {
        return as_asked;
    }
    let key = match_key(name);
    names.into_iter().find(|found| match_key(found) == key).unwrap_or(as_asked)
}

/// Whether the root tells `A` from `a`. Asks the disk by a name that is there, without making one.
pub fn case_sensitive(root: &RootDir) -> bool {
    let by_own_name = || is_case_sensitive_at(root.path().parent()?, root.path().file_name()?.to_str()?);
    is_case_sensitive_at(root.path(), ROOT_MARKER)
        .or_else(|| {
            let entries = fs::read_dir(root.path()).ok()?;
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            names.take(64).find_map(|name| is_case_sensitive_at(root.path(), &name))
        })
        .or_else(by_own_name)
        .unwrap_or(cfg!(not(windows)))
}

/// Asks by an existing name; `None` if it is not there or has no case.
fn is_case_sensitive_at(folder: &Path, name: &str) -> Option<bool> {
    let swapped = swap_case(name);
    if swapped == name {
        return None;
    }
    let id = file_id::get_file_id(folder.join(name)).ok()?;
    Some(file_id::get_file_id(folder.join(swapped)).ok() != Some(id))
}

/// Only ASCII: every volume without case agrees on it.
fn swap_case(name: &str) -> String {
    let swap = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    name.chars().map(swap).collect()
}

/// Removes a folder if it is empty, and then each one around it that became empty, but never the root.
/// Tells how many went.
pub fn remove_empty_folders_up(root: &RootDir, folder: &RelPath) -> Result<usize, FsError> {
    remove_up(root, folder, false).map(|removed| removed.len())
}

/// The same, but a folder directly in the root stays too: it stands for a type of models. Tells which
/// went.
pub fn remove_emptied_folders(root: &RootDir, folder: &RelPath) -> Result<Vec<RelPath>, FsError> {
    remove_up(root, folder, true)
}

fn remove_up(root: &RootDir, folder: &RelPath, keep_types: bool) -> Result<Vec<RelPath>, FsError> {
    crate::fs::ensure_no_links(root, folder)?;
    let mut removed = Vec::new();
    let mut next = Some(folder.clone());
    while let Some(folder) = next.take_if(|folder| !keep_types || folder.parent().is_some()) {
        let path = root.resolve(&folder);
        match fs::remove_dir(&path) {
            Ok(()) => removed.push(folder.clone()),
            Err(error) if FailureClass::of(&error) == FailureClass::NotFound => {}
            Err(error) if FailureClass::of(&error) == FailureClass::Exists => break,
            Err(error) => return Err(FsError::new("remove", &path, error)),
        }
        next = folder.parent();
    }
    Ok(removed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn root(folder: &tempfile::TempDir) -> RootDir {
        RootDir::open(folder.path()).unwrap()
    }

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn missing_folders_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(&folder);
        for _ in 0..2 {
            assert_eq!(ensure_folder(&root, Some(&path("a/b/c"))).unwrap(), Some(path("a/b/c")));
            assert!(folder.path().join("a/b/c").is_dir());
        }
        assert_eq!(ensure_folder(&root, None).unwrap(), None);
        fs::write(folder.path().join("file"), b"").unwrap();
        let error = ensure_folder(&root, Some(&path("file/x"))).unwrap_err();
        assert_eq!(error.class(), FailureClass::Exists);
    }

    #[test]
    fn a_root_that_is_away_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let away = RootDir::open(&folder.path().join("away")).unwrap();
        assert!(ensure_folder(&away, Some(&path("a"))).unwrap_err().is_not_found());
        assert!(!away.path().exists());
    }

    #[test]
    fn many_may_make_the_same_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(&folder);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| ensure_folder(&root, Some(&path("a/b/c/d"))).unwrap());
            }
        });
    }

    #[test]
    fn case_is_as_the_disk_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(&folder);
        fs::create_dir(folder.path().join("loras")).unwrap();
        let same = folder.path().join("LORAS").exists();
        assert_eq!(case_sensitive(&root), !same);
        let spelled = ensure_folder(&root, Some(&path("Loras/x"))).unwrap().unwrap();
        assert_eq!(spelled.as_str(), if same { "loras/x" } else { "Loras/x" });
    }

    #[test]
    fn only_empty_folders_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(&folder);
        fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        fs::write(folder.path().join("a/x"), b"").unwrap();
        assert_eq!(remove_empty_folders_up(&root, &path("a/b/c")).unwrap(), 2);
        assert!(folder.path().join("a/x").exists());
        assert_eq!(remove_empty_folders_up(&root, &path("a/b/c")).unwrap(), 0, "gone already");
        fs::remove_file(folder.path().join("a/x")).unwrap();
        assert_eq!(remove_empty_folders_up(&root, &path("a")).unwrap(), 1);
        assert!(folder.path().is_dir(), "the root stays");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_made_or_removed_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootDir::open(&folder.path().join("root")).unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir_all(outside.join("empty")).unwrap();
        fs::create_dir(root.path()).unwrap();
        std::os::unix::fs::symlink(&outside, root.path().join("link")).unwrap();
        assert!(ensure_folder(&root, Some(&path("link/new"))).is_err());
        assert!(remove_empty_folders_up(&root, &path("link/empty")).is_err());
        assert!(outside.join("empty").exists() && !outside.join("new").exists());
    }
}
