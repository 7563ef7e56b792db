//! What happened, newest first.

use rusqlite::{Connection, Row};
use serde::Serialize;
use utoipa::ToSchema;

use super::page::{Page, PageRequest};
use super::statement::{Statement, text};
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::storage::history::Level;
use crate::storage::{StorageError, from_db, timestamp};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryView {
    pub id: i64,
    pub at: jiff::Timestamp,
    /// `scan`, `hash`, `batch`, `queue`, `root`, `settings` or `database`.
    pub kind: String,
    /// How much attention it asks for.
    pub level: Level,
    pub summary: String,
    /// More, if there is more.
    pub detail: Option<String>,
    /// The root it is about.
    pub root: Option<Root>,
    /// The batch it is about.
    pub batch_id: Option<BatchId>,
}

/// Which lines are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of this level.
    pub level: Option<Level>,
    /// Only about this root.
    pub root: Option<Root>,
    /// With this text in the sentence or the rest, in any case (of ASCII letters).
    pub search: Option<String>,
}

fn entry(row: &Row<'_>) -> rusqlite::Result<HistoryView> {
    let level: String = row.get("level")?;
    Ok(HistoryView {
        id: row.get("id")?,
        at: timestamp(row.get("at")?),
        kind: row.get("kind")?,
        level: level_of(&level).unwrap_or(Level::Info),
        summary: row.get("summary")?,
        detail: row.get("detail")?,
        root: row.get("root")?,
        batch_id: row.get("batch_id")?,
    })
}

pub fn level_of(name: &str) -> Option<Level> {
    [Level::Info, Level::Warning, Level::Error].into_iter().find(|level| level.as_str() == name)
}

/// One page of lines, the newest first.
pub fn list(
    connection: &Connection,
    filter: &HistoryFilter,
    request: &PageRequest,
) -> Result<Page<HistoryView>, StorageError> {
    let mut statement =
        Statement::new("SELECT id, at, kind, level, summary, detail, root, batch_id FROM history WHERE 1");
    add_conditions(&mut statement, filter);
    if let Some(id) = request.after::<i64>()? {
        statement.add("AND id < ?", [id.into()]);
    }
    statement.add("ORDER BY id DESC LIMIT ?", [request.rows_to_read().into()]);
    let rows = statement.rows(connection, entry)?;
    let mut count = Statement::new("SELECT count(*) FROM history WHERE 1");
    add_conditions(&mut count, filter);
    let total = count.row(connection, |row| Ok(from_db(row.get(0)?)))?;
    Ok(request.page(rows, total, |line| line.id))
}

fn add_conditions(statement: &mut Statement, filter: &HistoryFilter) {
    if let Some(kind) = &filter.kind {
        statement.add("AND kind = ?", [text(kind)]);
    }
    if let Some(level) = filter.level {
        statement.add("AND level = ?", [text(level.as_str())]);
    }
    if let Some(root) = filter.root {
        statement.add("AND root = ?", [text(root.as_str())]);
    }
    if let Some(search) = filter.search.as_deref().map(str::trim).filter(|search| !search.is_empty()) {
        let search = search.to_lowercase();
        statement.add("AND instr(lower(summary || ' ' || coalesce(detail, '')), ?) > 0", [text(search)]);
    }
}

#[cfg(test)]
mod tests;
