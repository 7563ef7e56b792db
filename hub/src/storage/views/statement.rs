//! A statement put together from the parts that a filter needs, with its values beside it.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::storage::StorageError;

/// Text with `?` marks, and a value for each of them.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    sql: String,
    values: Vec<Value>,
}

impl Statement {
    /// Begins with a text that has no marks.
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    /// Adds a text with as many marks as values.
    pub(super) fn add<const N: usize>(&mut self, sql: &str, values: [Value; N]) -> &mut Self {
        self.sql.push(' ');
        self.sql.push_str(sql);
        self.values.extend(values);
        self
    }

    /// Adds a text without marks.
    pub(super) fn text(&mut self, sql: &str) -> &mut Self {
        self.add(sql, [])
    }

    /// The statement with texts without marks around it.
    pub(super) fn wrapped(self, before: &str, after: &str) -> Self {
        Self { sql: format!("{before}{}{after}", self.sql), values: self.values }
    }

    /// Reads all rows.
    pub(super) fn rows<T>(
        &self,
        connection: &Connection,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StorageError> {
        let mut prepared = connection.prepare_cached(&self.sql)?;
        Ok(prepared.query_map(params_from_iter(&self.values), read)?.collect::<Result<_, _>>()?)
    }

    /// Reads the only row.
    pub(super) fn row<T>(
        &self,
        connection: &Connection,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        Ok(connection.prepare_cached(&self.sql)?.query_row(params_from_iter(&self.values), read)?)
    }

    /// How `SQLite` means to find the rows, one line per step.
    #[cfg(test)]
    pub(super) fn plan(&self, connection: &Connection) -> Vec<String> {
        let mut explain = self.clone();
        explain.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
        explain.rows(connection, |row| row.get(3)).unwrap_or_default()
    }
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}
