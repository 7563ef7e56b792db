//! How much room there was, sample by sample.

use rusqlite::Connection;

use super::{StorageError, from_db, to_db};
use crate::domain::ids::RootRowId;
use crate::domain::space::outdated;

/// The room on a root's disk at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, milliseconds since 1970 UTC.
    pub at: i64,
    /// Bytes that could still be written.
    pub free_bytes: u64,
    /// Bytes of the whole disk.
    pub total_bytes: u64,
    /// Bytes of the index.
    pub size_bytes: u64,
    pub trash_bytes: u64,
}

/// All samples of a root, the oldest first.
pub fn samples(connection: &Connection, root: RootRowId) -> Result<Vec<Sample>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT at, free_bytes, total_bytes, size_bytes, trash_bytes FROM space_samples WHERE root_id = ?1 ORDER BY at",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Sample {
            at: row.get("at")?,
            free_bytes: from_db(row.get("free_bytes")?),
            total_bytes: from_db(row.get("total_bytes")?),
            size_bytes: from_db(row.get("size_bytes")?),
            trash_bytes: from_db(row.get("trash_bytes")?),
        })
    };
    Ok(statement.query_map([root.0], read)?.collect::<Result<_, _>>()?)
}

/// Adds a sample, and lets go of what no longer has to be kept.
pub fn add(connection: &Connection, root: RootRowId, sample: &Sample) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO space_samples VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute((
        root.0,
        sample.at,
        to_db(sample.free_bytes),
        to_db(sample.total_bytes),
        to_db(sample.size_bytes),
        to_db(sample.trash_bytes),
    ))?;
    let times: Vec<i64> = samples(connection, root)?.iter().map(|sample| sample.at).collect();
    let mut statement = connection.prepare_cached("DELETE FROM space_samples WHERE root_id = ?1 AND at = ?2")?;
    outdated(&times, sample.at).iter().try_for_each(|at| statement.execute((root.0, at)).map(drop))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::root::Root;
    use crate::storage::{Database, roots};

    #[test]
    fn years_of_hourly_samples_stay_few() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let kept = database
            .write_blocking(|tx| {
                let root = roots::activate(tx, Root::Local, "marker:x", "/x", true)?.id;
                for hour in 0..24 * 60 {
                    let at = hour * 60 * 60 * 1000;
                    let free_bytes = u64::try_from(hour).unwrap_or(0);
                    add(tx, root, &Sample { at, free_bytes, total_bytes: 9_000, size_bytes: 5, trash_bytes: 1 })?;
                }
                samples(tx, root)
            })
            .unwrap();
        assert!(kept.len() <= 60 + 48, "{}", kept.len());
        assert_eq!(kept.last().unwrap().free_bytes, 24 * 60 - 1);
        assert!(kept.is_sorted_by(|a, b| a.at < b.at));
    }
}
