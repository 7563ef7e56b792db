//! The files of a root: sorted, filtered, searched.

mod list;
pub(super) mod search;

use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};

pub use list::list;
use search::Candidates;

use super::statement::{Statement, text};
use crate::domain::ids::FileId;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::roots::{self, RootRow};
use crate::storage::{StorageError, digest_column, folder_range, from_db};

/// A file as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its row.
    pub id: FileId,
    /// Where it lies.
    pub root: Root,
    /// Its path.
    pub path: RelPath,
    /// Its size.
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified: Ticks,
    /// What it is.
    pub kind: FileKind,
    /// Its content is not here but in a cloud.
    pub placeholder: bool,
    /// Another name of the same root has the same key.
    pub conflict: bool,
    /// Its hash, if known.
    pub hash: Option<Blake3>,
}

/// Which files are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileFilter {
    /// Of which root.
    pub root: Root,
    /// In this folder or below it.
    pub folder: Option<RelPath>,
    /// Words that the path has, each somewhere, in any case.
    pub search: Option<String>,
    /// Of this kind.
    pub kind: Option<FileKind>,
}

/// What a list is sorted by; the name decides where the rest is equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileSort {
    /// The path.
    #[default]
    Name,
    /// The size.
    Size,
    /// The time of the last modification.
    Modified,
}

/// In which direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// A to Z, small to large, old to new.
    #[default]
    #[serde(alias = "ascending")]
    Asc,
    /// The other way.
    #[serde(alias = "descending")]
    Desc,
}

/// How many files a filter means, and how large they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files.
    pub n_files: u64,
    /// Bytes.
    pub size_bytes: u64,
}

impl FileFilter {
    /// All files of a root.
    pub const fn whole(root: Root) -> Self {
        Self { root, folder: None, search: None, kind: None }
    }

    /// Whether the totals of the folder are those of the filter.
    fn is_a_folder(&self) -> bool {
        self.kind.is_none() && search::words(self.search.as_deref()).is_empty()
    }

    /// Adds what is asked of a row beside its folder.
    fn add_conditions(&self, statement: &mut Statement) {
        for word in search::words(self.search.as_deref()) {
            statement.add("AND instr(f.match_key, ?) > 0", [text(word)]);
        }
        if let Some(kind) = self.kind {
            statement.add("AND f.kind = ?", [kind.code().into()]);
        }
    }

    /// The range of keys that the folder stands for.
    fn range(&self) -> (String, String) {
        folder_range(&self.folder.as_ref().map(RelPath::match_key).unwrap_or_default())
    }
}

/// Columns of a [`FileEntry`].
const COLUMNS: [&str; N_COLUMNS] =
    ["id", "path", "size_bytes", "modified", "kind", "placeholder", "conflict", "blake3"];

/// How many columns these are.
pub(super) const N_COLUMNS: usize = 8;

/// The columns of a [`FileEntry`] from a table of this name.
pub(super) fn columns_of(table: &str) -> String {
    COLUMNS.map(|column| format!("{table}.{column}")).join(", ")
}

/// Reads a [`FileEntry`] from its columns, which begin at `first`.
pub(super) fn entry(row: &Row<'_>, first: usize, root: Root) -> rusqlite::Result<FileEntry> {
    Ok(FileEntry {
        id: FileId(row.get(first)?),
        root,
        path: path(row, first + 1)?,
        size_bytes: from_db(row.get(first + 2)?),
        modified: Ticks(row.get(first + 3)?),
        kind: FileKind::from_code(row.get(first + 4)?),
        placeholder: row.get(first + 5)?,
        conflict: row.get(first + 6)?,
        hash: digest_column(row, first + 7)?,
    })
}

/// Reads a path; only parsed paths were ever stored.
pub(super) fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<RelPath> {
    RelPath::parse(row.get_ref(column)?.as_str()?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}

/// Files and bytes of everything that a filter means.
pub fn totals(connection: &Connection, filter: &FileFilter) -> Result<Totals, StorageError> {
    let Some(root) = roots::active(connection, filter.root)? else { return Ok(Totals::default()) };
    if filter.is_a_folder() {
        return super::folders::totals(connection, &root, filter.folder.as_ref());
    }
    let source = Source::choose(connection, filter)?;
    let mut statement = Statement::new("SELECT count(*), coalesce(sum(f.size_bytes), 0)");
    source.add(&mut statement, filter, &root);
    statement.row(connection, |row| Ok(Totals { n_files: from_db(row.get(0)?), size_bytes: from_db(row.get(1)?) }))
}

/// The paths of everything that a filter means, by name.
pub fn paths(connection: &Connection, filter: &FileFilter) -> Result<Vec<RelPath>, StorageError> {
    let Some(root) = roots::active(connection, filter.root)? else { return Ok(Vec::new()) };
    let source = Source::choose(connection, filter)?;
    let mut statement = Statement::new("SELECT f.path");
    source.add(&mut statement, filter, &root);
    statement.text("ORDER BY f.match_key, f.id");
    statement.rows(connection, |row| path(row, 0))
}

/// Where the rows of a filter are taken from. The choice is made here and not by `SQLite`, which
/// knows neither how large a folder is nor how common a word.
enum Source {
    /// Each hit of the search index.
    Hits(Candidates),
    /// One range of an index of `files`.
    Index(&'static str),
}

impl Source {
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
