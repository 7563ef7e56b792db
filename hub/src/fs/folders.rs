//! Making folders for what is copied, and removing those that became empty.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use shared_protocol::RelPath;
use shared_protocol::rel_path::match_key;

use crate::domain::exclusion::ROOT_MARKER;
use crate::domain::failure::FailureClass;
use crate::fs::entry::{Folder, OpenRoot};
use crate::fs::{FsError, RootDir};

/// Makes a folder and those above it as far as they are missing. It tells how it is spelled on disk: a
/// volume that knows no case keeps `loras` where `Loras` was asked for. Refuses to go through links.
pub fn ensure_folder(root: &Arc<OpenRoot>, folder: Option<&RelPath>) -> Result<Arc<Folder>, FsError> {
    let mut reached = Folder::open(root, None)?;
    for part in folder.iter().flat_map(|folder| folder.parts()) {
        reached = match reached.child(part)? {
            Some(found) => match spelling_on_disk(&reached, part) {
                Some(other) => reached.child(&other)?.unwrap_or(found),
                None => found,
            },
            None => reached.make(part)?,
        };
    }
    Ok(reached)
}

/// Folders that were made, or found, for one of several files that are worked on together. The next file
/// in them needs no second look; whoever changes a name in them asks again anyway.
#[derive(Debug, Default)]
pub struct Folders {
    made: HashMap<Option<RelPath>, Arc<Folder>>,
    found: HashMap<Option<RelPath>, Arc<Folder>>,
}

impl Folders {
    /// As [`ensure_folder`].
    pub fn ensure(&mut self, root: &Arc<OpenRoot>, folder: Option<RelPath>) -> Result<Arc<Folder>, FsError> {
        if let Some(made) = self.made.get(&folder) {
            return Ok(Arc::clone(made));
        }
        let made = ensure_folder(root, folder.as_ref())?;
        self.made.insert(folder, Arc::clone(&made));
        Ok(made)
    }

    /// As [`Folder::open`].
    pub fn open(&mut self, root: &Arc<OpenRoot>, folder: Option<RelPath>) -> Result<Arc<Folder>, FsError> {
        if let Some(found) = self.found.get(&folder) {
            return Ok(Arc::clone(found));
        }
        let found = Folder::open(root, folder.as_ref())?;
        self.found.insert(folder, Arc::clone(&found));
        Ok(found)
    }

    /// As [`Folder::find`].
    pub fn find(&mut self, root: &Arc<OpenRoot>, folder: Option<RelPath>) -> Result<Option<Arc<Folder>>, FsError> {
        let is_root = folder.is_none();
        match self.open(root, folder) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if !is_root && error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How an existing name is really written, if not as asked. Only where case does not matter can it be
/// another, and only then is the folder around it listed.
fn spelling_on_disk(parent: &Folder, name: &str) -> Option<String> {
    let swapped = swap_case(name);
    if swapped == name || !matches!(parent.has(&swapped), Ok(true)) {
        return None;
    }
    let names = parent.names().ok()?;
    if names.iter().any(|found| found.text == name) {
        return None;
    }
    let key = match_key(name);
    names.into_iter().map(|found| found.text).find(|found| match_key(found) == key)
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

/// Asks by an existing name; `None` if it is not there or has no case. The listing decides, not the
/// numbers of files: some file systems make those up for each name.
fn is_case_sensitive_at(folder: &Path, name: &str) -> Option<bool> {
    let swapped = swap_case(name);
    if swapped == name {
        return None;
    }
    fs::symlink_metadata(folder.join(name)).ok()?;
    match fs::symlink_metadata(folder.join(&swapped)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(true),
        Err(_) => return None,
        Ok(_) => {}
    }
    let names = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let both: Vec<String> = names.filter(|found| *found == name || *found == swapped).collect();
    Some(both.len() > 1)
}

/// Only ASCII: every volume without case agrees on it.
fn swap_case(name: &str) -> String {
    let swap = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    name.chars().map(swap).collect()
}

/// Removes a folder if it is empty, and then each one around it that became empty, but neither `end` nor
/// the root. Tells how many went.
pub fn remove_empty_folders_up(
    root: &Arc<OpenRoot>,
    folder: &RelPath,
    end: Option<&RelPath>,
) -> Result<usize, FsError> {
    remove_up(root, folder, &|folder| Some(folder) == end).map(|removed| removed.len())
}

/// The same, but a folder directly in the root stays too: it stands for a type of models. Tells which
/// went.
pub fn remove_emptied_folders(root: &Arc<OpenRoot>, folder: &RelPath) -> Result<Vec<RelPath>, FsError> {
    remove_up(root, folder, &|folder| folder.parent().is_none())
}

fn remove_up(
    root: &Arc<OpenRoot>,
    folder: &RelPath,
    stays: &dyn Fn(&RelPath) -> bool,
) -> Result<Vec<RelPath>, FsError> {
    let mut removed = Vec::new();
    let mut next = Some(folder.clone());
    while let Some(folder) = next.take_if(|folder| !stays(folder)) {
        if root.dir().links().at(folder.as_str()).is_some() {
            // Neither a link goes that a person made, nor the folder that it leads to.
            break;
        }
        let around = folder.parent();
        if let Some(parent) = Folder::find(root, around.as_ref())? {
            let is_top = |child: Arc<Folder>| Ok::<_, FsError>(child.mount()? != parent.mount()?);
            if parent.child(folder.name())?.map_or(Ok(false), is_top)? {
                // A disk is mounted there, or it is a part of one that was made by a person.
                break;
            }
            match parent.remove_child(folder.name()) {
                Ok(()) => removed.push(folder),
                Err(error) if FailureClass::of(&error) == FailureClass::NotFound => {}
                Err(error) if matches!(FailureClass::of(&error), FailureClass::Exists | FailureClass::InUse) => break,
                Err(error) => return Err(FsError::new("remove", &root.dir().resolve(&folder), error)),
            }
        }
        next = around;
    }
    Ok(removed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    fn root(folder: &tempfile::TempDir) -> Arc<OpenRoot> {
        OpenRoot::open(&RootDir::open(folder.path()).unwrap()).unwrap()
    }

    fn made(root: &Arc<OpenRoot>, folder: &str) -> String {
        ensure_folder(root, Some(&path(folder))).unwrap().below().unwrap().to_string()
    }

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn missing_folders_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(&folder);
        for _ in 0..2 {
            assert_eq!(made(&root, "a/b/c"), "a/b/c");
            assert!(folder.path().join("a/b/c").is_dir());
        }
        assert_eq!(ensure_folder(&root, None).unwrap().below(), None);
        fs::write(folder.path().join("file"), b"").unwrap();
        let error = ensure_folder(&root, Some(&path("file/x"))).unwrap_err();
        assert_eq!(error.class(), FailureClass::Exists);
    }

    #[test]
    fn a_root_that_is_away_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        fs::create_dir(&models).unwrap();
        let away = OpenRoot::open(&RootDir::open(&models).unwrap()).unwrap();
        fs::rename(&models, folder.path().join("elsewhere")).unwrap();
        assert!(ensure_folder(&away, Some(&path("a"))).unwrap_err().is_not_found());
        assert!(!models.exists());
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
        assert_eq!(case_sensitive(root.dir()), !same);
        assert_eq!(made(&root, "Loras/x"), if same { "loras/x" } else { "Loras/x" });
    }

    #[test]
    fn only_empty_folders_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(&folder);
        fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        fs::write(folder.path().join("a/x"), b"").unwrap();
        assert_eq!(remove_empty_folders_up(&root, &path("a/b/c"), None).unwrap(), 2);
        assert!(folder.path().join("a/x").exists());
        assert_eq!(remove_empty_folders_up(&root, &path("a/b/c"), None).unwrap(), 0, "gone already");
        fs::remove_file(folder.path().join("a/x")).unwrap();
        assert_eq!(remove_empty_folders_up(&root, &path("a"), None).unwrap(), 1);
        assert!(folder.path().is_dir(), "the root stays");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_made_or_removed_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir_all(outside.join("empty")).unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        let root = OpenRoot::open(&RootDir::open(&folder.path().join("root")).unwrap()).unwrap();
        std::os::unix::fs::symlink(&outside, root.path().join("link")).unwrap();
        assert!(ensure_folder(&root, Some(&path("link/new"))).is_err());
        assert!(remove_empty_folders_up(&root, &path("link/empty"), None).is_err());
        assert!(outside.join("empty").exists() && !outside.join("new").exists());
    }
}
