//! How many of the models that a filter means are of each kind, base, and so on.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::ModelFilter;
use crate::storage::views::statement::Statement;
use crate::storage::{StorageError, from_db, rows};

/// Counts of models by what they are. Where it can't be told they count as `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Facets {
    pub kind: BTreeMap<String, u64>,
    pub base: BTreeMap<String, u64>,
    pub precision: BTreeMap<String, u64>,
    pub format: BTreeMap<String, u64>,
    pub state: BTreeMap<String, u64>,
    /// One on both roots counts as `local`, as `lake` and as `both`.
    #[serde(rename = "where")]
    pub places: BTreeMap<String, u64>,
    /// Models whose header waits to be read.
    pub unread: u64,
}

/// Counts what a filter means.
///
/// # Errors
/// The database failed.
pub fn facets(connection: &Connection, filter: &ModelFilter) -> Result<Facets, StorageError> {
    let mut statement = Statement::new(
        "SELECT m.kind, m.base, m.precision, m.format, m.state, m.state = 'unread' AND m.tried = 0 AS waits,
                m.n_local > 0 AS local, m.n_lake > 0 AS lake, m.is_evicted AND m.n_local = 0 AS evicted, count(*) AS n,
                m.n_local + m.n_lake = 1 AND m.is_hashed AS one, m.n_agents > 0 AS agent
         FROM models m",
    );
    filter.add_conditions(&mut statement);
    statement.text("GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12");
    let mut facets = Facets::default();
    statement.rows(connection, |row| {
        let n = from_db(row.get("n")?);
        for (counts, column) in [
            (&mut facets.kind, "kind"),
            (&mut facets.base, "base"),
            (&mut facets.precision, "precision"),
            (&mut facets.format, "format"),
            (&mut facets.state, "state"),
        ] {
            let word: Option<String> = row.get(column)?;
            *counts.entry(word.unwrap_or_else(|| "none".to_owned())).or_default() += n;
        }
        let (local, lake): (bool, bool) = (row.get("local")?, row.get("lake")?);
        for (place, is_there) in [
            ("local", local),
            ("lake", lake),
            ("both", local && lake),
            ("evicted", row.get("evicted")?),
            ("one", row.get("one")?),
            ("agent", row.get("agent")?),
        ] {
            if is_there {
                *facets.places.entry(place.to_owned()).or_default() += n;
            }
        }
        if row.get("waits")? {
            facets.unread += n;
        }
        Ok(())
    })?;
    Ok(facets)
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
