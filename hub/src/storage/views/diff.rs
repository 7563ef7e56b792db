//! The comparison of the two roots, page by page.
//!
//! `pairs` holds the answer already; whoever reads here has it brought up to date first.

use crate::domain::described::RelPathText;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;
use utoipa::ToSchema;

pub use super::filter::PairFilter;

use super::count_cache::CountCache;
pub use super::entry::StatusTotals;
use super::entry::{Chosen, FileView, Totals, at, columns_of, entry};
use super::page::{Page, PageRequest};
use super::search::{self, Candidates};
use super::statement::{Statement, text};
use crate::domain::diff::DiffStatus;
use crate::domain::root::Root;
use crate::storage::skipped::{because, cover_of_either};
use crate::storage::{StorageError, from_db, path_column};

/// One file that stands alone, or a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PairView {
    /// The Lake's path where the Lake has the file, else Local's. They differ for `moved`.
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// How the two sides stand to each other.
    pub status: DiffStatus,
    /// The larger side's size.
    pub size_bytes: u64,
    pub local: Option<FileView>,
    pub lake: Option<FileView>,
    /// Of `unknown`: which place of which side was not seen, and why.
    pub why: Option<String>,
}

/// Where a page ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PairKey {
    status: Option<DiffStatus>,
    name: String,
    path: String,
}

/// One page of rows, by name.
pub fn list(
    connection: &Connection,
    filter: &PairFilter,
    request: &PageRequest,
    counts: &CountCache,
) -> Result<Page<PairView>, StorageError> {
    let after = request.after::<PairKey>()?;
    let (from, to) = filter.range();
    if after.as_ref().is_some_and(|key| key.status != filter.status || key.name < from || key.name >= to) {
        return Err(StorageError::Cursor);
    }
    let total = total(connection, filter, counts)?;
    if total == 0 {
        return Ok(Page::empty());
    }
    let source = PairSource::choose(connection, filter)?;
    let mut rows = list_statement(filter, &source, after.as_ref(), request).rows(connection, |row| {
        let status = DiffStatus::from_repr(row.get("status")?).unwrap_or(DiffStatus::Unverified);
        let side = |first: usize, root: Root| -> rusqlite::Result<Option<FileView>> {
            if row.get_ref(first + at::id)?.as_i64_or_null()?.is_some() {
                entry(row, first, root).map(Some)
            } else {
                Ok(None)
            }
        };
        let pair = PairView {
            why: None,
            path: path_column(row, "pair_path")?,
            status,
            size_bytes: from_db(row.get("pair_bytes")?),
            local: side(0, Root::Local)?,
            lake: side(at::N, Root::Lake)?,
        };
        Ok((row.get::<_, String>("pair_key")?, pair))
    })?;
    for (key, pair) in rows.iter_mut().filter(|(_, pair)| pair.status == DiffStatus::Unknown) {
        pair.why = because(&cover_of_either(connection, key)?);
    }
    let key = |(match_key, pair): &(String, PairView)| PairKey {
        status: filter.status,
        name: match_key.clone(),
        path: pair.path.as_str().to_owned(),
    };
    Ok(request.page(rows, total, key).map(|(_, pair)| pair))
}

/// Rows and bytes by status of what a filter means, whatever its own status; one without rows is left out.
pub fn summary(
    connection: &Connection,
    filter: &PairFilter,
    counts: &CountCache,
) -> Result<Vec<StatusTotals>, StorageError> {
    let filter = PairFilter { status: None, ..filter.clone() };
    counts.summary(connection, &filter, || take_summary(connection, &filter))
}

fn take_summary(connection: &Connection, filter: &PairFilter) -> Result<Vec<StatusTotals>, StorageError> {
    let source = match PairSource::choose(connection, filter)? {
        // The index by status holds all that is asked for, in groups already.
        PairSource::Name if filter.folder.is_none() => PairSource::Status,
        chosen => chosen,
    };
    let mut statement = Statement::new("SELECT p.status, count(*), sum(p.size_bytes)");
    source.add_from(&mut statement);
    filter.add_where(&mut statement);
    statement.text("GROUP BY p.status");
    let rows = statement.rows(connection, |row| row.try_into())?;
    let known = |(code, n, size)| {
        let status = DiffStatus::from_repr(code)?;
        Some(StatusTotals { status, n: from_db(n), size_bytes: from_db(size) })
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The paths of one side that a filter means, by name: what a copy or a delete of them all takes.
pub fn chosen(connection: &Connection, filter: &PairFilter, side: Root) -> Result<Vec<Chosen>, StorageError> {
    let id = match side {
        Root::Local => "local_id",
        Root::Lake => "lake_id",
    };
    let mut statement = Statement::new("SELECT f.path, f.size_bytes");
    PairSource::choose(connection, filter)?.add_from(&mut statement);
    statement.text(&format!("CROSS JOIN files f ON f.id = p.{id}"));
    filter.add_where(&mut statement);
    statement.text("ORDER BY p.match_key, p.path");
    statement.rows(connection, Chosen::read)
}

/// Rows and bytes of everything that a filter means.
pub fn totals(connection: &Connection, filter: &PairFilter) -> Result<Totals, StorageError> {
    let mut statement = Statement::new("SELECT count(*) AS n_files, coalesce(sum(p.size_bytes), 0) AS size_bytes");
    PairSource::choose(connection, filter)?.add_from(&mut statement);
    filter.add_where(&mut statement);
    statement.row(connection, Totals::read)
}

/// Where the rows are taken from; chosen here, as for [`super::files`].
enum PairSource {
    /// Each pair that a hit of the search index belongs to.
    Hits(Candidates),
    /// The table itself, which is in the order of the names.
    Name,
    /// Its index by status, in the order of the names within one.
    Status,
}

impl PairSource {
    fn choose(connection: &Connection, filter: &PairFilter) -> Result<Self, StorageError> {
        let words = search::words(filter.search.as_deref());
        Ok(match search::candidates(connection, &words)? {
            Some(candidates) => Self::Hits(candidates),
            None if filter.status.is_some() => Self::Status,
            None => Self::Name,
        })
    }

    /// Adds a `FROM` that yields each row as `p`.
    fn add_from(&self, statement: &mut Statement) {
        match self {
            Self::Name => _ = statement.text("FROM pairs p NOT INDEXED"),
            Self::Status => _ = statement.text("FROM pairs p INDEXED BY pairs_by_status"),
            Self::Hits(candidates) => {
                let ids = Candidates::IDS;
                statement.add(
                    &format!(
                        "FROM (SELECT q.match_key, q.path FROM ({ids}) h CROSS JOIN pairs q ON q.local_id = h.rowid"
                    ),
                    candidates.values(),
                );
                statement.add(
                    &format!(
                        "UNION SELECT q.match_key, q.path FROM ({ids}) h CROSS JOIN pairs q ON q.lake_id = h.rowid) hit
                         CROSS JOIN pairs p ON p.match_key = hit.match_key AND p.path = hit.path"
                    ),
                    candidates.values(),
                );
            }
        }
    }
}

fn list_statement(
    filter: &PairFilter,
    source: &PairSource,
    after: Option<&PairKey>,
    request: &PageRequest,
) -> Statement {
    let mut page = Statement::new("SELECT p.match_key, p.path, p.status, p.size_bytes, p.local_id, p.lake_id");
    source.add_from(&mut page);
    let (from, to) = filter.range();
    // One bound on each side: of two, SQLite would take the folder's and walk all pages before.
    match after {
        Some(key) => {
            let bounds = [text(key.name.clone()), text(key.path.clone()), text(to)];
            page.add("WHERE (p.match_key, p.path) > (?, ?) AND p.match_key < ?", bounds)
        }
        None => page.add("WHERE p.match_key >= ? AND p.match_key < ?", [text(from), text(to)]),
    };
    filter.add_conditions(&mut page);
    page.add("ORDER BY p.match_key, p.path LIMIT ?", [request.rows_to_read().into()]);
    // The page is cut first and joined then, so that only its own rows are looked up.
    page.wrapped(
        &format!(
            "SELECT {}, {}, page.match_key AS pair_key, page.path AS pair_path, page.status, page.size_bytes AS pair_bytes
             FROM (",
            columns_of("l"),
            columns_of("k")
        ),
        ") page LEFT JOIN files l ON l.id = page.local_id LEFT JOIN files k ON k.id = page.lake_id
         ORDER BY page.match_key, page.path",
    )
}

fn total(connection: &Connection, filter: &PairFilter, counts: &CountCache) -> Result<u64, StorageError> {
    // Whoever shows a status of a search shows how many there are of the others, too: one walk for both.
    if let (Some(status), Some(_)) = (filter.status, &filter.search) {
        let all = summary(connection, filter, counts)?;
        return Ok(all.iter().find(|one| one.status == status).map_or(0, |one| one.n));
    }
    let count = || {
        let mut statement = Statement::new("SELECT count(*)");
        PairSource::choose(connection, filter)?.add_from(&mut statement);
        filter.add_where(&mut statement);
        statement.row(connection, |row| Ok(from_db(row.get(0)?)))
    };
    counts.pairs(connection, filter, count)
}

#[cfg(test)]
mod tests;
