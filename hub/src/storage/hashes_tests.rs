//! What is kept of a content, and for how long.

use anyhow::{Context as _, Result};
use shared_protocol::groups::GROUP_BYTES;

use super::*;
use crate::domain::duplicates::GroupKind;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::storage::duplicates::{self, NewGroup};
use crate::storage::index::{self, Edits};
use crate::storage::{Database, roots};

const TIME: Ticks = Ticks(1);

struct Library {
    _folder: tempfile::TempDir,
    database: Database,
    root: RootRowId,
}

impl Library {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = Database::open(&folder.path().join("hub.db"))?.0;
        let root = database.write_blocking(|tx| Ok(roots::activate(tx, Root::Local, "marker:x", "/x", true)?.id))?;
        Ok(Self { _folder: folder, database, root })
    }

    fn file(&self, path: &str) -> Result<index::FileRow> {
        let path = RelPath::parse(path)?;
        self.database.read_blocking(|c| index::file_at(c, self.root, &path))?.context("it is in the index")
    }

    fn put(&self, path: &str, size_bytes: u64) -> Result<FileId> {
        let new = RelPath::parse(path)?;
        self.database.write_blocking(|tx| index::put_file(tx, self.root, &new, size_bytes, TIME, None))?;
        Ok(self.file(path)?.id)
    }

    fn know(&self, id: Option<FileId>, path: &str, content: &ContentHash) -> Result<()> {
        let path = RelPath::parse(path)?;
        Ok(self.database.write_blocking(|tx| {
            let mut edits = Edits::new(tx);
            edits.know(self.root, id, &path, TIME, None, content)?;
            edits.finish()
        })?)
    }

    fn has_groups(&self, content: &ContentHash) -> Result<bool> {
        Ok(self.database.read_blocking(|c| groups_of(c, &content.blake3))?.is_some())
    }
}

/// A content of so many bytes, with group values if it has any.
fn content(name: u8, size_bytes: u64) -> Result<ContentHash> {
    let n_groups = usize::try_from(size_bytes.div_ceil(GROUP_BYTES))?;
    let has_groups = n_groups > 1;
    let groups = has_groups.then(|| GroupList::from_bytes(size_bytes, &vec![name; 32 * n_groups])).transpose()?;
    Ok(ContentHash { size_bytes, blake3: Blake3::from_bytes([name; 32]), sha256: None, groups })
}

#[test]
fn a_hash_finds_its_file_by_id_and_by_path_where_that_has_become_another_row() -> Result<()> {
    let library = Library::new()?;
    let (first, second, third) = (content(1, 7)?, content(2, 7)?, content(3, 7)?);
    let (old, other) = (library.put("vae/a", 7)?, library.put("vae/b", 7)?);
    library.know(Some(old), "vae/a", &first)?;
    assert_eq!(library.file("vae/a")?.hash, Some(first.blake3));

    let path = RelPath::parse("vae/a")?;
    library.database.write_blocking(|tx| index::remove_file(tx, library.root, &path))?;
    assert_ne!(library.put("vae/a", 7)?, old);
    library.know(Some(old), "vae/a", &second)?;
    assert_eq!(library.file("vae/a")?.hash, Some(second.blake3));

    library.know(Some(other), "vae/a", &third)?;
    assert_eq!(library.file("vae/b")?.hash, None, "an id alone says nothing");
    library.know(Some(other), "vae/b", &content(3, 8)?)?;
    assert_eq!(library.file("vae/b")?.hash, None, "nor does a hash of another size");
    Ok(())
}

#[test]
fn a_first_hash_leaves_groups_of_duplicates_alone_and_another_one_ends_them() -> Result<()> {
    let library = Library::new()?;
    let files = [library.put("vae/a", 7)?, library.put("vae/b", 7)?];
    let group = |kind, name| NewGroup {
        kind,
        digest: Blake3::from_bytes([name; 32]),
        size_bytes: 7,
        files: files.iter().map(|id| vec![(*id, Root::Local)]).collect(),
    };
    let replace = |group| library.database.write_blocking(|tx| duplicates::replace(tx, BackgroundJobId(1), &[group]));
    let n_groups = |kind| library.database.read_blocking(|c| Ok(duplicates::n_groups(c, kind)?.0));

    replace(group(GroupKind::Weights, 9))?;
    for (id, path) in files.iter().zip(["vae/a", "vae/b"]) {
        library.know(Some(*id), path, &content(1, 7)?)?;
    }
    assert_eq!(n_groups(GroupKind::Weights)?, 1);

    replace(group(GroupKind::Content, 1))?;
    assert_eq!(n_groups(GroupKind::Content)?, 1);
    library.know(files.first().copied(), "vae/a", &content(1, 7)?)?;
    assert_eq!(n_groups(GroupKind::Content)?, 1, "the same again");
    library.know(files.first().copied(), "vae/a", &content(2, 7)?)?;
    assert_eq!(n_groups(GroupKind::Content)?, 0);
    assert_eq!(library.file("vae/a")?.hash, Some(Blake3::from_bytes([2; 32])));
    Ok(())
}

/// BLAKE3 alone is taken by a search for duplicates, after SHA-256 was taken by a hash job.
#[test]
fn sha256_stays_with_its_content_and_goes_with_another() -> Result<()> {
    let library = Library::new()?;
    let path = RelPath::parse("vae/a")?;
    let id = Some(library.put("vae/a", 7)?);
    let (first, second) = (content(1, 7)?, content(2, 7)?);
    let sha256 = Some(Sha256::from_bytes([9; 32]));
    let known = |of: &ContentHash| library.database.read_blocking(|c| sha256_of(c, library.root, &path, &of.blake3));
    library.know(id, "vae/a", &first)?;
    assert_eq!(known(&first)?, None);
    library.know(id, "vae/a", &ContentHash { sha256, ..first.clone() })?;
    assert_eq!(known(&first)?, sha256);
    library.know(id, "vae/a", &first)?;
    assert_eq!(known(&first)?, sha256);
    library.know(id, "vae/a", &second)?;
    assert_eq!(known(&second)?, None);
    let cached = library.database.read_blocking(|c| cached(c, library.root, &path))?;
    let blake3 = second.blake3;
    assert_eq!(cached, Some(CachedHash { size_bytes: 7, modified: TIME, identity: None, blake3 }));
    Ok(())
}

#[test]
fn group_values_go_with_the_last_file_of_their_content() -> Result<()> {
    let library = Library::new()?;
    let (model, other) = (content(1, 2 * GROUP_BYTES)?, content(2, GROUP_BYTES + 1)?);
    for path in ["a", "b"] {
        library.know(None, path, &model)?;
    }
    assert!(library.has_groups(&model)?);
    library.know(None, "a", &other)?;
    assert!(library.has_groups(&model)? && library.has_groups(&other)?, "b still holds it");
    library.know(None, "b", &content(3, 5)?)?;
    assert!(!library.has_groups(&model)? && library.has_groups(&other)?);
    library.database.write_blocking(|tx| Ok(tx.execute("DELETE FROM hashes", [])?))?;
    assert!(!library.has_groups(&other)?);
    Ok(())
}
