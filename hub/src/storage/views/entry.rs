//! Files and totals as every view tells them, and how a file is read from a row.

use rusqlite::Row;
use shared_protocol::{Blake3, RelPath};

use crate::domain::diff::DiffStatus;
use crate::domain::ids::FileId;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::{digest_column, from_db};

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
    /// The hash that it should have: its bytes changed though nothing wrote to it.
    pub rotted: Option<Blake3>,
}

/// So many files, and how large they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files.
    pub n_files: u64,
    /// Bytes.
    pub size_bytes: u64,
}

/// A file that someone is about to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its path.
    pub path: RelPath,
    /// Its size.
    pub size_bytes: u64,
}

impl Chosen {
    /// Reads a path and a size.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { path: path(row, 0)?, size_bytes: from_db(row.get(1)?) })
    }
}

/// Rows of one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusTotals {
    /// Which status.
    pub status: DiffStatus,
    /// Rows.
    pub n: u64,
    /// Bytes, the larger side's for a pair.
    pub size_bytes: u64,
}

/// Columns of a [`FileEntry`].
const COLUMNS: [&str; N_COLUMNS] =
    ["id", "path", "size_bytes", "modified", "kind", "placeholder", "conflict", "blake3", "rotted"];

/// How many columns these are.
pub(super) const N_COLUMNS: usize = 9;

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
        rotted: digest_column(row, first + 8)?,
    })
}

/// Reads a path; only parsed paths were ever stored.
pub(super) fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<RelPath> {
    RelPath::parse(row.get_ref(column)?.as_str()?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}
