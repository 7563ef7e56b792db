//! Plans to make one root like the other.
//!
//! A plan is built in one transaction from the comparison, row by row, so that its size costs time
//! and disk but no memory. It holds the generations of the indexes it was made from: whatever
//! changes one of them makes the plan stale.

mod apply;
mod build;
mod last_copies;
mod overwrites;
mod renames;
mod rows;

pub use apply::{ApplyRefused, enqueue, refusal};
pub use build::build;
pub use overwrites::{OverwriteCandidate, candidates};

use rusqlite::{Connection, Row};
use shared_protocol::RelPath;

use super::skipped::{self, Cover};
use super::{Json, StorageError, columns, first, one, path_column, rows};
use crate::domain::ids::{BatchId, PlanId, RootRowId};
use crate::domain::mirror::totals::PlanTotals;
use crate::domain::mirror::{DELETE_PHASE, PlanAction, Rules};
use crate::domain::root::Root;

/// Plans that were never carried out and are kept; older ones go.
const KEPT: i64 = 20;

/// What a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// The root that is the model.
    pub from: (Root, RootRowId),
    /// The root that becomes like it.
    pub to: (Root, RootRowId),
    /// Only this folder of both.
    pub folder: Option<RelPath>,
    /// What it may do.
    pub rules: Rules,
}

/// A stored plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRecord {
    pub id: PlanId,
    pub asked: NewPlan,
    /// The generations of both indexes at that time, the source's first.
    pub generations: (i64, i64),
    pub totals: PlanTotals,
    /// The batch that carries it out.
    pub batch: Option<BatchId>,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at: i64,
}

columns!(mod at {
    id, from_root, from_root_id, from_generation, to_root, to_root_id, to_generation, folder, compare, with_deletes,
    with_overwrites, totals, batch_id, created_at, include_damaged
});
const COLUMNS: &str = at::ALL;

fn read(row: &Row<'_>) -> rusqlite::Result<PlanRecord> {
    let is_whole = row.get_ref(at::folder)?.as_str()?.is_empty();
    let folder = if is_whole { None } else { Some(path_column(row, at::folder)?) };
    Ok(PlanRecord {
        id: row.get(at::id)?,
        asked: NewPlan {
            from: (row.get(at::from_root)?, row.get(at::from_root_id)?),
            to: (row.get(at::to_root)?, row.get(at::to_root_id)?),
            folder,
            rules: Rules {
                compare: row.get(at::compare)?,
                deletes: row.get(at::with_deletes)?,
                overwrites: row.get(at::with_overwrites)?,
                damaged: row.get(at::include_damaged)?,
            },
        },
        generations: (row.get(at::from_generation)?, row.get(at::to_generation)?),
        totals: row.get::<_, Json<_>>(at::totals)?.0,
        batch: row.get(at::batch_id)?,
        created_at: row.get(at::created_at)?,
    })
}

pub fn show(connection: &Connection, id: PlanId) -> Result<Option<PlanRecord>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM plans WHERE id = ?1");
    first(connection, &sql, [id.0], read)
}

/// The plan that a batch carries out.
pub fn of_batch(connection: &Connection, batch: BatchId) -> Result<Option<PlanRecord>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM plans WHERE batch_id = ?1");
    first(connection, &sql, [batch.0], read)
}

/// The latest plans before `before`, newest first.
pub fn list(connection: &Connection, before: Option<PlanId>, limit: i64) -> Result<Vec<PlanRecord>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM plans WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let before = before.map_or(i64::MAX, |id| id.0);
    rows(connection, &sql, (before, limit), read)
}

/// How many plans there are.
pub fn count(connection: &Connection) -> Result<u64, StorageError> {
    let n = one(connection, "SELECT count(*) FROM plans", [], |row| row.get(0))?;
    Ok(super::from_db(n))
}

/// Whether the indexes are still those that a plan was made from.
pub fn is_current(connection: &Connection, plan: &PlanRecord) -> Result<bool, StorageError> {
    let is = |(root, row): (Root, RootRowId), generation: i64| -> Result<bool, StorageError> {
        let now = super::roots::active(connection, root)?;
        Ok(now.is_some_and(|now| now.id == row && now.generation == generation))
    };
    Ok(is(plan.asked.from, plan.generations.0)? && is(plan.asked.to, plan.generations.1)?)
}

/// A root whose last scan was stopped or failed, so that it does not tell what it has not seen: what the index
/// lacks may still exist. What a scan says it has not seen is left alone row by row.
pub fn unverified(connection: &Connection, plan: &NewPlan) -> Result<Option<Root>, StorageError> {
    for (root, row) in [plan.from, plan.to] {
        let now = super::roots::active(connection, root)?;
        if !now.is_some_and(|now| now.id == row && now.conclusive_scan.is_some()) {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

/// The unknown places of both roots that a plan comes upon, those first that a person has to see to; at most
/// `limit`.
pub fn unknown_places(connection: &Connection, asked: &NewPlan, limit: u32) -> Result<Vec<Cover>, StorageError> {
    let mut found = Vec::new();
    for (_, row) in [asked.from, asked.to] {
        found.extend(skipped::unknown_in(connection, row, asked.folder.as_ref(), limit)?);
    }
    found.sort_by_key(|cover| !cover.reason.needs_help());
    found.truncate(limit as usize);
    Ok(found)
}

/// What keeps the deletes of a batch back: how many of its renames and copies are not done.
pub fn not_done(connection: &Connection, batch: BatchId) -> Result<u64, StorageError> {
    let sql = "SELECT count(*) FROM transfers INDEXED BY transfers_not_done
               WHERE batch_id = ?1 AND phase > 0 AND phase < ?2 AND state <> 'completed'";
    let n = one(connection, sql, (batch.0, DELETE_PHASE), |row| row.get(0))?;
    Ok(super::from_db(n))
}

/// Whether a batch carries out a plan.
pub fn is_mirror(connection: &Connection, batch: BatchId) -> Result<bool, StorageError> {
    let sql = "SELECT operation = 'mirror' FROM batches WHERE id = ?1";
    let found = first(connection, sql, [batch.0], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

/// Forgets old plans that were not carried out, and the rows of those whose batch has ended long ago.
pub fn prune(connection: &Connection) -> Result<(), StorageError> {
    connection
        .execute("DELETE FROM plans WHERE batch_id IS NULL AND id <= (SELECT max(id) FROM plans) - ?1", [KEPT])?;
    connection.execute(
        "DELETE FROM plan_items WHERE plan_id IN (
             SELECT p.id FROM plans p WHERE p.id <= (SELECT max(id) FROM plans) - ?1
                    AND NOT EXISTS (SELECT 1 FROM transfers t
                                    WHERE t.batch_id = p.batch_id AND t.finished_at IS NULL))",
        [KEPT],
    )?;
    Ok(())
}

/// The middle rate of the latest copies of size between two roots, in bytes per second.
pub fn measured_rate(connection: &Connection, from: Root, to: Root) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT sum(size_bytes), sum(finished_at - started_at) FROM (
                   SELECT size_bytes, finished_at, started_at FROM (
                       SELECT operation, state, from_root, to_root, size_bytes, finished_at, started_at
                       FROM transfers WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 5000)
                   WHERE operation = 'copy' AND state = 'completed' AND from_root = ?1 AND to_root = ?2
                         AND size_bytes >= 1048576 AND finished_at > started_at
                   LIMIT 50)";
    let (bytes, ms): (Option<i64>, Option<i64>) =
        one(connection, sql, (from.as_str(), to.as_str()), |row| row.try_into())?;
    Ok(bytes.zip(ms).filter(|(_, ms)| *ms > 0).map(|(bytes, ms)| super::from_db(bytes.saturating_mul(1_000) / ms)))
}

/// Bytes that the queue will still write to a root.
pub fn queued_bytes(connection: &Connection, to: RootRowId) -> Result<u64, StorageError> {
    let sql = "SELECT coalesce(sum(size_bytes - bytes_done), 0) FROM transfers
               WHERE state IN ('queued', 'running', 'waiting', 'paused') AND to_root_id = ?1 AND from_root_id <> ?1";
    Ok(super::from_db(one(connection, sql, [to.0], |row| row.get(0))?))
}

/// Files and bytes below a folder, if the root has it.
pub fn holds(
    connection: &Connection,
    root: RootRowId,
    folder: Option<&RelPath>,
) -> Result<Option<(u64, u64)>, StorageError> {
    let key = folder.map(RelPath::match_key).unwrap_or_default();
    let sql = "SELECT sum(n_files_total), sum(size_bytes_total) FROM folders WHERE root_id = ?1 AND match_key = ?2";
    let (n, bytes): (Option<i64>, Option<i64>) = one(connection, sql, (root.0, key), |row| row.try_into())?;
    Ok(n.zip(bytes).map(|(n, bytes)| (super::from_db(n), super::from_db(bytes))))
}

/// SQL in which actions go by their names, as in `action = $delete`.
fn with_actions(sql: &str) -> String {
    let named =
        |sql: String, action: &PlanAction| sql.replace(&format!("${}", action.as_str()), &action.code().to_string());
    PlanAction::ALL.iter().fold(sql.to_owned(), named)
}
