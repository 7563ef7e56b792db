//! How statements are asked that stay ready: the one way for all that need no statement of their own.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::StorageError;

/// The only row.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<T, StorageError> {
    Ok(connection.prepare_cached(sql)?.query_row(params, read)?)
}

/// The first row, if there is one.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StorageError> {
    Ok(connection.prepare_cached(sql)?.query_row(params, read).optional()?)
}

/// All rows.
pub(super) fn rows<T, All: FromIterator<T>>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<All, StorageError> {
    Ok(connection.prepare_cached(sql)?.query_map(params, read)?.collect::<Result<_, _>>()?)
}

/// Changes rows, and tells how many.
pub(super) fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize, StorageError> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}
