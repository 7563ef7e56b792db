//! Giving a file another name in its own root, together with what belongs to it: what ends a conflict of
//! names that differ only in case or in how accents are written.
//!
//! A transfer like any other, a move within one root: the name changes only if the file is still the one
//! that was asked for, nothing is clobbered, and the batch can be undone.

use std::collections::HashSet;

use shared_protocol::RelPath;

use super::enqueue::MOST_SKIPPED;
use super::{BatchReceipt, Queue, SkippedPath, conflict, exclusions, summary};
use crate::domain::bundle::{self, numbered, renamed};
use crate::domain::ids::RootRowId;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::index::beside::with_surroundings;
use crate::storage::index::destination::{DestinationFolders, InTheWay};
use crate::storage::index::{self, FileRow};
use crate::storage::queue::batches::{self, GrowingBatch, NewBatch, NewTransfer, in_phases};
use crate::storage::roots::{self, RootRow};
use crate::storage::{Connection, StorageError, skipped};

/// Numbers tried before giving up.
const MOST_NUMBERS: u32 = 1_000;

/// A new name that would end a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameOffer {
    /// The path that the file gets.
    pub to: RelPath,
    /// It is how the other root spells the file; else a free name of its own.
    pub as_elsewhere: bool,
}

impl Queue {
    /// Gives a file of a root another path there; without one, a free name beside it.
    pub async fn rename(&self, root: Root, path: RelPath, to: Option<RelPath>) -> Result<BatchReceipt, ServiceError> {
        let this = self.clone();
        let receipt = self.blocking(move || rename(&this, root, &path, to.as_ref())).await?;
        self.changed(receipt.batch_id);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }
}

/// The name that ends the conflict which a file is in, if it is in one: with another name of its root, or with how the
/// other root spells it where both tell `A` from `a`.
pub fn offer(connection: &Connection, root: Root, path: &RelPath) -> Result<Option<RenameOffer>, StorageError> {
    let Some(row) = roots::active(connection, root)? else { return Ok(None) };
    let Some(file) = index::file_at(connection, row.id, path)? else { return Ok(None) };
    if file.conflict {
        let renames = Renames::of(connection, row.id, file)?;
        let to = renames.free(&HashSet::new())?.and_then(|names| names.into_iter().next());
        return Ok(to.map(|(_, to)| RenameOffer { to, as_elsewhere: false }));
    }
    let is_exact = |row: &RootRow| row.case_sensitive;
    let Some(other) = roots::active(connection, root.other())?.filter(|other| is_exact(other) && is_exact(&row)) else {
        return Ok(None);
    };
    let there = index::files_at_key(connection, other.id, &path.match_key())?;
    let nearly = there.first().filter(|twin| there.len() == 1 && twin.path != *path && twin.path.is_beside(path));
    Ok(nearly.map(|twin| RenameOffer { to: twin.path.clone(), as_elsewhere: true }))
}

fn rename(queue: &Queue, root: Root, path: &RelPath, to: Option<&RelPath>) -> Result<BatchReceipt, ServiceError> {
    queue.roots.check_delete(root)?;
    let live = queue.roots.live_writable(root)?;
    queue.database.write_or_refuse_blocking(|tx| {
        let file = index::file_at(tx, live.row, path)?.ok_or_else(|| missing(&live, path))?;
        let open = batches::open_paths(tx)?;
        let renames = Renames::of(tx, live.row, file)?;
        let names = match to {
            Some(to) => renames.to(&live, to)?,
            None => renames.free(&open)?.ok_or_else(|| conflict("All names that could be free are taken."))?,
        };
        for (file, to) in &names {
            check(tx, &live, file, to, &open)?;
        }
        renames.check_free(&names)?;
        let mut transfers: Vec<NewTransfer> =
            names.into_iter().map(|(file, to_path)| transfer(&live, file, to_path)).collect();
        let sidecars = transfers.split_off(1);
        let mut skipped = renames.staying();
        let batch = NewBatch {
            operation: Operation::Move,
            from: root,
            to: Some(root),
            on_conflict: OnConflict::Skip,
            skipped: "[]".to_owned(),
            undo_of: None,
        };
        let mut growing = GrowingBatch::begin(tx, &batch)?;
        growing.add_bundle(&in_phases(transfers, sidecars))?;
        let n_skipped = skipped.len() as u64;
        skipped.truncate(MOST_SKIPPED);
        growing
            .set_skipped(&serde_json::to_string(&skipped).map_err(|e| StorageError::damaged("a list of paths", e))?)?;
        let GrowingBatch { id, n_transfers, size_bytes, .. } = growing;
        summary::begin(tx, id, None, n_transfers, n_skipped)?;
        Ok(BatchReceipt { batch_id: id, n_transfers, size_bytes, skipped })
    })
}

/// A file that gets another name, with what belongs to it.
struct Renames<'a> {
    connection: &'a Connection,
    row: RootRowId,
    /// The file itself, then what goes along.
    files: Vec<FileRow>,
    /// What belongs to it as well as to others.
    shared: Vec<FileRow>,
}

impl<'a> Renames<'a> {
    fn of(connection: &'a Connection, row: RootRowId, file: FileRow) -> Result<Self, StorageError> {
        let around = with_surroundings(connection, row, vec![file])?;
        let names: Vec<&str> = around.iter().map(|file| file.path.name()).collect();
        let split = bundle::split(&names, |at| at == 0);
        let (mut goes, mut shared) = (vec![0], Vec::new());
        for sidecar in split.bundles.iter().flat_map(|bundle| &bundle.sidecars) {
            if sidecar.follows(&names, 0) {
                goes.push(sidecar.at);
            } else if !sidecar.owners.iter().any(|owner| sidecar.follows(&names, *owner)) {
                shared.push(sidecar.at);
            }
        }
        let rows = |places: &[usize]| places.iter().filter_map(|at| around.get(*at)).cloned().collect();
        Ok(Self { connection, row, files: rows(&goes), shared: rows(&shared) })
    }

    /// The paths if the file gets this one.
    fn to(&self, live: &LiveRoot, to: &RelPath) -> Result<Vec<(FileRow, RelPath)>, ServiceError> {
        let impossible = |text: String| ServiceError::said(ErrorKind::Impossible, text);
        let Some((file, sidecars)) = self.files.split_first() else { return Ok(Vec::new()) };
        // A folder that is there in another case is that folder; what is new is made as it was typed.
        let spelled = DestinationFolders::new(self.connection, self.row, false).spelled(to.parent())?;
        let folder = spelled.map_err(|why| match why {
            InTheWay::File(file) | InTheWay::Nearly(file) => {
                conflict(&format!("{} has a file called {file}, where a folder has to be.", live.root.label()))
            }
            InTheWay::Name(error) => impossible(error.to_string()),
        })?;
        let inside = |name: &str| {
            RelPath::in_folder(folder.as_ref(), name).map_err(|error| impossible(format!("\"{name}\": {error}")))
        };
        let new = inside(to.name())?;
        if new == file.path {
            return Err(impossible(format!("{new} has this name already.")));
        }
        if !live.case_sensitive && new.match_key() == file.path.match_key() {
            let text = "The disk takes these two names for one: choose one that differs in more than case.";
            return Err(impossible(text.to_owned()));
        }
        let mut names = vec![(file.clone(), new)];
        for sidecar in sidecars {
            if let Some(name) = renamed(sidecar.path.name(), file.path.name(), to.name()) {
                names.push((sidecar.clone(), inside(&name)?));
            }
        }
        Ok(names)
    }

    /// Free names beside what is there, with one number for all; none if there are none.
    fn free(&self, open: &HashSet<(RootRowId, String)>) -> Result<Option<Vec<(FileRow, RelPath)>>, StorageError> {
        let names: Vec<&str> = self.files.iter().map(|file| file.path.name()).collect();
        let folder = self.files.first().and_then(|file| file.path.parent());
        for number in 2..MOST_NUMBERS {
            let numbered = numbered(&names, number);
            let paths = numbered.iter().map(|name| RelPath::in_folder(folder.as_ref(), name));
            let Ok(paths) = paths.collect::<Result<Vec<_>, _>>() else { return Ok(None) };
            let mut all_free = true;
            for path in &paths {
                all_free &= !open.contains(&(self.row, path.match_key())) && self.occupant(path)?.is_none();
            }
            if all_free {
                return Ok(Some(self.files.iter().cloned().zip(paths).collect()));
            }
        }
        Ok(None)
    }

    /// What has this name already, in whichever case, and does not get another one.
    fn occupant(&self, path: &RelPath) -> Result<Option<RelPath>, StorageError> {
        let files = index::files_at_key(self.connection, self.row, &path.match_key())?;
        let goes = |found: &FileRow| self.files.iter().any(|file| file.id == found.id);
        if let Some(found) = files.into_iter().find(|found| !goes(found)) {
            return Ok(Some(found.path));
        }
        index::folder_like(self.connection, self.row, path)
    }

    fn check_free(&self, names: &[(FileRow, RelPath)]) -> Result<(), ServiceError> {
        for (_, to) in names {
            if let Some(there) = self.occupant(to)? {
                let but_case = if there == *to { "" } else { ", which differs only in case," };
                return Err(conflict(&format!("{there}{but_case} is there already: choose another name.")));
            }
        }
        Ok(())
    }

    fn staying(&self) -> Vec<SkippedPath> {
        let why = "other weights need it, too: it keeps its name";
        self.shared.iter().map(|file| SkippedPath { path: file.path.to_string(), why: why.to_owned() }).collect()
    }
}

/// Refuses what can't get another name now.
fn check(
    connection: &Connection,
    live: &LiveRoot,
    file: &FileRow,
    to: &RelPath,
    open: &HashSet<(RootRowId, String)>,
) -> Result<(), ServiceError> {
    let impossible = |text: String| Err(ServiceError::said(ErrorKind::Impossible, text));
    for path in [&file.path, to] {
        let key = path.match_key();
        if let Some(cover) = skipped::cover(connection, live.row, &key)? {
            return impossible(format!("{path} is not touched: {}.", cover.text()));
        }
        if let Some(why) = exclusions::reason(path, live.dir.own_below().as_deref()) {
            return impossible(format!("{path}: {why}."));
        }
        if open.contains(&(live.row, key)) {
            return Err(conflict(&format!("Another transfer of {path} has not ended yet.")));
        }
    }
    if file.placeholder {
        return impossible(format!("The content of {} lies in a cloud and is not on this disk.", file.path));
    }
    if file.rotted.is_some() {
        let text = "changed though nothing wrote to it: heal it first, see Hashes.";
        return impossible(format!("The bytes of {} {text}", file.path));
    }
    Ok(())
}

fn missing(live: &LiveRoot, path: &RelPath) -> ServiceError {
    let text = format!("{} has no file {path} in its index: look whether the spelling is right.", live.root.label());
    ServiceError::said(ErrorKind::NotFound, text)
}

fn transfer(live: &LiveRoot, file: FileRow, to_path: RelPath) -> NewTransfer {
    let root = (live.root, live.row);
    NewTransfer {
        to: Some(root),
        to_path: Some(to_path),
        ..NewTransfer::new(Operation::Move, root, file.path, (file.size_bytes, file.modified))
    }
}
