//! What agents were asked to do, and how it went.

mod lines;
mod rates;
mod write;

use std::collections::HashMap;

use rusqlite::{Connection, Row};
use shared_protocol::job::ComfyGitClone;
use shared_protocol::outcome::Outcome;
use shared_protocol::{AgentId, Blake3, JobId, RelPath};

use super::views::page::{Page, PageRequest};
use super::{Json, Parsed, StorageError, columns, digest_column, first, from_db, one, path_column, rows, timestamp};
use crate::domain::ids::BackgroundJobId;
use crate::domain::remote_job::{JobKind, JobState, Life};
use crate::domain::root::Root;
use crate::domain::ticks::Ticks;

pub use lines::{JobLine, add_lines, lines};
pub use rates::rates;
pub use write::{NewJob, insert, save, set_content, set_hash_job, set_progress};

/// The file that a download is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    pub root: Root,
    /// Its path there, and below the agent's folder of models.
    pub path: RelPath,
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified: Ticks,
    /// What it holds; none until it is hashed.
    pub hash: Option<Blake3>,
    /// The hash job that it waits for.
    pub hash_job: Option<BackgroundJobId>,
}

/// What a job does, with what that needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobTask {
    /// Brings this file to the agent.
    AssetDownload(JobFile),
    /// Clones or updates this repository on the agent.
    ComfyGitClone(ComfyGitClone),
}

impl JobTask {
    /// Which kind of job it is.
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::AssetDownload(_) => JobKind::AssetDownload,
            Self::ComfyGitClone(_) => JobKind::ComfyGitClone,
        }
    }

    /// The file that it brings to the agent's folder of models.
    pub const fn file(&self) -> Option<&JobFile> {
        match self {
            Self::AssetDownload(file) => Some(file),
            Self::ComfyGitClone(_) => None,
        }
    }
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// The order in which jobs were made.
    pub number: i64,
    pub id: JobId,
    /// Whose it is.
    pub agent: AgentId,
    pub task: JobTask,
    pub life: Life,
    /// When a person dropped it, while its agent has not stopped.
    pub cancel_at_ms: Option<i64>,
    /// Bytes that are there and verified.
    pub bytes_done: u64,
    /// All bytes, if that is known.
    pub bytes_total: Option<u64>,
    /// Not assigned before this time.
    pub not_before_ms: Option<i64>,
    pub outcome: Option<Outcome>,
    pub created_at: jiff::Timestamp,
    /// When its agent got it first.
    pub started_at: Option<jiff::Timestamp>,
    pub finished_at: Option<jiff::Timestamp>,
}

columns!(mod at {
    number, id, agent_id, kind, root, path, size_bytes, modified, blake3, hash_job, spec, state, attempt, cancel_at,
    bytes_done, bytes_total, not_before, outcome, created_at, started_at, finished_at
});
const COLUMNS: &str = at::ALL;

fn read(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let cancel_at_ms: Option<i64> = row.get(at::cancel_at)?;
    Ok(JobRow {
        number: row.get(at::number)?,
        id: row.get::<_, Parsed<_>>(at::id)?.0,
        agent: row.get::<_, Parsed<_>>(at::agent_id)?.0,
        task: read_task(row)?,
        life: Life { state: row.get(at::state)?, attempt: row.get(at::attempt)?, cancel: cancel_at_ms.is_some() },
        cancel_at_ms,
        bytes_done: from_db(row.get(at::bytes_done)?),
        bytes_total: row.get::<_, Option<i64>>(at::bytes_total)?.map(from_db),
        not_before_ms: row.get(at::not_before)?,
        outcome: row.get::<_, Option<_>>(at::outcome)?.map(|Json(outcome)| outcome),
        created_at: timestamp(row.get(at::created_at)?),
        started_at: row.get::<_, Option<i64>>(at::started_at)?.map(timestamp),
        finished_at: row.get::<_, Option<i64>>(at::finished_at)?.map(timestamp),
    })
}

fn read_task(row: &Row<'_>) -> rusqlite::Result<JobTask> {
    match row.get(at::kind)? {
        JobKind::AssetDownload => read_file(row).map(JobTask::AssetDownload),
        JobKind::ComfyGitClone => row.get(at::spec).map(|Json(order)| JobTask::ComfyGitClone(order)),
    }
}

fn read_file(row: &Row<'_>) -> rusqlite::Result<JobFile> {
    Ok(JobFile {
        root: row.get(at::root)?,
        path: path_column(row, at::path)?,
        size_bytes: from_db(row.get(at::size_bytes)?),
        modified: row.get(at::modified)?,
        hash: digest_column(row, at::blake3)?,
        hash_job: row.get(at::hash_job)?,
    })
}

pub fn show(connection: &Connection, id: JobId) -> Result<Option<JobRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM remote_jobs WHERE id = ?1");
    first(connection, &sql, [id.to_string()], read)
}

/// The jobs that have not ended, oldest first; of one agent, or of all.
pub fn open(connection: &Connection, agent: Option<AgentId>) -> Result<Vec<JobRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM remote_jobs WHERE finished_at IS NULL AND (?1 IS NULL OR agent_id = ?1) ORDER BY number"
    );
    let agent = agent.map(|id| id.to_string());
    rows(connection, &sql, [agent], read)
}

/// The jobs that agents hold, oldest first; those of one, or of all. Costs what is held, however many wait.
pub fn held(connection: &Connection, agent: Option<AgentId>) -> Result<Vec<JobRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM remote_jobs INDEXED BY remote_jobs_by_state
          WHERE state IN ('assigned', 'running', 'verifying', 'paused', 'unknown') AND (?1 IS NULL OR agent_id = ?1)
          ORDER BY number"
    );
    let agent = agent.map(|id| id.to_string());
    rows(connection, &sql, [agent], read)
}

/// How many jobs an agent holds.
pub fn n_held(connection: &Connection, agent: AgentId) -> Result<usize, StorageError> {
    let sql = "SELECT count(*) FROM remote_jobs INDEXED BY remote_jobs_by_state
                WHERE state IN ('assigned', 'running', 'verifying', 'paused', 'unknown') AND agent_id = ?1";
    let n: i64 = one(connection, sql, [agent.to_string()], |row| row.get(0))?;
    Ok(usize::try_from(n).unwrap_or(usize::MAX))
}

/// The next jobs of an agent that wait to be assigned, oldest first, behind a number. Costs what is asked for.
pub fn next_queued(
    connection: &Connection,
    agent: AgentId,
    now_ms: i64,
    after: i64,
    at_most: usize,
) -> Result<Vec<JobRow>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM remote_jobs INDEXED BY remote_jobs_by_state
          WHERE state = 'queued' AND number > ?4 AND agent_id = ?1 AND (not_before IS NULL OR not_before <= ?2)
          ORDER BY number LIMIT ?3"
    );
    let most = i64::try_from(at_most).unwrap_or(i64::MAX);
    rows(connection, &sql, (agent.to_string(), now_ms, most, after), read)
}

/// How many jobs have not ended, by agent.
pub fn open_by_agent(connection: &Connection) -> Result<HashMap<AgentId, u64>, StorageError> {
    let sql = "SELECT agent_id, count(*) AS n FROM remote_jobs WHERE finished_at IS NULL GROUP BY agent_id";
    let read = |row: &Row<'_>| Ok((row.get::<_, Parsed<_>>("agent_id")?.0, from_db(row.get("n")?)));
    rows(connection, sql, [], read)
}

/// What a list of jobs is narrowed to.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobFilter {
    pub agent: Option<AgentId>,
    pub state: Option<JobState>,
    /// Only those that have not ended.
    pub open: bool,
}

/// How many jobs there are in each state.
pub fn counts(connection: &Connection, agent: Option<AgentId>) -> Result<Vec<(JobState, u64)>, StorageError> {
    let sql = "SELECT state, count(*) AS n FROM remote_jobs WHERE ?1 IS NULL OR agent_id = ?1 GROUP BY state";
    let read = |row: &Row<'_>| Ok((row.get("state")?, from_db(row.get("n")?)));
    let agent = agent.map(|id| id.to_string());
    rows(connection, sql, [agent], read)
}

/// How many jobs have not ended, by state. Costs what is open, however many have ended.
pub fn open_counts(connection: &Connection) -> Result<Vec<(JobState, u64)>, StorageError> {
    let sql = "SELECT state, count(*) AS n FROM remote_jobs WHERE finished_at IS NULL GROUP BY state";
    let read = |row: &Row<'_>| Ok((row.get("state")?, from_db(row.get("n")?)));
    rows(connection, sql, [], read)
}

/// A page of jobs, newest first.
pub fn list(connection: &Connection, filter: JobFilter, page: &PageRequest) -> Result<Page<JobRow>, StorageError> {
    let (agent, state) = (filter.agent.map(|id| id.to_string()), filter.state);
    let after: Option<i64> = page.after()?;
    let narrowed = if filter.open {
        "(?1 IS NULL OR agent_id = ?1) AND (?2 IS NULL OR state = ?2) AND finished_at IS NULL"
    } else {
        "(?1 IS NULL OR agent_id = ?1) AND (?2 IS NULL OR state = ?2)"
    };
    let sql = format!("SELECT count(*) FROM remote_jobs WHERE {narrowed}");
    let total = one(connection, &sql, (&agent, state), |row| row.get(0))?;
    let sql =
        format!("SELECT {COLUMNS} FROM remote_jobs WHERE {narrowed} AND number < ?3 ORDER BY number DESC LIMIT ?4");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((&agent, state, after.unwrap_or(i64::MAX), page.rows_to_read()), read)?;
    Ok(page.page(rows.collect::<Result<_, _>>()?, from_db(total), |row| row.number))
}

/// Whether an open download of an agent that came in this session is of a content.
pub fn is_wanted(connection: &Connection, session_row: i64, hash: &Blake3) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM remote_jobs AS job JOIN agents AS agent ON agent.id = job.agent_id
                WHERE job.kind = ?3 AND job.blake3 = ?2 AND job.finished_at IS NULL AND job.attempt > 0
                  AND agent.session_id = ?1 AND agent.removed_at IS NULL)";
    one(connection, sql, (session_row, hash.as_bytes(), JobKind::AssetDownload), |row| row.get(0))
}
