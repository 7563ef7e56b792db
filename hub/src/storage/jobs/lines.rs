//! What a job tells people. Bounded: an agent that talks without end costs no more than others.

use rusqlite::Connection;
use serde::Serialize;
use shared_protocol::JobId;

use crate::storage::{StorageError, execute, now_ms, rows, timestamp};

/// Lines of one job that are kept.
const MOST_LINES: u32 = 200;

/// Longest line; the rest is cut off.
const LONGEST: usize = 1_000;

/// A line for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct JobLine {
    #[schema(value_type = String, format = DateTime)]
    pub at: jiff::Timestamp,
    /// `info`, `warning` or `error`.
    pub level: String,
    pub text: String,
}

/// Adds lines; the oldest go when there are too many. Control characters are no text.
pub fn add_lines(connection: &Connection, job: JobId, lines: &[(&str, String)]) -> Result<(), StorageError> {
    let id = job.to_string();
    let mut insert =
        connection.prepare_cached("INSERT INTO remote_job_lines (job_id, at, level, text) VALUES (?1, ?2, ?3, ?4)")?;
    for (level, text) in lines {
        let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        insert.execute((&id, now_ms(), level, text))?;
    }
    let sql = "DELETE FROM remote_job_lines WHERE job_id = ?1 AND id <=
                 (SELECT id FROM remote_job_lines WHERE job_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    execute(connection, sql, (&id, MOST_LINES)).map(drop)
}

/// The lines of a job, oldest first.
pub fn lines(connection: &Connection, job: JobId) -> Result<Vec<JobLine>, StorageError> {
    let sql = "SELECT at, level, text FROM remote_job_lines WHERE job_id = ?1 ORDER BY id";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(JobLine { at: timestamp(row.get("at")?), level: row.get("level")?, text: row.get("text")? })
    };
    rows(connection, sql, [job.to_string()], read)
}
