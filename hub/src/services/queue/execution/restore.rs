//! Bringing files back from the trash, to the exact path they had. The renames of a group come first, then
//! each folder is synced once, and only what is on the disk for good is told the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared_protocol::Blake3;

use super::Queue;
use super::failure::{AttemptError, explain};
use super::landing::Syncs;
use super::place::{self, GroupCache, expected};
use super::result::{Change, Ends, Success, Tried};
use crate::domain::identity::Identity;
use crate::fs::FileStamp;
use crate::fs::entry::{Entry, Folder};
use crate::fs::relocate::relocate;
use crate::fs::rename::finish_rename;
use crate::fs::trash;
use crate::storage::hashes;
use crate::storage::queue::checkpoint::KnownTrashed;
use crate::storage::queue::outcome::Made;
use crate::storage::queue::{TransferRow, checkpoint};

/// A file that is back.
struct PutBack {
    trash_path: String,
    stamp: FileStamp,
    hash: Option<Blake3>,
    /// It is not as it was when it came into the trash.
    changed: bool,
    to: Arc<Folder>,
    /// Where it was in the trash; none if that folder is gone already.
    from: Option<Arc<Folder>>,
}

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let (mut cache, mut syncs) = (GroupCache::new(group), Syncs::default());
    let mut back = Vec::with_capacity(group.len());
    for transfer in group {
        let done = if queue.live.flag(transfer.id).is_cancelled() {
            Err(AttemptError::Stopped)
        } else {
            bring_back(queue, transfer, ends, &mut cache)
        };
        if let Ok(back) = &done {
            syncs.came(&back.to);
            back.from.iter().for_each(|from| syncs.went(from));
        }
        back.push((transfer, done));
    }
    let unsynced = syncs.run();
    let mut left = BTreeMap::new();
    let mut tried = Vec::with_capacity(back.len());
    for (transfer, done) in back {
        let told = done.and_then(|back| {
            unsynced.check(&std::iter::once(&back.to).chain(&back.from).collect::<Vec<_>>())?;
            let folder = back.trash_path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
            left.insert(folder, back.trash_path.clone());
            told(queue, transfer, ends, back)
        });
        tried.push((transfer, told.map_err(|trouble| explain(queue, &ends.all(), trouble))));
    }
    tidy(ends, &left);
    tried
}

fn bring_back(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    cache: &mut GroupCache<'_>,
) -> Result<PutBack, AttemptError> {
    cache.checks.check(queue, transfer)?;
    let root = &ends.from;
    let Some(trash_path) = transfer.trash_path.clone() else {
        return Err(AttemptError::last("missing", "It is not known where in the trash the file lies."));
    };
    let in_trash = trash::entry_in(&mut cache.sources, &root.open, &trash_path)?;
    if transfer.begun
        && let (Some(lying), Some(dest)) = (&in_trash, Entry::find(&root.open, &transfer.path)?)
    {
        // What it leaves is what a rename at once would have left.
        finish_rename(lying, &dest, expected(transfer))?;
    }
    let lying = in_trash.as_ref().map_or(Ok(None), Entry::stamp_if_there)?;
    let known =
        queue.database.read_blocking(|connection| checkpoint::find_trashed(connection, root.row, &trash_path))?;
    if known.is_some_and(|known| known.leaving) {
        return Err(AttemptError::last("missing", "The trash is being emptied of this file."));
    }
    let from = in_trash.as_ref().map(|entry| Arc::clone(entry.folder()));
    // Of the names of one file, each that comes back changes the identity of those that are still there.
    let has_names = trash::held(root.open.dir(), &trash_path).is_some();
    // Changed while it lay there: what was known of it is not known any more.
    let is_other = |known: &KnownTrashed| lying.is_some_and(|found| !Identity::agree(found.identity, known.identity));
    let changed = !has_names && known.as_ref().is_some_and(is_other);
    let hash = known.and_then(|known| known.hash).filter(|_| !changed);
    if lying.is_none()
        && transfer.begun
        && let Some(stamp) = place::stamp_at(root, &transfer.path)?.filter(|found| found.is_like(expected(transfer)))
    {
        // An earlier try was killed before its commit.
        let to = Folder::open(&root.open, transfer.path.parent().as_ref())?;
        return Ok(PutBack { trash_path, stamp, hash, changed, to, from });
    }
    let source = match (in_trash, lying) {
        (Some(source), Some(stamp)) if stamp == expected(transfer) => source,
        (_, Some(_)) => return Err(AttemptError::changed()),
        (_, None) if !trash::is_there(&root.open, &trash_path)? => {
            let detail = "The disk that its trash lies on is not mounted.";
            return Err(AttemptError::last("missing", detail));
        }
        (_, None) => return Err(AttemptError::last("missing", "The file is not in the trash any more.")),
    };
    let dest = cache.dests.ensure(&root.open, transfer.path.parent())?.entry(transfer.path.name());
    place::make_way(queue, transfer, root, &dest, &transfer.path)?;
    let token = place::token(queue, transfer);
    let stamp = place::relocate_while_in_use(|| {
        relocate(&source, expected(transfer), &dest, &token, &mut place::watch(queue, transfer))
    })?;
    Ok(PutBack { trash_path, stamp, hash, changed, to: Arc::clone(dest.folder()), from })
}

/// The folders in the trash that became empty go; that one stays is no failure. `left` has a place in each.
fn tidy(ends: &Ends, left: &BTreeMap<Option<String>, String>) {
    for trash_path in left.values() {
        if let Err(error) = trash::remove_folders_of(&ends.from.open, trash_path) {
            tracing::info!(%error, "an empty folder stays in the trash");
        }
    }
}

fn told(queue: &Queue, transfer: &TransferRow, ends: &Ends, back: PutBack) -> Result<Success, AttemptError> {
    let PutBack { trash_path, stamp, hash, changed, .. } = back;
    let root = &ends.from;
    let cached = queue.database.read_blocking(|connection| hashes::cached(connection, root.row, &transfer.path))?;
    let cached = cached.filter(|cached| (cached.size_bytes, cached.modified) == (stamp.size_bytes, stamp.modified));
    let hash = match hash {
        Some(hash) => Some(hash),
        None => cached.filter(|cached| !changed && cached.identity.is_none()).map(|cached| cached.blake3),
    };
    let mut changes = vec![
        Change::Put { root: root.row, path: transfer.path.clone(), stamp, hash },
        Change::Untrashed { root: root.row, trash_path },
    ];
    if hash.is_some() && cached.map(|cached| cached.blake3) == hash {
        let here = (root.row, transfer.path.clone());
        changes.push(Change::Carried { from: here.clone(), to: here, stamp });
    }
    Ok(Success { changes, made: Some(Made { size_bytes: stamp.size_bytes, modified: stamp.modified, hash }) })
}
