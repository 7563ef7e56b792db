//! Single rows of a plan, written and read.

use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row};
use shared_protocol::RelPath;

use crate::domain::ids::{FileId, PlanId};
use crate::domain::mirror::{PlanAction, PlanRow, Stamp, Why};
use crate::domain::ticks::Ticks;
use crate::storage::columns::{columns, path_column, path_column_if_any};
use crate::storage::{StorageError, execute, first, from_db, to_db};

columns!(mod at {
    action, phase, path, size_bytes, modified, to_path, there_size, there_modified, source_id, dest_id, gone_id,
    why, place
});
const COLUMNS: &str = at::ALL;

/// Writes a row under its number.
pub(super) fn insert(connection: &Connection, plan: PlanId, n: i64, row: &PlanRow) -> Result<(), StorageError> {
    let id = |file: Option<FileId>| file.map(|file| file.0);
    let sql = "INSERT INTO plan_items (plan_id, n, action, phase, path, size_bytes, modified, to_path, there_size,
                                     there_modified, source_id, dest_id, gone_id, why, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    execute(
        connection,
        sql,
        rusqlite::params![
            plan.0,
            n,
            row.action.code(),
            row.phase,
            row.path.as_str(),
            to_db(row.stamp.size_bytes),
            row.stamp.modified.0,
            row.to_path.as_ref().map(RelPath::as_str),
            row.there.map(|there| to_db(there.size_bytes)),
            row.there.map(|there| there.modified.0),
            id(row.source),
            id(row.dest),
            id(row.gone),
            row.why.map(Why::code),
            row.place.as_deref(),
        ],
    )?;
    Ok(())
}

/// The row of a number that does one of two things.
pub(super) fn find(
    connection: &Connection,
    plan: PlanId,
    n: i64,
    actions: [PlanAction; 2],
) -> Result<Option<PlanRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM plan_items WHERE plan_id = ?1 AND action IN (?2, ?3) AND n = ?4");
    let [one, other] = actions.map(PlanAction::code);
    first(connection, &sql, (plan.0, one, other, n), read)
}

/// Takes a row out.
pub(super) fn remove(connection: &Connection, plan: PlanId, action: PlanAction, n: i64) -> Result<(), StorageError> {
    let sql = "DELETE FROM plan_items WHERE plan_id = ?1 AND action = ?2 AND n = ?3";
    execute(connection, sql, (plan.0, action.code(), n)).map(drop)
}

fn read(row: &Row<'_>) -> rusqlite::Result<PlanRow> {
    let code: i64 = row.get(at::action)?;
    let there: (Option<i64>, Option<Ticks>) = (row.get(at::there_size)?, row.get(at::there_modified)?);
    Ok(PlanRow {
        action: PlanAction::from_repr(code).ok_or(FromSqlError::OutOfRange(code))?,
        phase: row.get(at::phase)?,
        path: path_column(row, at::path)?,
        stamp: Stamp { size_bytes: from_db(row.get(at::size_bytes)?), modified: row.get(at::modified)? },
        to_path: path_column_if_any(row, at::to_path)?,
        there: there.0.zip(there.1).map(|(size, modified)| Stamp { size_bytes: from_db(size), modified }),
        source: row.get(at::source_id)?,
        dest: row.get(at::dest_id)?,
        gone: row.get(at::gone_id)?,
        why: row.get::<_, Option<i64>>(at::why)?.and_then(Why::from_repr),
        place: row.get(at::place)?,
    })
}
