//! What happened, one line each, for people.

use rusqlite::Connection;

use super::{StorageError, now_ms};
use crate::domain::ids::BatchId;
use crate::domain::root::Root;

/// Lines kept; older ones go.
const KEPT: i64 = 50_000;

/// How much attention a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
#[schema(as = LevelView)]
pub enum Level {
    /// None.
    Info,
    /// Something was left out.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    /// The name in the API and the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A line to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLine {
    /// `scan`, `hash`, `batch`, `queue`, `trash`, `root`, `settings`, `database`.
    pub kind: &'static str,
    /// How much attention it asks for.
    pub level: Level,
    pub summary: String,
    /// More, if there is more.
    pub detail: Option<String>,
    /// The root it is about.
    pub root: Option<Root>,
    /// The batch it is about.
    pub batch_id: Option<BatchId>,
}

impl NewLine {
    /// A line without particulars.
    pub fn new(kind: &'static str, level: Level, summary: impl Into<String>) -> Self {
        Self { kind, level, summary: summary.into(), detail: None, root: None, batch_id: None }
    }

    /// With more to read.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// About a root.
    #[must_use]
    pub const fn root(mut self, root: Root) -> Self {
        self.root = Some(root);
        self
    }

    /// About a batch.
    #[must_use]
    pub const fn batch(mut self, batch: BatchId) -> Self {
        self.batch_id = Some(batch);
        self
    }
}

/// Writes a line, and tells its row.
pub fn add(connection: &Connection, line: &NewLine) -> Result<i64, StorageError> {
    let sql = "INSERT INTO history (at, kind, level, summary, detail, root, batch_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(sql)?.execute((
        now_ms(),
        line.kind,
        line.level.as_str(),
        &line.summary,
        &line.detail,
        line.root.map(Root::as_str),
        line.batch_id.map(|batch| batch.0),
    ))?;
    let id = connection.last_insert_rowid();
    if id % 1_000 == 0 {
        let sql = "DELETE FROM history WHERE id <= (SELECT id FROM history ORDER BY id DESC LIMIT 1 OFFSET ?1)";
        connection.execute(sql, [KEPT])?;
    }
    Ok(id)
}
