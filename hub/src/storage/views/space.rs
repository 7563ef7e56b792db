//! What takes space: the types of models, which are the top folders of a root, and the trash.

use rusqlite::Connection;

use super::entry::Totals;
use super::folders::{self, FolderEntry};
use crate::domain::root::Root;
use crate::storage::{StorageError, from_db, roots};

/// The space that one root's files take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Space {
    /// All files.
    pub totals: Totals,
    /// The top folders, the largest first.
    pub types: Vec<FolderEntry>,
    /// Files that lie in the root's own folder.
    pub loose: Totals,
    /// What waits in the trash.
    pub trash: Totals,
}

/// The space that a root's files take.
pub fn show(connection: &Connection, root: Root) -> Result<Space, StorageError> {
    let trash = trash(connection, root)?;
    let Some(level) = folders::level(connection, root, None)? else { return Ok(Space { trash, ..Space::default() }) };
    let mut types = level.folders;
    types.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.name.cmp(&b.name)));
    Ok(Space { totals: level.totals, types, loose: level.here, trash })
}

/// How many files wait in a root's trash, and how large they are.
pub fn trash(connection: &Connection, root: Root) -> Result<Totals, StorageError> {
    let Some(root) = roots::active(connection, root)? else { return Ok(Totals::default()) };
    Ok(connection
        .prepare_cached("SELECT count(*), coalesce(sum(size_bytes), 0) FROM trash WHERE root_id = ?1 AND leaving = 0")?
        .query_row([root.id.0], |row| Ok(Totals { n_files: from_db(row.get(0)?), size_bytes: from_db(row.get(1)?) }))?)
}

#[cfg(test)]
mod tests;
