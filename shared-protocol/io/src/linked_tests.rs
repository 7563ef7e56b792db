//! Which links are gone through, and which are not.

use std::os::unix::fs::symlink;

use super::*;
use crate::ConfinedFolder;
use crate::walk::walk;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(place.models().join("vae")).unwrap();
        fs::create_dir_all(place.volume()).unwrap();
        symlink(place.volume(), place.models().join("checkpoints")).unwrap();
        place
    }

    fn models(&self) -> PathBuf {
        self.folder.path().join("ComfyUI/models")
    }

    fn volume(&self) -> PathBuf {
        self.folder.path().join("volume/checkpoints")
    }

    fn confined(&self, are_allowed: bool) -> ConfinedFolder {
        ConfinedFolder::open_through(&self.models(), are_allowed).unwrap()
    }
}

fn rel(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

#[test]
fn a_linked_folder_is_gone_through_if_that_is_allowed() {
    let place = Place::new();
    let path = rel("checkpoints/deep/x");
    assert!(place.confined(false).resolve_with_folders(&path).is_err());
    let models = place.confined(true);
    let found = models.resolve_with_folders(&path).unwrap();
    fs::write(&found, "weights").unwrap();
    assert!(place.volume().join("deep/x").exists());
    let mut seen = Vec::new();
    walk(&models, &mut |path, _| seen.push(path));
    assert_eq!(seen, [path]);
    assert!(models.resolve(&rel("checkpoints")).is_err(), "a folder is no file");
    walk(&place.confined(false), &mut |path, _| unreachable!("{path:?} lies behind a link"));
}

#[test]
fn what_leads_elsewhere_later_is_a_link_like_any_other() {
    let place = Place::new();
    let models = place.confined(true);
    let elsewhere = place.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_file(place.models().join("checkpoints")).unwrap();
    symlink(&elsewhere, place.models().join("checkpoints")).unwrap();
    assert!(models.resolve(&rel("checkpoints/x")).is_err());
    // Nor is a link below it, or one that came later.
    let again = place.confined(true);
    symlink(place.volume(), elsewhere.join("more")).unwrap();
    symlink(place.volume(), place.models().join("loras")).unwrap();
    for path in ["checkpoints/more/x", "loras/x"] {
        assert!(again.resolve(&rel(path)).is_err(), "{path}");
    }
}

#[test]
fn loops_and_links_to_nowhere_are_told_and_never_gone_through() {
    let place = Place::new();
    let models = place.models();
    symlink("..", models.join("loop")).unwrap();
    symlink(models.join("vae"), models.join("inside")).unwrap();
    symlink("self", models.join("self")).unwrap();
    symlink("/none/anywhere", models.join("vae/gone")).unwrap();
    fs::write(place.volume().join("file"), "").unwrap();
    symlink(place.volume().join("file"), models.join("vae/file")).unwrap();
    let facts: Vec<LinkedFolder> = find(&models).iter().map(|found| found.fact(true)).collect();
    let told: Vec<_> = facts.iter().map(|fact| (fact.path.as_str(), fact.allowed)).collect();
    let paths = ["checkpoints", "inside", "loop", "self", "vae/gone"];
    assert_eq!(told, paths.map(|path| (path, path == "checkpoints")));
    assert!(facts.iter().all(|fact| fact.allowed == fact.problem.is_none()));
    assert!(find(&models).iter().all(|found| !found.fact(false).allowed));
    for path in ["loop/x", "inside/x", "self/x", "vae/gone/x"] {
        assert!(place.confined(true).resolve(&rel(path)).is_err(), "{path}");
    }
}
