//! What is bound to a file by its identity, beside its size and time.

use rusqlite::Connection;
use shared_protocol::RelPath;

use super::{StorageError, execute, to_db};
use crate::domain::identity::Identity;
use crate::domain::ids::RootRowId;
use crate::domain::ticks::Ticks;

/// Tables of what was learned of a file.
const LEARNED: [&str; 4] = ["hashes", "file_ends", "file_weights", "hash_checkpoints"];

/// What the hub itself did to a file that has several names: all of them have another identity now, and none of them
/// another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The file's size.
    pub size_bytes: u64,
    pub modified: Ticks,
    pub before: Identity,
    /// The identity behind it.
    pub after: Identity,
}

/// Takes what is known of all names of the file over to its new identity, with the transfers that wait for them.
pub fn follow(connection: &Connection, followed: &Followed) -> Result<(), StorageError> {
    let Followed { size_bytes, modified, before, after } = *followed;
    let sql = "UPDATE trash SET identity = ?4 WHERE identity = ?3 AND size_bytes = ?1 AND modified = ?2";
    execute(connection, sql, (to_db(size_bytes), modified.0, before.0, after.0))?;
    let mut names = connection.prepare_cached(
        "UPDATE files SET identity = ?4
         WHERE root_id IN (SELECT id FROM roots WHERE active = 1) AND size_bytes = ?1 AND modified = ?2 AND identity = ?3
         RETURNING root_id, path",
    )?;
    let found = names.query_map((to_db(size_bytes), modified.0, before.0, after.0), |row| {
        Ok((row.get::<_, i64>("root_id")?, row.get::<_, String>("path")?))
    })?;
    for (root, path) in found.collect::<Result<Vec<_>, _>>()? {
        for table in LEARNED {
            let sql = format!("UPDATE {table} SET identity = ?4 WHERE root_id = ?1 AND path = ?2 AND identity = ?3");
            execute(connection, &sql, (root, &path, before.0, after.0))?;
        }
        let sql = "UPDATE transfers SET identity = ?4
                 WHERE from_root_id = ?1 AND path = ?2 AND identity = ?3 AND finished_at IS NULL";
        execute(connection, sql, (root, &path, before.0, after.0))?;
    }
    Ok(())
}

/// Takes what is known of a file of this size and time over to an identity, whatever it was bound to before: the hub
/// itself changed it on the way.
pub fn rebind(
    connection: &Connection,
    root: RootRowId,
    path: &RelPath,
    size_bytes: u64,
    modified: Ticks,
    identity: Option<Identity>,
) -> Result<(), StorageError> {
    let identity = identity.map(|identity| identity.0);
    let sql = "UPDATE files SET identity = ?6
             WHERE match_key = ?1 AND root_id = ?2 AND path = ?3 AND size_bytes = ?4 AND modified = ?5";
    execute(connection, sql, (path.match_key(), root.0, path.as_str(), to_db(size_bytes), modified.0, identity))?;
    for table in LEARNED {
        let sql = format!(
            "UPDATE {table} SET identity = ?5
                 WHERE root_id = ?1 AND path = ?2 AND size_bytes = ?3 AND modified = ?4"
        );
        execute(connection, &sql, (root.0, path.as_str(), to_db(size_bytes), modified.0, identity))?;
    }
    Ok(())
}

/// Binds what was learned of a file while no identity was recorded.
pub(super) fn bind(
    connection: &Connection,
    root: RootRowId,
    path: &str,
    size_bytes: u64,
    modified: Ticks,
    identity: Identity,
) -> Result<(), StorageError> {
    for table in LEARNED {
        let sql = format!(
            "UPDATE {table} SET identity = ?5
                 WHERE root_id = ?1 AND path = ?2 AND size_bytes = ?3 AND modified = ?4 AND identity IS NULL"
        );
        execute(connection, &sql, (root.0, path, to_db(size_bytes), modified.0, identity.0))?;
    }
    Ok(())
}

/// Takes the hash of a file over to its new identity, or its new name, without a new proof of it.
pub(super) fn carry(
    connection: &Connection,
    from: (RootRowId, &str),
    to: (RootRowId, &str),
    size_bytes: u64,
    modified: Ticks,
    identity: Option<Identity>,
) -> Result<(), StorageError> {
    let sql = "INSERT INTO hashes (root_id, path, size_bytes, modified, blake3, sha256, hashed_at, identity)
             SELECT ?3, ?4, size_bytes, modified, blake3, sha256, hashed_at, ?7 FROM hashes
             WHERE root_id = ?1 AND path = ?2 AND size_bytes = ?5 AND modified = ?6
             ON CONFLICT (root_id, path) DO UPDATE SET
                 size_bytes = excluded.size_bytes, modified = excluded.modified, blake3 = excluded.blake3,
                 sha256 = excluded.sha256, hashed_at = excluded.hashed_at, identity = excluded.identity";
    execute(
        connection,
        sql,
        (from.0.0, from.1, to.0.0, to.1, to_db(size_bytes), modified.0, identity.map(|identity| identity.0)),
    )?;
    Ok(())
}
