//! Filling an empty index: two orders that only lists of files need are left out meanwhile, which
//! halves the time, and are made afterwards in one go.

use rusqlite::Connection;

use crate::storage::StorageError;

/// Leaves out the orders by size and time; lists sorted so are slower until [`end`].
pub fn begin(connection: &Connection) -> Result<(), StorageError> {
    connection.execute_batch("DROP INDEX IF EXISTS files_by_size; DROP INDEX IF EXISTS files_by_modified;")?;
    Ok(())
}

/// Makes what [`begin`] left out; does nothing if it is there.
pub fn end(connection: &Connection) -> Result<(), StorageError> {
    connection.execute_batch(
        "CREATE INDEX IF NOT EXISTS files_by_size ON files (root_id, size_bytes);
         CREATE INDEX IF NOT EXISTS files_by_modified ON files (root_id, modified);",
    )?;
    Ok(())
}

/// Whether something is left out, also by a hub that was killed meanwhile.
pub fn is_open(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT count(*) < 2 FROM sqlite_schema WHERE name IN ('files_by_size', 'files_by_modified')";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
