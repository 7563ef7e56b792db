//! Agents that came at least once.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::{Connection, Row};
use shared_protocol::facts::Facts;
use shared_protocol::{AgentId, Blake3};
use uuid::Uuid;

use super::{
    Json, Parsed, StorageError, columns, digest_column, execute, facts, first, from_db, now_ms, rows, timestamp, to_db,
};

/// The number of the latest connection of any agent.
const GENERATION: &str = "remote_generation";

/// Agents that are kept. Those that a person took out do not count.
pub const MOST_AGENTS: u64 = 200;

/// An agent that was not heard for so long makes room for a new one when there are too many, if nothing is left for
/// it to do.
const GONE: Duration = Duration::from_hours(1);

/// The same, whatever is left for it to do.
const LONG_GONE: Duration = Duration::from_hours(7 * 24);

/// An agent as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRow {
    pub id: AgentId,
    /// Random at each of its starts.
    pub boot_id: Uuid,
    pub previous_boot_id: Option<Uuid>,
    pub version: String,
    /// Jobs that it will hold.
    pub slots: u32,
    pub facts: Facts,
    /// Its latest connection.
    pub generation: u64,
    /// The session that it came in last.
    pub session_row: i64,
    /// When it came first.
    pub first_seen_at: jiff::Timestamp,
    /// When it was last heard.
    pub last_seen_at: jiff::Timestamp,
    /// When a person took it out.
    pub removed_at: Option<jiff::Timestamp>,
}

columns!(mod at {
    id, boot_id, previous_boot_id, version, slots, facts, generation, session_id, first_seen_at, last_seen_at,
    removed_at
});
const COLUMNS: &str = at::ALL;

fn read(row: &Row<'_>) -> rusqlite::Result<AgentRow> {
    Ok(AgentRow {
        id: row.get::<_, Parsed<_>>(at::id)?.0,
        boot_id: row.get::<_, Parsed<_>>(at::boot_id)?.0,
        previous_boot_id: row.get::<_, Option<_>>(at::previous_boot_id)?.map(|Parsed(id)| id),
        version: row.get(at::version)?,
        slots: row.get(at::slots)?,
        facts: row.get::<_, Json<_>>(at::facts)?.0,
        generation: from_db(row.get(at::generation)?),
        session_row: row.get(at::session_id)?,
        first_seen_at: timestamp(row.get(at::first_seen_at)?),
        last_seen_at: timestamp(row.get(at::last_seen_at)?),
        removed_at: row.get::<_, Option<i64>>(at::removed_at)?.map(timestamp),
    })
}

pub fn show(connection: &Connection, id: AgentId) -> Result<Option<AgentRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM agents WHERE id = ?1");
    first(connection, &sql, [id.to_string()], read)
}

/// Notes what an agent has; `is_all` if it has nothing else of which the content is known.
pub fn note_contents(
    connection: &Connection,
    id: AgentId,
    contents: &HashSet<Blake3>,
    is_all: bool,
) -> Result<(), StorageError> {
    let id = id.to_string();
    let sql = "SELECT blake3 FROM agent_contents WHERE agent_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let known = statement.query_map([&id], |row| digest_column(row, 0))?;
    let known: HashSet<Blake3> = known.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO agent_contents SELECT id, ?2 FROM agents WHERE id = ?1 AND removed_at IS NULL",
    )?;
    for new in contents.difference(&known) {
        insert.execute((&id, new.as_bytes()))?;
    }
    let mut remove = connection.prepare_cached("DELETE FROM agent_contents WHERE agent_id = ?1 AND blake3 = ?2")?;
    for gone in known.difference(contents).filter(|_| is_all) {
        remove.execute((&id, gone.as_bytes()))?;
    }
    Ok(())
}

/// The agents that have a content, as far as they were asked or sent it.
pub fn with_content(connection: &Connection, content: &Blake3) -> Result<Vec<AgentId>, StorageError> {
    let sql = "SELECT agent_id FROM agent_contents WHERE blake3 = ?1 ORDER BY agent_id";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| row.get(0).map(|Parsed(id)| id);
    Ok(statement.query_map([content.as_bytes()], read)?.collect::<Result<_, _>>()?)
}

/// All agents that were not taken out, in the order in which they came first.
pub fn list(connection: &Connection) -> Result<Vec<AgentRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM agents WHERE removed_at IS NULL ORDER BY first_seen_at, id");
    rows(connection, &sql, [], read)
}

/// Agents that were not taken out.
pub fn count(connection: &Connection) -> Result<u64, StorageError> {
    Ok(from_db(connection.query_row("SELECT count(*) FROM agents WHERE removed_at IS NULL", [], |row| row.get(0))?))
}

/// Makes room for one more agent; tells whether there is any. What was taken out is remembered while its session lives,
/// because it is refused so long. Whoever is gone longest goes first; `connected` is asked about each.
pub fn make_room(
    connection: &Connection,
    session_row: i64,
    connected: &dyn Fn(AgentId) -> bool,
) -> Result<bool, StorageError> {
    execute(connection, "DELETE FROM agents WHERE removed_at IS NOT NULL AND session_id <> ?1", [session_row])?;
    let n_agents = count(connection)?;
    let Some(n_too_many) = (n_agents + 1).checked_sub(MOST_AGENTS).filter(|n| *n > 0) else { return Ok(true) };
    let before = |age: Duration| now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let sql = "SELECT id FROM agents WHERE removed_at IS NULL AND last_seen_at < ?1
                  AND (last_seen_at < ?2 OR NOT EXISTS (SELECT 1 FROM remote_jobs AS job
                           WHERE job.agent_id = agents.id AND job.finished_at IS NULL))
                ORDER BY last_seen_at";
    let mut statement = connection.prepare_cached(sql)?;
    let gone = statement.query_map((before(GONE), before(LONG_GONE)), |row| row.get::<_, String>(0))?;
    let mut n_left = n_too_many;
    for text in gone.collect::<Result<Vec<_>, _>>()? {
        let id: AgentId = text.parse().map_err(|error| StorageError::damaged("an agent's id", error))?;
        if n_left == 0 {
            break;
        }
        if !connected(id) {
            execute(connection, "DELETE FROM agents WHERE id = ?1", [text])?;
            n_left -= 1;
        }
    }
    Ok(n_left == 0)
}

/// A number for a new connection, larger than all before.
pub fn next_generation(connection: &Connection) -> Result<u64, StorageError> {
    let last = facts::get(connection, GENERATION)?.and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    facts::set(connection, GENERATION, &(last + 1).to_string())?;
    Ok(last + 1)
}

/// Stores what an agent said of itself.
pub fn put_agent(connection: &Connection, agent: &AgentRow) -> Result<(), StorageError> {
    let facts = serde_json::to_string(&agent.facts).map_err(|error| StorageError::damaged("facts", error))?;
    let sql = "INSERT INTO agents (id, boot_id, previous_boot_id, version, slots, facts, generation, session_id,
                                 first_seen_at, last_seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET boot_id = ?2, previous_boot_id = ?3, version = ?4, slots = ?5, facts = ?6,
                 generation = ?7, session_id = ?8, last_seen_at = ?10, removed_at = NULL";
    connection.prepare_cached(sql)?.execute((
        agent.id.to_string(),
        agent.boot_id.to_string(),
        agent.previous_boot_id.map(|id| id.to_string()),
        &agent.version,
        agent.slots,
        facts,
        to_db(agent.generation),
        agent.session_row,
        agent.first_seen_at.as_millisecond(),
        agent.last_seen_at.as_millisecond(),
    ))?;
    Ok(())
}

/// Stores newer facts of an agent.
pub fn set_facts(connection: &Connection, id: AgentId, new: &Facts) -> Result<(), StorageError> {
    let facts = serde_json::to_string(new).map_err(|error| StorageError::damaged("facts", error))?;
    let sql = "UPDATE agents SET facts = ?2, last_seen_at = ?3 WHERE id = ?1";
    execute(connection, sql, (id.to_string(), facts, now_ms())).map(drop)
}

/// Stores that an agent was heard until now.
pub fn set_seen(connection: &Connection, id: AgentId) -> Result<(), StorageError> {
    execute(connection, "UPDATE agents SET last_seen_at = ?2 WHERE id = ?1", (id.to_string(), now_ms())).map(drop)
}

/// Takes an agent out: its jobs go with it, and it is refused while its session lives.
pub fn remove(connection: &Connection, id: AgentId) -> Result<bool, StorageError> {
    execute(connection, "DELETE FROM remote_jobs WHERE agent_id = ?1", [id.to_string()])?;
    let sql = "UPDATE agents SET removed_at = ?2 WHERE id = ?1 AND removed_at IS NULL";
    let n = execute(connection, sql, (id.to_string(), now_ms()))?;
    Ok(n > 0)
}

#[cfg(test)]
#[path = "agents_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
