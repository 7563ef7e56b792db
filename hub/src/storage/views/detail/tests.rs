//! What belongs to a file.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;
use crate::storage::views::test_library::TestLibrary;

fn show_at(library: &TestLibrary, root: Root, path: &str) -> Option<FileDetail> {
    library.read(|c| show(c, root, &RelPath::parse(path).unwrap()))
}

fn names(files: &[FileView]) -> Vec<(Root, &str)> {
    files.iter().map(|file| (file.root, file.path.as_str())).collect()
}

#[test]
fn sidecars_twin_and_copies_are_told() {
    let library = TestLibrary::new();
    library.put(Root::Lake, "loras/Style v1.safetensors", 100, 0, Some(7));
    library.put(Root::Lake, "loras/style v1.preview.png", 5, 0, None);
    library.put(Root::Lake, "loras/Style v1.civitai.info", 6, 0, None);
    library.put(Root::Lake, "loras/Style v2.preview.png", 5, 0, None);
    library.put(Root::Lake, "other/again.safetensors", 100, 0, Some(7));
    library.put(Root::Local, "loras/Style v1.safetensors", 100, 500, Some(7));
    library.reconcile();

    let detail = show_at(&library, Root::Lake, "loras/Style v1.safetensors").unwrap();
    assert_eq!(
        names(&detail.sidecars),
        [(Root::Lake, "loras/Style v1.civitai.info"), (Root::Lake, "loras/style v1.preview.png")]
    );
    assert_eq!(detail.status, Some(DiffStatus::Same));
    assert_eq!(names(detail.twin.as_slice()), [(Root::Local, "loras/Style v1.safetensors")]);
    assert_eq!(
        names(&detail.copies),
        [(Root::Local, "loras/Style v1.safetensors"), (Root::Lake, "other/again.safetensors")]
    );
    assert_eq!(detail.n_copies, 2);

    let preview = show_at(&library, Root::Lake, "loras/style v1.preview.png").unwrap();
    assert_eq!((preview.sidecars.len(), preview.n_copies), (0, 0));
    assert_eq!(preview.status, Some(DiffStatus::LakeOnly));
    assert_eq!(preview.twin, None);
}

#[test]
fn only_the_exact_path_is_the_file() {
    let library = TestLibrary::new();
    library.put(Root::Lake, "loras/A", 1, 0, None);
    assert!(show_at(&library, Root::Lake, "loras/A").is_some());
    assert_eq!(show_at(&library, Root::Lake, "loras/a"), None);
    assert_eq!(show_at(&library, Root::Local, "loras/A"), None);
}
