//! What is due to be verified in idle hours, and what was read so far.

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::{StorageError, facts, from_db};
use crate::domain::ids::RootRowId;
use crate::domain::scrub::Spent;

const SPENT: &str = "scrub";

/// Files looked at for one job.
const MOST_FILES: u32 = 2_000;

/// Ended jobs that are kept for the list.
const KEPT_JOBS: u32 = 20;

pub fn spent(connection: &Connection) -> Result<Spent, StorageError> {
    let text = facts::get(connection, SPENT)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Stores what was read.
pub fn set_spent(connection: &Connection, spent: &Spent) -> Result<(), StorageError> {
    let text = serde_json::to_string(spent).map_err(|error| StorageError::damaged("a count of bytes", error))?;
    facts::set(connection, SPENT, &text)
}

/// Files whose hash was verified longest ago, and before this time: as many as fit into so many bytes, and one at least.
pub fn due(connection: &Connection, root: RootRowId, before: i64, most: u64) -> Result<Vec<RelPath>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT f.path, f.size_bytes FROM hashes h JOIN files f
             ON f.root_id = h.root_id AND f.path = h.path AND f.blake3 = h.blake3
         WHERE h.root_id = ?1 AND h.hashed_at < ?2 AND f.placeholder = 0
         ORDER BY h.hashed_at, h.path LIMIT ?3",
    )?;
    let rows = statement.query_map((root.0, before, MOST_FILES), |row| {
        Ok((row.get::<_, String>("path")?, from_db(row.get("size_bytes")?)))
    })?;
    let (mut found, mut bytes) = (Vec::new(), 0_u64);
    for row in rows {
        let (path, size) = row?;
        bytes = bytes.saturating_add(size);
        if bytes > most && !found.is_empty() {
            break;
        }
        found.extend(RelPath::parse(&path).ok());
    }
    Ok(found)
}

/// Forgets all but the latest ended jobs: there may be many a day.
pub fn forget_jobs(connection: &Connection) -> Result<(), StorageError> {
    connection.execute(
        "WITH scrubs AS (SELECT id, finished_at FROM background_jobs
                         WHERE kind = 'hash' AND payload ->> 'kind' = 'scrub')
         DELETE FROM background_jobs
         WHERE id IN (SELECT id FROM scrubs WHERE finished_at IS NOT NULL)
               AND id NOT IN (SELECT id FROM scrubs ORDER BY id DESC LIMIT ?1)",
        [KEPT_JOBS],
    )?;
    Ok(())
}
