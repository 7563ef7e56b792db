//! The hash cache, group values, and how far an interrupted hash has come.

use rusqlite::{CachedStatement, Connection, OptionalExtension};
use shared_protocol::{Blake3, GroupList, RelPath, Sha256};

use super::index::FileRow;
use super::rot::RotNews;
use super::stale::StaleMarker;
use super::{StorageError, digest_column, execute, first, folder_range, from_db, identity_column, now_ms, one, to_db};
use crate::domain::content_hash::ContentHash;
use crate::domain::identity::Identity;
use crate::domain::ids::{FileId, RootRowId};
use crate::domain::ticks::Ticks;

/// Files and bytes of a root, and how much of it is hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Coverage {
    /// Files of the index that can be hashed.
    pub n_files: u64,
    /// Of these, files with a hash.
    pub n_hashed: u64,
    /// Bytes of the files.
    pub size_bytes: u64,
    /// Of these, bytes with a hash.
    pub hashed_bytes: u64,
}

/// Stores what files hold, as it was read. Many files are stored within one transaction, so the statements
/// are looked up once.
pub(super) struct Recorder<'c> {
    connection: &'c Connection,
    first_known: CachedStatement<'c>,
    known_again: CachedStatement<'c>,
    groups: CachedStatement<'c>,
    first: CachedStatement<'c>,
    known: CachedStatement<'c>,
    again: CachedStatement<'c>,
    unsettle: CachedStatement<'c>,
    stale: StaleMarker<'c>,
}

impl<'c> Recorder<'c> {
    /// Prepares it.
    pub(super) fn new(connection: &'c Connection) -> Result<Self, StorageError> {
        // Mostly nothing is known of a file yet. A statement for that alone runs no trigger, and so SQLite keeps no copy
        // of what it changes in case that it fails halfway: together a sixth of what it takes to store a hash.
        let first_known = connection.prepare_cached(
            "INSERT OR IGNORE INTO hashes (root_id, path, size_bytes, modified, blake3, sha256, hashed_at, identity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let known_again = connection.prepare_cached(
            "UPDATE hashes SET
                 size_bytes = ?3, modified = ?4, blake3 = ?5,
                 sha256 = coalesce(?6, CASE WHEN blake3 = ?5 THEN sha256 END), hashed_at = ?7, identity = ?8
             WHERE root_id = ?1 AND path = ?2",
        )?;
        let groups = connection.prepare_cached("INSERT OR IGNORE INTO content_groups VALUES (?1, ?2, ?3)")?;
        let first = connection.prepare_cached(
            "UPDATE files SET blake3 = ?6
             WHERE id = ?1 AND root_id = ?2 AND path = ?3 AND size_bytes = ?4 AND modified = ?5 AND blake3 IS NULL
                   AND coalesce(identity = ?7, 1)",
        )?;
        let known = connection.prepare_cached(
            "SELECT id, blake3, rotted, coalesce(identity = ?6, 1) AS fits, folder_id FROM files
             WHERE match_key = ?1 AND root_id = ?2 AND path = ?3 AND size_bytes = ?4 AND modified = ?5",
        )?;
        // "modified" is named for the trigger that takes it out of its groups of duplicates. What was read is true of the
        // file as it is now, also where the index has an identity of before.
        let again = connection.prepare_cached(
            "UPDATE files SET blake3 = ?2, rotted = ?3, modified = modified, identity = coalesce(?4, identity)
             WHERE id = ?1",
        )?;
        // Should that be the older one all the same, then the next scan looks at the file.
        let unsettle =
            connection.prepare_cached("UPDATE folders SET listing = NULL WHERE id = ?1 AND listing IS NOT NULL")?;
        let stale = StaleMarker::new(connection)?;
        Ok(Self { connection, first_known, known_again, groups, first, known, again, unsettle, stale })
    }

    /// Stores one file's hash: in the cache, and in the index if it still fits. There it is found soonest by the id
    /// that it had. Tells whether the index changed, and leaves its generation to the caller.
    pub(super) fn store(
        &mut self,
        root: RootRowId,
        id: Option<FileId>,
        path: &RelPath,
        modified: Ticks,
        identity: Option<Identity>,
        content: &ContentHash,
    ) -> Result<Stored, StorageError> {
        let (size, blake3) = (to_db(content.size_bytes), content.blake3.as_bytes());
        let sha256 = content.sha256.map(|h| *h.as_bytes());
        let identity = identity.map(|identity| identity.0);
        let known = (root.0, path.as_str(), size, modified.0, blake3, sha256, now_ms(), identity);
        if self.first_known.execute(known)? == 0 {
            self.known_again.execute(known)?;
        }
        // Only what is larger than a group has groups, and is ever left half hashed.
        if let Some(groups) = &content.groups {
            self.groups.execute((blake3, size, groups.to_bytes()))?;
            drop_checkpoint(self.connection, root, path)?;
        }
        let key = path.match_key();
        let n = match id {
            Some(id) => self.first.execute((id.0, root.0, path.as_str(), size, modified.0, blake3, identity))?,
            None => 0,
        };
        let mut stored = Stored { is_new: n > 0, rot: None };
        if n == 0 {
            let stamp = (&key, root.0, path.as_str(), size, modified.0, identity);
            let known = self.known.query_row(stamp, |row| {
                Ok(Known {
                    id: row.get("id")?,
                    hash: digest_column(row, "blake3")?,
                    rotted: digest_column(row, "rotted")?,
                    fits: row.get("fits")?,
                    folder: row.get("folder_id")?,
                })
            });
            if let Some(known) = known.optional()? {
                stored = self.again(&known, root, path, content.blake3, identity)?;
            }
        }
        if stored.is_new {
            self.stale.mark_unless_right(&key)?;
        }
        Ok(stored)
    }

    /// Stores what a file holds of which a hash may have been known: another one, with the same size, time and identity,
    /// means that its bytes changed though nothing wrote to it.
    fn again(
        &mut self,
        known: &Known,
        root: RootRowId,
        path: &RelPath,
        found: Blake3,
        identity: Option<i64>,
    ) -> Result<Stored, StorageError> {
        let Known { id, hash, rotted, fits, folder } = *known;
        if !fits {
            self.again.execute((id, found.as_bytes(), None::<[u8; 32]>, identity))?;
            self.unsettle.execute([folder])?;
            return Ok(Stored { is_new: true, rot: None });
        }
        if hash == Some(found) {
            return Ok(Stored { is_new: false, rot: None });
        }
        let expected = rotted.or(hash);
        let marked = expected.filter(|expected| *expected != found);
        self.again.execute((id, found.as_bytes(), marked.map(|hash| *hash.as_bytes()), identity))?;
        let is_told = rotted.is_none() || marked.is_none();
        let news = |expected| RotNews { root, path: path.clone(), expected, found };
        Ok(Stored { is_new: true, rot: expected.filter(|_| is_told).map(news) })
    }
}

/// A row of the index of the size and time that were read.
struct Known {
    id: i64,
    hash: Option<Blake3>,
    rotted: Option<Blake3>,
    /// The identity is not another one.
    fits: bool,
    folder: i64,
}

/// What storing a hash changed.
pub(super) struct Stored {
    /// The index did not have it.
    pub(super) is_new: bool,
    /// The file does not hold what it did, or does so again.
    pub(super) rot: Option<RotNews>,
}

/// The cached SHA-256 of a file, if its cached content is this one.
pub fn sha256_of(
    connection: &Connection,
    root: RootRowId,
    path: &RelPath,
    blake3: &Blake3,
) -> Result<Option<Sha256>, StorageError> {
    let sql = "SELECT sha256 FROM hashes WHERE root_id = ?1 AND path = ?2 AND blake3 = ?3";
    let bytes: Option<Option<[u8; 32]>> =
        first(connection, sql, (root.0, path.as_str(), blake3.as_bytes()), |row| row.get(0))?;
    Ok(bytes.flatten().map(Sha256::from_bytes))
}

/// The group values of a content.
pub fn groups_of(connection: &Connection, blake3: &Blake3) -> Result<Option<GroupList>, StorageError> {
    let sql = "SELECT size_bytes, group_values FROM content_groups WHERE blake3 = ?1";
    let found: Option<(i64, Vec<u8>)> = first(connection, sql, [blake3.as_bytes()], |row| row.try_into())?;
    found
        .map(|(size, bytes)| GroupList::from_bytes(from_db(size), &bytes))
        .transpose()
        .map_err(|e| StorageError::damaged("a group list", e))
}

/// How much of a folder is hashed; `None` is the whole root.
pub fn coverage(connection: &Connection, root: RootRowId, folder: Option<&RelPath>) -> Result<Coverage, StorageError> {
    let (from, to) = folder_range(&folder.map(RelPath::match_key).unwrap_or_default());
    let sql = "SELECT count(*) AS n_files, count(blake3) AS n_hashed, coalesce(sum(size_bytes), 0) AS size_bytes,
                    coalesce(sum(CASE WHEN blake3 IS NOT NULL THEN size_bytes END), 0) AS hashed_bytes
             FROM files WHERE root_id = ?1 AND match_key >= ?2 AND match_key < ?3 AND placeholder = 0";
    one(connection, sql, (root.0, from, to), |row| {
        Ok(Coverage {
            n_files: from_db(row.get("n_files")?),
            n_hashed: from_db(row.get("n_hashed")?),
            size_bytes: from_db(row.get("size_bytes")?),
            hashed_bytes: from_db(row.get("hashed_bytes")?),
        })
    })
}

/// Keeps how far the hash of a file has come.
pub fn put_checkpoint(
    connection: &Connection,
    root: RootRowId,
    file: &FileRow,
    checkpoint: &[u8],
) -> Result<(), StorageError> {
    let sql = "INSERT INTO hash_checkpoints (root_id, path, size_bytes, modified, checkpoint, identity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (root_id, path) DO UPDATE SET size_bytes = excluded.size_bytes,
                 modified = excluded.modified, checkpoint = excluded.checkpoint, identity = excluded.identity";
    connection.prepare_cached(sql)?.execute((
        root.0,
        file.path.as_str(),
        to_db(file.size_bytes),
        file.modified.0,
        checkpoint,
        file.identity.map(|identity| identity.0),
    ))?;
    Ok(())
}

/// How far the hash of this very size, time and identity has come.
pub fn checkpoint(connection: &Connection, root: RootRowId, file: &FileRow) -> Result<Option<Vec<u8>>, StorageError> {
    let sql = "SELECT checkpoint FROM hash_checkpoints
             WHERE root_id = ?1 AND path = ?2 AND size_bytes = ?3 AND modified = ?4 AND coalesce(identity = ?5, 1)";
    first(
        connection,
        sql,
        (root.0, file.path.as_str(), to_db(file.size_bytes), file.modified.0, file.identity.map(|identity| identity.0)),
        |row| row.get(0),
    )
}

/// Forgets how far the hash of a file has come.
pub fn drop_checkpoint(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<(), StorageError> {
    execute(connection, "DELETE FROM hash_checkpoints WHERE root_id = ?1 AND path = ?2", (root.0, path.as_str()))
        .map(drop)
}

/// A hash with what it was taken at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedHash {
    /// The file's size.
    pub size_bytes: u64,
    pub modified: Ticks,
    /// What stood beside them, if it was recorded.
    pub identity: Option<Identity>,
    pub blake3: Blake3,
}

/// The stored hash of a path, whatever it was taken at.
pub fn cached(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<Option<CachedHash>, StorageError> {
    let sql = "SELECT size_bytes, modified, identity, blake3 FROM hashes WHERE root_id = ?1 AND path = ?2";
    let found = first(connection, sql, (root.0, path.as_str()), |row| {
        let (size_bytes, modified) = (from_db(row.get("size_bytes")?), Ticks(row.get("modified")?));
        let (identity, blake3) = (identity_column(row, "identity")?, digest_column(row, "blake3")?);
        Ok(blake3.map(|blake3| CachedHash { size_bytes, modified, identity, blake3 }))
    })?;
    Ok(found.flatten())
}

#[cfg(test)]
#[path = "hashes_tests.rs"]
mod tests;
