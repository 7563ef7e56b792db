//! What holds whatever was done, for the ends of tests.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{Database, StorageError, facts, pairs};

/// Rows of the comparison that a full one would not have, or would have otherwise.
pub(crate) fn differing_pairs(database: &Database) -> Result<Vec<String>, StorageError> {
    let mut differing = Vec::new();
    let rolled_back: Result<(), _> = database.write_or_refuse_blocking(|tx| {
        pairs::refresh(tx)?;
        let kept = rows(tx)?;
        pairs::mark_all_stale(tx)?;
        pairs::refresh(tx)?;
        differing.extend(rows(tx)?.symmetric_difference(&kept).cloned());
        Err(StorageError::Missing("a reason to change anything"))
    });
    match rolled_back {
        Err(StorageError::Missing(_)) | Ok(()) => Ok(differing),
        Err(error) => Err(error),
    }
}

/// What is in the names of this database's part files, if none of them may be there: every transfer was completed.
pub(crate) fn token_of_no_part(database: &Database) -> Result<Option<String>, StorageError> {
    database.write_blocking(|tx| {
        let sql = "SELECT count(*) FROM transfers WHERE state <> 'completed'";
        let n_others: i64 = tx.query_row(sql, [], |row| row.get(0))?;
        Ok(if n_others == 0 { Some(facts::token(tx)?) } else { None })
    })
}

fn rows(connection: &Connection) -> Result<BTreeSet<String>, StorageError> {
    let sql = "SELECT path || ': status ' || status || ', ' || coalesce(local_id, '-') || ' and '
                   || coalesce(lake_id, '-') || ', ' || size_bytes || ', moved from ' || coalesce(moved_from, '-')
               FROM pairs";
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
