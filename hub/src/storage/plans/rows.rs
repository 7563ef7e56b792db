//! Single rows of a plan, written and read.

use rusqlite::{Connection, OptionalExtension, Row};
use shared_protocol::RelPath;

use crate::domain::ids::{FileId, PlanId};
use crate::domain::mirror::{PlanAction, PlanRow, Stamp, Why};
use crate::domain::ticks::Ticks;
use crate::storage::{StorageError, from_db, to_db};

const COLUMNS: &str = "action, phase, path, size_bytes, modified, to_path, there_size, there_modified, source_id, \
     dest_id, gone_id, why, place";

/// Writes a row under its number.
pub(super) fn insert(connection: &Connection, plan: PlanId, n: i64, row: &PlanRow) -> Result<(), StorageError> {
    let id = |file: Option<FileId>| file.map(|file| file.0);
    connection
        .prepare_cached(
            "INSERT INTO plan_items (plan_id, n, action, phase, path, size_bytes, modified, to_path, there_size,
                                     there_modified, source_id, dest_id, gone_id, why, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(rusqlite::params![
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
        ])?;
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
    Ok(connection.prepare_cached(&sql)?.query_row((plan.0, one, other, n), read).optional()?)
}

/// Takes a row out.
pub(super) fn remove(connection: &Connection, plan: PlanId, action: PlanAction, n: i64) -> Result<(), StorageError> {
    connection.prepare_cached("DELETE FROM plan_items WHERE plan_id = ?1 AND action = ?2 AND n = ?3")?.execute((
        plan.0,
        action.code(),
        n,
    ))?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<PlanRow> {
    let wrong = |column: usize, what: String| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.into())
    };
    let path = |column: usize| -> rusqlite::Result<Option<RelPath>> {
        let text = row.get_ref(column)?.as_str_or_null()?;
        text.map(|text| RelPath::parse(text).map_err(|error| wrong(column, error.to_string()))).transpose()
    };
    let stamp = |column: usize| -> rusqlite::Result<Option<Stamp>> {
        let (size, modified): (Option<i64>, Option<i64>) = (row.get(column)?, row.get(column + 1)?);
        Ok(size.zip(modified).map(|(size, modified)| Stamp { size_bytes: from_db(size), modified: Ticks(modified) }))
    };
    let code: i64 = row.get(0)?;
    Ok(PlanRow {
        action: PlanAction::from_repr(code).ok_or_else(|| wrong(0, format!("action {code}")))?,
        phase: row.get(1)?,
        path: path(2)?.ok_or_else(|| wrong(2, "no path".to_owned()))?,
        stamp: stamp(3)?.ok_or_else(|| wrong(3, "no size".to_owned()))?,
        to_path: path(5)?,
        there: stamp(6)?,
        source: row.get(8)?,
        dest: row.get(9)?,
        gone: row.get(10)?,
        why: row.get::<_, Option<i64>>(11)?.and_then(Why::from_repr),
        place: row.get(12)?,
    })
}
