//! Which keys of the comparison are out of date.
//!
//! Apart from the comparison itself, because whoever changes the index or a root marks keys, and
//! the comparison in turn reads both.

use rusqlite::{CachedStatement, Connection};

use super::StorageError;

/// Stands for every key in `pairs_stale`.
pub(super) const ALL: &str = "*";

/// Marks keys as out of date, many of them within one transaction.
pub(super) struct Marker<'c>(CachedStatement<'c>);

impl<'c> Marker<'c> {
    /// Prepares it.
    pub(super) fn new(connection: &'c Connection) -> Result<Self, StorageError> {
        Ok(Self(connection.prepare_cached("INSERT OR IGNORE INTO pairs_stale VALUES (?1)")?))
    }

    /// Marks one key.
    pub(super) fn mark(&mut self, match_key: &str) -> Result<(), StorageError> {
        self.0.execute([match_key])?;
        Ok(())
    }
}

/// Marks one key as out of date.
pub fn mark_stale(connection: &Connection, match_key: &str) -> Result<(), StorageError> {
    Marker::new(connection)?.mark(match_key)
}

/// Marks everything as out of date.
pub fn mark_all_stale(connection: &Connection) -> Result<(), StorageError> {
    mark_stale(connection, ALL)
}

/// Whether some row is out of date.
pub fn is_stale(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pairs_stale)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
