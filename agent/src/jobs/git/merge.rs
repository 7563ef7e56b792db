//! Where a clone is made, and how it gets to its place.
//!
//! A folder that is not there yet gets a clone made beside it, by one rename. A folder that holds
//! `models/` only, made by downloads that came before ComfyUI, has the clone made inside it; then its
//! files are moved out one by one, `.git` last. A file in that clone marks it as complete, so that what a
//! kill cut off is gone on with.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::GitFailure;

/// The folder in which a clone is made.
const UNFINISHED: &str = ".comfy-agent-clone";

/// In its `.git`, once the clone is complete.
const COMPLETE: &str = "comfy-agent-complete";

/// What may lie in the folder before the clone.
const MODELS: &str = "models";

/// What lies where a clone should go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A clone.
    Clone,
    /// Nothing: make one in the folder told, then move it.
    Absent(PathBuf),
    /// Nothing that is in the way: make one in the folder told, then merge it.
    Open(PathBuf),
    /// As above, and the clone is there already.
    Complete(PathBuf),
}

/// Looks at a place, and removes what an earlier try left unfinished.
pub(super) fn look(target: &Path) -> Result<Place, GitFailure> {
    let inside = target.join(UNFINISHED);
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            let beside = target.with_file_name(format!(".{name}{UNFINISHED}"));
            remove(&beside)?;
            return Ok(Place::Absent(beside));
        }
        Err(error) => return Err(GitFailure::disk("look at", target, &error)),
        Ok(found) if !found.is_dir() => {
            return Err(GitFailure::in_the_way(format!("{} is in the way: it is no folder", target.display())));
        }
        Ok(_) => {}
    }
    if fs::symlink_metadata(target.join(".git")).is_ok() {
        remove(&inside)?;
        return Ok(Place::Clone);
    }
    if inside.join(".git").join(COMPLETE).exists() {
        return Ok(Place::Complete(inside));
    }
    for entry in fs::read_dir(target).map_err(|error| GitFailure::disk("list", target, &error))? {
        let entry = entry.map_err(|error| GitFailure::disk("list", target, &error))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == OsStr::new(UNFINISHED) {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if name != OsStr::new(MODELS) || !is_folder {
            return Err(GitFailure::in_the_way(format!("{} is in the way, and is left as it is", path.display())));
        }
    }
    remove(&inside)?;
    Ok(Place::Open(inside))
}

/// Marks a clone as complete.
pub(super) fn complete(clone: &Path) -> Result<(), GitFailure> {
    let mark = clone.join(".git").join(COMPLETE);
    fs::File::create(&mark).and_then(|file| file.sync_all()).map_err(|error| GitFailure::disk("write", &mark, &error))
}

/// Moves a clone to a place where nothing is.
pub(super) fn place(clone: &Path, target: &Path) -> Result<(), GitFailure> {
    fs::rename(clone, target).map_err(|error| GitFailure::disk("make", target, &error))
}

/// Moves a complete clone out of its folder into the one around it.
pub(super) fn merge(clone: &Path, target: &Path) -> Result<(), GitFailure> {
    check_free(clone, target)?;
    move_all(clone, target, true)?;
    let git = target.join(".git");
    fs::rename(clone.join(".git"), &git).map_err(|error| GitFailure::disk("make", &git, &error))?;
    drop(fs::remove_file(git.join(COMPLETE)));
    remove(clone)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, GitFailure> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    listed.map_err(|error| GitFailure::disk("list", folder, &error))
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Nothing is moved unless everything can be: folders onto folders, files to where nothing is.
fn check_free(from: &Path, to: &Path) -> Result<(), GitFailure> {
    for path in entries(from)? {
        let there = to.join(path.file_name().unwrap_or_default());
        match fs::symlink_metadata(&there) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(GitFailure::disk("look at", &there, &error)),
            Ok(found) if found.is_dir() && is_folder(&path) => check_free(&path, &there)?,
            Ok(_) => {
                let detail = format!("{} is in the way, and is left as it is", there.display());
                return Err(GitFailure::in_the_way(detail));
            }
        }
    }
    Ok(())
}

fn move_all(from: &Path, to: &Path, is_top: bool) -> Result<(), GitFailure> {
    for path in entries(from)? {
        let name = path.file_name().unwrap_or_default();
        if is_top && name == OsStr::new(".git") {
            continue;
        }
        let there = to.join(name);
        if is_folder(&there) {
            move_all(&path, &there, false)?;
        } else {
            fs::rename(&path, &there).map_err(|error| GitFailure::disk("make", &there, &error))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), GitFailure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(GitFailure::disk("remove", folder, &error)),
        _ => Ok(()),
    }
}
