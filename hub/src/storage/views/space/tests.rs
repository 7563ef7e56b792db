//! Space by type, and the trash.

use super::*;
use crate::storage::views::test_library::TestLibrary;

#[test]
fn types_come_by_size_and_the_trash_apart() {
    let library = TestLibrary::new();
    for (path, size) in [("x", 1), ("loras/a", 10), ("checkpoints/b", 500), ("vae/c", 20)] {
        library.put(Root::Lake, path, size, 0, None);
    }
    let root = library.roots.lake;
    library.write(|tx| {
        tx.execute(
            "INSERT INTO trash (root_id, batch_id, transfer_id, path, trash_path, size_bytes, modified, deleted_at)
             VALUES (?1, 1, 1, 'a', 'b', 77, 0, 0)",
            [root.0],
        )?;
        Ok(())
    });
    let space = library.read(|c| show(c, Root::Lake));
    let types: Vec<_> = space.types.iter().map(|folder| folder.name.as_str()).collect();
    assert_eq!(types, ["checkpoints", "vae", "loras"]);
    assert_eq!(space.totals, Totals { n_files: 4, size_bytes: 531 });
    assert_eq!(space.loose, Totals { n_files: 1, size_bytes: 1 });
    assert_eq!(space.trash, Totals { n_files: 1, size_bytes: 77 });
    assert_eq!(library.read(|c| trash(c, Root::Local)), Totals::default());
}
