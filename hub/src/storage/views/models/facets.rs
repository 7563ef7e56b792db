//! How many of the models that a filter means are of each kind, base, and so on.
//!
//! A page asks for that once for each of its filters, each without itself. So models that have all of it in common are
//! counted together, once for all filters.

use std::sync::Arc;

use rusqlite::Connection;
use serde::Serialize;

use super::groups::{Group, ModelGroups, NONE};
use super::{ModelFilter, ModelState};
use crate::storage::views::CountCache;
use crate::storage::views::statement::Statement;
use crate::storage::{StorageError, from_db, rows};

/// Counts what a filter's search and folder leave; what else it says is asked of the groups.
///
/// # Errors
/// The database failed.
pub fn groups(
    connection: &Connection,
    filter: &ModelFilter,
    counts: &CountCache,
) -> Result<Arc<ModelGroups>, StorageError> {
    let scope = ModelFilter { search: filter.search.clone(), folder: filter.folder.clone(), ..ModelFilter::default() };
    // The order of the index; a search has to look at the rows themselves.
    let source = if scope == ModelFilter::default() { "INDEXED BY models_facets" } else { "NOT INDEXED" };
    counts.models(connection, &scope, || {
        let mut statement = Statement::new(format!(
            "SELECT m.kind, m.base, m.precision, m.format, m.state, m.tried, m.n_local, m.n_lake, m.is_evicted,
                    m.n_agents, m.is_hashed, count(*) AS n, sum(m.size_bytes) AS size
             FROM models m {source} WHERE 1"
        ));
        scope.add_scope(&mut statement);
        statement.text("GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11");
        let groups = statement.rows(connection, |row| {
            let word = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.unwrap_or(NONE.into()));
            let state = row.get_ref("state")?.as_str()?.parse().unwrap_or(ModelState::Unread);
            Ok(Group {
                kind: word("kind")?,
                base: word("base")?,
                precision: word("precision")?,
                format: word("format")?,
                state,
                waits: state == ModelState::Unread && !row.get::<_, bool>("tried")?,
                n_local: row.get("n_local")?,
                n_lake: row.get("n_lake")?,
                n_evicted: row.get("is_evicted")?,
                n_agents: row.get("n_agents")?,
                is_hashed: row.get("is_hashed")?,
                n: from_db(row.get("n")?),
                size_bytes: from_db(row.get("size")?),
            })
        })?;
        Ok(Arc::new(ModelGroups(groups)))
    })
}

/// Models of one kind and base, taken together. Each content counts once for each root that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindTotals {
    pub kind: Option<String>,
    pub base: Option<String>,
    pub n: u64,
    pub n_damaged: u64,
    /// Those with one copy only, as far as contents are known.
    pub n_alone: u64,
    pub size_bytes: u64,
}

/// What the models are and how much room they take, the largest first.
///
/// # Errors
/// The database failed.
pub fn by_kind(connection: &Connection) -> Result<Vec<KindTotals>, StorageError> {
    let sql = "SELECT kind, base, count(*) AS n, sum(state = 'damaged') AS n_damaged,
                      sum(n_local + n_lake = 1 AND is_hashed) AS n_alone, sum(size_bytes * (n_local + n_lake)) AS size
               FROM models INDEXED BY models_facets WHERE n_local + n_lake > 0 GROUP BY kind, base ORDER BY size DESC";
    rows(connection, sql, [], |row| {
        let number = |at| row.get(at).map(from_db);
        Ok(KindTotals {
            kind: row.get("kind")?,
            base: row.get("base")?,
            n: number("n")?,
            n_damaged: number("n_damaged")?,
            n_alone: number("n_alone")?,
            size_bytes: number("size")?,
        })
    })
}
