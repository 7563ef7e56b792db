//! Putting files from the trash back to where they were.

use std::collections::HashSet;

use super::enqueue::MOST_SKIPPED;
use super::{BatchReceipt, Queue, SkippedPath, story};
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::index;
use crate::storage::queue::batches::{self, NewBatch, NewTransfer};
use crate::storage::trash::{self, TrashRow};
use crate::storage::{Connection, StorageError};

impl Queue {
    /// Puts files back from the trash. Nothing is overwritten: a path that is taken stays taken.
    pub async fn put_back(&self, ids: Vec<i64>) -> Result<BatchReceipt, ServiceError> {
        if ids.is_empty() {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file in \"ids\"."));
        }
        let this = self.clone();
        let receipt = self.blocking(move || put_back(&this, &ids)).await?;
        self.changed(receipt.batch_id);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }
}

fn put_back(queue: &Queue, ids: &[i64]) -> Result<BatchReceipt, ServiceError> {
    let rows = queue.database.read_blocking(|connection| trash::of_ids(connection, ids))?;
    let missing: Vec<i64> = ids.iter().copied().filter(|id| rows.iter().all(|row| row.id != *id)).collect();
    ServiceError::refuse_if_all(&missing, ids.len(), "is in the trash any more")?;
    let live: Vec<LiveRoot> = Root::ALL.into_iter().filter_map(|root| queue.roots.live(root).ok()).collect();
    // With everything that is asked for on a root that is away, that is the answer.
    if !rows.is_empty() && rows.iter().all(|row| live.iter().all(|live| live.row != row.root)) {
        Root::ALL.into_iter().try_for_each(|root| queue.roots.live(root).map(drop))?;
    }
    // So it is where none of the roots can be written.
    let of = |row: &TrashRow| live.iter().find(|live| live.row == row.root);
    if !rows.is_empty() && rows.iter().all(|row| of(row).is_some_and(|live| !live.writable)) {
        rows.iter().filter_map(of).try_for_each(|live| queue.roots.live_writable(live.root).map(drop))?;
    }
    Ok(queue.database.write_blocking(|tx| {
        let mut plan =
            Plan { connection: tx, open: batches::open_paths(tx)?, transfers: Vec::new(), skipped: Vec::new() };
        let found = trash::of_ids(tx, ids)?;
        let known: HashSet<i64> = found.iter().map(|row| row.id).collect();
        for id in ids.iter().filter(|id| !known.contains(id)) {
            plan.skip(format!("entry {id}"), "it is not in the trash any more");
        }
        for row in found {
            match live.iter().find(|live| live.row == row.root) {
                Some(live) => plan.add(live, row)?,
                None => plan.skip(row.path.to_string(), "its root can't be reached"),
            }
        }
        let Plan { transfers, mut skipped, .. } = plan;
        let n_skipped = skipped.len() as u64;
        skipped.truncate(MOST_SKIPPED);
        let from = transfers.first().map_or(Root::Local, |first| first.from.0);
        let batch = NewBatch {
            operation: Operation::Restore,
            from,
            to: None,
            on_conflict: OnConflict::Skip,
            skipped: serde_json::to_string(&skipped).map_err(|e| StorageError::damaged("a list of paths", e))?,
            undo_of: None,
        };
        let batch_id = batches::insert(tx, &batch, &transfers)?;
        let n_transfers = transfers.len() as u64;
        story::begin(tx, batch_id, None, n_transfers, n_skipped)?;
        let size_bytes = transfers.iter().map(|transfer| transfer.size_bytes).sum();
        Ok(BatchReceipt { batch_id, n_transfers, size_bytes, skipped })
    })?)
}

struct Plan<'a> {
    connection: &'a Connection,
    /// Paths that unfinished transfers, and those of this request, read or write.
    open: HashSet<(crate::domain::ids::RootRowId, String)>,
    transfers: Vec<NewTransfer>,
    skipped: Vec<SkippedPath>,
}

impl Plan<'_> {
    fn skip(&mut self, path: String, why: &str) {
        self.skipped.push(SkippedPath { path, why: why.to_owned() });
    }

    fn add(&mut self, live: &LiveRoot, row: TrashRow) -> Result<(), StorageError> {
        let key = row.path.match_key();
        if !live.writable {
            self.skip(row.path.to_string(), "its root can't be written");
        } else if !index::files_at_key(self.connection, live.row, &key)?.is_empty() {
            self.skip(row.path.to_string(), "something has this name now");
        } else if !self.open.insert((live.row, key)) {
            self.skip(row.path.to_string(), "another transfer to the same place has not ended yet");
        } else {
            self.transfers.push(NewTransfer {
                operation: Operation::Restore,
                from: (live.root, live.row),
                to: None,
                path: row.path,
                to_path: None,
                on_conflict: OnConflict::Skip,
                size_bytes: row.size_bytes,
                modified: row.modified,
                trash_path: Some(row.trash_path),
                occupant: None,
                phase: 0,
            });
        }
        Ok(())
    }
}
