//! What a worker writes down on its way, so that a kill at any moment loses nothing.

use rusqlite::Connection;
use shared_protocol::{Blake3, RelPath, Sha256};

use super::TransferRow;
use crate::domain::identity::Identity;
use crate::domain::ids::{RootRowId, TransferId};
use crate::domain::ticks::Ticks;
use crate::storage::{StorageError, execute, first, now_ms, to_db};

/// So many bytes of the part file are on the disk.
pub fn synced(connection: &Connection, id: TransferId, bytes: u64, proof: &Blake3) -> Result<(), StorageError> {
    let sql = "UPDATE transfers SET synced_bytes = ?2, bytes_done = ?2, synced_proof = ?3 WHERE id = ?1";
    execute(connection, sql, (id.0, to_db(bytes), proof.as_bytes())).map(drop)
}

/// The part file is complete, with these digests, and is about to get its final name.
pub fn part_complete(
    connection: &Connection,
    id: TransferId,
    blake3: &Blake3,
    sha256: Option<&Sha256>,
) -> Result<(), StorageError> {
    let sql = "UPDATE transfers SET part_blake3 = ?2, part_sha256 = ?3 WHERE id = ?1";
    execute(connection, sql, (id.0, blake3.as_bytes(), sha256.map(Sha256::as_bytes))).map(drop)
}

/// The path on the other side became another one.
pub fn renamed(connection: &Connection, id: TransferId, to_path: &RelPath) -> Result<(), StorageError> {
    execute(connection, "UPDATE transfers SET to_path = ?2 WHERE id = ?1", (id.0, to_path.as_str())).map(drop)
}

/// A file that lies in the trash now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed<'a> {
    pub root: RootRowId,
    pub path: &'a RelPath,
    /// Where it lies below the trash folder.
    pub trash_path: &'a str,
    pub size_bytes: u64,
    pub modified: Ticks,
    /// What stands beside them, as it is in the trash.
    pub identity: Option<Identity>,
    /// Its hash, if it was known.
    pub hash: Option<Blake3>,
}

/// Notes that a transfer put a file into the trash. Noted twice it stays one; one that was found there
/// before this commit came is from now on this transfer's.
pub fn trashed(connection: &Connection, transfer: &TransferRow, file: &Trashed<'_>) -> Result<(), StorageError> {
    let sql =
        "INSERT INTO trash (root_id, batch_id, transfer_id, path, trash_path, size_bytes, modified, blake3, deleted_at,
                                identity)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (root_id, trash_path) DO UPDATE SET
                 batch_id = excluded.batch_id, transfer_id = excluded.transfer_id, blake3 = excluded.blake3,
                 identity = excluded.identity
             WHERE batch_id = 0";
    connection.prepare_cached(sql)?.execute((
        file.root.0,
        transfer.batch_id.0,
        transfer.id.0,
        file.path.as_str(),
        file.trash_path,
        to_db(file.size_bytes),
        file.modified.0,
        file.hash.map(|h| *h.as_bytes()),
        now_ms(),
        file.identity.map(|identity| identity.0),
    ))?;
    execute(connection, "UPDATE transfers SET trash_path = ?2 WHERE id = ?1", (transfer.id.0, file.trash_path))
        .map(drop)
}

/// Notes that a file is no longer in the trash.
pub fn untrashed(connection: &Connection, root: RootRowId, trash_path: &str) -> Result<(), StorageError> {
    execute(connection, "DELETE FROM trash WHERE root_id = ?1 AND trash_path = ?2", (root.0, trash_path)).map(drop)
}

/// What is known of a file in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownTrashed {
    pub size_bytes: u64,
    pub modified: Ticks,
    /// What stood beside them when it came into the trash.
    pub identity: Option<Identity>,
    /// Its hash, if it was known.
    pub hash: Option<Blake3>,
    /// It is being removed for good.
    pub leaving: bool,
}

/// What is known of a file in the trash, if anything is.
pub fn find_trashed(
    connection: &Connection,
    root: RootRowId,
    trash_path: &str,
) -> Result<Option<KnownTrashed>, StorageError> {
    let sql =
        "SELECT size_bytes, modified, blake3, leaving, identity FROM trash WHERE root_id = ?1 AND trash_path = ?2";
    first(connection, sql, (root.0, trash_path), |row| {
        Ok(KnownTrashed {
            size_bytes: crate::storage::from_db(row.get("size_bytes")?),
            modified: Ticks(row.get("modified")?),
            hash: crate::storage::digest_column(row, "blake3")?,
            leaving: row.get("leaving")?,
            identity: crate::storage::identity_column(row, "identity")?,
        })
    })
}
