//! Filling an empty index: the orders that only lists and sums need are left out meanwhile, which
//! halves the time, and are made afterwards in one go.

use rusqlite::Connection;

use crate::storage::{StorageError, one};

/// Leaves out the orders by size and time; lists sorted so are slower until [`end`].
pub fn begin(connection: &Connection) -> Result<(), StorageError> {
    connection.execute_batch(
        "DROP INDEX IF EXISTS files_by_size; DROP INDEX IF EXISTS files_by_modified;
         DROP INDEX IF EXISTS files_by_age;",
    )?;
    Ok(())
}

/// Makes what [`begin`] left out; does nothing if it is there.
pub fn end(connection: &Connection) -> Result<(), StorageError> {
    connection.execute_batch(
        "CREATE INDEX IF NOT EXISTS files_by_size ON files (root_id, size_bytes);
         CREATE INDEX IF NOT EXISTS files_by_modified ON files (root_id, modified);
         CREATE INDEX IF NOT EXISTS files_by_age ON files (root_id, modified, size_bytes);",
    )?;
    Ok(())
}

/// Whether something is left out, also by a hub that was killed meanwhile.
pub fn is_open(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT count(*) < 3 FROM sqlite_schema
               WHERE name IN ('files_by_size', 'files_by_modified', 'files_by_age')";
    one(connection, sql, [], |row| row.get(0))
}
