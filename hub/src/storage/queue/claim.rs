//! Who is next.

use rusqlite::Connection;

use super::lanes;
use super::row::TransferRow;
use crate::domain::ids::RootRowId;
use crate::domain::retry::RetryPolicy;
use crate::domain::transfer::{TransferEvent, TransferState, step};
use crate::storage::{StorageError, execute, now_ms, one};

pub use super::lanes::Work;

/// How much one worker takes at once. Small files are taken together, so that a thousand of them
/// cost a few commits, not thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimLimits {
    /// Of this kind.
    pub work: Work,
    /// Files up to this size go together.
    pub small_bytes: u64,
    /// So many at the most.
    pub n_most: usize,
    /// So many bytes at the most, unless one file alone is larger: what runs together is paused, and
    /// told of, together.
    pub bytes_most: u64,
}

/// Takes the next transfers of the order for a worker. Only transfers whose roots are among `live`
/// are taken, and none whose path a running one works on: an undo puts a file back before it brings
/// the one that had its place. Of a batch with phases none is taken before those of earlier phases
/// have ended. All of an answer have the same operation and roots, and the same phase of one batch
/// if they have one.
pub fn next(
    connection: &Connection,
    live: &[RootRowId],
    limits: ClaimLimits,
    policy: &RetryPolicy,
) -> Result<Vec<TransferRow>, StorageError> {
    let mut taken: Vec<TransferRow> = Vec::new();
    let mut bytes = 0;
    lanes::first_alike(connection, live, limits.work, limits.n_most, |candidate| {
        if let Some(head) = taken.first() {
            // Where only a name changes in one root, any size is small.
            let is_small = |t: &TransferRow| t.size_bytes <= limits.small_bytes || t.to.is_none();
            let is_alike = head.operation == candidate.operation;
            let fits = bytes + candidate.size_bytes <= limits.bytes_most || !candidate.operation.has_destination();
            if !is_alike || !fits || !is_small(head) || !is_small(&candidate) {
                return false;
            }
        }
        bytes += candidate.size_bytes;
        taken.push(candidate);
        true
    })?;
    let now = now_ms();
    for transfer in &mut taken {
        if let Ok((progress, _)) = step(transfer.progress, TransferEvent::Claim, policy) {
            transfer.progress = progress;
        }
        let sql = "UPDATE transfers SET state = 'running', stop = NULL, started_at = coalesce(started_at, ?2),
                                      next_try_at = NULL
                 WHERE id = ?1";
        execute(connection, sql, (transfer.id.0, now))?;
    }
    Ok(taken)
}

/// Puts every transfer whose time has come back into the order, and tells how long until the next.
pub fn wake_due(connection: &Connection) -> Result<Option<u64>, StorageError> {
    let now = now_ms();
    let sql = "UPDATE transfers SET state = 'queued', next_try_at = NULL WHERE state = 'waiting' AND next_try_at <= ?1";
    execute(connection, sql, [now])?;
    let next: Option<i64> =
        one(connection, "SELECT min(next_try_at) FROM transfers WHERE state = 'waiting'", [], |row| row.get(0))?;
    Ok(next.map(|at| u64::try_from(at - now).unwrap_or(0)))
}

/// Whether anything waits for its time, without writing.
pub fn next_due(connection: &Connection) -> Result<Option<u64>, StorageError> {
    let next: Option<i64> =
        one(connection, "SELECT min(next_try_at) FROM transfers WHERE state = 'waiting'", [], |row| row.get(0))?;
    Ok(next.map(|at| u64::try_from(at - now_ms()).unwrap_or(0)))
}

/// What the queue still has to do, for its summary: `(state, count, bytes left)`.
pub fn summary(connection: &Connection) -> Result<Vec<(TransferState, u64, u64)>, StorageError> {
    let mut statement = connection.prepare_cached("SELECT state, n, bytes_left FROM queue_totals WHERE n > 0")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get("state")?;
        if let Ok(state) = name.parse::<TransferState>() {
            found.push((
                state,
                crate::storage::from_db(row.get("n")?),
                crate::storage::from_db(row.get("bytes_left")?),
            ));
        }
    }
    Ok(found)
}

/// Bytes that everything which has not ended will still write below a root.
pub fn bytes_to_write(connection: &Connection, root: RootRowId) -> Result<u64, StorageError> {
    let sql = "SELECT coalesce(sum(size_bytes - bytes_done), 0) FROM transfers
               WHERE finished_at IS NULL AND to_root_id = ?1
                     AND operation NOT IN ('remove_duplicate', 'hardlink', 'reflink')";
    one(connection, sql, [root.0], |row| row.get(0).map(crate::storage::from_db))
}

/// Whether anything waits for its turn.
pub fn is_open(connection: &Connection) -> Result<bool, StorageError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM transfers WHERE state = 'queued')";
    one(connection, sql, [], |row| row.get(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;
    use crate::domain::operation::{OnConflict, Operation};
    use crate::domain::root::Root;
    use crate::storage::Database;
    use crate::storage::queue::batches::{self, NewBatch, NewTransfer};
    use crate::storage::queue::checkpoint;
    use crate::storage::queue::outcome;

    /// What [`summary`] says, counted anew.
    fn counted(connection: &Connection) -> Vec<(TransferState, u64, u64)> {
        let sql =
            "SELECT state, count(*), sum(size_bytes - bytes_done) FROM transfers WHERE cleared = 0 GROUP BY state";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            let state = row.get::<_, TransferState>(0)?;
            Ok((state, crate::storage::from_db(row.get(1)?), crate::storage::from_db(row.get(2)?)))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn the_summary_is_right_after_every_step() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("hub.db")).unwrap().0;
        let policy = RetryPolicy::with_tries(0);
        let ends = (Root::Lake, RootRowId(1));
        let batch = NewBatch {
            operation: Operation::Copy,
            from: Root::Lake,
            to: Some(Root::Local),
            on_conflict: OnConflict::Skip,
            skipped: "[]".into(),
            undo_of: None,
        };
        let transfers: Vec<_> = (0..10)
            .map(|n| NewTransfer {
                operation: Operation::Copy,
                from: ends,
                to: Some((Root::Local, RootRowId(2))),
                path: shared_protocol::RelPath::parse(&format!("{n}.bin")).unwrap(),
                to_path: None,
                on_conflict: OnConflict::Skip,
                size_bytes: 100 + n,
                modified: crate::domain::ticks::Ticks(5),
                trash_path: None,
                occupant: None,
                phase: 0,
            })
            .collect();
        let check = |step: &str, work: &dyn Fn(&Connection) -> Result<(), StorageError>| {
            database.write_blocking(|tx| work(tx)).unwrap();
            let (kept, fresh) = database.read_blocking(|c| Ok((summary(c)?, counted(c)))).unwrap();
            assert_eq!(kept, fresh, "{step}");
        };
        let limits = ClaimLimits { work: Work::Files, small_bytes: 1_000, n_most: 4, bytes_most: 1_000 };
        let live = [RootRowId(1), RootRowId(2)];
        check("asked for", &|tx| batches::insert(tx, &batch, &transfers).map(drop));
        check("claimed", &|tx| next(tx, &live, limits, &policy).map(|taken| assert_eq!(taken.len(), 4)));
        check("on its way", &|tx| {
            checkpoint::synced(tx, crate::domain::ids::TransferId(1), 50, &shared_protocol::Blake3::from_bytes([1; 32]))
        });
        check("done", &|tx| outcome::complete(tx, crate::domain::ids::TransferId(1), None, &policy).map(drop));
        check("dropped", &|tx| {
            outcome::apply(tx, crate::domain::ids::TransferId(9), TransferEvent::Cancel, None, &policy).map(drop)
        });
        check("cleared", &|tx| batches::clear_finished(tx).map(|n| assert_eq!(n, 2)));
        check("forgotten", &|tx| Ok(tx.execute("DELETE FROM batches", []).map(drop)?));
        assert_eq!(database.read_blocking(summary).unwrap(), []);
    }
}
