//! What belonged to a duplicate that is removed: it goes to the trash, as far as the copy that stays has
//! the same beside it. What only the removed one had stays where it is, and is not lost.

use std::collections::{HashMap, HashSet};

use shared_protocol::RelPath;

use super::super::enqueue::content;
use super::{Named, Resolution};
use crate::domain::bundle::{self, Fate};
use crate::domain::diff::{DiffStatus, compare};
use crate::domain::ids::{BatchId, RootRowId};
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::storage::index::beside::with_surroundings;
use crate::storage::index::{self, FileRow};
use crate::storage::queue::batches::{self, NewBatch, NewTransfer, in_phases};
use crate::storage::{Connection, StorageError};

/// A duplicate that is removed.
pub(super) struct Removed {
    pub(super) root: (Root, RootRowId),
    pub(super) file: FileRow,
    /// The copy that stays.
    pub(super) kept: (RootRowId, RelPath),
}

/// Sidecars that go, by the path of the weights that they follow.
pub(super) type Followers = HashMap<Named, Vec<NewTransfer>>;

/// Finds what goes along.
pub(super) fn of_removed(
    connection: &Connection,
    removed: &[Removed],
    taken: &HashSet<Named>,
    open: &HashSet<(RootRowId, String)>,
    groups: &[Resolution],
) -> Result<Followers, StorageError> {
    let kept: HashSet<&Named> = groups.iter().map(|group| &group.keep).collect();
    let mut folders: HashMap<(RootRowId, Option<RelPath>), Vec<&Removed>> = HashMap::new();
    for one in removed {
        folders.entry((one.root.1, one.file.path.parent())).or_default().push(one);
    }
    let mut found = Followers::new();
    for of in folders.into_values() {
        let Some(root) = of.first().map(|one| one.root) else { continue };
        let files = with_surroundings(connection, root.1, of.iter().map(|one| one.file.clone()).collect())?;
        let names: Vec<&str> = files.iter().map(|file| file.path.name()).collect();
        let split = bundle::split(&names, |at| at < of.len());
        for sidecar in split.bundles.iter().flat_map(|bundle| &bundle.sidecars) {
            let (Some(file), Some(one)) = (files.get(sidecar.at), sidecar.owners.iter().find_map(|at| of.get(*at)))
            else {
                continue;
            };
            let named: Named = (root.0, file.path.clone());
            let is_free = !taken.contains(&named)
                && !kept.contains(&named)
                && !file.conflict
                && !open.contains(&(root.1, file.path.match_key()));
            if is_free && sidecar.fate(|at| at < of.len()) == Fate::Goes && has_same(connection, one, file)? {
                found.entry((root.0, one.file.path.clone())).or_default().push(transfer(root, file));
            }
        }
    }
    Ok(found)
}

/// Whether the copy that stays has the same file beside it.
fn has_same(connection: &Connection, one: &Removed, file: &FileRow) -> Result<bool, StorageError> {
    let (root, kept) = &one.kept;
    let Some(name) = bundle::renamed(file.path.name(), one.file.path.name(), kept.name()) else { return Ok(false) };
    let Ok(path) = RelPath::in_folder(kept.parent().as_ref(), &name) else { return Ok(false) };
    let there = index::files_at_key(connection, *root, &path.match_key())?;
    let is_same = |twin: &FileRow| {
        twin.id != file.id && !twin.placeholder && compare(&content(file), &content(twin)) == DiffStatus::Same
    };
    Ok(there.iter().any(is_same))
}

fn transfer(root: (Root, RootRowId), file: &FileRow) -> NewTransfer {
    NewTransfer::new(Operation::Delete, root, file.path.clone(), (file.size_bytes, file.modified))
}

/// Stores the batch, and tells all that is in it.
pub(super) fn insert(
    connection: &Connection,
    batch: &NewBatch,
    transfers: Vec<NewTransfer>,
    mut followers: Followers,
) -> Result<(BatchId, Vec<NewTransfer>), StorageError> {
    let mut bundles = Vec::with_capacity(transfers.len());
    for transfer in transfers {
        let behind = followers.remove(&(transfer.from.0, transfer.path.clone())).unwrap_or_default();
        bundles.push(in_phases(vec![transfer], behind));
    }
    let id = batches::insert_bundles(connection, batch, &bundles)?;
    Ok((id, bundles.into_iter().flatten().collect()))
}
