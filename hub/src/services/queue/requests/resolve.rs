//! Resolving duplicates: one file of each group stays, and the others go or stop taking room.
//!
//! Here only the index is asked. That the contents are still equal is verified when a file's turn comes.

use std::collections::HashSet;

use shared_protocol::{Blake3, RelPath};

use super::enqueue::MOST_SKIPPED;
use super::{BatchReceipt, Queue, SkippedPath, summary};
use crate::domain::duplicates::DuplicateAction;
use crate::domain::ids::RootRowId;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::fs::entry::{Folder, OpenRoot};
use crate::fs::share;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::index::{self, FileRow};
use crate::storage::queue::batches::{self, NewBatch, NewTransfer};
use crate::storage::{Connection, StorageError, skipped};

mod sidecars;

use sidecars::Removed;

/// A file by its root and path.
pub type Named = (Root, RelPath);

/// What is to become of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The content that all of them hold.
    pub hash: Blake3,
    /// The file that stays.
    pub keep: Named,
    /// The files that don't.
    pub others: Vec<Named>,
}

impl Queue {
    /// Queues what becomes of duplicates. What is no longer as it was found is left out and told.
    pub async fn resolve(
        &self,
        action: DuplicateAction,
        groups: Vec<Resolution>,
    ) -> Result<BatchReceipt, ServiceError> {
        let this = self.clone();
        let receipt = self.blocking(move || resolve(&this, action, &groups)).await?;
        self.changed(receipt.batch_id);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }

    /// Why an action can't be taken in a root now, whichever files it is about.
    pub async fn refuses(&self, action: DuplicateAction, root: Root) -> Option<ServiceError> {
        let this = self.clone();
        self.blocking(move || able(&this, action, root).map(drop)).await.err()
    }
}

/// The root, if the action can be taken there.
fn able(queue: &Queue, action: DuplicateAction, root: Root) -> Result<LiveRoot, ServiceError> {
    queue.roots.check_delete(root)?;
    let live = queue.roots.live_writable(root)?;
    let cannot = |what: &str| {
        let text = format!("The disk of {} {what}.", root.label());
        Err(ServiceError::said(ErrorKind::Impossible, text))
    };
    if action == DuplicateAction::Delete {
        return Ok(live);
    }
    let opened = queue.roots.open_blocking(&live)?;
    let able = share::abilities(&opened).map_err(|error| ServiceError::Offline { root, why: error.to_string() })?;
    match action {
        DuplicateAction::Hardlink if !able.hardlink => cannot("has no hard links"),
        DuplicateAction::Reflink if !able.reflink => {
            cannot("can't let files share their bytes: Btrfs, XFS and ReFS can")
        }
        _ => Ok(live),
    }
}

/// Refuses what makes no sense whatever the files hold, and finds the roots that are touched.
fn check(queue: &Queue, action: DuplicateAction, groups: &[Resolution]) -> Result<Vec<LiveRoot>, ServiceError> {
    if groups.is_empty() || groups.iter().any(|group| group.others.is_empty()) {
        return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file in \"others\"."));
    }
    if groups.iter().any(|group| group.others.contains(&group.keep)) {
        let text = "The file that stays is also among those that don't: nothing would be left.";
        return Err(ServiceError::said(ErrorKind::Impossible, text));
    }
    let crosses = |group: &Resolution| group.others.iter().any(|(root, _)| *root != group.keep.0);
    if !action.works_across() && groups.iter().any(crosses) {
        let text = "A link or shared bytes need one volume, and the two roots are not one. Delete the copy instead.";
        return Err(ServiceError::said(ErrorKind::Impossible, text));
    }
    let is_touched = |root: &Root| groups.iter().any(|group| group.others.iter().any(|(of, _)| of == root));
    let mut lives: Vec<LiveRoot> =
        Root::ALL.into_iter().filter(is_touched).map(|root| able(queue, action, root)).collect::<Result<_, _>>()?;
    for root in Root::ALL {
        if groups.iter().any(|group| group.keep.0 == root) && !lives.iter().any(|live| live.root == root) {
            lives.push(queue.roots.live(root)?);
        }
    }
    Ok(lives)
}

fn resolve(queue: &Queue, action: DuplicateAction, groups: &[Resolution]) -> Result<BatchReceipt, ServiceError> {
    let lives = check(queue, action, groups)?;
    let made = queue.database.write_blocking(|tx| {
        let open = batches::open_paths(tx)?;
        let mut plan = ResolvePlan {
            connection: tx,
            action,
            lives: &lives,
            open,
            taken: HashSet::new(),
            removed: vec![],
            transfers: vec![],
            skipped: vec![],
        };
        groups.iter().try_for_each(|group| plan.add(group))?;
        let ResolvePlan { transfers, mut skipped, taken, removed, open, .. } = plan;
        let Some(first) = transfers.first() else { return Ok(Err(skipped)) };
        let left = sidecars::of_removed(tx, &removed, &taken, &open, groups)?;
        let n_skipped = skipped.len();
        skipped.truncate(MOST_SKIPPED);
        let batch = NewBatch {
            operation: operation(action),
            from: first.from.0,
            to: None,
            on_conflict: OnConflict::Skip,
            skipped: serde_json::to_string(&skipped).map_err(|e| StorageError::damaged("a list of paths", e))?,
            undo_of: None,
        };
        let (batch_id, transfers) = sidecars::insert(tx, &batch, transfers, left)?;
        summary::begin(tx, batch_id, None, transfers.len() as u64, n_skipped as u64)?;
        let size_bytes = transfers.iter().map(|transfer| transfer.size_bytes).sum();
        Ok(Ok(BatchReceipt { batch_id, n_transfers: transfers.len() as u64, size_bytes, skipped }))
    })?;
    made.map_err(|skipped| {
        let first = skipped.first().map(|one| format!("{}: {}", one.path, one.why)).unwrap_or_default();
        ServiceError::said(ErrorKind::Conflict, format!("Nothing was queued. {first}."))
    })
}

const fn operation(action: DuplicateAction) -> Operation {
    match action {
        DuplicateAction::Delete => Operation::RemoveDuplicate,
        DuplicateAction::Hardlink => Operation::Hardlink,
        DuplicateAction::Reflink => Operation::Reflink,
    }
}

/// Why a file at or below an unknown place is neither removed nor counted as the one that stays.
const UNKNOWN: &str = "it lies in a place that the last scan did not see: the overview tells which are skipped";

/// Collects transfers.
struct ResolvePlan<'a> {
    connection: &'a Connection,
    action: DuplicateAction,
    lives: &'a [LiveRoot],
    /// Paths that unfinished transfers already read or write.
    open: HashSet<(RootRowId, String)>,
    taken: HashSet<Named>,
    /// What is removed, and the file that stays in its place.
    removed: Vec<Removed>,
    transfers: Vec<NewTransfer>,
    skipped: Vec<SkippedPath>,
}

impl<'a> ResolvePlan<'a> {
    fn skip(&mut self, file: &Named, why: &str) {
        self.skipped.push(SkippedPath { path: file.1.to_string(), why: why.to_owned() });
    }

    fn live(&self, root: Root) -> Option<&'a LiveRoot> {
        self.lives.iter().find(|live| live.root == root)
    }

    /// The file of the index, if nothing speaks against touching or keeping it.
    fn find(&self, file: &Named, hash: &Blake3) -> Result<Result<(FileRow, &'a LiveRoot), &'static str>, StorageError> {
        let Some(live) = self.live(file.0) else { return Ok(Err("its root can't be reached")) };
        let Some(found) = index::file_at(self.connection, live.row, &file.1)? else {
            return Ok(Err("it is not in the index any more"));
        };
        Ok(if skipped::cover(self.connection, live.row, &file.1.match_key())?.is_some() {
            Err(UNKNOWN)
        } else if found.hash != Some(*hash) {
            Err("it has changed since the duplicates were found")
        } else if self.open.contains(&(live.row, file.1.match_key())) {
            Err("another transfer of it has not ended yet")
        } else {
            Ok((found, live))
        })
    }

    fn add(&mut self, group: &Resolution) -> Result<(), StorageError> {
        let (keeper, keeps) = match self.find(&group.keep, &group.hash)? {
            Ok(found) => found,
            Err(why) => {
                self.skip(&group.keep, &format!("it was to stay, but {why}"));
                return Ok(());
            }
        };
        if self.taken.contains(&group.keep) {
            self.skip(&group.keep, "it was to stay, but another group removes it");
            return Ok(());
        }
        for other in &group.others {
            if !self.taken.insert(other.clone()) {
                continue;
            }
            match self.find(other, &group.hash)? {
                Err(why) => self.skip(other, why),
                Ok(_) if !skipped::cover_of_either(self.connection, &other.1.match_key())?.is_empty() => {
                    self.skip(other, UNKNOWN);
                }
                Ok((file, _)) if file.conflict => {
                    self.skip(other, "another name here differs only in case: rename one of them first");
                }
                Ok((file, live)) => match self.one_volume(&file, live, &keeper, keeps) {
                    Ok(()) => self.push(file, live, &keeper, keeps),
                    Err(why) => self.skip(other, &why),
                },
            }
        }
        Ok(())
    }

    /// A root may hold folders of other volumes, where no link leads.
    fn one_volume(&self, file: &FileRow, live: &LiveRoot, keeper: &FileRow, keeps: &LiveRoot) -> Result<(), String> {
        if self.action.works_across() {
            return Ok(());
        }
        let mount = |live: &LiveRoot, file: &FileRow| {
            let root = OpenRoot::open(&live.dir)?;
            Folder::open(&root, file.path.parent().as_ref())?.mount()
        };
        match (mount(live, file), mount(keeps, keeper)) {
            (Ok(one), Ok(other)) if one == other => Ok(()),
            (Ok(_), Ok(_)) => Err("it lies on another volume than the file that stays: no link leads there".to_owned()),
            (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
        }
    }

    fn push(&mut self, file: FileRow, live: &LiveRoot, keeper: &FileRow, keeps: &LiveRoot) {
        if self.action == DuplicateAction::Delete {
            self.removed.push(Removed {
                root: (live.root, live.row),
                file: file.clone(),
                kept: (keeps.row, keeper.path.clone()),
            });
        }
        self.transfers.push(NewTransfer {
            to: Some((keeps.root, keeps.row)),
            to_path: Some(keeper.path.clone()),
            ..NewTransfer::new(
                operation(self.action),
                (live.root, live.row),
                file.path,
                (file.size_bytes, file.modified),
            )
        });
    }
}
