//! What is kept of a content, and for how long.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use shared_protocol::groups::GROUP_BYTES;

use super::*;
use crate::domain::root::Root;
use crate::storage::index::{self, Edits};
use crate::storage::{Database, roots};

const TIME: Ticks = Ticks(1);

struct Library {
    _folder: tempfile::TempDir,
    database: Database,
    root: RootRowId,
}

impl Library {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let root =
            database.write_blocking(|tx| Ok(roots::activate(tx, Root::Local, "marker:x", "/x", true)?.id)).unwrap();
        Self { _folder: folder, database, root }
    }

    fn file(&self, path: &str) -> Option<index::FileRow> {
        self.database.read_blocking(|c| index::file_at(c, self.root, &rel(path))).unwrap()
    }

    fn put(&self, path: &str, size_bytes: u64) -> FileId {
        self.database.write_blocking(|tx| index::put_file(tx, self.root, &rel(path), size_bytes, TIME, None)).unwrap();
        self.file(path).unwrap().id
    }

    fn remove(&self, path: &str) {
        self.database.write_blocking(|tx| index::remove_file(tx, self.root, &rel(path))).unwrap();
    }

    fn know(&self, id: Option<FileId>, path: &str, content: &KnownContent) {
        self.database
            .write_blocking(|tx| {
                let mut edits = Edits::new(tx);
                edits.know(self.root, id, &rel(path), TIME, content)?;
                edits.finish()
            })
            .unwrap();
    }

    fn has_groups(&self, content: &KnownContent) -> bool {
        self.database.read_blocking(|c| groups_of(c, &content.blake3)).unwrap().is_some()
    }
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

/// A content of so many bytes, with group values if it has any.
fn content(name: u8, size_bytes: u64) -> KnownContent {
    let n_groups = usize::try_from(size_bytes.div_ceil(GROUP_BYTES)).unwrap();
    let groups = (n_groups > 1).then(|| GroupList::from_bytes(size_bytes, &vec![name; 32 * n_groups]).unwrap());
    KnownContent { size_bytes, blake3: Blake3::from_bytes([name; 32]), sha256: None, groups }
}

#[test]
fn a_hash_finds_its_file_by_id_and_by_path_where_that_has_become_another_row() {
    let library = Library::new();
    let (old, other) = (library.put("vae/a", 7), library.put("vae/b", 7));
    library.know(Some(old), "vae/a", &content(1, 7));
    assert_eq!(library.file("vae/a").unwrap().hash, Some(content(1, 7).blake3));

    library.remove("vae/a");
    assert_ne!(library.put("vae/a", 7), old);
    library.know(Some(old), "vae/a", &content(2, 7));
    assert_eq!(library.file("vae/a").unwrap().hash, Some(content(2, 7).blake3));

    library.know(Some(other), "vae/a", &content(3, 7));
    assert_eq!(library.file("vae/b").unwrap().hash, None, "an id alone says nothing");
    library.know(Some(other), "vae/b", &content(3, 8));
    assert_eq!(library.file("vae/b").unwrap().hash, None, "nor does a hash of another size");
}

#[test]
fn group_values_go_with_the_last_file_of_their_content() {
    let library = Library::new();
    let (model, other) = (content(1, 2 * GROUP_BYTES), content(2, GROUP_BYTES + 1));
    for path in ["a", "b"] {
        library.know(None, path, &model);
    }
    assert!(library.has_groups(&model));
    library.know(None, "a", &other);
    assert!(library.has_groups(&model) && library.has_groups(&other), "b still holds it");
    library.know(None, "b", &content(3, 5));
    assert!(!library.has_groups(&model) && library.has_groups(&other));
    library.database.write_blocking(|tx| Ok(tx.execute("DELETE FROM hashes", [])?)).unwrap();
    assert!(!library.has_groups(&other));
}
