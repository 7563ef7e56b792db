//! Which keys of the comparison are out of date.
//!
//! Apart from the comparison itself, because whoever changes the index or a root marks keys, and
//! the comparison in turn reads both.

use rusqlite::{CachedStatement, Connection};

use super::{StorageError, execute, one};
use crate::domain::diff::DiffStatus;

/// Stands for every key in `pairs_stale`.
pub(super) const ALL: &str = "*";

/// Marks keys of files of which more became known, mostly their hash, unless the row is right as it is: both sides
/// have the file, and what is known now says what size and time had said; or the key lies at or below an unknown
/// place, whatever its files hold. To look costs a fraction of writing the row
/// anew, and is done while the next files are read.
///
/// `diff_status` is the rule itself, see [`super::pairs`]. The row of a key that waits to be written anew may be wrong,
/// but then it is marked already.
pub(super) struct StaleMarker<'c>(CachedStatement<'c>);

const UNKNOWN: i64 = DiffStatus::Unknown.code();

const MARK_UNLESS_RIGHT: &str = "
    INSERT OR IGNORE INTO pairs_stale SELECT ?1 WHERE NOT EXISTS (
        SELECT 1 FROM pairs p WHERE p.match_key = ?1 AND p.status = $unknown) AND NOT EXISTS (
        SELECT 1 FROM pairs p CROSS JOIN files l ON l.id = p.local_id CROSS JOIN files k ON k.id = p.lake_id
        WHERE p.match_key = ?1
              AND p.status = diff_status(l.size_bytes, l.modified, l.blake3, k.size_bytes, k.modified, k.blake3))";

impl<'c> StaleMarker<'c> {
    /// Prepares it.
    pub(super) fn new(connection: &'c Connection) -> Result<Self, StorageError> {
        Ok(Self(connection.prepare_cached(&MARK_UNLESS_RIGHT.replace("$unknown", &UNKNOWN.to_string()))?))
    }

    /// Marks one key, if it has to be.
    pub(super) fn mark_unless_right(&mut self, match_key: &str) -> Result<(), StorageError> {
        self.0.execute([match_key])?;
        Ok(())
    }
}

/// Marks one key as out of date.
pub fn mark_stale(connection: &Connection, match_key: &str) -> Result<(), StorageError> {
    execute(connection, "INSERT OR IGNORE INTO pairs_stale VALUES (?1)", [match_key]).map(drop)
}

/// Marks everything as out of date.
pub fn mark_all_stale(connection: &Connection) -> Result<(), StorageError> {
    mark_stale(connection, ALL)
}

/// Whether some row is out of date.
pub fn is_stale(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pairs_stale)";
    one(connection, sql, [], |row| row.get(0))
}
