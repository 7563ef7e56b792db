//! Storing jobs and what becomes of them.

use rusqlite::Connection;
use shared_protocol::{AgentId, Blake3, JobId};

use super::{JobRow, JobTask, show};
use crate::domain::ids::BackgroundJobId;
use crate::domain::ticks::Ticks;
use crate::storage::{StorageError, execute, now_ms, to_db};

/// A job that is to be made.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Whose it is.
    pub agent: AgentId,
    /// What it is to do.
    pub task: JobTask,
}

pub fn insert(connection: &Connection, job: &NewJob) -> Result<JobRow, StorageError> {
    let id = JobId::new();
    let (file, order) = match &job.task {
        JobTask::AssetDownload(file) => (Some(file), None),
        JobTask::ComfyGitClone(clone) => (None, Some(serde_json::to_string(clone))),
    };
    let order = order.transpose().map_err(|error| StorageError::damaged("an order", error))?;
    let sql =
        "INSERT INTO remote_jobs (id, agent_id, kind, root, path, size_bytes, modified, blake3, hash_job, spec, state,
                                      bytes_total, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'queued', ?6, ?11)";
    connection.prepare_cached(sql)?.execute((
        id.to_string(),
        job.agent.to_string(),
        job.task.kind(),
        file.map(|file| file.root.as_str()),
        file.map(|file| file.path.as_str()),
        file.map(|file| to_db(file.size_bytes)),
        file.map(|file| file.modified.0),
        file.and_then(|file| file.hash).map(|hash| *hash.as_bytes()),
        file.and_then(|file| file.hash_job).map(|job| job.0),
        order,
        now_ms(),
    ))?;
    show(connection, id)?.ok_or(StorageError::Missing("job"))
}

/// Stores where a job stands and how it ended; times are taken from its state.
pub fn save(connection: &Connection, job: &JobRow) -> Result<(), StorageError> {
    let outcome = job.outcome.as_ref().map(serde_json::to_string).transpose();
    let outcome = outcome.map_err(|error| StorageError::damaged("an outcome", error))?;
    let now = now_ms();
    let sql = "UPDATE remote_jobs SET state = ?2, attempt = ?3, cancel_at = ?4, bytes_done = ?5, bytes_total = ?6,
                    not_before = ?7, outcome = ?8,
                    started_at = CASE WHEN ?9 THEN coalesce(started_at, ?11) ELSE started_at END,
                    finished_at = CASE WHEN ?10 THEN coalesce(finished_at, ?11) END
             WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        job.id.to_string(),
        job.life.state.as_str(),
        job.life.attempt,
        job.cancel_at_ms,
        to_db(job.bytes_done),
        job.bytes_total.map(to_db),
        job.not_before_ms,
        outcome,
        job.life.state.is_with_agent(),
        job.life.state.is_final(),
        now,
    ))?;
    Ok(())
}

/// Stores how far an open job is.
pub fn set_progress(connection: &Connection, id: JobId, done: u64, total: Option<u64>) -> Result<(), StorageError> {
    let sql = "UPDATE remote_jobs SET bytes_done = ?2, bytes_total = coalesce(?3, bytes_total)
             WHERE id = ?1 AND finished_at IS NULL";
    execute(connection, sql, (id.to_string(), to_db(done), total.map(to_db))).map(drop)
}

/// Stores what the file of a job holds now; none has to be hashed first.
pub fn set_content(
    connection: &Connection,
    id: JobId,
    size_bytes: u64,
    modified: Ticks,
    hash: Option<Blake3>,
) -> Result<(), StorageError> {
    let sql = "UPDATE remote_jobs SET size_bytes = ?2, modified = ?3, blake3 = ?4, bytes_total = ?2 WHERE id = ?1";
    execute(connection, sql, (id.to_string(), to_db(size_bytes), modified.0, hash.map(|hash| *hash.as_bytes())))
        .map(drop)
}

/// Stores which hash job a job waits for.
pub fn set_hash_job(connection: &Connection, id: JobId, hash_job: BackgroundJobId) -> Result<(), StorageError> {
    execute(connection, "UPDATE remote_jobs SET hash_job = ?2 WHERE id = ?1", (id.to_string(), hash_job.0)).map(drop)
}
