//! Links below a folder that lead to other folders: which there are, and which may be gone through.
//!
//! Rented machines put `models/checkpoints` on a volume and leave a link. Such a link is a way out of the folder, so it
//! is gone through only if whoever runs the program allowed that, and only if it was judged when the program started:
//! the folder is there, belongs to the owner of the models or to the program's own user, and neither holds the folder
//! of models nor lies in it. It is then known by its device and inode; led elsewhere later, it is a link like any other.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use shared_protocol::RelPath;
use shared_protocol::facts::LinkedFolder;

/// How deep links are looked for.
const DEPTH: usize = 3;

/// Links that are told of; more are no folder of models.
const MOST: usize = 100;

/// A link that may be gone through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Where the link lies, absolute.
    pub place: PathBuf,
    device: u64,
    inode: u64,
}

impl Pinned {
    /// Whether the link still leads to the folder it led to.
    pub fn holds(&self) -> bool {
        fs::metadata(&self.place).is_ok_and(|found| found.is_dir() && identity(&found) == (self.device, self.inode))
    }
}

/// A link, and what it may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    path: RelPath,
    target: PathBuf,
    verdict: Result<Pinned, String>,
}

impl Found {
    /// What is told of it; `is_allowed` says whether links may be gone through at all.
    pub fn fact(&self, is_allowed: bool) -> LinkedFolder {
        LinkedFolder {
            path: self.path.clone(),
            target: self.target.display().to_string(),
            allowed: is_allowed && self.verdict.is_ok(),
            problem: self.verdict.clone().err(),
        }
    }

    /// The way through it, if there may be one.
    pub fn pinned(&self) -> Option<&Pinned> {
        self.verdict.as_ref().ok()
    }
}

/// Looks for links to folders, and for links that lead nowhere.
pub fn find(models: &Path) -> Vec<Found> {
    let mut all = Vec::new();
    let mut folders = vec![(None, 0)];
    while let Some((folder, depth)) = folders.pop() {
        let place = place_of(models, folder.as_ref());
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let path = name.to_str().and_then(|name| RelPath::in_folder(folder.as_ref(), name).ok());
            let (Some(path), Ok(kind)) = (path, entry.file_type()) else { continue };
            if kind.is_dir() && depth + 1 < DEPTH {
                folders.push((Some(path), depth + 1));
            } else if kind.is_symlink() && all.len() < MOST {
                all.extend(judge_link(models, path, entry.path()));
            }
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn place_of(models: &Path, folder: Option<&RelPath>) -> PathBuf {
    folder.map_or_else(|| models.to_owned(), |folder| models.join(folder.as_str()))
}

/// Judges a link; none if it leads to a file.
fn judge_link(models: &Path, path: RelPath, place: PathBuf) -> Option<Found> {
    let target = fs::read_link(&place).unwrap_or_default();
    let found = match fs::metadata(&place) {
        Ok(found) if !found.is_dir() => return None,
        Ok(found) => found,
        Err(error) => {
            let verdict = Err(format!("it leads nowhere: {error}"));
            return Some(Found { path, target, verdict });
        }
    };
    let verdict = judge_folder(models, &place, &found).map(|()| {
        let (device, inode) = identity(&found);
        Pinned { place, device, inode }
    });
    Some(Found { path, target, verdict })
}

fn judge_folder(models: &Path, place: &Path, found: &Metadata) -> Result<(), String> {
    let real = |path: &Path| fs::canonicalize(path).map_err(|error| format!("it can't be followed: {error}"));
    let (target, models_real) = (real(place)?, real(models)?);
    if models_real.starts_with(&target) {
        return Err("it leads to a folder that holds the folder of models itself".to_owned());
    }
    if target.starts_with(&models_real) {
        return Err("it leads to a folder that is in the folder of models anyway".to_owned());
    }
    let models_found = fs::metadata(models).map_err(|error| error.to_string())?;
    if is_owned_alike(found, &models_found) { Ok(()) } else { Err("its folder belongs to someone else".to_owned()) }
}

#[cfg(unix)]
fn identity(found: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

#[cfg(unix)]
fn is_owned_alike(found: &Metadata, models: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.uid() == models.uid() || found.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
const fn identity(_found: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Nothing tells here, so nothing is gone through.
#[cfg(not(unix))]
const fn is_owned_alike(_found: &Metadata, _models: &Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
#[path = "linked_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
