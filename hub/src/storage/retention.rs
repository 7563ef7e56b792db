//! What is removed of the past. A batch whose files are no longer listed keeps what came of them, by
//! state; it can't be undone any more.

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::{StorageError, first, from_db, rows, to_db};
use crate::domain::ids::BatchId;

/// Rows of one commit.
const GROUP: u32 = 500;

/// Background jobs of each kind that are kept; each is a few hundred bytes.
const REPORTS: i64 = 500;

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What ended before this, milliseconds since 1970 UTC, goes.
    pub before: i64,
    /// And of the rest the oldest, above this number.
    pub n_rows: u64,
}

/// What came of the transfers of a batch in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub state: String,
    pub n: u64,
    pub size_bytes: u64,
}

/// Whether there is more of it: the next batch whose transfers go. All of them have ended, and none
/// has a part file that is still to be removed.
pub fn next(connection: &Connection, limits: Limits) -> Result<Option<BatchId>, StorageError> {
    // One that was begun is ended first.
    let begun = "SELECT id FROM batches WHERE outcomes IS NOT NULL
                 AND EXISTS (SELECT 1 FROM transfers WHERE batch_id = batches.id) LIMIT 1";
    if let Some(id) = connection.query_row(begun, [], |row| row.get(0)).optional()? {
        return Ok(Some(BatchId(id)));
    }
    let n: i64 = connection.query_row("SELECT count(*) FROM transfers", [], |row| row.get(0))?;
    let before = if from_db(n) > limits.n_rows { i64::MAX } else { limits.before };
    let sql = "SELECT t.batch_id FROM transfers t INDEXED BY transfers_finished
               WHERE t.finished_at IS NOT NULL AND t.finished_at < ?1
                 AND NOT EXISTS (SELECT 1 FROM transfers o WHERE o.batch_id = t.batch_id
                                 AND (o.finished_at IS NULL OR o.finished_at >= ?1 OR o.part_left = 1))
               ORDER BY t.finished_at LIMIT 1";
    first(connection, sql, [before], |row| row.get(0).map(BatchId))
}

/// Removes the next transfers of a batch and tells how many; before the first, what came of all of
/// them is written down.
pub fn forget(connection: &Connection, batch: BatchId) -> Result<u64, StorageError> {
    let known: Option<String> =
        connection.query_row("SELECT outcomes FROM batches WHERE id = ?1", [batch.0], |row| row.get(0))?;
    if known.is_none() {
        let text = serde_json::to_string(&count(connection, batch)?)
            .map_err(|error| StorageError::damaged("a batch", error))?;
        connection.execute(
            "UPDATE batches SET outcomes = ?2, n_skipped = json_array_length(skipped), skipped = '[]' WHERE id = ?1",
            (batch.0, text),
        )?;
    }
    let sql = "DELETE FROM transfers WHERE id IN (SELECT id FROM transfers WHERE batch_id = ?1 ORDER BY id LIMIT ?2)";
    Ok(connection.execute(sql, (batch.0, GROUP))? as u64)
}

/// What came of the transfers of a batch, as they are listed.
pub fn count(connection: &Connection, batch: BatchId) -> Result<Vec<Outcome>, StorageError> {
    let sql =
        "SELECT state, count(*) AS n, sum(size_bytes) AS size_bytes FROM transfers WHERE batch_id = ?1 GROUP BY state";
    rows(connection, sql, [batch.0], |row| {
        Ok(Outcome { state: row.get("state")?, n: from_db(row.get("n")?), size_bytes: from_db(row.get("size_bytes")?) })
    })
}

/// What came of a batch whose transfers are no longer listed.
pub fn outcomes(connection: &Connection, batch: BatchId) -> Result<Option<Vec<Outcome>>, StorageError> {
    let sql = "SELECT outcomes FROM batches WHERE id = ?1";
    let text: Option<String> = first(connection, sql, [batch.0], |row| row.get(0))?.flatten();
    text.map(|text| serde_json::from_str(&text).map_err(|error| StorageError::damaged("a batch", error))).transpose()
}

/// Removes reports and jobs that ended long ago; what has not ended stays.
pub fn forget_jobs(connection: &Connection, limits: Limits) -> Result<(), StorageError> {
    connection.execute(
        "DELETE FROM background_jobs WHERE finished_at IS NOT NULL AND id IN (
             SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY kind ORDER BY id DESC) AS number
                             FROM background_jobs)
             WHERE number > ?1)",
        [REPORTS],
    )?;
    // Their lines go with them.
    connection.execute(
        "DELETE FROM remote_jobs WHERE finished_at IS NOT NULL
         AND (finished_at < ?1 OR number <= (SELECT max(number) FROM remote_jobs) - ?2)",
        (limits.before, to_db(limits.n_rows)),
    )?;
    connection.execute(
        "DELETE FROM remote_sessions WHERE ended_at IS NOT NULL AND ended_at < ?1
         AND NOT EXISTS (SELECT 1 FROM agents WHERE session_id = remote_sessions.id)",
        [limits.before],
    )?;
    connection.execute("DELETE FROM history WHERE at < ?1", [limits.before])?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::storage::Database;
    use crate::storage::views::batches::{self, BatchView};

    fn database() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        (folder, database)
    }

    /// A batch of so many transfers, that ended then; the last of them may still be open.
    fn batch(connection: &Connection, n: i64, finished_at: i64, open: bool) -> BatchId {
        connection
            .execute("INSERT INTO batches (operation, from_root, created_at) VALUES ('copy', 'lake', 1)", [])
            .unwrap();
        let id = connection.last_insert_rowid();
        for i in 0..n {
            let state = if open && i == n - 1 {
                "paused"
            } else if i == 0 {
                "failed"
            } else {
                "completed"
            };
            let finished = (state != "paused").then_some(finished_at);
            connection
                .execute(
                    "INSERT INTO transfers (batch_id, operation, from_root, from_root_id, path, state, position,
                                            size_bytes, modified, created_at, finished_at)
                     VALUES (?1, 'copy', 'lake', 1, 'a', ?2, 1, 10, 1, 1, ?3)",
                    (id, state, finished),
                )
                .unwrap();
        }
        BatchId(id)
    }

    fn run(database: &Database, limits: Limits) -> u64 {
        let mut removed = 0;
        while let Some(batch) = database.read_blocking(|c| next(c, limits)).unwrap() {
            loop {
                let n = database.write_blocking(|tx| forget(tx, batch)).unwrap();
                removed += n;
                if n == 0 {
                    break;
                }
            }
        }
        removed
    }

    #[test]
    fn old_batches_keep_what_came_of_them_and_open_ones_stay() {
        let (_folder, database) = database();
        let (old, open, new) = database
            .write_blocking(|tx| Ok((batch(tx, 1_203, 50, false), batch(tx, 3, 50, true), batch(tx, 2, 150, false))))
            .unwrap();
        let before = database.read_blocking(|c| batches::show(c, old)).unwrap().unwrap();
        assert_eq!(run(&database, Limits { before: 100, n_rows: 1_000_000 }), 1_203);
        let left = database.read_blocking(|c| batches::show(c, old)).unwrap().unwrap();
        assert!(left.forgotten && !before.forgotten);
        assert_eq!(left, BatchView { forgotten: true, ..before.clone() }, "its page still says what happened");
        assert!(before.n_failed == 1 && before.completed_bytes == 12_020);
        for kept in [open, new] {
            let kept = database.read_blocking(|c| batches::show(c, kept)).unwrap().unwrap();
            assert!(!kept.forgotten && kept.n_transfers > 0);
        }
    }

    #[test]
    fn above_the_number_of_rows_the_oldest_go() {
        let (_folder, database) = database();
        let ids: Vec<_> =
            database.write_blocking(|tx| Ok((0..5).map(|i| batch(tx, 10, 1_000 + i, false)).collect())).unwrap();
        assert_eq!(run(&database, Limits { before: 0, n_rows: 25 }), 30);
        let forgotten: Vec<_> = ids
            .iter()
            .map(|id| database.read_blocking(|c| batches::show(c, *id)).unwrap().unwrap().forgotten)
            .collect();
        assert_eq!(forgotten, [true, true, true, false, false]);
    }

    #[test]
    fn a_part_file_that_is_still_to_be_removed_keeps_its_transfer() {
        let (_folder, database) = database();
        database
            .write_blocking(|tx| {
                let id = batch(tx, 2, 50, false);
                Ok(tx.execute("UPDATE transfers SET part_left = 1 WHERE batch_id = ?1", [id.0]).map(drop)?)
            })
            .unwrap();
        assert_eq!(run(&database, Limits { before: 100, n_rows: 0 }), 0);
    }

    #[test]
    fn reports_have_a_bound() {
        let (_folder, database) = database();
        let count = |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            database.read_blocking(|c| Ok(c.query_row(&sql, [], |row| row.get(0))?)).unwrap()
        };
        database
            .write_blocking(|tx| {
                let mut insert = tx.prepare(
                    "INSERT INTO background_jobs (kind, queue, payload, state, report, created_at, finished_at)
                     VALUES (?1, '', '', '', '', 1, ?2)",
                )?;
                insert.execute(("hash", None::<i64>))?;
                for i in 0..REPORTS + 100 {
                    insert.execute(("scan", i))?;
                    insert.execute(("hash", i))?;
                }
                Ok(())
            })
            .unwrap();
        database.write_blocking(|tx| forget_jobs(tx, Limits { before: 0, n_rows: 1 })).unwrap();
        assert_eq!(
            (count("background_jobs"), count("background_jobs WHERE kind = 'scan'")),
            (2 * REPORTS + 1, REPORTS)
        );
    }
}
