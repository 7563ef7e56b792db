//! Only what is ours and nobody goes on with is removed.

use std::fs::File;
use std::path::{Path, PathBuf};

use shared_protocol::Blake3;

use super::*;
use crate::download::PartFile;

const DAY: Duration = Duration::from_hours(24);

fn rel(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn date(path: &Path, at: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

struct Place {
    folder: tempfile::TempDir,
    now: SystemTime,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), now: SystemTime::now() }
    }

    fn models(&self) -> ConfinedFolder {
        ConfinedFolder::open(self.folder.path()).unwrap()
    }

    /// Makes a file that was last written so long ago.
    fn file(&self, path: &str, age: Duration) -> PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "bytes").unwrap();
        date(&path, self.now - age);
        path
    }

    /// Makes a half-done file of ours that was last written so long ago.
    fn ours(&self, dest: &str, age: Duration) -> PathBuf {
        let part = PartFile::open(&self.models(), &rel(dest), Blake3::from_bytes([7; 32]), 2 << 20).unwrap().unwrap();
        drop(part);
        let path = self.folder.path().join(part_paths(&rel(dest)).next().unwrap().as_str());
        for file in note_paths(&path).into_iter().chain([path.clone()]).filter(|file| file.exists()) {
            date(&file, self.now - age);
        }
        path
    }

    fn sweep(&self, wanted: &[&str]) {
        let wanted: Vec<RelPath> = wanted.iter().map(|dest| rel(dest)).collect();
        Leftovers::new(self.models(), wanted.iter(), self.now).sweep(&|| false);
    }

    fn set_left(&self) -> Vec<String> {
        let mut left = Vec::new();
        walk(&self.models(), &mut |path, _| left.push(path.as_str().to_owned()));
        left.sort();
        left
    }
}

#[test]
fn what_is_a_week_old_goes_with_its_notes_and_nothing_else_does() {
    let place = Place::new();
    place.ours("loras/deep/x", 8 * DAY);
    for path in ["loras/deep/.x.part.groups", "loras/deep/.x.part.groups~"] {
        place.file(path, 8 * DAY);
    }
    // Its file was finished, and its notes were not removed.
    fs::remove_file(place.ours("done", 8 * DAY)).unwrap();
    place.file(".done.part.groups", 8 * DAY);
    let stay = [
        // Of others, though the agent gives such names, too.
        ".my_training_run.part",
        // Of others: no name that the agent gives.
        ".part",
        ".theirs.part",
        ".theirs.part.groups",
        ".theirs.part.journal",
        ".theirs.part.journal~",
        ".x.part.other",
        ".x.safetensors.0a1b2c3d-17-aside.part",
        ".x.safetensors.0a1b2c3d-17.part",
        ".x~",
        "x.part",
        "x.safetensors",
    ];
    for path in stay {
        place.file(path, 8 * DAY);
    }
    place.sweep(&[]);
    assert_eq!(place.set_left(), stay);
}

#[test]
fn a_young_one_stays() {
    let place = Place::new();
    place.ours("a", 6 * DAY);
    date(&place.folder.path().join(".a.part.journal"), place.now - 8 * DAY);
    place.ours("b", 8 * DAY);
    date(&place.folder.path().join(".b.part.journal"), place.now - DAY);
    date(&place.ours("c", 8 * DAY), place.now + DAY);
    place.sweep(&[]);
    let kept = ["a", "b", "c"].map(|name| [format!(".{name}.part"), format!(".{name}.part.journal")]);
    assert_eq!(place.set_left(), kept.concat());
}

#[test]
fn one_that_someone_works_on_stays_until_they_are_done() {
    let place = Place::new();
    let path = place.ours("vae/x", 8 * DAY);
    let notes = place.folder.path().join("vae/.x.part.journal");
    let open = || PartFile::open(&place.models(), &rel("vae/x"), Blake3::from_bytes([7; 32]), 2 << 20).unwrap();
    let part = open().unwrap();
    place.sweep(&[]);
    assert!(path.exists() && notes.exists());
    drop(part);
    place.sweep(&[]);
    assert!(!path.exists() && !notes.exists());
}

#[test]
fn one_of_an_open_job_stays_and_one_of_an_ended_job_does_not() {
    let place = Place::new();
    let long = "n".repeat(240);
    for dest in ["loras/Open", "loras/ended", &long] {
        place.ours(dest, 8 * DAY);
    }
    place.sweep(&["loras/open", &long]);
    let mut kept: Vec<String> = ["loras/Open", &long]
        .into_iter()
        .map(|dest| part_paths(&rel(dest)).next().unwrap().as_str().to_owned())
        .flat_map(|part| [format!("{part}.journal"), part])
        .collect();
    kept.sort();
    assert_eq!(place.set_left(), kept);
}

#[cfg(unix)]
#[test]
fn links_are_neither_followed_nor_removed() {
    let (place, outside) = (Place::new(), Place::new());
    let path = outside.ours("x", 8 * DAY);
    for name in [".x.part", ".x.part.journal"] {
        std::os::unix::fs::symlink(outside.folder.path().join(name), place.folder.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink(outside.folder.path(), place.folder.path().join("loras")).unwrap();
    place.sweep(&[]);
    assert!(path.exists() && place.folder.path().join(".x.part").is_symlink());
}

#[test]
fn told_to_stop_it_leaves_the_rest() {
    let place = Place::new();
    place.ours("x", 8 * DAY);
    Leftovers::new(place.models(), [].iter(), place.now).sweep(&|| true);
    assert_eq!(place.set_left(), [".x.part", ".x.part.journal"]);
}
