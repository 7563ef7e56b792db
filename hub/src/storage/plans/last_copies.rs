//! Which deletes take away a content of which no other copy is known. A file without a hash counts
//! as such: nobody knows of another one.

use rusqlite::Connection;

use super::{NewPlan, with_actions};
use crate::domain::ids::PlanId;
use crate::domain::mirror::totals::Count;
use crate::storage::skipped::is_below;
use crate::storage::{StorageError, from_db};

/// A file of this content that stays: any of the source, one of the destination that no row takes.
///
/// What lies at or below an unknown place may not be there.
fn held() -> String {
    format!(
        "SELECT EXISTS (
             SELECT 1 FROM files f
             WHERE f.blake3 = ?1
                   AND (f.root_id = ?2
                        OR f.root_id = ?3
                           AND NOT EXISTS (SELECT 1 FROM plan_items g WHERE g.plan_id = ?4 AND g.gone_id = f.id))
                   AND NOT {})",
        is_below("f.root_id", "f.match_key")
    )
}

/// Marks these deletes and counts them. Empty files have no content that could be lost.
pub(super) fn mark(connection: &Connection, plan: PlanId, new: &NewPlan) -> Result<Count, StorageError> {
    let unhashed = "UPDATE plan_items SET last_copy = 1
         WHERE plan_id = ?1 AND action = $delete AND size_bytes > 0
               AND EXISTS (SELECT 1 FROM files f WHERE f.id = plan_items.dest_id AND f.blake3 IS NULL)";
    connection.execute(&with_actions(unhashed), [plan.0])?;
    let mut hashed = connection.prepare(&with_actions(
        "SELECT f.blake3, i.n FROM plan_items i CROSS JOIN files f ON f.id = i.dest_id
         WHERE i.plan_id = ?1 AND i.action = $delete AND i.size_bytes > 0 AND f.blake3 IS NOT NULL
         ORDER BY 1",
    ))?;
    let one = "UPDATE plan_items SET last_copy = 1 WHERE plan_id = ?1 AND action = $delete AND n = ?2";
    let mut set = connection.prepare(&with_actions(one))?;
    let mut held = connection.prepare(&held())?;
    let mut found = hashed.query([plan.0])?;
    // Files of one content are looked up once.
    let mut known: Option<(Vec<u8>, bool)> = None;
    while let Some(row) = found.next()? {
        let hash = row.get_ref("blake3")?.as_blob().map_err(rusqlite::Error::from)?;
        let is_held = match &known {
            Some((content, is_held)) if content == hash => *is_held,
            _ => {
                let is_held = held.query_row((hash, new.from.1.0, new.to.1.0, plan.0), |row| row.get(0))?;
                known = Some((hash.to_vec(), is_held));
                is_held
            }
        };
        if !is_held {
            set.execute((plan.0, row.get::<_, i64>("n")?))?;
        }
    }
    let sql = "SELECT count(*) AS n, coalesce(sum(size_bytes), 0) AS bytes FROM plan_items
               WHERE plan_id = ?1 AND action = $delete AND last_copy = 1";
    Ok(connection.query_row(&with_actions(sql), [plan.0], |row| {
        Ok(Count { n: from_db(row.get("n")?), bytes: from_db(row.get("bytes")?) })
    })?)
}
