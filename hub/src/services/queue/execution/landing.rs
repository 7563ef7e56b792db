//! The end of copies and moves, of one big file as of many small ones: what was written gets its name, the
//! folders are synced, each once, what came of it is committed, and only then the sources of moves go.
//!
//! A file counts as done when its name is on the disk. Where a folder can't be synced, nothing that is in
//! it counts, and no source goes on the strength of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use shared_protocol::RelPath;

use super::failure::{AttemptError, explain};
use super::place::{self, CopyTarget};
use super::result::{self, Change, Ends, Success, Tried};
use super::{Queue, ending};
use crate::domain::operation::Operation;
use crate::fs::FsError;
use crate::fs::copy::{CopiedPart, finish_part};
use crate::fs::entry::Folder;
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::Made;

/// How far one file of a group is.
pub(super) enum LandingStage {
    /// Its part file is complete and synced.
    Written(CopyTarget, CopiedPart),
    /// It has its new name already, as a move on one volume gives it.
    Renamed(CopyTarget),
    Ended(Result<Success, AttemptError>),
}

/// A transfer with how far it is.
pub(super) type Staged<'a> = (&'a TransferRow, LandingStage);

/// Folders in which names changed, to be synced once for all of them.
#[derive(Default)]
pub(super) struct Syncs {
    /// Where names came; before the others, so that a power cut in between leaves two names rather than none.
    came: BTreeMap<PathBuf, Arc<Folder>>,
    went: BTreeMap<PathBuf, Arc<Folder>>,
}

/// Folders that could not be synced, and why.
pub(super) struct Unsynced(BTreeMap<PathBuf, FsError>);

impl Syncs {
    pub(super) fn came(&mut self, folder: &Arc<Folder>) {
        self.came.entry(folder.path().to_owned()).or_insert_with(|| Arc::clone(folder));
    }

    pub(super) fn went(&mut self, folder: &Arc<Folder>) {
        self.went.entry(folder.path().to_owned()).or_insert_with(|| Arc::clone(folder));
    }

    pub(super) fn run(self) -> Unsynced {
        let mut failed = BTreeMap::new();
        let went = self.went.into_iter().filter(|(path, _)| !self.came.contains_key(path)).collect::<Vec<_>>();
        for (path, folder) in self.came.into_iter().chain(went) {
            if let Err(error) = folder.sync() {
                tracing::warn!(%error, "a folder could not be synced");
                failed.insert(path, error);
            }
        }
        Unsynced(failed)
    }
}

impl Unsynced {
    /// Fails if one of these folders could not be synced.
    pub(super) fn check(&self, folders: &[&Arc<Folder>]) -> Result<(), AttemptError> {
        match folders.iter().find_map(|folder| self.0.get(folder.path())) {
            Some(error) => Err(error.again().into()),
            None => Ok(()),
        }
    }
}

/// Ends all of a group.
pub(super) fn land<'a>(queue: &Queue, mut staged: Vec<Staged<'a>>, ends: &Ends) -> Vec<Tried<'a>> {
    let mut syncs = Syncs::default();
    for (transfer, stage) in &mut staged {
        match stage {
            LandingStage::Written(place, copied) => match give_name(queue, transfer, ends, place, copied) {
                Ok(()) => syncs.came(place.dest.folder()),
                Err(trouble) => give_up(stage, explain(queue, &ends.all(), trouble)),
            },
            LandingStage::Renamed(place) => {
                syncs.came(place.dest.folder());
                syncs.went(place.source.folder());
            }
            LandingStage::Ended(_) => {}
        }
    }
    let unsynced = syncs.run();
    for (_, stage) in &mut staged {
        let checked = match stage {
            LandingStage::Written(place, _) => unsynced.check(&[place.dest.folder()]),
            LandingStage::Renamed(place) => unsynced.check(&[place.dest.folder(), place.source.folder()]),
            LandingStage::Ended(_) => Ok(()),
        };
        if let Err(trouble) = checked {
            // The file has its name: the next try finds it, and syncs again.
            *stage = LandingStage::Ended(Err(explain(queue, &ends.all(), trouble)));
        }
    }
    finish(queue, staged, ends)
}

fn give_name(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    place: &CopyTarget,
    copied: &CopiedPart,
) -> Result<(), AttemptError> {
    place::make_way(queue, transfer, ends.to()?, &place.dest, &place.to_path)?;
    Ok(place::while_in_use(|| finish_part(&place.part, &copied.identity, &place.dest))?)
}

/// Ends a file that was written and can't go on.
pub(super) fn give_up(stage: &mut LandingStage, trouble: AttemptError) {
    if let LandingStage::Written(place, _) = stage {
        place.part.clean_up();
        *stage = LandingStage::Ended(Err(trouble));
    }
}

/// Tells the index. The sources of moves go only after all copies are committed.
fn finish<'a>(queue: &Queue, staged: Vec<Staged<'a>>, ends: &Ends) -> Vec<Tried<'a>> {
    let mut tried: Vec<Tried<'a>> = Vec::with_capacity(staged.len());
    let mut to_drop: Vec<(&'a TransferRow, CopyTarget, CopiedPart, Vec<Change>)> = Vec::new();
    let mut left = BTreeSet::new();
    let is_renamed = |stage: &LandingStage| matches!(stage, LandingStage::Renamed(_));
    let renamed = staged.iter().filter(|(_, stage)| is_renamed(stage)).map(|(transfer, _)| *transfer);
    let mut known = ending::known_of(queue, renamed).map(Vec::into_iter).map_err(AttemptError::from);
    for (transfer, stage) in staged {
        match stage {
            LandingStage::Ended(result) => tried.push((transfer, result)),
            LandingStage::Renamed(place) => {
                let stamp = place.expected.behind_rename(place.dest.stamp().ok());
                let done = match &mut known {
                    Ok(known) => ending::renamed(transfer, ends, &place.to_path, stamp, known.next().flatten()),
                    Err(trouble) => Err(trouble.clone()),
                };
                left.extend(transfer.path.parent());
                tried.push((transfer, done));
            }
            LandingStage::Written(place, copied) => match ending::landed_changes(transfer, ends, &place, &copied) {
                Ok(changes) if transfer.operation == Operation::Move => {
                    to_drop.push((transfer, place, copied, changes));
                }
                Ok(changes) => tried.push((transfer, Ok(Success { changes, made: Some(made(&copied)) }))),
                Err(trouble) => tried.push((transfer, Err(trouble))),
            },
        }
    }
    match commit(queue, &to_drop) {
        Ok(()) => {
            for (transfer, place, copied, _) in to_drop {
                let result = ending::drop_source(transfer, ends, &place)
                    .map(|gone| Success { changes: vec![gone], made: Some(made(&copied)) })
                    .map_err(|trouble| explain(queue, &ends.all(), trouble));
                if result.is_ok() {
                    left.extend(transfer.path.parent());
                }
                tried.push((transfer, result));
            }
        }
        Err(detail) => {
            tracing::error!(detail, "copies could not be committed: their sources stay");
            tried.extend(to_drop.into_iter().map(|(transfer, ..)| (transfer, Err(AttemptError::Stopped))));
        }
    }
    remove_emptied(&mut tried, ends, &left);
    tried
}

fn commit(queue: &Queue, to_drop: &[(&TransferRow, CopyTarget, CopiedPart, Vec<Change>)]) -> Result<(), String> {
    if to_drop.is_empty() {
        return Ok(());
    }
    let committed = queue.database.write_blocking(|tx| {
        let mut applied = result::Applied::new(tx);
        to_drop.iter().try_for_each(|(transfer, _, _, changes)| applied.add(transfer, changes))?;
        applied.finish()
    });
    committed.map_err(|error| error.to_string())
}

/// Removes the folders that a group emptied. It is stored last, when no file of them is left in the index.
pub(super) fn remove_emptied(tried: &mut [Tried<'_>], ends: &Ends, left: &BTreeSet<RelPath>) {
    let emptied = result::remove_emptied(&ends.from, left);
    if let Some(success) = tried.iter_mut().rev().find_map(|(_, result)| result.as_mut().ok()) {
        success.changes.extend(emptied);
    }
}

fn made(copied: &CopiedPart) -> Made {
    Made { size_bytes: copied.stamp.size_bytes, modified: copied.stamp.modified, hash: Some(copied.content.blake3) }
}
