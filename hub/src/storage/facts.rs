//! Small facts about this database.

use rusqlite::{Connection, OptionalExtension};

use super::{StorageError, execute};

/// The highest file id that the search index holds.
pub const SEARCH_INDEXED_TO: &str = "search_indexed_to";
/// The indexes that the models were brought in line with last.
pub(super) const MODELS_AT: &str = "models_at";
/// Why the queue is held, if it is.
pub const QUEUE_PAUSED: &str = "queue_paused";
/// The transfer that did not fit, if the queue is held for that.
pub const QUEUE_SHORT_OF_ROOM: &str = "queue_short_of_room";
/// A folder that another database knew was taken into this one while it was empty.
pub const LOST: &str = "lost";
/// In front of a root's row: this database keeps the list of what was evicted from it.
pub const EVICTIONS_LISTED: &str = "evictions_listed:";
/// A random text in the names of this database's part files, so that a part of another
/// installation is never taken for ours.
const TOKEN: &str = "token";

/// Reads a fact.
pub fn get(connection: &Connection, name: &str) -> Result<Option<String>, StorageError> {
    let mut statement = connection.prepare_cached("SELECT value FROM facts WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// Writes a fact.
pub fn set(connection: &Connection, name: &str, value: &str) -> Result<(), StorageError> {
    let sql = "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    execute(connection, sql, [name, value]).map(drop)
}

/// Removes a fact.
pub fn remove(connection: &Connection, name: &str) -> Result<(), StorageError> {
    execute(connection, "DELETE FROM facts WHERE name = ?1", [name]).map(drop)
}

/// This database's token, made on first use.
pub fn token(connection: &Connection) -> Result<String, StorageError> {
    if let Some(token) = get(connection, TOKEN)? {
        return Ok(token);
    }
    let random = uuid::Uuid::new_v4().simple().to_string();
    let token = random.get(..8).unwrap_or(&random).to_owned();
    set(connection, TOKEN, &token)?;
    Ok(token)
}
