//! The files of a root: sorted, filtered, searched.

mod list;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

pub use super::entry::{Chosen, FileView, Totals};
pub use super::filter::FileFilter;
pub use list::list;

use super::search::{self, Candidates};
use super::statement::{Statement, text};
use crate::storage::StorageError;
use crate::storage::roots::{self, RootRow};

/// What a list is sorted by; the name decides where the rest is equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileSort {
    #[default]
    Name,
    Size,
    /// The time of the last modification.
    Modified,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileOrder {
    /// A to Z, small to large, old to new.
    #[default]
    #[serde(alias = "ascending")]
    Asc,
    /// The other way.
    #[serde(alias = "descending")]
    Desc,
}

/// Files and bytes of everything that a filter means.
pub fn totals(connection: &Connection, filter: &FileFilter) -> Result<Totals, StorageError> {
    let Some(root) = roots::active(connection, filter.root)? else { return Ok(Totals::default()) };
    if filter.is_a_folder() {
        return super::folders::totals(connection, &root, filter.folder.as_ref());
    }
    let source = FileSource::choose(connection, filter)?;
    let mut statement = Statement::new("SELECT count(*) AS n_files, coalesce(sum(f.size_bytes), 0) AS size_bytes");
    source.add(&mut statement, filter, &root);
    statement.row(connection, Totals::read)
}

/// Everything that a filter means, by name.
pub fn chosen(connection: &Connection, filter: &FileFilter) -> Result<Vec<Chosen>, StorageError> {
    let Some(root) = roots::active(connection, filter.root)? else { return Ok(Vec::new()) };
    let source = FileSource::choose(connection, filter)?;
    let mut statement = Statement::new("SELECT f.path, f.size_bytes");
    source.add(&mut statement, filter, &root);
    statement.text("ORDER BY f.match_key, f.id");
    statement.rows(connection, Chosen::read)
}

/// Where the rows of a filter are taken from. The choice is made here and not by `SQLite`, which
/// knows neither how large a folder is nor how common a word.
enum FileSource {
    /// Each hit of the search index.
    Hits(Candidates),
    /// One range of an index of `files`.
    Index(&'static str),
}

impl FileSource {
    fn choose(connection: &Connection, filter: &FileFilter) -> Result<Self, StorageError> {
        let words = search::words(filter.search.as_deref());
        let hits = search::candidates(connection, &words)?;
        Ok(hits.map_or(Self::Index("files_by_key"), Self::Hits))
    }

    /// Adds `FROM` and `WHERE` for all that a filter means.
    fn add(&self, statement: &mut Statement, filter: &FileFilter, root: &RootRow) {
        self.add_from(statement);
        let (from, to) = filter.range();
        let range = [root.id.0.into(), text(from), text(to)];
        statement.add("WHERE f.root_id = ? AND f.match_key >= ? AND f.match_key < ?", range);
        filter.add_conditions(statement);
    }

    /// Adds a `FROM` that yields each row as `f`.
    fn add_from(&self, statement: &mut Statement) {
        match self {
            Self::Hits(candidates) => candidates.add_from(statement),
            Self::Index(name) => _ = statement.text(&format!("FROM files f INDEXED BY {name}")),
        }
    }
}
