//! One page of models in a chosen order.

use rusqlite::Connection;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::show::files_of;
use super::{COLUMNS, ModelFilter, ModelView, copies, read};
use crate::domain::ids::ModelId;
use crate::storage::StorageError;
use crate::storage::views::entry::Totals;
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
    let mut statement = Statement::new(format!("SELECT {COLUMNS}, {column} AS value, m.name_key FROM models m"));
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
    let total = totals(connection, filter)?.n_files;
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

/// How many models a filter means, and their bytes; each counts once, however many copies there are.
fn totals(connection: &Connection, filter: &ModelFilter) -> Result<Totals, StorageError> {
    let mut statement =
        Statement::new("SELECT count(*) AS n_files, coalesce(sum(m.size_bytes), 0) AS size_bytes FROM models m");
    filter.add_conditions(&mut statement);
    statement.row(connection, Totals::read)
}
