//! From a request to transfers: folders become files, sidecars come along, and what can't be done is
//! told with the reason instead of being queued to fail.

use std::collections::HashSet;

use shared_protocol::RelPath;

use super::{BatchReceipt, Queue, SkippedPath, TransferRequest, exclusions, story};
use crate::domain::diff::{Content, DiffStatus, compare};
use crate::domain::ids::RootRowId;
use crate::domain::kind::{FileKind, sidecar_names};
use crate::domain::operation::{OnConflict, Operation};
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, ServiceError};
use crate::storage::index::{self, FileRow};
use crate::storage::queue::batches::{self, GrowingBatch, NewBatch, NewTransfer};
use crate::storage::views::named;
use crate::storage::{Connection, StorageError, skipped};

/// Skipped paths kept with a batch; a request for a whole library may skip most of it.
pub(super) const MOST_SKIPPED: usize = 1_000;

pub(super) fn enqueue(queue: &Queue, request: &TransferRequest) -> Result<BatchReceipt, ServiceError> {
    let (from, to) = check(queue, request)?;
    let missing = queue.database.read_blocking(|c| named::not_indexed(c, from.row, &request.paths))?;
    ServiceError::refuse_if_all(&missing, request.paths.len(), named::NOT_INDEXED)?;
    let receipt = queue.database.write_blocking(|tx| {
        let mut plan = Plan::begin(tx, request, &from, to.as_ref())?;
        if request.include_damaged {
            plan.batch.include_damaged()?;
        }
        for path in outermost(&request.paths) {
            plan.add(path)?;
        }
        let Plan { batch, skipped, n_skipped, .. } = plan;
        let told = serde_json::to_string(&skipped).map_err(|e| StorageError::damaged("a list of paths", e))?;
        batch.set_skipped(&told)?;
        story::begin(tx, batch.id, None, batch.n_transfers, n_skipped as u64)?;
        Ok(BatchReceipt { batch_id: batch.id, n_transfers: batch.n_transfers, size_bytes: batch.size_bytes, skipped })
    })?;
    queue.events.send(crate::services::Event::HistoryAdded);
    Ok(receipt)
}

/// The paths without those that lie within another one, in their order.
fn outermost(paths: &[RelPath]) -> impl Iterator<Item = &RelPath> {
    let named: HashSet<&RelPath> = paths.iter().collect();
    let mut seen = HashSet::new();
    paths.iter().filter(move |path| {
        let is_covered = std::iter::successors(path.parent(), RelPath::parent).any(|above| named.contains(&above));
        !is_covered && seen.insert(*path)
    })
}

/// What makes the whole request impossible.
fn check(queue: &Queue, request: &TransferRequest) -> Result<(LiveRoot, Option<LiveRoot>), ServiceError> {
    if request.paths.is_empty() {
        return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file or folder in \"paths\"."));
    }
    let to = match (request.operation, request.to) {
        (Operation::Restore, _) => {
            return Err(ServiceError::said(
                ErrorKind::Malformed,
                "Files come back by undoing the batch that deleted them.",
            ));
        }
        (Operation::Evict, _) => {
            return Err(ServiceError::said(ErrorKind::Malformed, "Evicting is asked for at /api/evictions."));
        }
        (Operation::Delete, Some(_)) => {
            return Err(ServiceError::said(ErrorKind::Malformed, "A delete goes to no other root: leave out \"to\"."));
        }
        (Operation::Delete, None) => None,
        (_, None) => {
            return Err(ServiceError::said(ErrorKind::Malformed, "Say where to, in \"to\": \"local\" or \"lake\"."));
        }
        (_, Some(to)) if to == request.from => {
            return Err(ServiceError::said(ErrorKind::Impossible, "\"from\" and \"to\" are the same root."));
        }
        (_, Some(to)) => Some(to),
    };
    if request.operation.takes_away() {
        queue.roots.check_delete(request.from)?;
    }
    if let (Some(to), OnConflict::Replace) = (to, request.on_conflict) {
        queue.roots.check_delete(to)?;
    }
    // Where something is taken away, a name has to be changed.
    let from = if request.operation.takes_away() {
        queue.roots.live_writable(request.from)?
    } else {
        queue.roots.live(request.from)?
    };
    let to = to.map(|to| queue.roots.live_writable(to)).transpose()?;
    Ok((from, to))
}

/// Stores transfers as it finds them.
struct Plan<'a> {
    connection: &'a Connection,
    request: &'a TransferRequest,
    from: &'a LiveRoot,
    to: Option<&'a LiveRoot>,
    /// Paths that unfinished transfers already read or write.
    open: HashSet<(RootRowId, String)>,
    /// Files that were named, and their sidecars, which may have been named, too.
    taken: HashSet<RelPath>,
    batch: GrowingBatch<'a>,
    /// Where the hub's data folder lies on the destination.
    data_in_to: Option<String>,
    /// The first of them, to be told.
    skipped: Vec<SkippedPath>,
    n_skipped: usize,
}

impl<'a> Plan<'a> {
    fn begin(
        connection: &'a Connection,
        request: &'a TransferRequest,
        from: &'a LiveRoot,
        to: Option<&'a LiveRoot>,
    ) -> Result<Self, StorageError> {
        let batch = NewBatch {
            operation: request.operation,
            from: request.from,
            to: request.to,
            on_conflict: request.on_conflict,
            skipped: "[]".to_owned(),
            undo_of: None,
        };
        Ok(Self {
            connection,
            request,
            from,
            to,
            open: batches::open_paths(connection)?,
            taken: HashSet::new(),
            batch: GrowingBatch::begin(connection, &batch)?,
            data_in_to: to.and_then(|to| to.dir.own_below()),
            skipped: Vec::new(),
            n_skipped: 0,
        })
    }

    fn skip(&mut self, path: &RelPath, why: impl Into<String>) {
        self.n_skipped += 1;
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(SkippedPath { path: path.to_string(), why: why.into() });
        }
    }

    /// Adds what a person named: a file with its sidecars, or all files of a folder.
    fn add(&mut self, path: &RelPath) -> Result<(), StorageError> {
        if let Some(file) = index::file_at(self.connection, self.from.row, path)? {
            let sidecars = self.sidecars(&file)?;
            return std::iter::once(file).chain(sidecars).try_for_each(|file| self.add_named(file));
        }
        let mut is_empty = true;
        index::for_each_below(self.connection, self.from.row, Some(path), |file| {
            is_empty = false;
            self.add_file(file)
        })?;
        if is_empty {
            let is_folder = index::has_folder(self.connection, self.from.row, path)?;
            let why = match exclusions::reason(path, self.from.dir.own_below().as_deref()) {
                Some(why) => why,
                None if is_folder => "the folder is empty".to_owned(),
                None => "it is not in the index: scan, then try again".to_owned(),
            };
            self.skip(path, why);
        }
        Ok(())
    }

    /// Previews and descriptions travel with their model; a delete takes only what was named.
    fn sidecars(&self, file: &FileRow) -> Result<Vec<FileRow>, StorageError> {
        let travels = self.request.operation.has_destination() && FileKind::of(file.path.name()) == FileKind::Model;
        if !travels {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for name in sidecar_names(file.path.name()) {
            if let Ok(path) = RelPath::in_folder(file.path.parent().as_ref(), &name) {
                found.extend(index::file_at(self.connection, self.from.row, &path)?);
            }
        }
        Ok(found)
    }

    fn add_named(&mut self, file: FileRow) -> Result<(), StorageError> {
        if self.taken.insert(file.path.clone()) { self.add_file(file) } else { Ok(()) }
    }

    fn add_file(&mut self, file: FileRow) -> Result<(), StorageError> {
        let key = file.path.match_key();
        if let Some(cover) = skipped::cover(self.connection, self.from.row, &key)? {
            self.skip(&file.path, format!("not touched: {}", cover.text()));
        } else if file.conflict {
            self.skip(&file.path, "another name here differs only in case: rename one of them first");
        } else if file.placeholder && self.request.operation != Operation::Delete {
            self.skip(&file.path, "its content lies in a cloud and is not on this disk");
        } else if self.open.contains(&(self.from.row, key.clone())) {
            self.skip(&file.path, "another transfer of it has not ended yet");
        } else if let Some(to) = self.to {
            return self.add_with_destination(file, to, &key);
        } else {
            return self.push(file, None);
        }
        Ok(())
    }

    fn add_with_destination(&mut self, file: FileRow, to: &LiveRoot, key: &str) -> Result<(), StorageError> {
        if let Some(found) = exclusions::in_data_folder(&file.path, self.data_in_to.as_deref()) {
            self.skip(&file.path, format!("on {}, {found}", to.root.label()));
            return Ok(());
        }
        if self.open.contains(&(to.row, key.to_owned())) {
            self.skip(&file.path, "another transfer to the same place has not ended yet");
            return Ok(());
        }
        if let Some(cover) = skipped::cover(self.connection, to.row, key)? {
            self.skip(&file.path, format!("not touched: {}", cover.text()));
            return Ok(());
        }
        let there = index::files_at_key(self.connection, to.row, key)?;
        let twin =
            there.iter().find(|twin| twin.path == file.path).or_else(|| there.first().filter(|_| !to.case_sensitive));
        let Some(twin) = twin else {
            return self.push(file, None);
        };
        if there.len() > 1 {
            self.skip(&file.path, "the destination has several names here that differ only in case");
            return Ok(());
        }
        let same = compare(&content(&file), &content(twin)) == DiffStatus::Same;
        if same && self.request.operation == Operation::Copy {
            self.skip(&file.path, "the destination has the same file already");
            return Ok(());
        }
        match self.request.on_conflict {
            OnConflict::Skip => {
                let what = if same { "the same file" } else { "another file of this name" };
                self.skip(&file.path, format!("the destination has {what} already"));
            }
            OnConflict::Replace => {
                let to_path = Some(twin.path.clone()).filter(|path| *path != file.path);
                return self.push(file, to_path);
            }
            OnConflict::KeepBoth => return self.push(file, None),
        }
        Ok(())
    }

    fn push(&mut self, file: FileRow, to_path: Option<RelPath>) -> Result<(), StorageError> {
        self.batch.add(&NewTransfer {
            operation: self.request.operation,
            from: (self.from.root, self.from.row),
            to: self.to.map(|to| (to.root, to.row)),
            path: file.path,
            to_path,
            on_conflict: self.request.on_conflict,
            size_bytes: file.size_bytes,
            modified: file.modified,
            trash_path: None,
            occupant: None,
            phase: 0,
        })
    }
}

pub(super) const fn content(file: &FileRow) -> Content {
    Content { size_bytes: file.size_bytes, modified: file.modified, hash: file.hash }
}
