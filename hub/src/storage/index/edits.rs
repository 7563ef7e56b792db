//! Writing single files that the hub itself has put somewhere or taken away.
//!
//! Many such changes come together, so what belongs to a folder or a root is added up and written
//! once, by [`Edits::finish`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::Connection;
use shared_protocol::{Blake3, RelPath};

use super::single::{FileRow, file_at};
use super::{folders, listing, totals};
use crate::domain::content_hash::ContentHash;
use crate::domain::exclusion::{self, NameKind};
use crate::domain::identity::Identity;
use crate::domain::ids::{FileId, FolderId, RootRowId};
use crate::domain::kind::FileKind;
use crate::domain::ticks::Ticks;
use crate::storage::hashes::Recorder;
use crate::storage::rot::{self, RotNews};
use crate::storage::{StorageError, execute, identities, pairs, roots, search, to_db};

/// Changes of single files within one transaction.
pub struct Edits<'a> {
    connection: &'a Connection,
    folders: HashMap<(RootRowId, String), FolderId>,
    /// Files and bytes that each folder gained or lost.
    gains: BTreeMap<i64, (i64, i64)>,
    roots: BTreeSet<RootRowId>,
    recorder: Option<Recorder<'a>>,
    rot: Vec<RotNews>,
}

impl<'a> Edits<'a> {
    /// No changes yet.
    pub fn new(connection: &'a Connection) -> Self {
        let (folders, gains, roots) = (HashMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { connection, folders, gains, roots, recorder: None, rot: Vec::new() }
    }

    /// A file is there now. One that is no part of the library has no place in the index.
    pub fn put(
        &mut self,
        root: RootRowId,
        path: &RelPath,
        size_bytes: u64,
        modified: Ticks,
        identity: Option<Identity>,
        hash: Option<Blake3>,
    ) -> Result<(), StorageError> {
        if exclusion::of_path(path, NameKind::File).is_some() {
            return Ok(());
        }
        self.put_unchecked(root, path, size_bytes, modified, identity, hash)
    }

    /// The same for a path that is known to belong to the library.
    pub(super) fn put_unchecked(
        &mut self,
        root: RootRowId,
        path: &RelPath,
        size_bytes: u64,
        modified: Ticks,
        identity: Option<Identity>,
        hash: Option<Blake3>,
    ) -> Result<(), StorageError> {
        let identity = identity.map(|identity| identity.0);
        let folder = self.folder(root, path)?;
        let key = path.match_key();
        let hash = hash.map(|h| h.as_bytes().to_vec());
        let old = file_at(self.connection, root, path)?;
        if let Some(old) = &old {
            let sql = "UPDATE files SET size_bytes = ?2, modified = ?3, placeholder = 0, blake3 = ?4, identity = ?5,
                                      rotted = NULL
                     WHERE id = ?1";
            execute(self.connection, sql, (old.id.0, to_db(size_bytes), modified.0, hash, identity))?;
        } else {
            let id = listing::take_file_id(self.connection)?;
            let sql = "INSERT INTO files (id, root_id, folder_id, path, match_key, size_bytes, modified, kind, blake3,
                                        identity)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            self.connection.prepare_cached(sql)?.execute((
                id,
                root.0,
                folder.0,
                path.as_str(),
                &key,
                to_db(size_bytes),
                modified.0,
                FileKind::of(path.name()).code(),
                hash,
                identity,
            ))?;
        }
        let grown = to_db(size_bytes) - old.as_ref().map_or(0, |old| to_db(old.size_bytes));
        self.gained(root, folder, i64::from(old.is_none()), grown);
        if old.is_none() && self.n_at(root, &key)? > 1 {
            totals::mark_conflict(self.connection, root, &key, true)?;
        }
        pairs::mark_stale(self.connection, &key)
    }

    /// A file has another name now. Where that is the same path on the other root it stays the row that it was, with
    /// its model: nothing about it has to be read again.
    pub fn rename(
        &mut self,
        from: (RootRowId, &RelPath),
        to: (RootRowId, &RelPath),
        size_bytes: u64,
        modified: Ticks,
        identity: Option<Identity>,
        hash: Option<Blake3>,
    ) -> Result<(), StorageError> {
        let Some(old) = self.carried(from, to, (size_bytes, modified))? else {
            self.remove(from.0, from.1)?;
            return self.put(to.0, to.1, size_bytes, modified, identity, hash);
        };
        let folder = self.folder(to.0, to.1)?;
        let (hash, identity) = (hash.map(|hash| hash.as_bytes().to_vec()), identity.map(|identity| identity.0));
        let sql = "UPDATE files SET root_id = ?2, folder_id = ?3, blake3 = ?4, identity = ?5, placeholder = 0,
                       rotted = NULL WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((old.id.0, to.0.0, folder.0, hash, identity))?;
        self.gained(from.0, old.folder_id, -1, -to_db(size_bytes));
        self.gained(to.0, folder, 1, to_db(size_bytes));
        pairs::mark_stale(self.connection, &to.1.match_key())
    }

    /// The row that a renamed file keeps. What files beside models say is read in their new place, and names that only
    /// differ in case are looked at one by one.
    fn carried(
        &self,
        from: (RootRowId, &RelPath),
        to: (RootRowId, &RelPath),
        (size_bytes, modified): (u64, Ticks),
    ) -> Result<Option<FileRow>, StorageError> {
        let may = from.1 == to.1
            && FileKind::of(to.1.name()) != FileKind::Metadata
            && exclusion::of_path(to.1, NameKind::File).is_none()
            && self.n_at(to.0, &to.1.match_key())? == 0;
        let old = if may { file_at(self.connection, from.0, from.1)? } else { None };
        Ok(old.filter(|old| old.size_bytes == size_bytes && old.modified == modified && !old.conflict))
    }

    /// A file was read whole; it is found soonest by the id that it had.
    pub fn know(
        &mut self,
        root: RootRowId,
        id: Option<FileId>,
        path: &RelPath,
        modified: Ticks,
        identity: Option<Identity>,
        content: &ContentHash,
    ) -> Result<(), StorageError> {
        let recorder = match &mut self.recorder {
            Some(recorder) => recorder,
            none => none.insert(Recorder::new(self.connection)?),
        };
        let stored = recorder.store(root, id, path, modified, identity, content)?;
        if stored.is_new {
            self.roots.insert(root);
        }
        self.rot.extend(stored.rot);
        Ok(())
    }

    /// What is known of a file's content goes along with its new name or identity. It was not verified anew.
    pub fn carry(
        &mut self,
        from: (RootRowId, &RelPath),
        to: (RootRowId, &RelPath),
        size_bytes: u64,
        modified: Ticks,
        identity: Option<Identity>,
    ) -> Result<(), StorageError> {
        let (from, to) = ((from.0, from.1.as_str()), (to.0, to.1.as_str()));
        identities::carry(self.connection, from, to, size_bytes, modified, identity)
    }

    /// A file is no longer there.
    pub fn remove(&mut self, root: RootRowId, path: &RelPath) -> Result<(), StorageError> {
        let Some(old) = file_at(self.connection, root, path)? else { return Ok(()) };
        let key = path.match_key();
        execute(self.connection, "DELETE FROM files WHERE id = ?1", [old.id.0])?;
        search::forget(self.connection, old.id, search::indexed_to(self.connection)?)?;
        self.gained(root, old.folder_id, -1, -to_db(old.size_bytes));
        if old.conflict {
            let still = self.n_at(root, &key)? > 1;
            totals::mark_conflict(self.connection, root, &key, still)?;
        }
        pairs::mark_stale(self.connection, &key)
    }

    /// Writes what belongs to folders and roots. A folder's digest no longer fits, so the next scan
    /// looks at its files.
    pub fn finish(self) -> Result<(), StorageError> {
        let mut own = self.connection.prepare_cached(
            "UPDATE folders SET listing = NULL, n_files = n_files + ?2, size_bytes = size_bytes + ?3 WHERE id = ?1",
        )?;
        let mut above = self.connection.prepare_cached(
            "WITH RECURSIVE above (id) AS (
                 SELECT ?1 UNION ALL
                 SELECT f.parent_id FROM folders f JOIN above a ON f.id = a.id WHERE f.parent_id IS NOT NULL)
             UPDATE folders SET n_files_total = n_files_total + ?2, size_bytes_total = size_bytes_total + ?3
             WHERE id IN (SELECT id FROM above)",
        )?;
        for (folder, (n_files, size_bytes)) in &self.gains {
            own.execute((folder, n_files, size_bytes))?;
            above.execute((folder, n_files, size_bytes))?;
        }
        for root in &self.roots {
            roots::raise_generation(self.connection, *root)?;
        }
        rot::tell_rot(self.connection, &self.rot)
    }

    fn gained(&mut self, root: RootRowId, folder: FolderId, n_files: i64, size_bytes: i64) {
        let gain = self.gains.entry(folder.0).or_default();
        gain.0 += n_files;
        gain.1 += size_bytes;
        self.roots.insert(root);
    }

    fn folder(&mut self, root: RootRowId, path: &RelPath) -> Result<FolderId, StorageError> {
        let folder = path.parent().map(String::from).unwrap_or_default();
        if let Some(id) = self.folders.get(&(root, folder.clone())) {
            return Ok(*id);
        }
        let id = folders::ensure(self.connection, root, &folder)?;
        self.folders.insert((root, folder), id);
        Ok(id)
    }

    fn n_at(&self, root: RootRowId, key: &str) -> Result<i64, StorageError> {
        Ok(self
            .connection
            .prepare_cached("SELECT count(*) FROM files WHERE root_id = ?1 AND match_key = ?2")?
            .query_row((root.0, key), |row| row.get(0))?)
    }
}

/// Writes one file by itself; the next scan binds it to its identity.
pub fn put_file(
    connection: &Connection,
    root: RootRowId,
    path: &RelPath,
    size_bytes: u64,
    modified: Ticks,
    hash: Option<Blake3>,
) -> Result<(), StorageError> {
    let mut edits = Edits::new(connection);
    edits.put(root, path, size_bytes, modified, None, hash)?;
    edits.finish()
}

/// Takes one file out by itself.
pub fn remove_file(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<(), StorageError> {
    let mut edits = Edits::new(connection);
    edits.remove(root, path)?;
    edits.finish()
}
