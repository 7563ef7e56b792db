//! Filters of the list of models that people keep.

use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::{StorageError, execute, now_ms, rows};

/// Filters that are kept at most.
pub const MOST: usize = 100;

/// A filter under the name that a person gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SavedFilter {
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// What stands behind `/models` in the address: `?kind=lora&base=sdxl`.
    pub query: String,
}

/// All of them by name.
pub fn list(connection: &Connection) -> Result<Vec<SavedFilter>, StorageError> {
    rows(connection, "SELECT name, query FROM saved_filters ORDER BY lower(name), name", [], |row| {
        Ok(SavedFilter { name: row.get("name")?, query: row.get("query")? })
    })
}

/// Keeps one; a name that is there already gets the new filter. `false` if there are too many.
pub fn save(connection: &Connection, filter: &SavedFilter) -> Result<bool, StorageError> {
    let known = list(connection)?;
    if known.len() >= MOST && !known.iter().any(|one| one.name == filter.name) {
        return Ok(false);
    }
    let sql = "INSERT INTO saved_filters VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET query = ?2";
    execute(connection, sql, (&filter.name, &filter.query, now_ms()))?;
    Ok(true)
}

/// Lets one go. `false` if there is none of this name.
pub fn remove(connection: &Connection, name: &str) -> Result<bool, StorageError> {
    Ok(execute(connection, "DELETE FROM saved_filters WHERE name = ?1", [name])? > 0)
}
