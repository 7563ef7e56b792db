//! Times in which agents may come, and what of their keys is kept.

use rusqlite::{Connection, Row};
use shared_protocol::refusal::RefusalCode;
use uuid::Uuid;

use super::{Parsed, StorageError, execute, first, now_ms, rows, timestamp};

/// The SHA-256 of a key.
pub type KeyDigest = [u8; 32];

/// Ended sessions whose keys are still told why they open nothing.
const REMEMBERED: u32 = 50;

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub id: i64,
    /// What agents know it by.
    pub session: Uuid,
    /// What proves a key.
    pub key_sha256: KeyDigest,
    /// When it began.
    pub created_at: jiff::Timestamp,
    /// When it ends by itself.
    pub expires_at: jiff::Timestamp,
}

fn read(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: row.get("id")?,
        session: row.get::<_, Parsed<_>>("session")?.0,
        key_sha256: row.get("key_sha256")?,
        created_at: timestamp(row.get("created_at")?),
        expires_at: timestamp(row.get("expires_at")?),
    })
}

/// Begins a session; the one before it ends.
pub fn begin(connection: &Connection, key: &KeyDigest, expires_at_ms: i64) -> Result<SessionRow, StorageError> {
    let sql = "UPDATE remote_sessions SET ended_at = ?1, ended_by = 'revoked' WHERE ended_at IS NULL";
    execute(connection, sql, [now_ms()])?;
    let sql = "INSERT INTO remote_sessions (session, key_sha256, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)";
    execute(connection, sql, (Uuid::new_v4().to_string(), key, now_ms(), expires_at_ms))?;
    live(connection)?.ok_or(StorageError::Missing("session"))
}

/// The session that has not ended. Its time may be over all the same.
pub fn live(connection: &Connection) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT id, session, key_sha256, created_at, expires_at FROM remote_sessions WHERE ended_at IS NULL";
    first(connection, sql, [], read)
}

/// Moves the end of a session.
pub fn set_expiry(connection: &Connection, id: i64, expires_at_ms: i64) -> Result<(), StorageError> {
    let sql = "UPDATE remote_sessions SET expires_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
    execute(connection, sql, (id, expires_at_ms)).map(drop)
}

/// Ends a session.
pub fn end(connection: &Connection, id: i64, why: RefusalCode) -> Result<(), StorageError> {
    let word = if why == RefusalCode::Expired { "expired" } else { "revoked" };
    let sql = "UPDATE remote_sessions SET ended_at = ?2, ended_by = ?3 WHERE id = ?1 AND ended_at IS NULL";
    execute(connection, sql, (id, now_ms(), word)).map(drop)
}

/// The keys of the latest ended sessions, and how they ended.
pub fn ended(connection: &Connection) -> Result<Vec<(KeyDigest, RefusalCode)>, StorageError> {
    let sql = "SELECT key_sha256, ended_by FROM remote_sessions WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT ?1";
    let read = |row: &Row<'_>| {
        let word: Option<String> = row.get("ended_by")?;
        let is_expired = word.as_deref() == Some("expired");
        Ok((row.get("key_sha256")?, if is_expired { RefusalCode::Expired } else { RefusalCode::Revoked }))
    };
    rows(connection, sql, [REMEMBERED], read)
}
