//! Healing files whose bytes changed though nothing wrote to them, by a copy of what they should hold.
//!
//! A transfer like any other: the good copy is read whole and has to hold what was asked for before anything makes way,
//! and what is replaced goes to the trash.

use std::collections::HashSet;

use shared_protocol::RelPath;

use super::{BatchReceipt, Queue, SkippedPath};
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::size::counted;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::StorageError;
use crate::storage::history::{self, Level, NewLine};
use crate::storage::queue::batches::{self, GrowingBatch, NewBatch, NewTransfer};
use crate::storage::rot::{self, Rotted};

/// Files healed at once.
const MOST: u32 = 1_000;

impl Queue {
    /// Replaces rotted files by copies of what they should hold; all of them if none is named.
    pub async fn heal(&self, files: Option<Vec<(Root, RelPath)>>) -> Result<BatchReceipt, ServiceError> {
        let this = self.clone();
        let receipt = self.blocking(move || heal(&this, files.as_deref())).await?;
        self.changed(receipt.batch_id);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }

    /// Takes rotted files as they are, because a person said that they are right.
    pub async fn accept_rotted(&self, files: Vec<(Root, RelPath)>) -> Result<u64, ServiceError> {
        let this = self.clone();
        let n = self.blocking(move || accept(&this, &files)).await?;
        self.events.send(Event::HistoryAdded);
        Ok(n)
    }
}

fn heal(queue: &Queue, files: Option<&[(Root, RelPath)]>) -> Result<BatchReceipt, ServiceError> {
    let found = queue.database.read_blocking(|connection| rot::list(connection, MOST))?;
    let is_named = |rotted: &Rotted, (root, path): &(Root, RelPath)| rotted.root == *root && rotted.file.path == *path;
    let unknown = |named: &&(Root, RelPath)| !found.iter().any(|rotted| is_named(rotted, named));
    if let Some((root, path)) = files.and_then(|files| files.iter().find(unknown)) {
        let text = format!("{path} in {} is not known as changed without being written.", root.label());
        return Err(ServiceError::said(ErrorKind::Impossible, text));
    }
    let chosen: Vec<Rotted> = found
        .into_iter()
        .filter(|rotted| files.is_none_or(|files| files.iter().any(|named| is_named(rotted, named))))
        .collect();
    let Some(first) = chosen.first() else {
        return Err(ServiceError::said(ErrorKind::Impossible, "No file is known as changed without being written."));
    };
    let (to, from) = (first.root, first.good.as_ref().map_or(first.root.other(), |good| good.0));
    for root in Root::ALL.into_iter().filter(|root| chosen.iter().any(|rotted| rotted.root == *root)) {
        queue.roots.check_delete(root)?;
    }
    Ok(queue.database.write_blocking(|tx| {
        let batch = NewBatch {
            operation: Operation::Copy,
            from,
            to: Some(to),
            on_conflict: OnConflict::Replace,
            skipped: "[]".to_owned(),
            undo_of: None,
        };
        let mut plan = HealPlan { queue, open: batches::open_paths(tx)?, skipped: Vec::new() };
        let mut growing = GrowingBatch::begin(tx, &batch)?;
        for rotted in chosen {
            let expected = rotted.expected;
            if let Some(new) = plan.transfer(rotted) {
                growing.add_wanted(&new, &expected)?;
            }
        }
        let told = serde_json::to_string(&plan.skipped).map_err(|e| StorageError::damaged("a list of paths", e))?;
        growing.set_skipped(&told)?;
        let n = growing.n_transfers;
        let summary = format!("Asked to heal {}", counted(n, "file"));
        history::add(tx, &NewLine::new("batch", Level::Info, summary).root(to).batch(growing.id))?;
        let (batch_id, size_bytes) = (growing.id, growing.size_bytes);
        Ok(BatchReceipt { batch_id, n_transfers: n, size_bytes, skipped: plan.skipped })
    })?)
}

fn accept(queue: &Queue, files: &[(Root, RelPath)]) -> Result<u64, ServiceError> {
    let live = files.iter().map(|(root, _)| queue.roots.live(*root)).collect::<Result<Vec<_>, _>>()?;
    let n = queue.database.write_blocking(|tx| {
        let mut n = 0;
        for ((root, path), live) in files.iter().zip(&live) {
            if rot::accept(tx, live.row, path)? {
                n += 1;
                let summary = format!("{path} in {} was said to be right as it is", root.label());
                history::add(tx, &NewLine::new("rot", Level::Info, summary).root(*root))?;
            }
        }
        Ok(n)
    })?;
    if n == 0 {
        return Err(ServiceError::said(ErrorKind::Impossible, "None of these files changed without being written."));
    }
    Ok(n)
}

struct HealPlan<'a> {
    queue: &'a Queue,
    /// Paths that unfinished transfers, and those of this request, read or write.
    open: HashSet<(crate::domain::ids::RootRowId, String)>,
    skipped: Vec<SkippedPath>,
}

impl HealPlan<'_> {
    fn transfer(&mut self, rotted: Rotted) -> Option<NewTransfer> {
        let path = rotted.file.path.clone();
        match self.judge(&rotted) {
            Ok((from, to)) => {
                let (from_root, good) = rotted.good?;
                Some(NewTransfer {
                    to: Some((rotted.root, to.row)),
                    to_path: Some(path),
                    on_conflict: OnConflict::Replace,
                    occupant: Some((rotted.file.size_bytes, rotted.file.modified)),
                    ..NewTransfer::new(
                        Operation::Copy,
                        (from_root, from.row),
                        good.path,
                        (good.size_bytes, good.modified),
                    )
                })
            }
            Err(why) => {
                self.skipped.push(SkippedPath { path: path.to_string(), why });
                None
            }
        }
    }

    fn judge(&mut self, rotted: &Rotted) -> Result<(LiveRoot, LiveRoot), String> {
        let Some((from, _)) = &rotted.good else {
            return Err("no other file is known to hold what it should: scan and hash the other folder".to_owned());
        };
        let from = self.queue.roots.live(*from).map_err(|error| error.to_string())?;
        let to = self.queue.roots.live(rotted.root).map_err(|error| error.to_string())?;
        if !self.open.insert((to.row, rotted.file.path.match_key())) {
            return Err("another transfer of it has not ended yet".to_owned());
        }
        Ok((from, to))
    }
}
