//! What is stored of a batch for the one line that history tells of it.

use rusqlite::{Connection, OptionalExtension};

use super::batches;
use crate::domain::batch_summary::{BatchKind, BatchSummary, Done};
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::domain::ticks::TOLERANCE;
use crate::domain::transfer::TransferState;
use crate::storage::history::{self, NewLine};
use crate::storage::{StorageError, execute, from_db, one, to_db};

/// Notes what a new batch is called, where its operation does not say it, and what it was asked for.
pub fn note(
    connection: &Connection,
    batch: BatchId,
    told_as: Option<&str>,
    n: u64,
    n_skipped: u64,
) -> Result<(), StorageError> {
    let sql = "UPDATE batches SET told_as = ?2, told_n = ?3, told_skipped = ?4 WHERE id = ?1";
    execute(connection, sql, (batch.0, told_as, to_db(n), to_db(n_skipped))).map(drop)
}

/// Notes that some of a batch are tried again: what told its end stays, and when it began says nothing
/// any more.
pub fn note_again(connection: &Connection, batch: BatchId) -> Result<(), StorageError> {
    execute(connection, "UPDATE batches SET told_again = told_end WHERE id = ?1", [batch.0]).map(drop)
}

/// Writes the line of a batch in the place of the one before, the latest news last.
pub fn tell(connection: &Connection, line: &NewLine, batch: BatchId, is_end: bool) -> Result<(), StorageError> {
    let sql = "DELETE FROM history WHERE batch_id = ?1 AND kind = ?2
                      AND id > (SELECT told_again FROM batches WHERE id = ?1)";
    execute(connection, sql, (batch.0, line.kind))?;
    let id = history::add(connection, line)?;
    if is_end {
        execute(connection, "UPDATE batches SET told_end = ?2 WHERE id = ?1", (batch.0, id))?;
    }
    Ok(())
}

/// A batch as history tells of it, and whether it has ended. While it has not, only what failed of it is
/// counted: that costs the same however large it is.
pub fn read(connection: &Connection, batch: BatchId) -> Result<Option<(BatchSummary, bool)>, StorageError> {
    let sql = "SELECT operation, from_root, to_root, undo_of, told_as, told_n, told_skipped, told_again,
                      (SELECT coalesce(sum(n), 0) FROM batch_failures WHERE batch_id = ?1) AS n_failed
               FROM batches WHERE id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([batch.0], |row| {
        let (operation, told_as): (String, Option<String>) = (row.get("operation")?, row.get("told_as")?);
        let root = |name: Option<String>| name.and_then(|name| name.parse::<Root>().ok());
        let summary = BatchSummary {
            kind: BatchKind::of(&operation, told_as.as_deref(), row.get::<_, Option<i64>>("undo_of")?.map(BatchId)),
            from: root(row.get("from_root")?).unwrap_or(Root::Local),
            to: root(row.get("to_root")?),
            n: from_db(row.get("told_n")?),
            n_completed: 0,
            n_failed: from_db(row.get("n_failed")?),
            n_cancelled: 0,
            n_skipped: from_db(row.get("told_skipped")?),
            done: Done::default(),
            seconds: None,
        };
        Ok((summary, row.get::<_, i64>("told_again")? > 0))
    });
    let Some((mut summary, is_again)) = found.optional()? else { return Ok(None) };
    let is_open = batches::is_open(connection, batch)?;
    if !is_open {
        count(connection, batch, &mut summary)?;
        if !is_again {
            summary.seconds = seconds(connection, batch)?;
        }
    }
    Ok(Some((summary, !is_open)))
}

/// Copies of a batch whose time is not that of their source, by more than some disks round.
pub fn n_other_times(connection: &Connection, batch: BatchId) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM transfers
               WHERE batch_id = ?1 AND +state = 'completed' AND operation IN ('copy', 'move')
                     AND abs(result_modified - modified) > ?2";
    one(connection, sql, (batch.0, TOLERANCE), |row| row.get(0).map(from_db))
}

fn count(connection: &Connection, batch: BatchId, summary: &mut BatchSummary) -> Result<(), StorageError> {
    let sql =
        "SELECT operation, to_root IS from_root AS is_rename, on_conflict = 'replace' AS replaces, state, count(*) AS n
               FROM transfers WHERE batch_id = ?1 GROUP BY 1, 2, 3, 4";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([batch.0])?;
    (summary.n, summary.n_failed) = (0, 0);
    while let Some(row) = rows.next()? {
        let (operation, state): (String, String) = (row.get("operation")?, row.get("state")?);
        let n = from_db(row.get("n")?);
        summary.n += n;
        match state.parse().ok() {
            Some(TransferState::Failed) => summary.n_failed += n,
            Some(TransferState::Cancelled) => summary.n_cancelled += n,
            Some(TransferState::Completed) => {
                summary.n_completed += n;
                match (operation.as_str(), row.get("is_rename")?, row.get("replaces")?) {
                    ("move", true, _) => summary.done.renamed += n,
                    ("copy", _, false) => summary.done.copied += n,
                    ("copy", _, true) => summary.done.replaced += n,
                    ("delete", ..) => summary.done.deleted += n,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// From the first begin to the last end; rounded.
fn seconds(connection: &Connection, batch: BatchId) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT max(finished_at) - min(started_at) FROM transfers WHERE batch_id = ?1";
    let ms: Option<i64> = one(connection, sql, [batch.0], |row| row.get(0))?;
    Ok(ms.map(|ms| (from_db(ms) + 500) / 1_000))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::storage::Database;

    #[test]
    fn copies_with_another_time_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (database, _) = Database::open(&folder.path().join("hub.db")).unwrap();
        let add = |operation: &str, state: &str, later: i64| {
            let insert = |tx: &Connection| {
                let sql = "INSERT INTO transfers (batch_id, operation, from_root, from_root_id, path, state, position,
                                                  size_bytes, modified, result_modified, created_at)
                           VALUES (1, ?1, 'lake', 1, 'x', ?2, 1, 1, 1000, 1000 + ?3, 1)";
                Ok(tx.execute(sql, (operation, state, later)).map(drop)?)
            };
            database.write_blocking(|tx| insert(tx)).unwrap();
        };
        database
            .write_blocking(|tx| {
                let sql = "INSERT INTO batches (operation, from_root, created_at) VALUES ('copy', 'lake', 1)";
                Ok(tx.execute(sql, []).map(drop)?)
            })
            .unwrap();
        for later in [0, TOLERANCE, -TOLERANCE] {
            add("copy", "completed", later);
        }
        add("copy", "failed", 10 * TOLERANCE);
        add("restore", "completed", 10 * TOLERANCE);
        let count = || database.read_blocking(|connection| n_other_times(connection, BatchId(1))).unwrap();
        assert_eq!(count(), 0);
        add("copy", "completed", TOLERANCE + 1);
        add("move", "completed", -10 * TOLERANCE);
        assert_eq!(count(), 2);
    }
}
