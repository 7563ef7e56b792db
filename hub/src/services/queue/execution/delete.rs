//! Deleting: files go into the trash of their disk. The renames of a group come first, then each folder is
//! synced once, and only what is on the disk for good is told the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Queue;
use super::failure::{AttemptError, explain};
use super::landing::{self, Syncs};
use super::place::{self, GroupCache, expected};
use super::result::{Change, Ends, Success, Tried};
use crate::domain::ids::BatchId;
use crate::fs::FileStamp;
use crate::fs::entry::{Entry, Folder};
use crate::fs::hash::{HashOptions, hash_file};
use crate::fs::rename::{finish_rename, remove_source};
use crate::fs::trash::{self, Bin, Put};
use crate::storage::queue::TransferRow;

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let (mut cache, mut bins, mut syncs) = (GroupCache::new(group), BTreeMap::new(), Syncs::default());
    let mut put = Vec::with_capacity(group.len());
    for transfer in group {
        let done = if queue.live.flag(transfer.id).is_cancelled() {
            Err(AttemptError::Stopped)
        } else {
            put_away(queue, transfer, ends, &mut cache, &mut bins)
        };
        if let Ok(put) = &done {
            syncs.came(&put.to);
            syncs.went(&put.from);
        }
        put.push((transfer, done));
    }
    let unsynced = syncs.run();
    let mut left = BTreeSet::new();
    let mut tried: Vec<Tried<'a>> = Vec::with_capacity(group.len());
    for (transfer, done) in put {
        let done = done.and_then(|put| unsynced.check(&[&put.to, &put.from]).map(|()| put));
        if done.is_ok() {
            left.extend(transfer.path.parent());
        }
        let told = done.map(|put| told(transfer, ends, put)).map_err(|trouble| explain(queue, &ends.all(), trouble));
        tried.push((transfer, told));
    }
    landing::remove_emptied(&mut tried, ends, &left);
    tried
}

fn told(transfer: &TransferRow, ends: &Ends, put: Put) -> Success {
    let (root, path) = (ends.from.row, transfer.path.clone());
    let changes = vec![
        Change::Trashed { root, path: path.clone(), trash_path: put.trashed, stamp: put.stamp },
        Change::Gone { root, path },
    ];
    Success { changes, made: None }
}

fn put_away(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    cache: &mut GroupCache<'_>,
    bins: &mut BTreeMap<BatchId, Bin>,
) -> Result<Put, AttemptError> {
    cache.checks.check(queue, transfer)?;
    let bin = match bins.entry(transfer.batch_id) {
        std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
        std::collections::btree_map::Entry::Vacant(new) => new.insert(place::bin(queue, transfer, &ends.from)?),
    };
    let stamp = expected(transfer);
    let folder = cache.sources.find(&ends.from.open, transfer.path.parent())?;
    let source = folder.as_ref().map(|folder| folder.entry(transfer.path.name()));
    let there = source.as_ref().map_or(Ok(None), Entry::stamp_if_there)?;
    if transfer.begun
        && let Some(put) = earlier(queue, transfer, ends, bin, folder.as_ref(), there)?
    {
        return Ok(put);
    }
    match source {
        Some(source) if there.is_some() => Ok(place::put_into(queue, transfer, bin, &source, stamp)?),
        _ => Err(AttemptError::last("missing", format!("{} is not there any more.", transfer.path))),
    }
}

/// What an earlier try did that was killed before its commit: the file lies in the trash. If it had to be
/// copied there, it may still have its name, too; then the two have to be verified to be one content.
fn earlier(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    bin: &mut Bin,
    folder: Option<&Arc<Folder>>,
    there: Option<FileStamp>,
) -> Result<Option<Put>, AttemptError> {
    let root = &ends.from.open;
    // A folder went with the last file in it.
    let from = folder.map_or_else(|| Folder::nearest(root, &transfer.path), |folder| Ok(Arc::clone(folder)))?;
    for trashed in bin.first_places(&from, &transfer.path)? {
        let Some(lying) = trash::entry(root, &trashed)? else { continue };
        let source = from.entry(transfer.path.name());
        if let Some(stamp) = finish_rename(&source, &lying, expected(transfer))? {
            return Ok(Some(Put { trashed, stamp, from, to: Arc::clone(lying.folder()) }));
        }
        let Some(stamp) = lying.stamp_if_there()? else { continue };
        // Its rename changed its identity; size and time stay.
        let keeps_time = stamp.modified == expected(transfer).modified;
        let looks_right = stamp.size_bytes == transfer.size_bytes && (there.is_some() || keeps_time);
        if !looks_right {
            continue;
        }
        if there.is_some() {
            if hash(queue, transfer, &lying, stamp)? != hash(queue, transfer, &source, expected(transfer))? {
                continue;
            }
            place::touch_while_in_use(|| remove_source(&source, expected(transfer)))?;
        }
        return Ok(Some(Put { trashed, stamp, from, to: Arc::clone(lying.folder()) }));
    }
    Ok(None)
}

fn hash(
    queue: &Queue,
    transfer: &TransferRow,
    file: &Entry,
    stamp: FileStamp,
) -> Result<shared_protocol::Blake3, AttemptError> {
    let stop = queue.live.flag(transfer.id);
    let options = HashOptions { sha256: false, threads: true };
    Ok(hash_file(file, stamp, options, None, &mut |_| stop.flow())?.blake3)
}
