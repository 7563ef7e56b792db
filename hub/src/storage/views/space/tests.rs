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

#[test]
fn folders_of_one_base_count_together() {
    let library = TestLibrary::new();
    for (path, size) in [
        ("loras/sdxl/a", 10),
        ("checkpoints/SDXL/b", 500),
        ("checkpoints/SDXL/deep/c", 5),
        ("loras/flux/d", 20),
        ("loras/e", 1),
    ] {
        library.put(Root::Lake, path, size, 0, None);
    }
    let bases = library.read(|c| show(c, Root::Lake)).bases;
    let told: Vec<_> = bases.iter().map(|base| (base.name.as_str(), base.n_files, base.size_bytes)).collect();
    assert_eq!(told, [("SDXL", 3, 515), ("flux", 1, 20)]);
    assert_eq!(
        bases.first().map(|base| base.folders.clone()),
        Some(vec!["checkpoints/SDXL".into(), "loras/sdxl".into()])
    );
}

#[test]
fn every_file_has_one_age() {
    let library = TestLibrary::new();
    let day = 24 * 60 * 60;
    for (name, days_ago, size) in
        [("new", 1, 1), ("later", -9, 2), ("spring", 100, 4), ("old", 5_000, 8), ("older", 9_000, 16)]
    {
        library.put(Root::Local, name, size, (10_000 - days_ago) * day, None);
    }
    let now = Ticks(10_000 * day * 10_000_000);
    let ages = library.read(|c| ages(c, Root::Local, now));
    let of = |age| ages.iter().find(|one| one.0 == age).map(|one| (one.1.n_files, one.1.size_bytes));
    assert_eq!(of(Age::Month), Some((2, 3)));
    assert_eq!(of(Age::HalfYear), Some((1, 4)));
    assert_eq!(of(Age::Older), Some((2, 24)));
    assert_eq!(ages.iter().map(|one| one.1.n_files).sum::<u64>(), 5);
}
