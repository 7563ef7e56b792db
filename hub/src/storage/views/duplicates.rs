//! Groups of duplicates, those first that waste most.

use crate::domain::described::{Blake3Text, RelPathText};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use utoipa::ToSchema;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};

use super::page::{Page, PageRequest};
use super::statement::{Statement, text};
use crate::domain::duplicates::GroupKind;
use crate::domain::ids::{DuplicateGroupId, FileId};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;
use crate::storage::{StorageError, digest_column, first, from_db, path_column};

/// Which groups are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// What the files have in common.
    pub kind: GroupKind,
    /// Only copies within this root; both roots taken together if none.
    pub within: Option<Root>,
}

/// Files that hold the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DuplicateGroupView {
    #[serde(skip)]
    pub id: DuplicateGroupId,
    /// `content`: every byte is the same; `weights`: every tensor is, what the headers say differs.
    pub kind: GroupKind,
    /// The content's hash, or that of the tensors.
    #[schema(value_type = Blake3Text)]
    pub hash: Blake3,
    /// The size of one file.
    pub size_bytes: u64,
    /// Files, not names: hard links are one.
    pub n_files: u64,
    /// What one copy instead of all would free.
    pub reclaimable_bytes: u64,
    pub files: Vec<DuplicateFileView>,
}

/// A name of a file in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DuplicateFileView {
    /// The file's row.
    #[serde(skip)]
    pub id: FileId,
    pub root: Root,
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    pub size_bytes: u64,
    /// When it was modified last.
    #[serde(rename = "modified_at")]
    #[schema(value_type = String, format = DateTime)]
    pub modified: Ticks,
    #[schema(value_type = Option<Blake3Text>)]
    pub hash: Option<Blake3>,
    /// The path above that is the same file, where this is another name of it.
    pub link_of: Option<String>,
    /// Names with the same number are one file.
    #[serde(skip)]
    pub node: i64,
    /// Another name of the same root differs only in case.
    #[serde(skip)]
    pub conflict: bool,
}

/// Groups taken together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct GroupTotals {
    pub n_groups: u64,
    pub n_files: u64,
    /// What one copy of each instead of all would free.
    pub reclaimable_bytes: u64,
}

/// Where a page ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct GroupKey {
    kind: i64,
    within: Option<Root>,
    bytes: i64,
    id: i64,
}

impl GroupFilter {
    /// The column that counts the files that are meant.
    const fn count(self) -> &'static str {
        match self.within {
            None => "n_files",
            Some(Root::Local) => "n_local",
            Some(Root::Lake) => "n_lake",
        }
    }

    /// The groups, with the bytes that they are sorted by: written as the index has it.
    fn from(self) -> Statement {
        let count = self.count();
        let enough = if self.within.is_some() { format!("AND {count} > 1") } else { String::new() };
        let mut statement = Statement::new("");
        statement.add(&format!("FROM duplicate_groups WHERE kind = ? {enough}"), [self.kind.code().into()]);
        statement
    }
}

/// One page of groups, those first that waste most.
pub fn list(
    connection: &Connection,
    filter: GroupFilter,
    request: &PageRequest,
) -> Result<Page<DuplicateGroupView>, StorageError> {
    let after = request.after::<GroupKey>()?;
    let kind = filter.kind.code();
    if after.is_some_and(|key| (key.kind, key.within) != (kind, filter.within)) {
        return Err(StorageError::Cursor);
    }
    let rows = list_statement(filter, after, request).rows(connection, |row| entry(row, filter.kind))?;
    let total = extent(connection, filter)?.n_groups;
    let key = |row: &DuplicateGroupView| GroupKey {
        kind,
        within: filter.within,
        bytes: crate::storage::to_db(row.reclaimable_bytes),
        id: row.id.0,
    };
    let mut page = request.page(rows, total, key);
    for group in &mut page.items {
        group.files = members(connection, group.id, filter.within)?;
    }
    Ok(page)
}

fn list_statement(filter: GroupFilter, after: Option<GroupKey>, request: &PageRequest) -> Statement {
    let count = filter.count();
    let bytes = format!("size_bytes * ({count} - 1)");
    let mut statement =
        filter.from().wrapped(&format!("SELECT id, digest, size_bytes, {count} AS n, {bytes} AS reclaimable"), "");
    if let Some(key) = after {
        statement.add(&format!("AND ({bytes}, id) < (?, ?)"), [key.bytes.into(), key.id.into()]);
    }
    statement.add(&format!("ORDER BY {bytes} DESC, id DESC LIMIT ?"), [request.rows_to_read().into()]);
    statement
}

fn entry(row: &Row<'_>, kind: GroupKind) -> rusqlite::Result<DuplicateGroupView> {
    let digest = digest_column(row, "digest")?;
    Ok(DuplicateGroupView {
        id: row.get("id")?,
        kind,
        hash: digest.ok_or(rusqlite::Error::InvalidQuery)?,
        size_bytes: from_db(row.get("size_bytes")?),
        n_files: from_db(row.get("n")?),
        reclaimable_bytes: from_db(row.get("reclaimable")?),
        files: Vec::new(),
    })
}

/// Groups of a filter taken together.
pub fn totals(connection: &Connection, filter: GroupFilter) -> Result<GroupTotals, StorageError> {
    let count = filter.count();
    let select = format!(
        "SELECT count(*) AS n, coalesce(sum({count}), 0) AS n_files, coalesce(sum(size_bytes * ({count} - 1)), 0) AS reclaimable"
    );
    filter.from().wrapped(&select, "").row(connection, |row| {
        Ok(GroupTotals {
            n_groups: from_db(row.get("n")?),
            n_files: from_db(row.get("n_files")?),
            reclaimable_bytes: from_db(row.get("reclaimable")?),
        })
    })
}

/// How many groups a filter means, and what they waste.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupsExtent {
    pub n_groups: u64,
    /// What one copy of each instead of all would free.
    pub reclaimable_bytes: u64,
}

/// The part of [`totals`] that lists need: the index of their order has it, and no group is looked at.
pub fn extent(connection: &Connection, filter: GroupFilter) -> Result<GroupsExtent, StorageError> {
    extent_statement(filter).row(connection, |row| {
        Ok(GroupsExtent { n_groups: from_db(row.get("n")?), reclaimable_bytes: from_db(row.get("reclaimable")?) })
    })
}

fn extent_statement(filter: GroupFilter) -> Statement {
    let select =
        format!("SELECT count(*) AS n, coalesce(sum(size_bytes * ({} - 1)), 0) AS reclaimable", filter.count());
    filter.from().wrapped(&select, "")
}

/// The group of a digest, with the names that the filter means.
pub fn show(
    connection: &Connection,
    filter: GroupFilter,
    digest: &Blake3,
) -> Result<Option<DuplicateGroupView>, StorageError> {
    let count = filter.count();
    let sql = format!(
        "SELECT id, digest, size_bytes, {count} AS n, size_bytes * ({count} - 1) AS reclaimable FROM duplicate_groups
         WHERE kind = ?1 AND digest = ?2 AND {count} > 1"
    );
    let found = first(connection, &sql, (filter.kind.code(), digest.as_bytes()), |row| entry(row, filter.kind))?;
    let Some(mut group) = found else { return Ok(None) };
    group.files = members(connection, group.id, filter.within)?;
    Ok(Some(group))
}

/// Every group that the filter means, for what is done with all of them.
pub fn all(connection: &Connection, filter: GroupFilter) -> Result<Vec<DuplicateGroupView>, StorageError> {
    let count = filter.count();
    let select = format!("SELECT id, digest, size_bytes, {count} AS n, size_bytes * ({count} - 1) AS reclaimable");
    let mut groups = filter.from().wrapped(&select, " ORDER BY id").rows(connection, |row| entry(row, filter.kind))?;
    for group in &mut groups {
        group.files = members(connection, group.id, filter.within)?;
    }
    Ok(groups)
}

/// The names of a group, Local's first, by path.
fn members(
    connection: &Connection,
    group: DuplicateGroupId,
    within: Option<Root>,
) -> Result<Vec<DuplicateFileView>, StorageError> {
    let mut statement = Statement::new("");
    statement.add(
        "SELECT f.id, d.root, f.path, f.size_bytes, f.modified, f.blake3, d.node, f.conflict
         FROM duplicate_files d JOIN files f ON f.id = d.file_id WHERE d.group_id = ?",
        [Value::from(group.0)],
    );
    if let Some(root) = within {
        statement.add("AND d.root = ?", [text(root.as_str())]);
    }
    statement.text("ORDER BY d.root DESC, f.match_key, f.id");
    let mut files = statement.rows(connection, |row| {
        Ok(DuplicateFileView {
            id: row.get("id")?,
            root: row.get("root")?,
            path: path_column(row, "path")?,
            size_bytes: from_db(row.get("size_bytes")?),
            modified: row.get("modified")?,
            hash: digest_column(row, "blake3")?,
            node: row.get("node")?,
            conflict: row.get("conflict")?,
            link_of: None,
        })
    })?;
    let mut first_names = HashMap::new();
    for file in &mut files {
        match first_names.entry(file.node) {
            Entry::Occupied(first) => file.link_of = Some(String::clone(first.get())),
            Entry::Vacant(new) => _ = new.insert(file.path.to_string()),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
