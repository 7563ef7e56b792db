//! A made-up library for the tests of the views.

use std::collections::BTreeMap;

use rusqlite::Connection;
use shared_protocol::{Blake3, RelPath};

use crate::domain::ids::RootRowId;
use crate::domain::root::{PerRoot, Root};
use crate::domain::ticks::Ticks;
use crate::storage::{Database, StorageError, index, pairs, roots, search};

/// Two roots in a database of their own.
pub(super) struct TestLibrary {
    _folder: tempfile::TempDir,
    pub(super) database: Database,
    pub(super) roots: PerRoot<RootRowId>,
}

impl TestLibrary {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let roots = PerRoot::from_fn(|root| {
            database.write_blocking(|tx| roots::activate(tx, root, "marker:x", "/x", true).map(|row| row.id)).unwrap()
        });
        Self { _folder: folder, database, roots }
    }

    pub(super) fn write<T>(&self, work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StorageError>) -> T {
        self.database.write_blocking(work).unwrap()
    }

    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StorageError>) -> T {
        self.database.read_blocking(work).unwrap()
    }

    pub(super) fn put(&self, root: Root, path: &str, size_bytes: u64, seconds: i64, hash: Option<u8>) {
        let path = RelPath::parse(path).unwrap();
        let hash = hash.map(|byte| Blake3::from_bytes([byte; 32]));
        let root = *self.roots.get(root);
        self.write(|tx| index::put_file(tx, root, &path, size_bytes, Ticks(seconds * 10_000_000), hash));
    }

    /// Brings the comparison and the search index up to date.
    pub(super) fn reconcile(&self) {
        self.write(|tx| {
            pairs::refresh(tx)?;
            while search::catch_up(tx)? {}
            Ok(())
        });
    }

    /// So many files on each root, in folders of a hundred; every tenth is there under its own name.
    pub(super) fn fill(&self, n_files: i64) {
        const TYPES: [&str; 5] = ["checkpoints", "loras", "vae", "controlnet", "embeddings"];
        const ENDINGS: [&str; 5] = ["safetensors", "safetensors", "preview.png", "safetensors", "civitai.info"];
        let pick = |list: [&'static str; 5], n: i64| list.into_iter().nth(usize::try_from(n % 5).unwrap()).unwrap();
        self.write(|tx| {
            for (root, row) in self.roots.iter() {
                let mut listings = BTreeMap::<String, Vec<index::ListedFile>>::new();
                for n in 0..n_files {
                    let side = if n % 10 == 0 { root.as_str() } else { "both" };
                    let ending = pick(ENDINGS, n / 5);
                    let folder = format!("{}/family {:03}", pick(TYPES, n), n / 500);
                    listings.entry(folder).or_default().push(index::ListedFile {
                        name: format!("model {:07} {side} style v{}.{ending}", n * 7919 % 9_999_991, n % 9),
                        size_bytes: u64::try_from(n * 2_654_435_761 % 9_000_000_000).unwrap(),
                        modified: Ticks(16_000_000_000_000_000 + (n * 48_271 % 100_000_007) * 10_000_000),
                        placeholder: false,
                        identity: None,
                    });
                }
                let mut changes = index::Changes::default();
                for (folder, mut files) in listings {
                    files.sort_by(|a, b| a.name.cmp(&b.name));
                    let listing =
                        index::Listing { folder, files, skipped: Vec::new(), digest: Some([1; 32]), is_cut: false };
                    index::listing::apply(tx, *row, &listing, &mut changes)?;
                }
                index::finish(tx, *row, &changes, [])?;
                index::reconcile(tx, *row)?;
            }
            Ok(())
        });
        self.reconcile();
        self.database.optimize_blocking().unwrap();
    }
}
