//! Finds contents that the destination has already under another name.

use rusqlite::Connection;

use super::{NewPlan, rows, with_actions};
use crate::domain::ids::PlanId;
use crate::domain::mirror::moves::{Edge, IsDelete, order, pair};
use crate::domain::mirror::totals::PlanTotals;
use crate::domain::mirror::{PlanAction, PlanRow};
use crate::storage::{StorageError, execute};

/// Rows that give a content away, and rows that want one: only contents that both sides have can be
/// among both, so all others are left out before they are sorted.
const CANDIDATES: &str = "
    SELECT f.blake3, i.n, i.action = $delete AS is_delete, 1 AS gives
    FROM plan_items i CROSS JOIN files f ON f.id = i.gone_id
    WHERE i.plan_id = ?1 AND i.action IN ($overwrite, $delete) AND f.blake3 IS NOT NULL AND f.size_bytes > 0
          AND EXISTS (SELECT 1 FROM files s WHERE s.blake3 = f.blake3 AND s.root_id = ?2)
    UNION ALL
    SELECT f.blake3, i.n, 0, 0
    FROM plan_items i CROSS JOIN files f ON f.id = i.source_id
    WHERE i.plan_id = ?1 AND i.action IN ($copy, $overwrite) AND f.blake3 IS NOT NULL AND f.size_bytes > 0
          AND EXISTS (SELECT 1 FROM files d WHERE d.blake3 = f.blake3 AND d.root_id = ?3)
    ORDER BY 1, 2";

/// Puts renames in place of copies and deletes.
pub(super) fn find(
    connection: &Connection,
    plan: PlanId,
    new: &NewPlan,
    totals: &mut PlanTotals,
) -> Result<(), StorageError> {
    for (edge, phase) in order(edges(connection, plan, new)?) {
        let offer = rows::find(connection, plan, edge.offer, [PlanAction::Delete, PlanAction::Overwrite])?;
        let want = rows::find(connection, plan, edge.want, [PlanAction::Copy, PlanAction::Overwrite])?;
        let (Some(offer), Some(want)) = (offer, want) else { continue };
        let moved = want.moved_from(&offer, phase);
        replace(connection, plan, edge.want, &want, Some(&moved), totals)?;
        if offer.clone().vacated().is_none() {
            replace(connection, plan, edge.offer, &offer, None, totals)?;
        } else {
            let sql = "UPDATE plan_items SET gone_id = NULL WHERE plan_id = ?1 AND action = ?2 AND n = ?3";
            execute(connection, sql, (plan.0, offer.action.code(), edge.offer))?;
        }
    }
    Ok(())
}

fn replace(
    connection: &Connection,
    plan: PlanId,
    n: i64,
    old: &PlanRow,
    new: Option<&PlanRow>,
    totals: &mut PlanTotals,
) -> Result<(), StorageError> {
    rows::remove(connection, plan, old.action, n)?;
    totals.of(old.action).take_file(old.stamp.size_bytes);
    if let Some(new) = new {
        totals.of(new.action).add(new.stamp.size_bytes);
        rows::insert(connection, plan, n, new)?;
    }
    Ok(())
}

fn edges(connection: &Connection, plan: PlanId, new: &NewPlan) -> Result<Vec<Edge>, StorageError> {
    let mut statement = connection.prepare(&with_actions(CANDIDATES))?;
    let mut found = statement.query((plan.0, new.from.1.0, new.to.1.0))?;
    let mut edges = Vec::new();
    let mut content: Vec<u8> = Vec::new();
    let (mut offers, mut wants) = (Vec::new(), Vec::new());
    while let Some(row) = found.next()? {
        let hash = row.get_ref("blake3")?.as_blob().map_err(rusqlite::Error::from)?;
        if hash != content {
            pair(std::mem::take(&mut offers), &std::mem::take(&mut wants), &mut edges);
            content = hash.to_vec();
        }
        let n = row.get("n")?;
        if row.get("gives")? { offers.push((n, IsDelete(row.get("is_delete")?))) } else { wants.push(n) }
    }
    pair(offers, &wants, &mut edges);
    Ok(edges)
}
