//! The rows of a plan, page by page.

use crate::domain::described::RelPathText;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;
use utoipa::ToSchema;

use super::page::{Page, PageRequest};
use super::statement::Statement;
use crate::domain::ids::PlanId;
use crate::domain::mirror::totals::PlanTotals;
use crate::domain::mirror::{PlanAction, Why};
use crate::domain::ticks::Ticks;
use crate::storage::plans::{self, PlanRecord};
use crate::storage::{StorageError, from_db, path_column};

/// What a plan does with one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MirrorItemView {
    /// Its number within the plan.
    #[serde(skip)]
    pub n: i64,
    pub action: PlanAction,
    /// The file that is copied, renamed or deleted.
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// Where it goes, if that is another path.
    pub to_path: Option<String>,
    pub size_bytes: u64,
    /// When it was last modified.
    #[serde(rename = "modified_at")]
    #[schema(value_type = String, format = DateTime)]
    pub modified: Ticks,
    /// The destination's file of that name, if there is one.
    pub there: Option<MirrorThereView>,
    /// No other copy of its content is known.
    pub last_copy: bool,
    /// Why nothing happens.
    pub why: Option<String>,
    /// A rename would end what is in the way.
    #[serde(skip)]
    pub ends_by_rename: bool,
    /// It is the source's file; else the destination's.
    #[serde(skip)]
    pub of_source: bool,
}

/// The destination's file where a plan's file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MirrorThereView {
    pub size_bytes: u64,
    /// When it was last modified.
    #[serde(rename = "modified_at")]
    #[schema(value_type = String, format = DateTime)]
    pub modified: Ticks,
}

/// Where a page ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct PlanItemKey {
    action: i64,
    n: i64,
}

const COLUMNS: &str = "n, action, path, size_bytes, modified, to_path, there_size, there_modified, last_copy, why, \
     place, source_id IS NOT NULL AS of_source";

fn item(row: &Row<'_>) -> rusqlite::Result<MirrorItemView> {
    let there: (Option<i64>, Option<i64>) = (row.get("there_size")?, row.get("there_modified")?);
    let why = row.get::<_, Option<i64>>("why")?.and_then(Why::from_repr);
    let place: Option<String> = row.get("place")?;
    Ok(MirrorItemView {
        n: row.get("n")?,
        action: PlanAction::from_repr(row.get("action")?).unwrap_or(PlanAction::LeftOut),
        path: path_column(row, "path")?,
        size_bytes: from_db(row.get("size_bytes")?),
        modified: Ticks(row.get("modified")?),
        to_path: row.get("to_path")?,
        there: there
            .0
            .zip(there.1)
            .map(|(size, modified)| MirrorThereView { size_bytes: from_db(size), modified: Ticks(modified) }),
        last_copy: row.get("last_copy")?,
        why: why.map(|why| place.map_or_else(|| why.text().to_owned(), |place| format!("{}: {place}", why.text()))),
        ends_by_rename: why.is_some_and(Why::ends_by_rename),
        of_source: row.get("of_source")?,
    })
}

/// One page of plans, the newest first.
pub fn plans(connection: &Connection, request: &PageRequest) -> Result<Page<PlanRecord>, StorageError> {
    let rows = plans::list(connection, request.after::<PlanId>()?, request.rows_to_read())?;
    Ok(request.page(rows, plans::count(connection)?, |plan| plan.id))
}

/// One page of a plan's rows, by action and then in the order of the comparison.
pub fn list(
    connection: &Connection,
    plan: PlanId,
    totals: &PlanTotals,
    action: Option<PlanAction>,
    request: &PageRequest,
) -> Result<Page<MirrorItemView>, StorageError> {
    let after = request.after::<PlanItemKey>()?;
    if after.is_some_and(|key| action.is_some_and(|action| action.code() != key.action)) {
        return Err(StorageError::Cursor);
    }
    let rows = list_statement(plan, action, after, request).rows(connection, item)?;
    let mut totals = *totals;
    let total = match action {
        Some(action) => totals.of(action).n,
        None => PlanAction::ALL.into_iter().map(|action| totals.of(action).n).sum(),
    };
    Ok(request.page(rows, total, |row| PlanItemKey { action: row.action.code(), n: row.n }))
}

fn list_statement(
    plan: PlanId,
    action: Option<PlanAction>,
    after: Option<PlanItemKey>,
    request: &PageRequest,
) -> Statement {
    let mut statement = Statement::new(format!("SELECT {COLUMNS} FROM plan_items"));
    statement.add("WHERE plan_id = ?", [plan.0.into()]);
    match (action, after) {
        (Some(action), None) => _ = statement.add("AND action = ?", [action.code().into()]),
        (Some(action), Some(key)) => {
            _ = statement.add("AND action = ? AND n > ?", [action.code().into(), key.n.into()]);
        }
        (None, Some(key)) => _ = statement.add("AND (action, n) > (?, ?)", [key.action.into(), key.n.into()]),
        (None, None) => {}
    }
    statement.add("ORDER BY action, n LIMIT ?", [request.rows_to_read().into()]);
    statement
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::storage::views::test_library::TestLibrary;

    #[test]
    fn every_page_is_a_range_of_the_key() {
        let library = TestLibrary::new();
        let request = PageRequest::first();
        let key = PlanItemKey { action: 3, n: 7 };
        for (action, after) in
            [(None, None), (None, Some(key)), (Some(PlanAction::Delete), None), (Some(PlanAction::Delete), Some(key))]
        {
            let plan = library.read(|c| Ok(list_statement(PlanId(1), action, after, &request).plan(c)));
            assert!(plan.iter().all(|step| step.starts_with("SEARCH plan_items USING PRIMARY KEY")), "{plan:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let library = TestLibrary::new();
        library.write(|tx| {
            tx.execute_batch(
                "INSERT INTO plans VALUES (1, 'local', 1, 0, 'lake', 2, 0, '', 'hash', 1, 1, '{}', NULL, 0, 0);
                 INSERT INTO plan_items (plan_id, action, n, phase, path, size_bytes, modified)
                     VALUES (1, 1, 1, 1, 'a', 1, 1), (1, 1, 2, 1, 'b', 1, 1), (1, 3, 3, 2, 'c', 1, 1);",
            )?;
            Ok(())
        });
        let page = |action, cursor| {
            let request = PageRequest::new(1, cursor).unwrap();
            library.database.read_blocking(|c| list(c, PlanId(1), &PlanTotals::default(), action, &request))
        };
        let first = page(None, None).unwrap();
        let second = page(None, first.next_cursor.clone()).unwrap();
        let third = page(None, second.next_cursor).unwrap();
        assert_eq!(third.items.first().map(|item| (item.action, item.n)), Some((PlanAction::Delete, 3)));
        assert_eq!(third.next_cursor, None);
        assert!(matches!(page(Some(PlanAction::Delete), first.next_cursor), Err(StorageError::Cursor)));
    }
}
