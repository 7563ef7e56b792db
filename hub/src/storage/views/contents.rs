//! What the index knows of a content, wherever its files lie.

use rusqlite::Connection;
use shared_protocol::{Blake3, RelPath, Sha256};

use crate::domain::root::Root;
use crate::domain::sources::Facts;
use crate::storage::{StorageError, first, from_db, path_column};

/// Files that give a content its names; more say nothing new.
const MOST: i64 = 200;

/// A content with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentView {
    /// Size, names and SHA-256.
    pub facts: Facts,
    /// Where its files lie, those on Local first.
    pub files: Vec<(Root, RelPath)>,
}

/// What is known of a content; none if no file of either root has it.
pub fn show(connection: &Connection, hash: &Blake3) -> Result<Option<ContentView>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT f.path, f.size_bytes, r.root FROM files f JOIN roots r ON r.id = f.root_id AND r.active = 1
         WHERE f.blake3 = ?1 ORDER BY r.root DESC, f.match_key, f.id LIMIT ?2",
    )?;
    let rows = statement.query_map((hash.as_bytes(), MOST), |row| {
        let name: String = row.get("root")?;
        let root = if name == Root::Lake.as_str() { Root::Lake } else { Root::Local };
        Ok((root, path_column(row, "path")?, from_db(row.get("size_bytes")?)))
    })?;
    let rows: Vec<(Root, RelPath, u64)> = rows.collect::<Result<_, _>>()?;
    let Some(size_bytes) = rows.first().map(|(_, _, size_bytes)| *size_bytes) else { return Ok(None) };
    let mut names: Vec<String> = rows.iter().map(|(_, path, _)| path.name().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    let facts = Facts { size_bytes, names, sha256: sha256(connection, hash)? };
    Ok(Some(ContentView { facts, files: rows.into_iter().map(|(root, path, _)| (root, path)).collect() }))
}

/// The SHA-256 of a content, if one of its files was read for it.
pub fn sha256(connection: &Connection, hash: &Blake3) -> Result<Option<Sha256>, StorageError> {
    let sql = "SELECT h.sha256 FROM files f
             JOIN hashes h ON h.root_id = f.root_id AND h.path = f.path AND h.blake3 = f.blake3
             WHERE f.blake3 = ?1 AND h.sha256 IS NOT NULL LIMIT 1";
    let bytes: Option<[u8; 32]> = first(connection, sql, [hash.as_bytes()], |row| row.get(0))?;
    Ok(bytes.map(Sha256::from_bytes))
}
