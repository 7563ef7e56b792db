//! What may be included, case by case.

use std::os::unix::fs::symlink;

use super::*;
use crate::fs::OwnFolder;
use crate::fs::entry::testing::including;

/// `local`, `lake`, `data`, and folders elsewhere.
fn places() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for dir in
        ["local/loras", "lake/vae", "data/logs", "disk/sd/deep", "disk/.Trash-1000/files", "disk/more", "taken/x"]
    {
        fs::create_dir_all(folder.path().join(dir)).unwrap();
    }
    fs::write(folder.path().join("disk/model.pt"), b"x").unwrap();
    folder
}

fn neighbours(folder: &Path) -> Vec<Neighbour> {
    let of = |name: &str, path: &str, is_link| Neighbour { name: name.to_owned(), path: folder.join(path), is_link };
    vec![of("Local", "local", false), of("Lake", "lake", false), of("the data", "data", false), of("b", "taken", true)]
}

fn try_link(link: &str, target: &str) -> Result<IncludedLink, LinkRefusal> {
    let places = places();
    let (at, local) = (places.path().join("local").join(link), places.path().join("local"));
    symlink(places.path().join(target), &at).unwrap();
    find(&RootDir::open(&local).unwrap(), &RelPath::parse(link).unwrap(), &neighbours(places.path()))
}

#[test]
fn a_folder_that_lies_apart_is_taken_with_what_tells_it_from_others() {
    let places = places();
    let local = places.path().join("local");
    symlink("../disk/sd", local.join("checkpoints")).unwrap();
    let root = RootDir::open(&local).unwrap();
    let path = RelPath::parse("checkpoints").unwrap();
    let found = find(&root, &path, &neighbours(places.path())).unwrap();
    let target = fs::canonicalize(places.path()).unwrap().join("disk/sd");
    assert_eq!((Path::new(&found.target), &found.path), (target.as_path(), &path));
    assert_eq!(find(&root, &path, &[]).unwrap(), found, "each look says the same");
    assert!(leads_to_folder(&root, &path));
}

#[test]
fn a_link_that_leads_to_what_the_hub_knows_already_is_refused() {
    for (target, why) in [
        ("lake", "is Lake"),
        ("lake/vae", "lies in Lake"),
        ("local", "is Local"),
        ("local/loras", "lies in Local"),
        ("", "holds Local"),
        ("data", "is the data"),
        ("data/logs", "lies in the data"),
        ("taken", "is b"),
        ("taken/x", "lies in b"),
    ] {
        let refused = try_link("a", target).unwrap_err();
        assert!(
            matches!(refused, LinkRefusal::Overlap { .. }) && refused.to_string().contains(why),
            "{target}: {refused}"
        );
        assert_eq!(matches!(refused, LinkRefusal::Overlap { with_link: true, .. }), why.ends_with(" b"), "{target}");
    }
}

#[test]
fn only_a_link_to_a_folder_of_a_library_is_taken() {
    assert!(matches!(try_link("a", "disk/model.pt"), Err(LinkRefusal::NoFolder(_))));
    assert!(matches!(try_link("a", "no/such"), Err(LinkRefusal::Unreachable { .. })));
    for (link, target) in [("a", "disk/.Trash-1000"), ("a", "disk/.Trash-1000/files"), (".Trash-7", "disk/sd")] {
        let refused = try_link(link, target).unwrap_err();
        assert!(matches!(refused, LinkRefusal::Excluded { .. }) && refused.to_string().contains("trash"), "{refused}");
    }
    let places = places();
    let root = RootDir::open(&places.path().join("local")).unwrap();
    let try_path = |path: &str| find(&root, &RelPath::parse(path).unwrap(), &[]);
    assert!(matches!(try_path("loras"), Err(LinkRefusal::NoLink(_))));
    assert!(matches!(try_path("no-such"), Err(LinkRefusal::NotThere(_))));
}

#[test]
fn a_link_behind_a_link_is_refused() {
    let places = places();
    let local = places.path().join("local");
    symlink(places.path().join("disk/sd"), local.join("a")).unwrap();
    symlink(places.path().join("disk/more"), places.path().join("disk/sd/b")).unwrap();
    let path = RelPath::parse("a/b").unwrap();
    for root in [RootDir::open(&local).unwrap(), including(&local, &["a"])] {
        assert!(matches!(find(&root, &path, &[]), Err(LinkRefusal::Behind { .. })));
    }
    assert!(!leads_to_folder(&including(&local, &["a"]), &path));
}

#[test]
fn the_data_folder_behind_a_link_is_no_part_of_the_library_either() {
    let places = places();
    let local = places.path().join("local");
    symlink(places.path().join("disk/sd"), local.join("a")).unwrap();
    let own = std::sync::Arc::new(OwnFolder::new(places.path().join("disk/sd/deep")));
    let root = including(&local, &["a"]).keeping_out(own);
    ensure_no_links(&root, &RelPath::parse("a/x").unwrap()).unwrap();
    let error = ensure_no_links(&root, &RelPath::parse("a/deep/x").unwrap()).unwrap_err();
    assert!(error.to_string().ends_with("own data folder"), "{error}");
}

#[test]
fn paths_alone_tell_what_overlaps_too() {
    let other = Neighbour { name: "Lake".to_owned(), path: "/mnt/lake".into(), is_link: false };
    let told = |target: &str| overlap_by_path(Path::new(target), &other);
    assert_eq!(told("/mnt/lake/x").unwrap(), "lies in Lake");
    assert_eq!(told("/mnt").unwrap(), "holds Lake");
    assert_eq!(told("/mnt/lake").unwrap(), "is Lake");
    assert_eq!(told("/mnt/lake2"), None);
}
