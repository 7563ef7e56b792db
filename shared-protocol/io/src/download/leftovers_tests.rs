//! Only what nobody goes on with is removed.

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
    for path in [
        "loras/deep/.x.part",
        "loras/deep/.x.part.journal",
        "loras/deep/.x.part.groups",
        "loras/deep/.x.part.groups~",
        // Its file was finished, and its notes were not removed.
        ".done.part.groups",
    ] {
        place.file(path, 8 * DAY);
    }
    let stay = [
        // Of others: no name that the agent gives.
        ".part",
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
    place.file(".a.part", 6 * DAY);
    place.file(".b.part", 8 * DAY);
    place.file(".b.part.journal", DAY);
    place.file(".c.part", Duration::ZERO);
    date(&place.folder.path().join(".c.part"), place.now + DAY);
    place.sweep(&[]);
    assert_eq!(place.set_left(), [".a.part", ".b.part", ".b.part.journal", ".c.part"]);
}

#[test]
fn one_that_someone_works_on_stays_until_they_are_done() {
    let place = Place::new();
    let part = PartFile::open(&place.models(), &rel("vae/x"), Blake3::from_bytes([7; 32]), 5).unwrap().unwrap();
    let notes = place.file("vae/.x.part.journal", 8 * DAY);
    let path = place.folder.path().join("vae/.x.part");
    date(&path, place.now - 8 * DAY);
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
        let part = part_path(&rel(dest)).unwrap();
        place.file(part.as_str(), 8 * DAY);
    }
    place.sweep(&["loras/open", &long]);
    let mut kept = ["loras/Open", &long].map(|dest| part_path(&rel(dest)).unwrap().as_str().to_owned());
    kept.sort();
    assert_eq!(place.set_left(), kept);
}

#[cfg(unix)]
#[test]
fn links_are_neither_followed_nor_removed() {
    let (place, outside) = (Place::new(), Place::new());
    let path = outside.file(".x.part", 8 * DAY);
    std::os::unix::fs::symlink(&path, place.folder.path().join(".x.part")).unwrap();
    std::os::unix::fs::symlink(outside.folder.path(), place.folder.path().join("loras")).unwrap();
    place.sweep(&[]);
    assert!(path.exists() && place.folder.path().join(".x.part").is_symlink());
}

#[test]
fn told_to_stop_it_leaves_the_rest() {
    let place = Place::new();
    place.file(".x.part", 8 * DAY);
    Leftovers::new(place.models(), [].iter(), place.now).sweep(&|| true);
    assert_eq!(place.set_left(), [".x.part"]);
}
