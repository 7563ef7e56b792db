//! Levels of a small tree.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::views::test_library::TestLibrary;

fn at(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

fn library() -> TestLibrary {
    let library = TestLibrary::new();
    for (path, size) in
        [("x.bin", 1), ("loras/a", 10), ("loras/sdxl/b", 100), ("loras/Flux/dev/c", 1_000), ("vae/d", 5)]
    {
        library.put(Root::Lake, path, size, 0, None);
    }
    library
}

#[test]
fn a_level_has_its_folders_with_totals() {
    let library = library();
    let top = library.read(|c| level(c, Root::Lake, None)).unwrap();
    assert_eq!(top.path, None);
    assert_eq!(top.totals, Totals { n_files: 5, size_bytes: 1_116 });
    assert_eq!(top.here, Totals { n_files: 1, size_bytes: 1 });
    let shown: Vec<_> = top.folders.iter().map(|f| (f.name.as_str(), f.n_files, f.size_bytes, f.n_folders)).collect();
    assert_eq!(shown, [("loras", 3, 1_110, 2), ("vae", 1, 5, 0)]);

    let loras = library.read(|c| level(c, Root::Lake, Some(&at("loras")))).unwrap();
    let shown: Vec<_> = loras.folders.iter().map(|f| (f.path.as_str(), f.n_files, f.n_folders)).collect();
    assert_eq!(shown, [("loras/Flux", 1, 1), ("loras/sdxl", 1, 0)]);
}

#[test]
fn a_folder_is_found_in_any_case_and_a_missing_one_is_not() {
    let library = library();
    let flux = library.read(|c| level(c, Root::Lake, Some(&at("LORAS/flux")))).unwrap();
    assert_eq!(flux.path, Some(at("loras/Flux")));
    assert_eq!(library.read(|c| level(c, Root::Lake, Some(&at("lora")))), None);
    assert_eq!(library.read(|c| level(c, Root::Lake, Some(&at("loras/a")))), None, "a file is no folder");
    assert_eq!(library.read(|c| level(c, Root::Local, Some(&at("loras")))), None);
}

#[test]
fn a_root_without_an_index_is_empty() {
    let library = TestLibrary::new();
    library.write(|tx| roots::show(tx, Root::Local, None));
    assert_eq!(library.read(|c| level(c, Root::Local, None)).unwrap().folders, []);
    assert_eq!(library.read(|c| level(c, Root::Local, Some(&at("a")))), None);
}
