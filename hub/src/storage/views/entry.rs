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
use crate::storage::columns::{columns, digest_column, path_column};
use crate::storage::from_db;

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
    /// Reads `n_files` and `size_bytes`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { n_files: from_db(row.get("n_files")?), size_bytes: from_db(row.get("size_bytes")?) })
    }
}

/// A file that someone is about to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub path: RelPath,
    pub size_bytes: u64,
}

impl Chosen {
    /// Reads `path` and `size_bytes`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { path: path_column(row, "path")?, size_bytes: from_db(row.get("size_bytes")?) })
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

// Columns of a [`FileView`].
columns!(pub(super) mod at { id, path, size_bytes, modified, kind, placeholder, conflict, blake3, rotted });

/// The columns of a [`FileView`] from a table of this name.
pub(super) fn columns_of(table: &str) -> String {
    at::ALL.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
}

/// Reads a [`FileView`] from its columns, which begin at `first`.
pub(super) fn entry(row: &Row<'_>, first: usize, root: Root) -> rusqlite::Result<FileView> {
    Ok(FileView {
        id: FileId(row.get(first + at::id)?),
        root,
        path: path_column(row, first + at::path)?,
        size_bytes: from_db(row.get(first + at::size_bytes)?),
        modified: Ticks(row.get(first + at::modified)?),
        kind: FileKind::from_code(row.get(first + at::kind)?),
        placeholder: row.get(first + at::placeholder)?,
        conflict: row.get(first + at::conflict)?,
        hash: digest_column(row, first + at::blake3)?,
        rotted: digest_column(row, first + at::rotted)?,
    })
}
