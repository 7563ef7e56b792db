//! Where a clone is made, and how it gets to its place.
//!
//! A folder that is not there yet gets a clone made beside it, by one rename. A folder that holds
//! `models/` only, made by downloads that came before ComfyUI, has the clone made inside it; then its
//! files are moved out one by one, `.git` last. A file in that clone marks it as complete, so that what a
//! kill cut off is gone on with.
//!
//! A file in its `.git` says that the folder was made here: only such a folder is ever removed. One that has the name
//! and not the file is someone's, and another name is taken.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared_io::machine;

use super::GitFailure;

/// The folder in which a clone is made.
const UNFINISHED: &str = ".comfy-agent-clone";

/// Names tried for that folder.
const MOST_NAMES: u32 = 16;

/// In its `.git`, before anything else is: the folder was made here, by the machine that it names.
const MADE_HERE: &str = "comfy-agent-made";

/// A clone that another machine has begun so long ago is no longer made.
const ANOTHERS: Duration = Duration::from_hours(24);

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
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            return Ok(Place::Absent(make_unfinished(|n| target.with_file_name(format!(".{name}{}", unfinished(n))))?));
        }
        Err(error) => return Err(GitFailure::disk("look at", target, &error)),
        Ok(found) if !found.is_dir() => {
            return Err(GitFailure::in_the_way(format!("{} is in the way: it is no folder", target.display())));
        }
        Ok(_) => {}
    }
    let inside = |n| target.join(unfinished(n));
    if fs::symlink_metadata(target.join(".git")).is_ok() {
        // A kill may have come between the last two steps of a merge: the marks are in the clone's own folder then.
        let is_cut = is_ours(target);
        for folder in (0..MOST_NAMES).map(inside).filter(|folder| is_folder(folder)) {
            if is_ours(&folder) {
                remove(&folder)?;
            } else if is_cut {
                remove_emptied(&folder)?;
            }
        }
        unmark(target);
        return Ok(Place::Clone);
    }
    let complete = |folder: &PathBuf| is_ours(folder) && folder.join(".git").join(COMPLETE).exists();
    if let Some(complete) = (0..MOST_NAMES).map(inside).find(complete) {
        return Ok(Place::Complete(complete));
    }
    for entry in fs::read_dir(target).map_err(|error| GitFailure::disk("list", target, &error))? {
        let entry = entry.map_err(|error| GitFailure::disk("list", target, &error))?;
        let (name, path) = (entry.file_name(), entry.path());
        if is_ours(&path) && (0..MOST_NAMES).any(|n| name == OsStr::new(&unfinished(n))) {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if name != OsStr::new(MODELS) || !is_folder {
            return Err(GitFailure::in_the_way(format!("{} is in the way, and is left as it is", path.display())));
        }
    }
    Ok(Place::Open(make_unfinished(inside)?))
}

/// The name of the folder in which a clone is made, or another one where that is taken.
fn unfinished(n: u32) -> String {
    if n == 0 { UNFINISHED.to_owned() } else { format!("{UNFINISHED}-{n}") }
}

/// Whether a folder was made here, and not a short while ago by another machine that sees the same disk.
fn is_ours(folder: &Path) -> bool {
    let [made, complete] = [MADE_HERE, COMPLETE].map(|mark| folder.join(".git").join(mark));
    let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    if !is_folder(folder) || !is_file(&made) {
        return is_folder(folder) && is_file(&complete);
    }
    let machine = fs::read_to_string(&made).unwrap_or_default();
    let age = fs::metadata(&made).ok().and_then(|found| found.modified().ok()?.elapsed().ok());
    machine == machine::this().id() || age.is_some_and(|age| age > ANOTHERS)
}

/// Makes an empty folder and marks it as ours, in the place of one that an earlier try left.
fn make_unfinished(name: impl Fn(u32) -> PathBuf) -> Result<PathBuf, GitFailure> {
    for folder in (0..MOST_NAMES).map(&name) {
        if is_ours(&folder) {
            remove(&folder)?;
        }
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made.map_err(|error| GitFailure::disk("make", &folder, &error))?,
        }
        let git = folder.join(".git");
        let marked = fs::create_dir(&git).and_then(|()| fs::write(git.join(MADE_HERE), machine::this().id()));
        return marked.map(|()| folder.clone()).map_err(|error| GitFailure::disk("make", &git, &error));
    }
    Err(GitFailure::in_the_way(format!("{} is in the way, and is left as it is", name(0).display())))
}

/// Takes the marks away: from here on it is the user's clone.
fn unmark(clone: &Path) {
    for mark in [MADE_HERE, COMPLETE] {
        // One that stays harms nothing: a clone at its place is never taken for an unfinished one.
        drop(fs::remove_file(clone.join(".git").join(mark)));
    }
}

/// Marks a clone as complete.
pub(super) fn complete(clone: &Path) -> Result<(), GitFailure> {
    let mark = clone.join(".git").join(COMPLETE);
    fs::File::create(&mark).and_then(|file| file.sync_all()).map_err(|error| GitFailure::disk("write", &mark, &error))
}

/// Moves a clone to a place where nothing is.
pub(super) fn place(clone: &Path, target: &Path) -> Result<(), GitFailure> {
    fs::rename(clone, target).map_err(|error| GitFailure::disk("make", target, &error))?;
    unmark(target);
    Ok(())
}

/// Moves a complete clone out of its folder into the one around it.
pub(super) fn merge(clone: &Path, target: &Path) -> Result<(), GitFailure> {
    check_free(clone, target)?;
    move_all(clone, target, true)?;
    let git = target.join(".git");
    fs::rename(clone.join(".git"), &git).map_err(|error| GitFailure::disk("make", &git, &error))?;
    unmark(target);
    remove_emptied(clone)
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

/// Removes the folders of a clone whose files were moved away, and nothing that someone put there meanwhile.
fn remove_emptied(folder: &Path) -> Result<(), GitFailure> {
    for path in entries(folder)?.into_iter().filter(|path| is_folder(path)) {
        remove_emptied(&path)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(GitFailure::disk("remove", folder, &error))
        }
        _ => Ok(()),
    }
}

/// Removes a folder that is ours.
fn remove(folder: &Path) -> Result<(), GitFailure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(GitFailure::disk("remove", folder, &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_not_made_here_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("ComfyUI");
        let theirs = folder.path().join(".ComfyUI.comfy-agent-clone");
        fs::create_dir_all(theirs.join(".git")).unwrap();
        fs::write(theirs.join("work"), "of days").unwrap();
        let Place::Absent(beside) = look(&target).unwrap() else { unreachable!("nothing is there") };
        assert!(beside != theirs && is_ours(&beside));
        fs::write(beside.join("half"), "").unwrap();
        assert_eq!(look(&target).unwrap(), Place::Absent(beside.clone()), "what is ours is made anew");
        assert!(!beside.join("half").exists());
        let anothers = beside.join(".git").join(MADE_HERE);
        fs::write(&anothers, "another machine").unwrap();
        assert!(!is_ours(&beside), "another machine is at it");
        fs::write(&anothers, machine::this().id()).unwrap();
        place(&beside, &target).unwrap();
        assert!(!is_ours(&target), "a clone at its place is the user's");
        assert_eq!(fs::read(theirs.join("work")).unwrap(), b"of days");
        let inside = target.join(UNFINISHED);
        fs::create_dir(&inside).unwrap();
        assert_eq!(look(&target).unwrap(), Place::Clone);
        assert!(inside.exists());
        fs::remove_dir(target.join(".git")).unwrap();
        assert!(look(&target).is_err() && inside.exists(), "it is in the way and stays");
    }

    #[test]
    fn what_someone_put_into_an_emptied_clone_stays() {
        let folder = tempfile::tempdir().unwrap();
        let clone = folder.path().join("clone");
        fs::create_dir_all(clone.join("a/b")).unwrap();
        fs::create_dir_all(clone.join("c")).unwrap();
        fs::write(clone.join("a/note"), "").unwrap();
        remove_emptied(&clone).unwrap();
        assert!(clone.join("a/note").exists() && !clone.join("a/b").exists() && !clone.join("c").exists());
    }
}
