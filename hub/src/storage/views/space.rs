//! What takes space: the types of models, which are the top folders of a root, the folders of bases
//! inside them, and how long ago files were changed.

use rusqlite::Connection;

use super::entry::Totals;
use super::evictions::{self, EvictedFilter};
use super::folders::{self, FolderView};
use super::trash as trash_list;
use crate::domain::root::Root;
use crate::domain::space::{Age, Base, FolderTotals, bases};
use crate::domain::ticks::Ticks;
use crate::storage::roots::RootRow;
use crate::storage::space::{Sample, samples};
use crate::storage::{StorageError, from_db, roots};

/// The space that one root's files take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Space {
    /// All files.
    pub totals: Totals,
    /// The top folders, the largest first.
    pub types: Vec<FolderView>,
    /// Files that lie in the root's own folder.
    pub loose: Totals,
    /// Folders inside the types, those of one name together, the largest first.
    pub bases: Vec<Base>,
    /// What waits in the trash.
    pub trash: Totals,
    /// What was evicted and is not back; of Local only.
    pub evicted: Totals,
    /// How the room went, the oldest first.
    pub over_time: Vec<Sample>,
}

/// The space that a root's files take.
pub fn show(connection: &Connection, root: Root) -> Result<Space, StorageError> {
    let trash = trash(connection, root)?;
    let Some(row) = roots::active(connection, root)? else { return Ok(Space { trash, ..Space::default() }) };
    let over_time = samples(connection, row.id)?;
    let evicted = match root {
        Root::Local => evictions::evicted_totals(connection, &EvictedFilter::default())?,
        Root::Lake => Totals::default(),
    };
    let Some(level) = folders::level(connection, root, None)? else {
        return Ok(Space { trash, evicted, over_time, ..Space::default() });
    };
    let mut types = level.folders;
    types.retain(|folder| folder.n_files > 0);
    types.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.name.cmp(&b.name)));
    let bases = bases(inside_types(connection, &row)?);
    Ok(Space { totals: level.totals, types, loose: level.here, bases, trash, evicted, over_time })
}

/// All files of a root and their bytes.
pub fn totals(connection: &Connection, root: Root) -> Result<Totals, StorageError> {
    match roots::active(connection, root)? {
        Some(row) => folders::totals(connection, &row, None),
        None => Ok(Totals::default()),
    }
}

/// How many files wait in a root's trash, and how large they are.
pub fn trash(connection: &Connection, root: Root) -> Result<Totals, StorageError> {
    trash_list::totals(connection, &trash_list::TrashList::of(root))
}

/// The folders directly inside the top folders.
fn inside_types(connection: &Connection, root: &RootRow) -> Result<Vec<FolderTotals>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT base.path, base.n_files_total, base.size_bytes_total
         FROM folders top CROSS JOIN folders type ON type.parent_id = top.id
                          CROSS JOIN folders base ON base.parent_id = type.id
         WHERE top.root_id = ?1 AND top.path = '' AND base.n_files_total > 0",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(FolderTotals {
            path: row.get("path")?,
            n_files: from_db(row.get("n_files_total")?),
            size_bytes: from_db(row.get("size_bytes_total")?),
        })
    };
    Ok(statement.query_map([root.id.0], read)?.collect::<Result<_, _>>()?)
}

/// Files and bytes by age, the youngest first. Adds up every file: the caller keeps the answer.
pub(super) fn ages(connection: &Connection, root: Root, now: Ticks) -> Result<Vec<(Age, Totals)>, StorageError> {
    let mut found: Vec<(Age, Totals)> = Age::ALL.map(|age| (age, Totals::default())).into();
    let Some(row) = roots::active(connection, root)? else { return Ok(found) };
    let mut statement = connection.prepare_cached(
        "SELECT count(*) AS n_files, coalesce(sum(size_bytes), 0) AS size_bytes
         FROM files WHERE root_id = ?1 AND modified >= ?2 AND modified < ?3",
    )?;
    let since = Age::bounds(now).into_iter().map(|bound| bound.0).chain([i64::MIN]);
    let mut until = i64::MAX;
    for (slot, since) in found.iter_mut().zip(since) {
        slot.1 = statement.query_row((row.id.0, since, until), Totals::read)?;
        until = since;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
