//! What downloads are of, beside their transfers.

use rusqlite::Connection;
use shared_protocol::{Blake3, Sha256};

use crate::domain::ids::{BatchId, TransferId};
use crate::storage::{StorageError, execute, first, from_db, one, to_db};

/// What a download is to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDownload {
    /// The address that was named.
    pub url: Option<String>,
    /// The content, if that is known.
    pub blake3: Option<Blake3>,
    /// Its SHA-256, if that is known.
    pub sha256: Option<Sha256>,
    /// The site that it comes from.
    pub host: String,
}

/// The same, as it is stored; the content stands in the transfer's own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadRow {
    pub url: Option<String>,
    pub sha256: Option<Sha256>,
}

/// Notes what a transfer is to bring.
pub fn add(connection: &Connection, id: TransferId, new: &NewDownload) -> Result<(), StorageError> {
    let sql = "INSERT INTO downloads (transfer_id, url, sha256, host) VALUES (?1, ?2, ?3, ?4)";
    execute(connection, sql, (id.0, &new.url, new.sha256.as_ref().map(Sha256::as_bytes), &new.host))?;
    let sql = "UPDATE transfers SET wanted = ?2 WHERE id = ?1";
    execute(connection, sql, (id.0, new.blake3.as_ref().map(Blake3::as_bytes))).map(drop)
}

/// What a transfer is to bring.
pub fn of(connection: &Connection, id: TransferId) -> Result<DownloadRow, StorageError> {
    let sql = "SELECT url, sha256 FROM downloads WHERE transfer_id = ?1";
    let found = first(connection, sql, [id.0], |row| {
        let sha256: Option<[u8; 32]> = row.get("sha256")?;
        Ok(DownloadRow { url: row.get("url")?, sha256: sha256.map(Sha256::from_bytes) })
    })?;
    found.ok_or(StorageError::Missing("download"))
}

/// Notes what a site says: how large the file is, and who has it.
pub fn found(connection: &Connection, id: TransferId, size_bytes: u64, host: &str) -> Result<(), StorageError> {
    let sql = "UPDATE transfers SET size_bytes = ?2 WHERE id = ?1 AND size_bytes <> ?2";
    execute(connection, sql, (id.0, to_db(size_bytes)))?;
    execute(connection, "UPDATE downloads SET host = ?2 WHERE transfer_id = ?1", (id.0, host)).map(drop)
}

/// Notes how much is there; the journal beside the part file says which bytes.
pub fn came(connection: &Connection, id: TransferId, bytes: u64) -> Result<(), StorageError> {
    let sql = "UPDATE transfers SET bytes_done = min(?2, size_bytes), synced_bytes = min(?2, size_bytes) WHERE id = ?1";
    execute(connection, sql, (id.0, to_db(bytes))).map(drop)
}

/// Notes that all is there, and whether a digest was known beforehand.
pub fn is_whole(connection: &Connection, id: TransferId, is_verified: bool) -> Result<(), StorageError> {
    execute(connection, "UPDATE downloads SET is_verified = ?2 WHERE transfer_id = ?1", (id.0, is_verified)).map(drop)
}

/// Files of a batch of which no digest was known beforehand.
pub fn n_not_verified(connection: &Connection, batch: BatchId) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM transfers JOIN downloads ON transfer_id = id
               WHERE batch_id = ?1 AND +state = 'completed' AND is_verified = 0";
    one(connection, sql, [batch.0], |row| row.get(0).map(from_db))
}
