//! Putting files from the trash back to where they were.

use std::collections::{BTreeMap, HashSet};

use super::enqueue::MOST_SKIPPED;
use super::{BatchReceipt, Queue, SkippedPath, summary};
use crate::domain::bundle;
use crate::domain::ids::RootRowId;
use crate::domain::kind::FileKind;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::index;
use crate::storage::queue::batches::{self, NewBatch, NewTransfer, in_phases};
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
            PutBackPlan { connection: tx, open: batches::open_paths(tx)?, bundles: Vec::new(), skipped: Vec::new() };
        let found = trash::of_ids(tx, ids)?;
        let known: HashSet<i64> = found.iter().map(|row| row.id).collect();
        for id in ids.iter().filter(|id| !known.contains(id)) {
            plan.skip(format!("entry {id}"), "it is not in the trash any more");
        }
        // What was deleted together lies in one folder of the trash.
        let mut folders: BTreeMap<(RootRowId, String), Vec<TrashRow>> = BTreeMap::new();
        for row in found {
            let folder = trash::around(&row.trash_path).to_owned();
            folders.entry((row.root, folder)).or_default().push(row);
        }
        for ((root, folder), rows) in folders {
            match live.iter().find(|live| live.row == root) {
                Some(live) => plan.add_beside(live, &folder, rows)?,
                None => rows.iter().for_each(|row| plan.skip(row.path.to_string(), "its root can't be reached")),
            }
        }
        let PutBackPlan { bundles, mut skipped, .. } = plan;
        let n_skipped = skipped.len() as u64;
        skipped.truncate(MOST_SKIPPED);
        let from = bundles.iter().flatten().next().map_or(Root::Local, |first| first.from.0);
        let batch = NewBatch {
            operation: Operation::Restore,
            from,
            to: None,
            on_conflict: OnConflict::Skip,
            skipped: serde_json::to_string(&skipped).map_err(|e| StorageError::damaged("a list of paths", e))?,
            undo_of: None,
        };
        let batch_id = batches::insert_bundles(tx, &batch, &bundles)?;
        let n_transfers = bundles.iter().map(Vec::len).sum::<usize>() as u64;
        summary::begin(tx, batch_id, None, n_transfers, n_skipped)?;
        let size_bytes = bundles.iter().flatten().map(|transfer| transfer.size_bytes).sum();
        Ok(BatchReceipt { batch_id, n_transfers, size_bytes, skipped })
    })?)
}

struct PutBackPlan<'a> {
    connection: &'a Connection,
    /// Paths that unfinished transfers, and those of this request, read or write.
    open: HashSet<(RootRowId, String)>,
    /// What comes back, by what belongs together.
    bundles: Vec<Vec<NewTransfer>>,
    skipped: Vec<SkippedPath>,
}

impl PutBackPlan<'_> {
    fn skip(&mut self, path: String, why: &str) {
        self.skipped.push(SkippedPath { path, why: why.to_owned() });
    }

    /// Files that lay in one folder, with what belongs to them and was deleted with them.
    fn add_beside(&mut self, live: &LiveRoot, folder: &str, named: Vec<TrashRow>) -> Result<(), StorageError> {
        let n_named = named.len();
        let mut rows = named;
        if rows.iter().any(|row| FileKind::of(row.path.name()) == FileKind::Model) {
            let known: HashSet<i64> = rows.iter().map(|row| row.id).collect();
            let near = trash::in_folder(self.connection, live.row, folder)?;
            let is_beside = |row: &TrashRow| trash::around(&row.trash_path) == folder && !row.leaving;
            rows.extend(near.into_iter().filter(|row| is_beside(row) && !known.contains(&row.id)));
        }
        let names: Vec<&str> = rows.iter().map(|row| row.path.name()).collect();
        let split = bundle::split(&names, |at| at < n_named);
        for row in split.alone.iter().filter_map(|at| rows.get(*at)) {
            let alone = self.add(live, row)?;
            self.bundles.extend(alone.map(|transfer| vec![transfer]));
        }
        for bundle in &split.bundles {
            let (mut weights, mut sidecars) = (Vec::new(), Vec::new());
            for row in bundle.weights.iter().filter_map(|at| rows.get(*at)) {
                weights.extend(self.add(live, row)?);
            }
            for sidecar in bundle.sidecars.iter().filter(|sidecar| sidecar.named || !weights.is_empty()) {
                if let Some(row) = rows.get(sidecar.at) {
                    sidecars.extend(self.add(live, row)?);
                }
            }
            self.bundles.push(in_phases(weights, sidecars));
        }
        Ok(())
    }

    fn add(&mut self, live: &LiveRoot, row: &TrashRow) -> Result<Option<NewTransfer>, StorageError> {
        let key = row.path.match_key();
        if !live.writable {
            self.skip(row.path.to_string(), "its root can't be written");
            Ok(None)
        } else if !index::files_at_key(self.connection, live.row, &key)?.is_empty() {
            self.skip(row.path.to_string(), "something has this name now");
            Ok(None)
        } else if !self.open.insert((live.row, key)) {
            self.skip(row.path.to_string(), "another transfer to the same place has not ended yet");
            Ok(None)
        } else {
            Ok(Some(NewTransfer {
                trash_path: Some(row.trash_path.clone()),
                ..NewTransfer::new(
                    Operation::Restore,
                    (live.root, live.row),
                    row.path.clone(),
                    (row.size_bytes, row.modified),
                )
            }))
        }
    }
}
