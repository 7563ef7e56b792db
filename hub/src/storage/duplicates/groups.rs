//! The groups of the last search.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};
use shared_protocol::{Blake3, RelPath};

use crate::domain::duplicates::GroupKind;
use crate::domain::ids::{BackgroundJobId, FileId, RootRowId};
use crate::domain::root::Root;
use crate::storage::{StorageError, execute, index, one, to_db};

/// A group, before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    /// What the files have in common.
    pub kind: GroupKind,
    pub digest: Blake3,
    /// The size of the smallest.
    pub size_bytes: u64,
    /// Its files, each with its names.
    pub files: Vec<Vec<(FileId, Root)>>,
}

/// Puts these groups in the place of those of the search before. Names whose file has changed since
/// it was read are left out, and so are groups that are none any more.
pub fn replace(connection: &Connection, scan: BackgroundJobId, groups: &[NewGroup]) -> Result<(), StorageError> {
    connection.execute("DELETE FROM duplicate_groups", [])?;
    let mut still = connection.prepare_cached("SELECT blake3 IS ?2 FROM files WHERE id = ?1")?;
    let mut there = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM files WHERE id = ?1)")?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO duplicate_groups (scan_id, kind, digest, size_bytes, n_files, n_local, n_lake)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut member = connection.prepare_cached("INSERT INTO duplicate_files VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for group in groups {
        let mut names: Vec<(FileId, Root, usize)> = Vec::new();
        for (node, file) in group.files.iter().enumerate() {
            for (id, root) in file {
                let is_same = match group.kind {
                    GroupKind::Content => {
                        still.query_row((id.0, group.digest.as_bytes()), |row| row.get(0)).optional()?.unwrap_or(false)
                    }
                    GroupKind::Weights => there.query_row([id.0], |row| row.get(0))?,
                };
                if is_same {
                    names.push((*id, *root, node));
                }
            }
        }
        let count = |wanted: &dyn Fn(Root) -> bool| {
            let nodes = names.iter().filter(|(_, root, _)| wanted(*root)).map(|(_, _, node)| *node);
            to_db(nodes.collect::<BTreeSet<usize>>().len() as u64)
        };
        let n_files = count(&|_| true);
        if n_files < 2 {
            continue;
        }
        let [n_local, n_lake] = Root::ALL.map(|root| count(&|of| of == root));
        let digest = group.digest.as_bytes();
        insert.execute((scan.0, group.kind.code(), digest, to_db(group.size_bytes), n_files, n_local, n_lake))?;
        let id = connection.last_insert_rowid();
        for (file, root, node) in names {
            member.execute((file.0, group.kind.code(), id, root.as_str(), to_db(node as u64)))?;
        }
    }
    Ok(())
}

/// Groups of a kind, and the bytes that one copy of each instead of all would free.
pub fn n_groups(connection: &Connection, kind: GroupKind) -> Result<(u64, u64), StorageError> {
    let sql = "SELECT count(*) AS n, coalesce(sum(size_bytes * (n_files - 1)), 0) AS bytes FROM duplicate_groups
             WHERE kind = ?1";
    one(connection, sql, [kind.code()], |row| {
        Ok((crate::storage::from_db(row.get("n")?), crate::storage::from_db(row.get("bytes")?)))
    })
}

/// Takes a file out of its groups: it is still there, but takes no room of its own any more.
pub fn forget(connection: &Connection, root: RootRowId, path: &RelPath) -> Result<(), StorageError> {
    if let Some(file) = index::file_at(connection, root, path)? {
        execute(connection, "DELETE FROM duplicate_files WHERE file_id = ?1", [file.id.0])?;
    }
    Ok(())
}
