//! Deleting: files go into their root's trash.

use std::collections::BTreeSet;

use super::Queue;
use super::failure::{Trouble, explain};
use super::place::{self, expected};
use super::result::{self, Change, Ends, Success, Tried};
use crate::fs::open::stamp_if_there;
use crate::fs::{ensure_no_links, trash};
use crate::storage::queue::TransferRow;

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let mut tried: Vec<Tried<'a>> = Vec::with_capacity(group.len());
    let mut left = BTreeSet::new();
    for transfer in group {
        let result = if queue.live.flag(transfer.id).is_cancelled() {
            Err(Trouble::Stopped)
        } else {
            delete(queue, transfer, ends).map_err(|trouble| explain(queue, &ends.all(), trouble))
        };
        if result.is_ok() {
            left.extend(transfer.path.parent());
        }
        tried.push((transfer, result));
    }
    let emptied = result::remove_emptied(&ends.from.dir, ends.from.row, &left);
    if let Some(success) = tried.iter_mut().rev().find_map(|(_, result)| result.as_mut().ok()) {
        // Stored last, when no file of the folders is left in the index.
        success.changes.extend(emptied);
    }
    tried
}

fn delete(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, Trouble> {
    place::check_allowed(queue, transfer)?;
    let root = &ends.from;
    let (date, batch) = place::trash_folder(queue, transfer)?;
    let stamp = expected(transfer);
    ensure_no_links(&root.dir, &transfer.path)?;
    let source = root.dir.resolve(&transfer.path);
    let trash_path = if stamp_if_there(&source)?.is_none() && transfer.begun {
        // Perhaps an earlier try was killed before its commit.
        let place = format!("{date}/{batch}/{}", transfer.path);
        match trash::stamp(&root.dir, &place)? {
            Some(found) if found == stamp => place,
            _ => return Err(Trouble::last("missing", format!("{} is not there any more.", transfer.path))),
        }
    } else {
        place::touch_while_in_use(|| trash::put(&root.dir, &transfer.path, Some(stamp), &date, &batch))?
    };
    let changes = vec![
        Change::Trashed { root: root.row, path: transfer.path.clone(), trash_path, stamp },
        Change::Gone { root: root.row, path: transfer.path.clone() },
    ];
    Ok(Success { changes, made: None })
}
