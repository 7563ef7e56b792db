//! What an earlier hub took for files of the library, and this one does not: it leaves the index before
//! anything is planned or counted. Nothing on the disk is touched, and nothing of it counts as gone.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::totals::{reconcile, remove_files, remove_folder};
use crate::domain::exclusion::{self, NameKind};
use crate::domain::ids::{FileId, FolderId, RootRowId};
use crate::storage::{StorageError, execute, facts};

/// The table of names that the index was last looked through with.
const LOOKED_THROUGH: &str = "exclusions";

/// Takes out of every root's index what the table of names excludes, once for each version of the
/// table. Tells how many files that were.
pub fn leave_out_excluded(connection: &Connection) -> Result<u64, StorageError> {
    let now = exclusion::fingerprint();
    if facts::get(connection, LOOKED_THROUGH)?.as_ref() == Some(&now) {
        return Ok(0);
    }
    let mut n = 0;
    let roots: Vec<RootRowId> = connection
        .prepare("SELECT id FROM roots")?
        .query_map([], |row| Ok(RootRowId(row.get(0)?)))?
        .collect::<Result<_, _>>()?;
    for root in roots {
        n += leave_out_of(connection, root)?;
    }
    facts::set(connection, LOOKED_THROUGH, &now)?;
    Ok(n)
}

fn leave_out_of(connection: &Connection, root: RootRowId) -> Result<u64, StorageError> {
    let is_out = |path: &str, entry| exclusion::find_on_the_way(path, entry).is_some();
    let mut folders = Vec::new();
    let mut statement = connection.prepare("SELECT id, path FROM folders WHERE root_id = ?1")?;
    let mut rows = statement.query([root.0])?;
    while let Some(row) = rows.next()? {
        if is_out(row.get_ref("path")?.as_str().unwrap_or_default(), NameKind::Folder) {
            folders.push(FolderId(row.get("id")?));
        }
    }
    let (mut files, mut left) = (Vec::new(), BTreeSet::new());
    let mut statement = connection.prepare("SELECT id, folder_id, path FROM files WHERE root_id = ?1")?;
    let mut rows = statement.query([root.0])?;
    while let Some(row) = rows.next()? {
        if is_out(row.get_ref("path")?.as_str().unwrap_or_default(), NameKind::File) {
            files.push(FileId(row.get("id")?));
            left.insert(row.get::<_, i64>("folder_id")?);
        }
    }
    let n = files.len() as u64;
    remove_files(connection, root, files)?;
    for folder in &folders {
        remove_folder(connection, root, *folder)?;
    }
    for folder in left {
        // Its digest is that of a listing with those files.
        let sql = "UPDATE folders SET listing = NULL,
                     n_files = (SELECT count(*) FROM files WHERE folder_id = ?1),
                     size_bytes = (SELECT coalesce(sum(size_bytes), 0) FROM files WHERE folder_id = ?1)
                 WHERE id = ?1";
        execute(connection, sql, [folder])?;
    }
    if n > 0 || !folders.is_empty() {
        reconcile(connection, root)?;
    }
    Ok(n)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use shared_protocol::RelPath;

    use super::*;
    use crate::domain::root::Root;
    use crate::domain::ticks::Ticks;
    use crate::storage::{Database, index, roots};

    #[test]
    fn an_index_of_before_loses_what_is_no_library_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (database, _) = Database::open(&folder.path().join("hub.db")).unwrap();
        let row = database
            .write_blocking(|tx| {
                let row = roots::activate(tx, Root::Lake, "marker:x", "/lake", true)?;
                let paths = [
                    "loras/x.safetensors",
                    "loras/x.tmp",
                    "loras/y.safetensors",
                    ".Trash-1000/files/x.safetensors",
                    ".Trash-1000/info/x",
                    "lost+found/#12",
                ];
                let mut edits = index::Edits::new(tx);
                for path in paths {
                    edits.put_unchecked(row.id, &RelPath::parse(path).unwrap(), 10, Ticks(1), None, None)?;
                }
                edits.finish()?;
                Ok(row)
            })
            .unwrap();
        assert_eq!(database.write_blocking(|tx| leave_out_excluded(tx)).unwrap(), 4);
        let (left, known, raised) = database
            .read_blocking(|connection| {
                let left = index::files_below(connection, row.id, None)?;
                let raised = roots::active(connection, Root::Lake)?.unwrap().generation > row.generation;
                Ok((left, index::known_folders(connection, row.id)?, raised))
            })
            .unwrap();
        let left: Vec<_> = left.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(left, ["loras/x.safetensors", "loras/y.safetensors"]);
        let mut folders: Vec<_> = known.keys().map(String::as_str).collect();
        folders.sort_unstable();
        assert_eq!(folders, ["", "loras"]);
        let loras = known.get("loras").unwrap();
        assert_eq!((loras.n_files, loras.size_bytes, raised), (2, 20, true));
        assert_eq!(database.write_blocking(|tx| leave_out_excluded(tx)).unwrap(), 0, "once");
    }
}
