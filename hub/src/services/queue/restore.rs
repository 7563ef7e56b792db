//! Bringing files back from the trash, to the exact path they had.

use super::Queue;
use super::failure::{Trouble, explain};
use super::place::{self, expected};
use super::result::{Change, Ends, Success, Tried};
use crate::fs::open::stamp_if_there;
use crate::fs::{ensure_no_links, trash};
use crate::storage::hashes;
use crate::storage::queue::outcome::Made;
use crate::storage::queue::{TransferRow, waypoint};

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let one = |transfer: &'a TransferRow| {
        if queue.live.flag(transfer.id).is_cancelled() {
            return (transfer, Err(Trouble::Stopped));
        }
        (transfer, restore(queue, transfer, ends).map_err(|trouble| explain(queue, &ends.all(), trouble)))
    };
    group.iter().map(one).collect()
}

fn restore(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<Success, Trouble> {
    place::check_allowed(queue, transfer)?;
    let root = &ends.from;
    let Some(trash_path) = transfer.trash_path.clone() else {
        return Err(Trouble::last("missing", "It is not known where in the trash the file lies."));
    };
    ensure_no_links(&root.dir, &transfer.path)?;
    let dest = root.dir.resolve(&transfer.path);
    let in_trash = trash::stamp(&root.dir, &trash_path)?;
    let is_back = in_trash.is_none() && transfer.begun && stamp_if_there(&dest)? == Some(expected(transfer));
    let known = queue.database.read_blocking(|connection| waypoint::find_trashed(connection, root.row, &trash_path))?;
    if known.is_some_and(|known| known.leaving) {
        return Err(Trouble::last("missing", "The trash is being emptied of this file."));
    }
    if !is_back {
        match in_trash {
            Some(stamp) if stamp == expected(transfer) => {}
            Some(_) => return Err(Trouble::changed()),
            None => return Err(Trouble::last("missing", "The file is not in the trash any more.")),
        }
        place::make_way(queue, transfer, root.root, &transfer.path)?;
        place::while_in_use(|| trash::restore(&root.dir, &trash_path, &transfer.path))?;
    }
    let stamp = expected(transfer);
    let hash = match known.and_then(|known| known.hash) {
        Some(hash) => Some(hash),
        None => queue
            .database
            .read_blocking(|connection| hashes::cached(connection, root.row, &transfer.path))?
            .filter(|(size, modified, _)| (*size, *modified) == (stamp.size_bytes, stamp.modified))
            .map(|(_, _, hash)| hash),
    };
    let changes = vec![
        Change::Put { root: root.row, path: transfer.path.clone(), stamp, hash },
        Change::Untrashed { root: root.row, trash_path },
    ];
    Ok(Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) })
}
