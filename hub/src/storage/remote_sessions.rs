//! Times in which agents may come, and what of their keys is kept.

use rusqlite::{Connection, OptionalExtension, Row};
use shared_protocol::refusal::RefusalCode;
use uuid::Uuid;

use super::{StorageError, now_ms, timestamp};

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
    let session: String = row.get(1)?;
    Ok(SessionRow {
        id: row.get(0)?,
        session: Uuid::parse_str(&session)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(e)))?,
        key_sha256: row.get(2)?,
        created_at: timestamp(row.get(3)?),
        expires_at: timestamp(row.get(4)?),
    })
}

/// Begins a session; the one before it ends.
pub fn begin(connection: &Connection, key: &KeyDigest, expires_at_ms: i64) -> Result<SessionRow, StorageError> {
    connection
        .prepare_cached("UPDATE remote_sessions SET ended_at = ?1, ended_by = 'revoked' WHERE ended_at IS NULL")?
        .execute([now_ms()])?;
    connection
        .prepare_cached(
            "INSERT INTO remote_sessions (session, key_sha256, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((Uuid::new_v4().to_string(), key, now_ms(), expires_at_ms))?;
    live(connection)?.ok_or(StorageError::Missing("session"))
}

/// The session that has not ended. Its time may be over all the same.
pub fn live(connection: &Connection) -> Result<Option<SessionRow>, StorageError> {
    let sql = "SELECT id, session, key_sha256, created_at, expires_at FROM remote_sessions WHERE ended_at IS NULL";
    Ok(connection.prepare_cached(sql)?.query_row([], read).optional()?)
}

/// Moves the end of a session.
pub fn set_expiry(connection: &Connection, id: i64, expires_at_ms: i64) -> Result<(), StorageError> {
    connection
        .prepare_cached("UPDATE remote_sessions SET expires_at = ?2 WHERE id = ?1 AND ended_at IS NULL")?
        .execute((id, expires_at_ms))?;
    Ok(())
}

/// Ends a session.
pub fn end(connection: &Connection, id: i64, why: RefusalCode) -> Result<(), StorageError> {
    let word = if why == RefusalCode::Expired { "expired" } else { "revoked" };
    connection
        .prepare_cached("UPDATE remote_sessions SET ended_at = ?2, ended_by = ?3 WHERE id = ?1 AND ended_at IS NULL")?
        .execute((id, now_ms(), word))?;
    Ok(())
}

/// The keys of the latest ended sessions, and how they ended.
pub fn ended(connection: &Connection) -> Result<Vec<(KeyDigest, RefusalCode)>, StorageError> {
    let sql = "SELECT key_sha256, ended_by FROM remote_sessions WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT ?1";
    let read = |row: &Row<'_>| {
        let word: Option<String> = row.get(1)?;
        let is_expired = word.as_deref() == Some("expired");
        Ok((row.get(0)?, if is_expired { RefusalCode::Expired } else { RefusalCode::Revoked }))
    };
    Ok(connection.prepare_cached(sql)?.query_map([REMEMBERED], read)?.collect::<Result<_, _>>()?)
}
