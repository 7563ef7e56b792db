//! One page of models in a chosen order.

use rusqlite::Connection;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::show::files_of;
use super::{COLUMNS, ModelFilter, ModelView, copies, groups, read};
use crate::domain::ids::ModelId;
use crate::storage::StorageError;
use crate::storage::views::CountCache;
use crate::storage::views::files::{FileOrder, FileSort};
use crate::storage::views::page::{Page, PageRequest};
use crate::storage::views::statement::{Statement, text};

/// Where a page ends, with the order that it is the end of.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ModelKey {
    sort: FileSort,
    order: FileOrder,
    value: i64,
    name: String,
    id: ModelId,
}

/// One page of the models that a filter means.
///
/// # Errors
/// The cursor is of another list, or the database failed.
pub fn list(
    connection: &Connection,
    filter: &ModelFilter,
    (sort, order): (FileSort, FileOrder),
    request: &PageRequest,
    counts: &CountCache,
) -> Result<Page<ModelView>, StorageError> {
    let after = request.after::<ModelKey>()?;
    if after.as_ref().is_some_and(|key| key.sort != sort || key.order != order) {
        return Err(StorageError::Cursor);
    }
    let (column, comparison, direction) = match (sort, order) {
        (FileSort::Name, FileOrder::Asc) => ("0", ">", "ASC"),
        (FileSort::Name, FileOrder::Desc) => ("0", "<", "DESC"),
        (FileSort::Size, FileOrder::Asc) => ("m.size_bytes", ">", "ASC"),
        (FileSort::Size, FileOrder::Desc) => ("m.size_bytes", "<", "DESC"),
        (FileSort::Modified, FileOrder::Asc) => ("m.modified", ">", "ASC"),
        (FileSort::Modified, FileOrder::Desc) => ("m.modified", "<", "DESC"),
    };
    let total = groups(connection, filter, counts)?.totals(filter).n_files;
    let source = source(filter, sort, total, request.rows_to_read());
    let sql = format!("SELECT {COLUMNS}, {column} AS value, m.name_key FROM models m {source}");
    let mut statement = Statement::new(sql);
    filter.add_conditions(&mut statement);
    if let Some(after) = after {
        let (name, id): (Value, Value) = (text(after.name), after.id.0.into());
        if sort == FileSort::Name {
            statement.add(&format!("AND (m.name_key, m.id) {comparison} (?, ?)"), [name, id]);
        } else {
            let sql = format!("AND ({column}, m.name_key, m.id) {comparison} (?, ?, ?)");
            statement.add(&sql, [after.value.into(), name, id]);
        }
    }
    let first = if sort == FileSort::Name { String::new() } else { format!("{column} {direction}, ") };
    statement.text(&format!("ORDER BY {first}m.name_key {direction}, m.id {direction}"));
    statement.add("LIMIT ?", [request.rows_to_read().into()]);
    let rows = statement
        .rows(connection, |row| Ok((read(row)?, row.get::<_, i64>("value")?, row.get::<_, String>("name_key")?)))?;
    let key = |(model, value, name): &(ModelView, i64, String)| ModelKey {
        sort,
        order,
        value: *value,
        name: name.clone(),
        id: model.id,
    };
    request.page(rows, total, key).try_map(|(mut model, ..)| {
        model.note_copies(copies(connection, model.id)?);
        let (files, sidecars) = files_of(connection, &model.copies)?;
        model.note_files(&files, &sidecars);
        Ok(model)
    })
}

/// How the models are gone through: in their order, until the page is full, where a filter means many of them; else what
/// it means is found first, and then ordered.
fn source(filter: &ModelFilter, sort: FileSort, total: u64, limit: i64) -> &'static str {
    if total > MANY_PAGES * limit.unsigned_abs() {
        return match sort {
            FileSort::Name => "INDEXED BY models_by_name",
            FileSort::Size => "INDEXED BY models_by_size",
            FileSort::Modified => "INDEXED BY models_by_modified",
        };
    }
    // A search looks at the rows themselves, and the models of a folder are known by their numbers.
    let is_by_row = filter.search.is_some() || filter.folder.is_some();
    if is_by_row { "NOT INDEXED" } else { "INDEXED BY models_facets" }
}

/// A filter that means so many pages leaves so many models of those between that finding them in their order is cheap.
const MANY_PAGES: u64 = 10;
