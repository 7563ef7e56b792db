//! What lies in the trash of each root, as far as this database knows.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use shared_protocol::{Blake3, RelPath};

use super::{StorageError, columns, digest_column, execute, from_db, one, path_column, rows, to_db};
use crate::domain::ids::RootRowId;
use crate::domain::ticks::Ticks;

/// A file in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashRow {
    pub id: i64,
    pub root: RootRowId,
    pub path: RelPath,
    /// Where it lies below the trash folder.
    pub trash_path: String,
    pub size_bytes: u64,
    pub modified: Ticks,
    /// Its hash, if it was known.
    pub hash: Option<Blake3>,
    /// It is being removed for good.
    pub leaving: bool,
}

columns!(mod at { id, root_id, path, trash_path, size_bytes, modified, blake3, leaving });
const COLUMNS: &str = at::ALL;

fn row(row: &Row<'_>) -> rusqlite::Result<TrashRow> {
    Ok(TrashRow {
        id: row.get(at::id)?,
        root: RootRowId(row.get(at::root_id)?),
        path: path_column(row, at::path)?,
        trash_path: row.get(at::trash_path)?,
        size_bytes: from_db(row.get(at::size_bytes)?),
        modified: Ticks(row.get(at::modified)?),
        hash: digest_column(row, at::blake3)?,
        leaving: row.get(at::leaving)?,
    })
}

/// What is asked to go, all conditions together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrashFilter {
    /// Deleted before this time, milliseconds since 1970 UTC.
    pub before: Option<i64>,
    /// Only these.
    pub ids: Option<Vec<i64>>,
}

impl TrashFilter {
    /// The condition with its values. What a restore that has not ended is about to take is left out.
    fn condition(&self, root: RootRowId) -> (String, Vec<Value>) {
        let mut sql = "root_id = ? AND leaving = 0
            AND NOT EXISTS (SELECT 1 FROM transfers t
                            WHERE t.finished_at IS NULL AND t.path = trash.path AND t.operation = 'restore'
                                  AND t.trash_path = trash.trash_path AND t.from_root_id = trash.root_id)"
            .to_owned();
        let mut values: Vec<Value> = vec![root.0.into()];
        if let Some(before) = self.before {
            sql.push_str(" AND deleted_at < ?");
            values.push(before.into());
        }
        if let Some(ids) = &self.ids {
            sql.push_str(" AND id IN (SELECT value FROM json_each(?))");
            values.push(Value::Text(serde_json::to_string(ids).unwrap_or_default()));
        }
        (sql, values)
    }
}

/// How many files a filter means, their bytes, and the highest id: together they stand for what was
/// shown to a person.
pub fn count(connection: &Connection, root: RootRowId, filter: &TrashFilter) -> Result<(u64, u64, i64), StorageError> {
    let (condition, values) = filter.condition(root);
    let sql = format!(
        "SELECT count(*) AS n, coalesce(sum(size_bytes), 0) AS bytes, coalesce(max(id), 0) AS latest FROM trash WHERE {condition}"
    );
    one(connection, &sql, params_from_iter(values), |row| {
        Ok((from_db(row.get("n")?), from_db(row.get("bytes")?), row.get("latest")?))
    })
}

/// Marks what a filter means as leaving; from now on nothing else may touch it.
pub fn mark(connection: &Connection, root: RootRowId, filter: &TrashFilter) -> Result<usize, StorageError> {
    let (condition, values) = filter.condition(root);
    let sql = format!("UPDATE trash SET leaving = 1 WHERE {condition}");
    execute(connection, &sql, params_from_iter(values))
}

/// The next files of a root that are leaving, behind this id.
pub fn leaving(
    connection: &Connection,
    root: RootRowId,
    after: i64,
    limit: u32,
) -> Result<Vec<TrashRow>, StorageError> {
    let sql =
        format!("SELECT {COLUMNS} FROM trash WHERE root_id = ?1 AND leaving = 1 AND id > ?2 ORDER BY id LIMIT ?3");
    rows(connection, &sql, (root.0, after, limit), row)
}

/// They are gone for good.
pub fn forget(connection: &Connection, ids: &[i64]) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached("DELETE FROM trash WHERE id = ?1")?;
    ids.iter().try_for_each(|id| statement.execute([id]).map(drop))?;
    Ok(())
}

/// They stay after all.
pub fn stay(connection: &Connection, ids: &[i64]) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached("UPDATE trash SET leaving = 0 WHERE id = ?1")?;
    ids.iter().try_for_each(|id| statement.execute([id]).map(drop))?;
    Ok(())
}

/// Files by their rows, as far as they can be put back.
pub fn of_ids(connection: &Connection, ids: &[i64]) -> Result<Vec<TrashRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM trash WHERE id = ?1 AND leaving = 0");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(statement.query_map([id], row)?.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

/// The files known in a batch's folder, `date/batch`.
pub fn in_folder(connection: &Connection, root: RootRowId, folder: &str) -> Result<Vec<TrashRow>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM trash WHERE root_id = ?1 AND trash_path >= ?2 AND trash_path < ?3");
    let range = (root.0, format!("{folder}/"), format!("{folder}0"));
    rows(connection, &sql, range, row)
}

/// The folder around a place in the trash.
pub fn around(trash_path: &str) -> &str {
    trash_path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The folders, `date/batch`, in which this database knows files.
pub fn folders(connection: &Connection, root: RootRowId) -> Result<Vec<String>, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT trash_path FROM trash WHERE root_id = ?1 ORDER BY trash_path")?;
    let mut rows = statement.query([root.0])?;
    let mut found: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let path = row.get_ref(0)?.as_str().unwrap_or_default();
        let folder = folder_of(path);
        if found.last().is_none_or(|last| last != folder) {
            found.push(folder.to_owned());
        }
    }
    Ok(found)
}

/// `date/batch` of a place in the trash, behind the path of the trash if that lies on another disk.
fn folder_of(place: &str) -> &str {
    let inner = place.find(IN_TRASH).map_or(0, |at| at + IN_TRASH.len());
    let within = place.get(inner..).unwrap_or_default();
    let end = within.match_indices('/').nth(1).map_or(within.len(), |(at, _)| at);
    place.get(..inner + end).unwrap_or(place)
}

/// What stands in a place on another disk than the root's own.
const IN_TRASH: &str = "/.comfy-hub-trash/";

/// A file that was found in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundInTrash {
    pub path: RelPath,
    pub trash_path: String,
    pub size_bytes: u64,
    pub modified: Ticks,
    /// When it was deleted, milliseconds since 1970 UTC.
    pub deleted_at: i64,
}

/// Takes in a file that this database did not know, or knew as another.
pub fn adopt(connection: &Connection, root: RootRowId, file: &FoundInTrash) -> Result<(), StorageError> {
    let sql = "INSERT INTO trash (root_id, batch_id, transfer_id, path, trash_path, size_bytes, modified, deleted_at)
             VALUES (?1, 0, 0, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (root_id, trash_path) DO UPDATE SET
                 size_bytes = excluded.size_bytes, modified = excluded.modified, blake3 = NULL
             WHERE trash.size_bytes <> excluded.size_bytes OR trash.modified <> excluded.modified";
    execute(
        connection,
        sql,
        (root.0, file.path.as_str(), &file.trash_path, to_db(file.size_bytes), file.modified.0, file.deleted_at),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exclusion::TRASH_FOLDER;

    #[test]
    fn the_batch_of_a_place_is_told_on_any_disk() {
        assert_eq!(folder_of("2024-05-01/7/loras/a/x"), "2024-05-01/7");
        assert_eq!(folder_of("vae/nas/.comfy-hub-trash/2024-05-01/7~2/a/x"), "vae/nas/.comfy-hub-trash/2024-05-01/7~2");
        assert_eq!(folder_of("odd"), "odd");
        assert_eq!(IN_TRASH, format!("/{TRASH_FOLDER}/"));
    }
}
