//! The end of a scan: what is verified to be gone goes, and totals and conflicts are made right.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use super::Changes;
use crate::domain::exclusion::{self, NameKind};
use crate::domain::ids::{FileId, FolderId, RootRowId};
use crate::storage::{StorageError, columns, execute, pairs, roots, rows, search, skipped};

/// Settles a scan that saw its root before and after: removes what is gone, stores the digests that
/// waited for that, and takes out of the register what is not skipped any more. `gone` are folders that no
/// longer exist. Tells how many files are gone; what a link or another unknown place covers now is not.
///
/// Without a change nothing is written.
pub fn finish(
    connection: &Connection,
    root: RootRowId,
    changes: &Changes,
    gone: impl IntoIterator<Item = FolderId>,
) -> Result<u64, StorageError> {
    let mut n_removed = remove_files(connection, root, changes.missing.iter().map(|(file, _)| *file))?;
    let mut any_folder = false;
    for folder in gone {
        n_removed += remove_folder(connection, root, folder)?;
        any_folder = true;
    }
    if any_folder || !changes.unskipped.is_empty() {
        skipped::remove(connection, changes.unskipped.iter().map(|(entry, _)| *entry))?;
        skipped::reconcile(connection, root)?;
    }
    for (folder, digest) in &changes.unsettled {
        execute(connection, "UPDATE folders SET listing = ?2 WHERE id = ?1", (folder.0, digest))?;
    }
    recount(connection, changes.recount.iter().copied())?;
    Ok(n_removed)
}

/// Leaves all that a scan missed, which did not prove anything.
pub fn leave(connection: &Connection, changes: &Changes) -> Result<(), StorageError> {
    let missing = changes.missing.iter().map(|(_, folder)| *folder);
    recount(connection, missing.chain(changes.recount.iter().copied()).collect::<BTreeSet<_>>())
}

/// Counts the files of folders that were listed without some that stay in the index.
fn recount(connection: &Connection, folders: impl IntoIterator<Item = FolderId>) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "UPDATE folders SET (n_files, size_bytes) =
             (SELECT count(*), coalesce(sum(size_bytes), 0) FROM files WHERE folder_id = ?1)
         WHERE id = ?1",
    )?;
    folders.into_iter().try_for_each(|folder| statement.execute([folder.0]).map(drop))?;
    Ok(())
}

/// Makes folder totals and conflict marks right after a scan wrote something.
pub fn reconcile(connection: &Connection, root: RootRowId) -> Result<(), StorageError> {
    update_totals(connection, root)?;
    update_conflicts(connection, root)?;
    roots::raise_generation(connection, root)?;
    Ok(())
}

/// Removes files from the index, and tells how many of them are gone: what is unknown now, or no part of the
/// library, is there.
pub(super) fn remove_files(
    connection: &Connection,
    root: RootRowId,
    files: impl IntoIterator<Item = FileId>,
) -> Result<u64, StorageError> {
    let indexed_to = search::indexed_to(connection)?;
    let mut n = 0;
    for file in files {
        let found: Option<(String, String)> = connection
            .prepare_cached("DELETE FROM files WHERE id = ?1 RETURNING match_key, path")?
            .query_map([file.0], |row| row.try_into())?
            .next()
            .transpose()?;
        if let Some((key, path)) = found {
            pairs::mark_stale(connection, &key)?;
            search::forget(connection, file, indexed_to)?;
            let is_excluded = exclusion::find_on_the_way(&path, NameKind::File).is_some();
            n += u64::from(!is_excluded && skipped::cover(connection, root, &key)?.is_none());
        }
    }
    Ok(n)
}

/// Removes a folder with the files directly in it.
pub(super) fn remove_folder(connection: &Connection, root: RootRowId, folder: FolderId) -> Result<u64, StorageError> {
    let files = rows::<_, Vec<_>>(connection, "SELECT id FROM files WHERE folder_id = ?1", [folder.0], |row| {
        Ok(FileId(row.get(0)?))
    })?;
    let n = remove_files(connection, root, files)?;
    skipped::remove_folder(connection, folder)?;
    execute(connection, "DELETE FROM folders WHERE id = ?1", [folder.0])?;
    Ok(n)
}

struct RootTotals {
    parent: Option<i64>,
    own: (i64, i64),
    stored: (i64, i64),
    depth: usize,
}

columns!(mod at { id, parent_id, path, n_files, size_bytes, n_files_total, size_bytes_total });

fn update_totals(connection: &Connection, root: RootRowId) -> Result<(), StorageError> {
    let sql = format!("SELECT {} FROM folders WHERE root_id = ?1", at::ALL);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([root.0])?;
    let mut folders: HashMap<i64, RootTotals> = HashMap::new();
    while let Some(row) = rows.next()? {
        let path = row.get_ref(at::path)?.as_str().unwrap_or_default();
        let depth = if path.is_empty() { 0 } else { path.split('/').count() };
        folders.insert(
            row.get(at::id)?,
            RootTotals {
                parent: row.get(at::parent_id)?,
                own: (row.get(at::n_files)?, row.get(at::size_bytes)?),
                stored: (row.get(at::n_files_total)?, row.get(at::size_bytes_total)?),
                depth,
            },
        );
    }
    let mut sums: HashMap<i64, (i64, i64)> = folders.iter().map(|(id, f)| (*id, f.own)).collect();
    let mut deepest_first: Vec<i64> = folders.keys().copied().collect();
    deepest_first.sort_by_key(|id| std::cmp::Reverse(folders.get(id).map_or(0, |f| f.depth)));
    for id in &deepest_first {
        let sum = sums.get(id).copied().unwrap_or_default();
        if let Some(parent) = folders.get(id).and_then(|f| f.parent).and_then(|parent| sums.get_mut(&parent)) {
            parent.0 += sum.0;
            parent.1 += sum.1;
        }
    }
    for (id, folder) in &folders {
        let sum = sums.get(id).copied().unwrap_or_default();
        if sum != folder.stored {
            let sql = "UPDATE folders SET n_files_total = ?2, size_bytes_total = ?3 WHERE id = ?1";
            execute(connection, sql, (id, sum.0, sum.1))?;
        }
    }
    Ok(())
}

fn update_conflicts(connection: &Connection, root: RootRowId) -> Result<(), StorageError> {
    let keys = |sql: &str| -> Result<BTreeSet<String>, StorageError> {
        let mut statement = connection.prepare_cached(sql)?;
        let found = statement.query_map([root.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(found)
    };
    let now = keys("SELECT match_key FROM files WHERE root_id = ?1 GROUP BY match_key HAVING count(*) > 1")?;
    let before = keys("SELECT DISTINCT match_key FROM files WHERE root_id = ?1 AND conflict = 1")?;
    for key in now.union(&before) {
        mark_conflict(connection, root, key, now.contains(key))?;
    }
    Ok(())
}

/// Marks or clears a conflict at a key.
pub(super) fn mark_conflict(
    connection: &Connection,
    root: RootRowId,
    key: &str,
    conflict: bool,
) -> Result<(), StorageError> {
    let sql = "UPDATE files SET conflict = ?3 WHERE root_id = ?1 AND match_key = ?2 AND conflict <> ?3";
    let n = execute(connection, sql, (root.0, key, conflict))?;
    if n > 0 {
        pairs::mark_stale(connection, key)?;
    }
    Ok(())
}
