//! What is someone else's is neither written to nor removed, whatever its name is.

use super::*;
use crate::ConfinedFolder;
use crate::download::PartFile;

const SIZE: u64 = 2 << 20;

struct Place {
    folder: tempfile::TempDir,
    dest: RelPath,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), dest: RelPath::parse("x.safetensors").unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Option<PartFile> {
        let models = ConfinedFolder::open(self.folder.path()).unwrap();
        PartFile::open(&models, &self.dest, Blake3::from_bytes([7; 32]), SIZE).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn what_someone_else_has_under_our_names_stays_as_it_is() {
    let theirs = ["", ".journal", ".groups", ".journal~", ".groups~"];
    for ending in theirs {
        let place = Place::new();
        let name = format!(".x.safetensors.part{ending}");
        fs::write(place.file(&name), "weights of a week").unwrap();
        let part = place.open().unwrap();
        part.empty().unwrap();
        part.finish().unwrap();
        assert_eq!(fs::read(place.file(&name)).unwrap(), b"weights of a week", "{name}");
        assert_eq!(place.names(), [name.as_str(), "x.safetensors"]);
        fs::remove_file(place.file("x.safetensors")).unwrap();
        place.open().unwrap().discard().unwrap();
        assert_eq!(place.names(), [name.as_str()]);
    }
}

#[test]
fn a_folder_or_a_link_under_our_name_is_passed_over() {
    let place = Place::new();
    fs::create_dir(place.file(".x.safetensors.part")).unwrap();
    place.open().unwrap().finish().unwrap();
    assert!(place.file("x.safetensors").is_file() && place.file(".x.safetensors.part").is_dir());
}

#[test]
fn ours_is_found_again_and_where_every_name_is_taken_nothing_is_made() {
    let place = Place::new();
    fs::write(place.file(".x.safetensors.part"), "theirs").unwrap();
    drop(place.open().unwrap());
    drop(place.open().unwrap());
    let names = [".x.safetensors.part", ".x.safetensors~1.part", ".x.safetensors~1.part.journal"];
    assert_eq!(place.names(), names);
    let taken = Place::new();
    for name in part_names("x.safetensors") {
        fs::write(taken.file(&name), "theirs").unwrap();
    }
    assert!(matches!(
        claim(&taken.file("x.safetensors"), &Blake3::from_bytes([7; 32]), SIZE, b"{}"),
        Err(PlaceError::Occupied(_))
    ));
    assert_eq!(taken.names().len(), part_names("x").count());
}

#[test]
fn what_another_machine_works_on_is_left_to_it_until_it_is_quiet() {
    let place = Place::new();
    drop(place.open().unwrap());
    let journal = place.file(".x.safetensors.part.journal");
    let text = fs::read_to_string(&journal).unwrap().replace(&machine::this().id(), "anothermachine");
    fs::write(&journal, text).unwrap();
    let dest = place.file("x.safetensors");
    assert_eq!(claim(&dest, &Blake3::from_bytes([7; 32]), SIZE, b"{}").unwrap(), place.file(".x.safetensors~1.part"));
    for name in [".x.safetensors.part", ".x.safetensors.part.journal"] {
        let file = fs::File::options().write(true).open(place.file(name)).unwrap();
        file.set_modified(SystemTime::now() - 2 * QUIET).unwrap();
    }
    assert_eq!(claim(&dest, &Blake3::from_bytes([7; 32]), SIZE, b"{}").unwrap(), place.file(".x.safetensors.part"));
}

#[test]
fn long_names_are_cut_and_stay_apart() {
    let first = |name: &str| part_names(name).next().unwrap();
    let long = |end: &str| format!("{}{end}", "\u{fc}".repeat(120));
    let (a, b) = (first(&long("a")), first(&long("b")));
    assert_ne!(a, b);
    assert!(a.len() < 230 && a.starts_with('.'));
    assert_eq!(first("y"), ".y.part");
}
