//! Files and totals as every view tells them, and how a file is read from a row.

use crate::domain::described::{Blake3Text, RelPathText};
use rusqlite::Row;
use serde::Serialize;
use shared_protocol::{Blake3, RelPath};
use utoipa::ToSchema;

use crate::domain::diff::DiffStatus;
use crate::domain::ids::FileId;
use crate::domain::kind::FileKind;
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::{digest_column, from_db};

/// A file of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileView {
    /// Its number in this index.
    pub id: FileId,
    pub root: Root,
    /// Its path below the root, as it is spelled on the disk.
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    pub size_bytes: u64,
    /// When it was last modified.
    #[serde(rename = "modified_at")]
    #[schema(value_type = String, format = DateTime)]
    pub modified: Ticks,
    /// Its hash, if it is known: `blake3:` and 64 digits.
    #[schema(value_type = Option<Blake3Text>)]
    pub hash: Option<Blake3>,
    /// The hash that it should have: its bytes changed though nothing wrote to it. It is used as no source until it is
    /// healed.
    #[schema(value_type = Option<String>)]
    pub rotted: Option<Blake3>,
    pub kind: FileKind,
    /// Another name of the same root differs from this one in case only: left out of copies and deletes.
    pub conflict: bool,
    /// Its content is not on this disk but in a cloud.
    pub placeholder: bool,
}

/// So many files, and how large they are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SpaceTotals)]
pub struct Totals {
    pub n_files: u64,
    pub size_bytes: u64,
}

impl Totals {
    /// Reads a count and a sum.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { n_files: from_db(row.get(0)?), size_bytes: from_db(row.get(1)?) })
    }
}

/// A file that someone is about to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub path: RelPath,
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
    pub status: DiffStatus,
    pub n: u64,
    /// Bytes, the larger side's for a pair.
    pub size_bytes: u64,
}

/// Columns of a [`FileView`].
const COLUMNS: [&str; N_COLUMNS] =
    ["id", "path", "size_bytes", "modified", "kind", "placeholder", "conflict", "blake3", "rotted"];

/// How many columns these are.
pub(super) const N_COLUMNS: usize = 9;

/// The columns of a [`FileView`] from a table of this name.
pub(super) fn columns_of(table: &str) -> String {
    COLUMNS.map(|column| format!("{table}.{column}")).join(", ")
}

/// Reads a [`FileView`] from its columns, which begin at `first`.
pub(super) fn entry(row: &Row<'_>, first: usize, root: Root) -> rusqlite::Result<FileView> {
    Ok(FileView {
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
