//! What a root holds that the index does not see, by path.

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::page::{Page, PageRequest};
use super::statement::{Statement, text};
use crate::domain::root::Root;
use crate::domain::skipped::SkipReason;
use crate::storage::{StorageError, from_db, roots};

/// Something that is not in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SkippedView {
    #[serde(skip)]
    pub id: i64,
    /// Its path; a name that is no text is shown as well as it can be.
    pub path: String,
    /// Why it is not in the index, by name.
    pub reason: SkipReason,
    /// Why, for people: where a link leads, what the system said.
    pub why: String,
    /// Whether it is unknown what is there and below: nothing at or below it counts as absent. Else it is
    /// left alone by rule.
    pub unknown: bool,
    /// What a person can do about it.
    #[schema(value_type = String)]
    pub way_out: &'static str,
    /// Whether `/api/roots/{root}/skipped/accept` takes this path.
    pub can_accept: bool,
    #[serde(skip)]
    match_key: String,
}

/// How many entries a root has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SkippedTotals {
    /// All of them.
    pub n: u64,
    /// Those of which nothing is known.
    pub n_unknown: u64,
    /// Those that a person has to see to before the root is seen as a whole.
    pub n_to_see_to: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct SkippedKey(String, i64);

/// One page, by path.
pub fn list(connection: &Connection, root: Root, request: &PageRequest) -> Result<Page<SkippedView>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(Page::empty()) };
    let after = request.after::<SkippedKey>()?;
    let rows = list_statement(row.id.0, after, request).rows(connection, entry)?;
    let total = totals(connection, root)?.n;
    Ok(request.page(rows, total, |entry| SkippedKey(entry.match_key.clone(), entry.id)))
}

fn list_statement(root: i64, after: Option<SkippedKey>, request: &PageRequest) -> Statement {
    let mut statement = Statement::new("SELECT id, path, reason, detail, match_key FROM skipped_entries");
    statement.add("WHERE root_id = ?", [root.into()]);
    if let Some(SkippedKey(key, id)) = after {
        statement.add("AND (match_key, id) > (?, ?)", [text(key), id.into()]);
    }
    statement.add("ORDER BY match_key, id LIMIT ?", [request.rows_to_read().into()]);
    statement
}

fn entry(row: &Row<'_>) -> rusqlite::Result<SkippedView> {
    let reason = SkipReason::from_repr(row.get("reason")?).unwrap_or(SkipReason::Unlisted);
    let detail: Option<String> = row.get("detail")?;
    Ok(SkippedView {
        id: row.get("id")?,
        path: row.get("path")?,
        reason,
        why: reason.why(detail.as_deref()),
        unknown: reason.is_unknown(),
        way_out: reason.way_out(),
        can_accept: reason.can_accept(),
        match_key: row.get("match_key")?,
    })
}

/// How many entries a root has.
pub fn totals(connection: &Connection, root: Root) -> Result<SkippedTotals, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(SkippedTotals::default()) };
    let mut statement = connection.prepare_cached(
        "SELECT reason, is_unknown, count(*) AS n FROM skipped_entries WHERE root_id = ?1 GROUP BY 1, 2",
    )?;
    let mut rows = statement.query([row.id.0])?;
    let mut totals = SkippedTotals::default();
    while let Some(row) = rows.next()? {
        let n = from_db(row.get("n")?);
        totals.n += n;
        totals.n_unknown += if row.get("is_unknown")? { n } else { 0 };
        totals.n_to_see_to +=
            SkipReason::from_repr(row.get("reason")?).filter(|reason| reason.needs_help()).map_or(0, |_| n);
    }
    Ok(totals)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::storage::views::test_library::TestLibrary;

    #[test]
    fn every_page_is_a_range_of_the_key() {
        let library = TestLibrary::new();
        for after in [None, Some(SkippedKey("a".to_owned(), 1))] {
            let plan = library.read(|c| Ok(list_statement(1, after, &PageRequest::first()).plan(c)));
            assert!(plan.len() == 1 && plan.concat().contains("skipped_entries_by_key"), "{plan:?}");
        }
    }
}
