//! One page of files in a chosen order.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{FileFilter, FileOrder, FileSort, FileSource, FileView};
use crate::domain::ids::FileId;
use crate::storage::roots::{self, RootRow};
use crate::storage::views::entry::{at, columns_of, entry};
use crate::storage::views::page::{Page, PageRequest};
use crate::storage::views::statement::{Statement, text};
use crate::storage::views::{CountCache, folders};
use crate::storage::{StorageError, from_db, index};

/// Files of a folder up to which they are sorted by size or time on the spot. In a larger one the
/// index of the whole root is walked in that order: its files are dense enough there.
const SORTED_ON_THE_SPOT: u64 = 6_000;

/// Where a page ends. It carries the order, so that a cursor of another list is noticed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct FileKey {
    sort: FileSort,
    order: FileOrder,
    value: KeyValue,
    id: FileId,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum KeyValue {
    Number(i64),
    Name(String),
}

impl FileKey {
    /// Whether it is the key of a row of this very list.
    fn fits(&self, filter: &FileFilter, sort: FileSort, order: FileOrder) -> bool {
        let in_range = match &self.value {
            KeyValue::Name(name) => {
                let (from, to) = filter.range();
                sort == FileSort::Name && *name >= from && *name < to
            }
            KeyValue::Number(_) => sort != FileSort::Name,
        };
        in_range && self.sort == sort && self.order == order
    }
}

/// One page of the files that a filter means.
pub fn list(
    connection: &Connection,
    filter: &FileFilter,
    (sort, order): (FileSort, FileOrder),
    request: &PageRequest,
    counts: &CountCache,
) -> Result<Page<FileView>, StorageError> {
    let after = request.after::<FileKey>()?;
    if after.as_ref().is_some_and(|key| !key.fits(filter, sort, order)) {
        return Err(StorageError::Cursor);
    }
    let Some(root) = roots::active(connection, filter.root)? else { return Ok(Page::empty()) };
    let total = total(connection, filter, &root, counts)?;
    if total == 0 {
        return Ok(Page::empty());
    }
    let source = source(connection, filter, &root, sort)?;
    let statement = statement(filter, &root, &source, (sort, order), after.as_ref(), request);
    let rows = statement.rows(connection, |row| {
        let value = match sort {
            FileSort::Name => KeyValue::Name(row.get(at::N)?),
            FileSort::Size | FileSort::Modified => KeyValue::Number(row.get(at::N)?),
        };
        Ok((entry(row, 0, filter.root)?, value))
    })?;
    let key = |(file, value): &(FileView, KeyValue)| FileKey { sort, order, value: value.clone(), id: file.id };
    Ok(request.page(rows, total, key).map(|(file, _)| file))
}

fn total(
    connection: &Connection,
    filter: &FileFilter,
    root: &RootRow,
    counts: &CountCache,
) -> Result<u64, StorageError> {
    if filter.is_a_folder() {
        return Ok(folders::totals(connection, root, filter.folder.as_ref())?.n_files);
    }
    counts.files(connection, filter, || {
        let mut statement = Statement::new("SELECT count(*)");
        FileSource::choose(connection, filter)?.add(&mut statement, filter, root);
        statement.row(connection, |row| Ok(from_db(row.get(0)?)))
    })
}

fn statement(
    filter: &FileFilter,
    root: &RootRow,
    source: &FileSource,
    (sort, order): (FileSort, FileOrder),
    after: Option<&FileKey>,
    request: &PageRequest,
) -> Statement {
    let column = match sort {
        FileSort::Name => "f.match_key",
        FileSort::Size => "f.size_bytes",
        FileSort::Modified => "f.modified",
    };
    let (comparison, direction) = match order {
        FileOrder::Asc => (">", "ASC"),
        FileOrder::Desc => ("<", "DESC"),
    };
    let mut statement = Statement::new(format!("SELECT {}, {column}", columns_of("f")));
    source.add_from(&mut statement);
    let (from, to) = filter.range();
    statement.add("WHERE f.root_id = ?", [root.id.0.into()]);
    // One bound on each side: of two, SQLite would take the folder's and walk all pages before.
    let by_name = |wanted| after.is_some() && sort == FileSort::Name && order == wanted;
    if !by_name(FileOrder::Asc) {
        statement.add("AND f.match_key >= ?", [text(from)]);
    }
    if !by_name(FileOrder::Desc) {
        statement.add("AND f.match_key < ?", [text(to)]);
    }
    filter.add_conditions(&mut statement);
    if let Some(key) = after {
        let value = match &key.value {
            KeyValue::Number(number) => (*number).into(),
            KeyValue::Name(name) => text(name.clone()),
        };
        statement.add(&format!("AND ({column}, f.id) {comparison} (?, ?)"), [value, key.id.0.into()]);
    }
    statement.add(&format!("ORDER BY {column} {direction}, f.id {direction} LIMIT ?"), [request.rows_to_read().into()]);
    statement
}

/// A range in the order of the list needs no sorting; few files are sorted faster than that range
/// is walked.
fn source(
    connection: &Connection,
    filter: &FileFilter,
    root: &RootRow,
    sort: FileSort,
) -> Result<FileSource, StorageError> {
    let chosen = FileSource::choose(connection, filter)?;
    let in_order = match sort {
        FileSort::Name => return Ok(chosen),
        FileSort::Size => FileSource::Index("files_by_size"),
        FileSort::Modified => FileSource::Index("files_by_modified"),
    };
    // While an empty index is being filled these two orders are left out.
    if matches!(chosen, FileSource::Hits(_)) || index::bulk::is_open(connection)? {
        return Ok(chosen);
    }
    let few = folders::totals(connection, root, filter.folder.as_ref())?.n_files <= SORTED_ON_THE_SPOT;
    Ok(if few { chosen } else { in_order })
}

#[cfg(test)]
mod tests;
