//! Lanes of the queue: transfers that become ready at the same moment.
//!
//! A plan of a library has one lane that is open and hundreds of thousands of transfers in lanes that
//! are not. Each question here is a seek in an index: what it costs follows from how many lanes there
//! are, not from how much waits in them.

use rusqlite::{Connection, OptionalExtension};

use super::row::{self, COLUMNS, TransferRow};
use crate::domain::ids::RootRowId;
use crate::storage::StorageError;

/// What a worker is for: a download waits for a site, and holds up nothing that works on files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// All but downloads.
    Files,
    /// Downloads alone.
    Downloads,
}

/// Transfers between the same roots, of the same phase of a batch if they have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lane {
    /// 0 for all that have no phase, -1 for downloads.
    batch: i64,
    phase: i64,
    from: i64,
    /// 0 where nothing goes to a root.
    to: i64,
}

/// The lanes of downloads.
const DOWNLOADS: i64 = -1;

/// Before every lane.
const START: Lane = Lane { batch: -2, phase: 0, from: 0, to: 0 };

/// The lane behind another one that has something queued. Rows equal to the vector would be walked
/// through: none has that position.
const BEHIND: &str = "SELECT lane, phase, from_root_id, lane_to FROM transfers INDEXED BY transfers_by_lane
     WHERE state = 'queued' AND (lane, phase, from_root_id, lane_to, position) > (?1, ?2, ?3, ?4, ?5)
     ORDER BY lane, phase, from_root_id, lane_to, position LIMIT 1";

/// The phase that a batch is at.
const OPEN_PHASE: &str = "SELECT min(phase) FROM transfers INDEXED BY transfers_open_phases
     WHERE batch_id = ?1 AND phase > 0 AND finished_at IS NULL";

/// What is queued in a lane and free. A path that a running transfer works on is not: an undo puts a
/// file back before it brings the one that had its place.
const FREE: &str = "FROM transfers INDEXED BY transfers_by_lane
     WHERE state = 'queued' AND lane = ?1 AND phase = ?2 AND from_root_id = ?3 AND lane_to = ?4
           AND NOT EXISTS (SELECT 1 FROM transfers other
                           WHERE other.path = transfers.path AND other.finished_at IS NULL
                                 AND other.state = 'running')";

fn head_sql() -> String {
    format!("SELECT position {FREE} ORDER BY position LIMIT 1")
}

fn rows_sql() -> String {
    format!("SELECT {COLUMNS} {FREE} AND position <= ?5 ORDER BY position LIMIT ?6")
}

/// The first free transfers of the order that are in one lane, at most `limit` and as far as no other
/// lane has one before them. Only lanes between roots among `live` count, and of a batch only the
/// lowest phase that has not ended. `each` says whether to go on.
pub(super) fn first_alike(
    connection: &Connection,
    live: &[RootRowId],
    work: Work,
    limit: usize,
    mut each: impl FnMut(TransferRow) -> bool,
) -> Result<(), StorageError> {
    let mut head = connection.prepare_cached(&head_sql())?;
    let mut heads: Vec<(f64, Lane)> = Vec::new();
    for lane in open(connection, live, work)? {
        let found = head.query_row((lane.batch, lane.phase, lane.from, lane.to), |row| row.get(0)).optional()?;
        heads.extend(found.map(|position| (position, lane)));
    }
    heads.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some((_, lane)) = heads.first() else { return Ok(()) };
    let before = heads.get(1).map_or(f64::MAX, |(position, _)| *position);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&rows_sql())?;
    let rows = statement.query_map((lane.batch, lane.phase, lane.from, lane.to, before, limit), row::read)?;
    for row in rows {
        if !each(row?) {
            break;
        }
    }
    Ok(())
}

/// The lanes from which transfers may begin.
fn open(connection: &Connection, live: &[RootRowId], work: Work) -> Result<Vec<Lane>, StorageError> {
    let is_live = |root: i64| live.iter().any(|live| live.0 == root);
    let mut behind = connection.prepare_cached(BEHIND)?;
    let mut open_phase = connection.prepare_cached(OPEN_PHASE)?;
    let mut open = Vec::new();
    let mut at = START;
    loop {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Lane {
                batch: row.get("lane")?,
                phase: row.get("phase")?,
                from: row.get("from_root_id")?,
                to: row.get("lane_to")?,
            })
        };
        let Some(lane) = behind.query_row((at.batch, at.phase, at.from, at.to, f64::MAX), read).optional()? else {
            break;
        };
        at = lane;
        if (lane.batch == DOWNLOADS) != (work == Work::Downloads) {
            continue;
        }
        if lane.batch > 0 {
            let phase: Option<i64> = open_phase.query_row([lane.batch], |row| row.get(0))?;
            if phase.is_some_and(|phase| phase < lane.phase) {
                // So do all other phases of this batch.
                at = Lane { phase: i64::MAX, ..lane };
                continue;
            }
        }
        if is_live(lane.from) && (lane.to == 0 || is_live(lane.to)) {
            open.push(lane);
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests;
