//! From a plan's rows to a batch of transfers.

use rusqlite::Transaction;
use shared_protocol::rel_path::match_key;

use super::{PlanRecord, is_current, unverified, with_actions};
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::storage::queue::batches;
use crate::storage::{StorageError, now_ms};

/// Why a plan is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyRefused {
    /// A batch carries it out already.
    Applied(BatchId),
    /// An index has changed since.
    Stale,
    /// A root's last scan was stopped or failed, so nothing can be deleted.
    Inconclusive(Root),
    /// Transfers that have not ended work on the same files.
    Busy,
}

/// What stands against carrying a plan out now. Asked in the transaction that queues it.
pub fn refusal(transaction: &Transaction<'_>, plan: &PlanRecord) -> Result<Option<ApplyRefused>, StorageError> {
    if let Some(batch) = plan.batch {
        return Ok(Some(ApplyRefused::Applied(batch)));
    }
    if !is_current(transaction, plan)? {
        return Ok(Some(ApplyRefused::Stale));
    }
    if plan.asked.rules.deletes
        && let Some(root) = unverified(transaction, &plan.asked)?
    {
        return Ok(Some(ApplyRefused::Inconclusive(root)));
    }
    Ok(is_busy(transaction, plan)?.then_some(ApplyRefused::Busy))
}

/// Queues what a plan says, as one batch.
pub fn enqueue(transaction: &Transaction<'_>, plan: &PlanRecord) -> Result<BatchId, StorageError> {
    let (from, to) = (plan.asked.from, plan.asked.to);
    let now = now_ms();
    transaction.execute(
        "INSERT INTO batches (operation, from_root, to_root, on_conflict, created_at, include_damaged)
         VALUES ('mirror', ?1, ?2, ?3, ?4, ?5)",
        (
            from.0.as_str(),
            to.0.as_str(),
            if plan.totals.overwrites.n > 0 { "replace" } else { "skip" },
            now,
            plan.asked.rules.damaged,
        ),
    )?;
    let batch = BatchId(transaction.last_insert_rowid());
    transaction.execute(
        &with_actions(
            "INSERT INTO transfers (batch_id, operation, from_root, from_root_id, to_root, to_root_id, path, to_path,
                                on_conflict, state, position, size_bytes, modified, occupant_size,
                                occupant_modified, created_at, phase)
         SELECT ?1, CASE action WHEN $move THEN 'move' WHEN $delete THEN 'delete' ELSE 'copy' END,
                iif(action IN ($move, $delete), ?5, ?3), iif(action IN ($move, $delete), ?6, ?4),
                iif(action = $delete, NULL, ?5), iif(action = $delete, NULL, ?6), path, to_path,
                iif(there_size IS NULL, 'skip', 'replace'), 'queued',
                (SELECT coalesce(max(position), 0) FROM transfers) + row_number() OVER (ORDER BY phase, action, n),
                size_bytes, modified, there_size, there_modified, ?7, phase
         FROM plan_items WHERE plan_id = ?2 AND action <= $delete
         ORDER BY phase, action, n",
        ),
        (batch.0, plan.id.0, from.0.as_str(), from.1.0, to.0.as_str(), to.1.0, now),
    )?;
    transaction.execute("UPDATE plans SET batch_id = ?2 WHERE id = ?1", (plan.id.0, batch.0))?;
    Ok(batch)
}

/// Whether an unfinished transfer reads or writes a path of the plan.
fn is_busy(transaction: &Transaction<'_>, plan: &PlanRecord) -> Result<bool, StorageError> {
    let open = batches::open_paths(transaction)?;
    if open.is_empty() {
        return Ok(false);
    }
    let (from, to) = (plan.asked.from.1, plan.asked.to.1);
    let mut statement = transaction.prepare(&with_actions(
        "SELECT action IN ($move, $delete), path, coalesce(to_path, path) FROM plan_items
         WHERE plan_id = ?1 AND action <= $delete",
    ))?;
    let mut found = statement.query([plan.id.0])?;
    while let Some(row) = found.next()? {
        let read_from = if row.get(0)? { to } else { from };
        let key = |column: usize| -> rusqlite::Result<String> { Ok(match_key(row.get_ref(column)?.as_str()?)) };
        if open.contains(&(read_from, key(1)?)) || open.contains(&(to, key(2)?)) {
            return Ok(true);
        }
    }
    Ok(false)
}
