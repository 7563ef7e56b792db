//! Rows that are numbered as they come, the newest first: one statement for all lists of this kind.

use rusqlite::{Connection, Row};

use super::page::{Page, PageRequest};
use crate::storage::{StorageError, from_db};

/// One page of `table`, whose rows have an `id`; `columns` are what `read` takes. The cursor carries
/// the table, so that one of another list is noticed.
pub fn newest<T>(
    connection: &Connection,
    (table, columns): (&str, &str),
    request: &PageRequest,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Page<T>, StorageError> {
    let before = match request.after::<(String, i64)>()? {
        Some((of, id)) if of == table => id,
        Some(_) => return Err(StorageError::Cursor),
        None => i64::MAX,
    };
    let sql = format!("SELECT {columns}, id AS row_number FROM {table} WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let rows: Vec<(i64, T)> = connection
        .prepare_cached(&sql)?
        .query_map((before, request.rows_to_read()), |row| Ok((row.get("row_number")?, read(row)?)))?
        .collect::<Result<_, _>>()?;
    let sql = format!("SELECT count(*) FROM {table}");
    let total = connection.prepare_cached(&sql)?.query_row([], |row| Ok(from_db(row.get(0)?)))?;
    Ok(request.page(rows, total, |(id, _)| (table.to_owned(), *id)).map(|(_, row)| row))
}
