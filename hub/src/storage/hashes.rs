//! The hash cache, group values, and how far an interrupted hash has come.

use rusqlite::{CachedStatement, Connection, OptionalExtension};
use shared_protocol::{Blake3, GroupList, RelPath, Sha256};

use super::index::FileRow;
use super::stale::Marker;
use super::{StorageError, digest_column, folder_range, from_db, now_ms, to_db};
use crate::domain::ids::{FileId, RootRowId};
use crate::domain::ticks::Ticks;

/// What reading a whole content taught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownContent {
    /// Its size.
    pub size_bytes: u64,
    /// Its name.
    pub blake3: Blake3,
    /// Its SHA-256, if it was taken.
    pub sha256: Option<Sha256>,
    /// Its group values, if it is larger than one group and they were taken.
    pub groups: Option<GroupList>,
}

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
    again: CachedStatement<'c>,
    stale: Marker<'c>,
}

impl<'c> Recorder<'c> {
    /// Prepares it.
    pub(super) fn new(connection: &'c Connection) -> Result<Self, StorageError> {
        // Mostly nothing is known of a file yet. A statement for that alone runs no trigger, and so SQLite keeps no copy
        // of what it changes in case that it fails halfway: together a sixth of what it takes to store a hash.
        let first_known = connection.prepare_cached(
            "INSERT OR IGNORE INTO hashes (root_id, path, size_bytes, modified, blake3, sha256, hashed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let known_again = connection.prepare_cached(
            "UPDATE hashes SET
                 size_bytes = ?3, modified = ?4, blake3 = ?5,
                 sha256 = coalesce(?6, CASE WHEN blake3 = ?5 THEN sha256 END), hashed_at = ?7
             WHERE root_id = ?1 AND path = ?2",
        )?;
        let groups = connection.prepare_cached("INSERT OR IGNORE INTO content_groups VALUES (?1, ?2, ?3)")?;
        let first = connection.prepare_cached(
            "UPDATE files SET blake3 = ?6
             WHERE id = ?1 AND root_id = ?2 AND path = ?3 AND size_bytes = ?4 AND modified = ?5 AND blake3 IS NULL",
        )?;
        // "modified" is named for the trigger that takes it out of its groups of duplicates.
        let again = connection.prepare_cached(
            "UPDATE files SET blake3 = ?6, modified = modified
             WHERE match_key = ?1 AND root_id = ?2 AND path = ?3 AND size_bytes = ?4 AND modified = ?5
                   AND blake3 IS NOT ?6",
        )?;
        Ok(Self { connection, first_known, known_again, groups, first, again, stale: Marker::new(connection)? })
    }

    /// Stores one file's hash: in the cache, and in the index if it still fits. There it is found soonest by the id
    /// that it had. Tells whether the index changed, and leaves its generation to the caller.
    pub(super) fn store(
        &mut self,
        root: RootRowId,
        id: Option<FileId>,
        path: &RelPath,
        modified: Ticks,
        content: &KnownContent,
    ) -> Result<bool, StorageError> {
        let (size, blake3) = (to_db(content.size_bytes), content.blake3.as_bytes());
        let sha256 = content.sha256.map(|h| *h.as_bytes());
        let known = (root.0, path.as_str(), size, modified.0, blake3, sha256, now_ms());
        if self.first_known.execute(known)? == 0 {
            self.known_again.execute(known)?;
        }
        // Only what is larger than a group has groups, and is ever left half hashed.
        if let Some(groups) = &content.groups {
            self.groups.execute((blake3, size, groups.to_bytes()))?;
            drop_checkpoint(self.connection, root, path)?;
        }
        let key = path.match_key();
        let mut n = match id {
            Some(id) => self.first.execute((id.0, root.0, path.as_str(), size, modified.0, blake3))?,
            None => 0,
        };
        if n == 0 {
            n = self.again.execute((&key, root.0, path.as_str(), size, modified.0, blake3))?;
        }
        if n > 0 {
            self.stale.mark_unless_right(&key)?;
        }
        Ok(n > 0)
    }
}

/// The cached SHA-256 of a file, if its cached content is this one.
pub fn sha256_of(
    connection: &Connection,
    root: RootRowId,
    path: &RelPath,
    blake3: &Blake3,
) -> Result<Option<Sha256>, StorageError> {
    let bytes: Option<Option<[u8; 32]>> = connection
        .prepare_cached("SELECT sha256 FROM hashes WHERE root_id = ?1 AND path = ?2 AND blake3 = ?3")?
        .query_row((root.0, path.as_str(), blake3.as_bytes()), |row| row.get(0))
        .optional()?;
    Ok(bytes.flatten().map(Sha256::from_bytes))
}

/// The group values of a content.
pub fn groups_of(connection: &Connection, blake3: &Blake3) -> Result<Option<GroupList>, StorageError> {
    let found: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT size_bytes, group_values FROM content_groups WHERE blake3 = ?1")?
        .query_row([blake3.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found
        .map(|(size, bytes)| GroupList::from_bytes(from_db(size), &bytes))
        .transpose()
        .map_err(|e| StorageError::damaged("a group list", e))
}

/// A file of this content in a root, if the index knows one.
pub fn file_with_content(
    connection: &Connection,
    root: RootRowId,
    blake3: &Blake3,
) -> Result<Option<String>, StorageError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT path FROM files WHERE blake3 = ?1 AND root_id = ?2 AND NOT {} ORDER BY match_key LIMIT 1",
            super::skipped::is_below("files.root_id", "files.match_key")
        ))?
        .query_row((blake3.as_bytes(), root.0), |row| row.get(0))
        .optional()?)
}

/// How much of a folder is hashed; `None` is the whole root.
pub fn coverage(connection: &Connection, root: RootRowId, folder: Option<&RelPath>) -> Result<Coverage, StorageError> {
    let (from, to) = folder_range(&folder.map(RelPath::match_key).unwrap_or_default());
    Ok(connection
        .prepare_cached(
            "SELECT count(*), count(blake3), coalesce(sum(size_bytes), 0),
                    coalesce(sum(CASE WHEN blake3 IS NOT NULL THEN size_bytes END), 0)
             FROM files WHERE root_id = ?1 AND match_key >= ?2 AND match_key < ?3 AND placeholder = 0",
        )?
        .query_row((root.0, from, to), |row| {
            Ok(Coverage {
                n_files: from_db(row.get(0)?),
                n_hashed: from_db(row.get(1)?),
                size_bytes: from_db(row.get(2)?),
                hashed_bytes: from_db(row.get(3)?),
            })
        })?)
}

/// Keeps how far the hash of a file has come.
pub fn put_checkpoint(
    connection: &Connection,
    root: RootRowId,
    file: &FileRow,
    checkpoint: &[u8],
) -> Result<(), StorageError> {
    connection
        .prepare_cached(
            "INSERT INTO hash_checkpoints VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (root_id, path) DO UPDATE SET size_bytes = excluded.size_bytes,
                 modified = excluded.modified, checkpoint = excluded.checkpoint",
        )?
        .execute((root.0, file.path.as_str(), to_db(file.size_bytes), file.modified.0, checkpoint))?;
    Ok(())
}

/// How far the hash of this very size and time has come.
pub fn checkpoint(connection: &Connection, root: RootRowId, file: &FileRow) -> Result<Option<Vec<u8>>, StorageError> {
    Ok(connection
        .prepare_cached(
            "SELECT checkpoint FROM hash_checkpoints
             WHERE root_id = ?1 AND path = ?2 AND size_bytes = ?3 AND modified = ?4",
        )?
        .query_row((root.0, file.path.as_str(), to_db(file.size_bytes), file.modified.0), |row| row.get(0))
        .optional()?)
}

/// Forgets how far the hash of a file has come.
pub fn drop_checkpoint(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<(), StorageError> {
    connection
        .prepare_cached("DELETE FROM hash_checkpoints WHERE root_id = ?1 AND path = ?2")?
        .execute((root.0, path.as_str()))?;
    Ok(())
}

/// The stored hash of a path, whatever size it was taken at: `(size, modified, hash)`.
pub fn cached(
    connection: &Connection,
    root: RootRowId,
    path: &RelPath,
) -> Result<Option<(u64, Ticks, Blake3)>, StorageError> {
    let found = connection
        .prepare_cached("SELECT size_bytes, modified, blake3 FROM hashes WHERE root_id = ?1 AND path = ?2")?
        .query_row((root.0, path.as_str()), |row| {
            Ok((from_db(row.get(0)?), Ticks(row.get(1)?), digest_column(row, 2)?))
        })
        .optional()?;
    Ok(found.and_then(|(size, modified, hash)| hash.map(|hash| (size, modified, hash))))
}

#[cfg(test)]
#[path = "hashes_tests.rs"]
mod tests;
