//! Files with several names among those that transfers touch.
//!
//! What is done to one name changes the identity of all of them (see [`Held`]). So such a file is held from before the
//! first step to behind the last, and what its names are known by goes along with what it has become, however the
//! transfers ended.

use shared_protocol::RelPath;

use super::Queue;
use super::place;
use super::result::{Change, End, Tried};
use crate::domain::operation::Operation;
use crate::domain::root::Root;
use crate::fs::held::Held;
use crate::fs::open::stamp_path;
use crate::fs::trash;
use crate::services::roots::LiveRoot;
use crate::storage::identities::Followed;
use crate::storage::queue::TransferRow;

/// The files of one try that have other names.
#[derive(Debug, Default)]
pub(super) struct Names {
    held: Vec<Held>,
    /// Files that get more names, by the one that stays: what is learned of them on the way is of a state between.
    linked: Vec<(LiveRoot, RelPath)>,
}

impl Names {
    /// Takes hold of them. A transfer that finds its source as it was queued is told no identity: of the names of one
    /// file that are claimed together, each changes that of the others.
    pub(super) fn hold(queue: &Queue, group: &[TransferRow]) -> (Self, Vec<TransferRow>) {
        let mut names = Self::default();
        let mut ready = Vec::with_capacity(group.len());
        for transfer in group {
            let mut transfer = transfer.clone();
            let from = queue.roots.live(transfer.from).ok();
            let source = from.as_ref().map(|root| root.dir.resolve(&transfer.path));
            if let Some(held) = source.and_then(|path| Held::of(&path)) {
                if held.before() == place::expected(&transfer) {
                    transfer.identity = None;
                }
                names.held.push(held);
            }
            let in_trash = transfer.trash_path.as_ref().zip(from);
            names.held.extend(in_trash.and_then(|(path, root)| trash::held(&root.dir, path)));
            let to = transfer.to.unwrap_or(transfer.from);
            if let Ok(to) = queue.roots.live(to) {
                let is_linked = transfer.operation == Operation::Hardlink;
                let hold = if is_linked { Held::before_link } else { Held::of };
                names.held.extend(hold(&to.dir.resolve(&transfer.to_path)));
                names.linked.extend(is_linked.then(|| (to, transfer.to_path.clone())));
            }
            ready.push(transfer);
        }
        (names, ready)
    }

    /// Looks again at what was made, where one file may have got several of its names: only the last look is right.
    pub(super) fn look_again(&self, queue: &Queue, tried: &mut [Tried<'_>]) {
        if self.held.is_empty() {
            return;
        }
        let live: Vec<LiveRoot> = Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok()).collect();
        let changes = tried.iter_mut().filter_map(|(_, result)| result.as_mut().ok()).flat_map(|ok| &mut ok.changes);
        for change in changes {
            let (root, path, stamp) = match change {
                Change::Put { root, path, stamp, .. }
                | Change::Content { root, path, stamp, .. }
                | Change::Renamed { to: (root, path), stamp, .. }
                | Change::Carried { to: (root, path), stamp, .. } => (root, path, stamp),
                Change::Trashed { root, trash_path, stamp, .. } => {
                    let live = live.iter().find(|live| live.row == *root);
                    if let Some(root) = live.and_then(|live| End::open(queue, live.clone()).ok()) {
                        *stamp = stamp.behind_rename(trash::stamp(&root.open, trash_path).ok().flatten());
                    }
                    continue;
                }
                _ => continue,
            };
            if let Some(live) = live.iter().find(|live| live.row == *root) {
                *stamp = stamp.behind_rename(stamp_path(&live.dir.resolve(path)).ok());
            }
        }
    }

    /// What has become of them.
    pub(super) fn followed(&self) -> Vec<Change> {
        let mut found: Vec<Followed> = Vec::new();
        for held in &self.held {
            let (before, now) = (held.before(), held.changed());
            if let (Some(before_it), Some(after)) = (before.identity, now.and_then(|now| now.identity)) {
                let (size_bytes, modified) = (before.size_bytes, before.modified);
                let followed = Followed { size_bytes, modified, before: before_it, after };
                if !found.contains(&followed) {
                    found.push(followed);
                }
            }
        }
        let linked = self.linked.iter().filter_map(|(root, path)| {
            let now = stamp_path(&root.dir.resolve(path)).ok()?;
            let is_held = self.held.iter().any(|held| held.changed().is_some_and(|held| held == now));
            is_held.then(|| Change::Bound { root: root.row, path: path.clone(), stamp: now })
        });
        found.into_iter().map(Change::Followed).chain(linked).collect()
    }
}
