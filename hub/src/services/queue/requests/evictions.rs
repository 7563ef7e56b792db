//! Asking for evictions, and for what was evicted to come back.
//!
//! Here only the index is asked, and what can't be done is told with the reason. Whether the Lake
//! really holds a content is verified when the file's turn comes.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use shared_protocol::RelPath;

use super::enqueue::{MOST_SKIPPED, content};
use super::{Queue, SkippedPath, exclusions, summary};
use crate::domain::bundle::{self, Fate};
use crate::domain::eviction::{LakeCopy, lake_copy};
use crate::domain::exclusion::{self, NameKind};
use crate::domain::ids::{BatchId, RootRowId};
use crate::domain::kind::FileKind;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::services::roots::LiveRoot;
use crate::services::{ErrorKind, Event, ServiceError};
use crate::storage::evictions::{self, EvictedRow};
use crate::storage::index::beside::{by_folder, with_surroundings};
use crate::storage::index::{self, FileRow};
use crate::storage::queue::batches::{self, NewBatch, NewTransfer, in_phases};
use crate::storage::views::named;
use crate::storage::{Connection, StorageError, skipped};

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct EvictionReceipt {
    /// The batch that was made.
    pub batch_id: BatchId,
    /// Files queued.
    pub n_transfers: u64,
    pub size_bytes: u64,
    /// What was not queued, with reasons.
    pub refused: Vec<SkippedPath>,
}

impl Queue {
    /// Lets files leave Local that the Lake holds, or will hold then. Folders stand for all files in
    /// them.
    pub async fn evict(&self, paths: Vec<RelPath>) -> Result<EvictionReceipt, ServiceError> {
        self.roots.check_delete(Root::Local)?;
        let this = self.clone();
        let receipt = self.blocking(move || ask(&this, &paths, Operation::Evict)).await?;
        self.changed(receipt.batch_id);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }

    /// Copies evicted files back to where they were.
    pub async fn bring_back(&self, paths: Vec<RelPath>) -> Result<EvictionReceipt, ServiceError> {
        let this = self.clone();
        let receipt = self.blocking(move || ask(&this, &paths, Operation::Copy)).await?;
        self.changed(receipt.batch_id);
        self.events.send(Event::HistoryAdded);
        Ok(receipt)
    }
}

/// Collects transfers of one request.
struct AskedEviction<'a> {
    connection: &'a Connection,
    local: &'a LiveRoot,
    lake: &'a LiveRoot,
    /// Paths that unfinished transfers already read or write.
    open: HashSet<(RootRowId, String)>,
    taken: HashSet<RelPath>,
    /// What goes, by what belongs together.
    bundles: Vec<Vec<NewTransfer>>,
    refused: Vec<SkippedPath>,
}

fn ask(queue: &Queue, paths: &[RelPath], operation: Operation) -> Result<EvictionReceipt, ServiceError> {
    if paths.is_empty() {
        return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file in \"paths\"."));
    }
    // Names go from Local, or come there.
    let (local, lake) = (queue.roots.live_writable(Root::Local)?, queue.roots.live(Root::Lake)?);
    let (find, why) = if operation == Operation::Evict {
        (named::not_indexed as fn(&_, _, &_) -> _, named::NOT_INDEXED)
    } else {
        (named::not_evicted as fn(&_, _, &_) -> _, named::NOT_EVICTED)
    };
    let missing: Vec<RelPath> = queue.database.read_blocking(|c| find(c, local.row, paths))?;
    ServiceError::refuse_if_all(&missing, paths.len(), why)?;
    Ok(queue.database.write_blocking(|tx| {
        let mut asked = AskedEviction {
            connection: tx,
            local: &local,
            lake: &lake,
            open: batches::open_paths(tx)?,
            taken: HashSet::new(),
            bundles: Vec::new(),
            refused: Vec::new(),
        };
        if operation == Operation::Evict {
            asked.evict(paths)?;
        } else {
            asked.bring_back(paths)?;
        }
        let AskedEviction { bundles, mut refused, .. } = asked;
        let n_refused = refused.len();
        refused.truncate(MOST_SKIPPED);
        let from = if operation == Operation::Evict { Root::Local } else { Root::Lake };
        let new = NewBatch {
            operation,
            from,
            to: Some(from.other()),
            on_conflict: OnConflict::Skip,
            skipped: serde_json::to_string(&refused).map_err(|e| StorageError::damaged("a list of paths", e))?,
            undo_of: None,
        };
        let batch_id = batches::insert_bundles(tx, &new, &bundles)?;
        let n = bundles.iter().map(Vec::len).sum::<usize>() as u64;
        let told_as = (operation != Operation::Evict).then_some(summary::BRING_BACK);
        summary::begin(tx, batch_id, told_as, n, n_refused as u64)?;
        let size_bytes = bundles.iter().flatten().map(|transfer| transfer.size_bytes).sum();
        Ok(EvictionReceipt { batch_id, n_transfers: n, size_bytes, refused })
    })?)
}

impl AskedEviction<'_> {
    fn refuse(&mut self, path: &RelPath, why: impl Into<String>) {
        self.refused.push(SkippedPath { path: path.to_string(), why: why.into() });
    }

    /// Refuses what lies at or below a place that a root was not seen at.
    fn is_unknown(&mut self, path: &RelPath) -> Result<bool, StorageError> {
        let covers = skipped::cover_of_either(self.connection, &path.match_key())?;
        let because = skipped::because(&covers);
        if let Some(because) = &because {
            self.refuse(path, format!("not touched: {because}"));
        }
        Ok(because.is_some())
    }

    fn is_open(&self, root: &LiveRoot, path: &RelPath) -> bool {
        self.open.contains(&(root.row, path.match_key()))
    }

    fn evict(&mut self, paths: &[RelPath]) -> Result<(), StorageError> {
        let (mut named, mut unknown) = (Vec::new(), Vec::new());
        for path in paths {
            let found = match index::file_at(self.connection, self.local.row, path)? {
                Some(file) => vec![file],
                None => index::files_below(self.connection, self.local.row, Some(path))?,
            };
            if found.is_empty() {
                unknown.push(path);
            }
            named.extend(found.into_iter().filter(|file| self.taken.insert(file.path.clone())));
        }
        by_folder(named).into_iter().try_for_each(|files| self.evict_beside(files))?;
        for path in unknown {
            let excluded = exclusions::reason(path, self.local.dir.own_below().as_deref());
            self.refuse(path, excluded.as_deref().unwrap_or("it is not in the index of Local: scan, then try again"));
        }
        Ok(())
    }

    /// Files of one folder with what belongs to them. What a model that stays needs as well stays, too.
    fn evict_beside(&mut self, named: Vec<FileRow>) -> Result<(), StorageError> {
        let n_named = named.len();
        let files = with_surroundings(self.connection, self.local.row, named)?;
        let names: Vec<&str> = files.iter().map(|file| file.path.name()).collect();
        let split = bundle::split(&names, |at| at < n_named);
        for at in split.alone {
            if let Some(file) = files.get(at) {
                let alone = self.evict_file(file)?;
                self.bundles.extend(alone.map(|transfer| vec![transfer]));
            }
        }
        for bundle in &split.bundles {
            let (mut weights, mut goes) = (Vec::new(), HashSet::new());
            for at in &bundle.weights {
                let Some(file) = files.get(*at) else { continue };
                if let Some(transfer) = self.evict_file(file)? {
                    goes.insert(*at);
                    weights.push(transfer);
                }
            }
            let mut sidecars = Vec::new();
            for sidecar in &bundle.sidecars {
                let Some(file) = files.get(sidecar.at) else { continue };
                match sidecar.fate(|owner| goes.contains(&owner)) {
                    Fate::Goes => sidecars.extend(self.evict_file(file)?),
                    Fate::Stays if sidecar.named => self.refuse(&file.path, "the model that it belongs to stays"),
                    Fate::Shared | Fate::Stays => {}
                }
            }
            self.bundles.push(in_phases(weights, sidecars));
        }
        Ok(())
    }

    fn evict_file(&mut self, file: &FileRow) -> Result<Option<NewTransfer>, StorageError> {
        if self.is_unknown(&file.path)? {
            return Ok(None);
        }
        if file.conflict {
            self.refuse(&file.path, "another name here differs only in case: rename one of them first");
            return Ok(None);
        }
        if file.placeholder {
            self.refuse(&file.path, "its content lies in a cloud: it takes no space here");
            return Ok(None);
        }
        if self.is_open(self.local, &file.path) {
            self.refuse(&file.path, "another transfer of it has not ended yet");
            return Ok(None);
        }
        let stays = match self.stays(file)? {
            Ok(stays) => stays,
            Err(why) => {
                self.refuse(&file.path, why);
                return Ok(None);
            }
        };
        Ok(Some(NewTransfer {
            to: Some((Root::Lake, self.lake.row)),
            to_path: Some(stays).filter(|stays| *stays != file.path),
            ..NewTransfer::new(
                Operation::Evict,
                (Root::Local, self.local.row),
                file.path.clone(),
                (file.size_bytes, file.modified),
            )
        }))
    }

    /// Where on the Lake the content stays, or why it can't.
    fn stays(&self, file: &FileRow) -> Result<Result<RelPath, &'static str>, StorageError> {
        let there = index::files_at_key(self.connection, self.lake.row, &file.path.match_key())?;
        if there.len() > 1 || there.iter().any(|twin| twin.conflict) {
            return Ok(Err("the Lake has several names here that differ only in case"));
        }
        let is_exact = self.lake.case_sensitive && self.local.case_sensitive;
        let twin = there.first().filter(|twin| twin.path == file.path || !is_exact);
        let elsewhere = match &file.hash {
            Some(hash) => index::file_holding(self.connection, self.lake.row, hash)?,
            None => None,
        };
        let twin_content = twin.map(content);
        let stays = match lake_copy(&content(file), twin_content.as_ref(), elsewhere.is_some()) {
            None => return Ok(Err("the Lake has another file at this path")),
            Some(LakeCopy::Missing) if !self.lake.writable => {
                return Ok(Err("the Lake has no copy of it and can't be written"));
            }
            Some(LakeCopy::Missing) => return Ok(Ok(file.path.clone())),
            Some(_) => {
                let same_path = lake_copy(&content(file), twin_content.as_ref(), false);
                twin.filter(|_| same_path.is_some()).or(elsewhere.as_ref())
            }
        };
        let Some(stays) = stays else { return Ok(Err("the Lake has another file at this path")) };
        if stays.placeholder {
            return Ok(Err("the Lake's copy lies in a cloud and can't be verified"));
        }
        if self.is_open(self.lake, &stays.path) {
            return Ok(Err("another transfer of the Lake's copy has not ended yet"));
        }
        Ok(Ok(stays.path.clone()))
    }

    fn bring_back(&mut self, paths: &[RelPath]) -> Result<(), StorageError> {
        let mut named: Vec<EvictedRow> = Vec::new();
        for path in paths {
            let found = evictions::below(self.connection, self.local.row, path)?;
            if found.is_empty() {
                self.refuse(path, "it was not evicted, or is back already");
            }
            named.extend(found.into_iter().filter(|file| self.taken.insert(file.path.clone())));
        }
        let mut folders: BTreeMap<Option<RelPath>, Vec<EvictedRow>> = BTreeMap::new();
        for file in named {
            folders.entry(file.path.parent()).or_default().push(file);
        }
        folders.into_values().try_for_each(|files| self.bring_back_beside(files))
    }

    /// Evicted files of one folder with what belongs to them and was evicted, too.
    fn bring_back_beside(&mut self, mut files: Vec<EvictedRow>) -> Result<(), StorageError> {
        let n_named = files.len();
        for at in 0..n_named {
            let Some(path) = files.get(at).map(|file| file.path.clone()) else { continue };
            if FileKind::of(path.name()) == FileKind::Model {
                let near = evictions::beside(self.connection, self.local.row, &path)?;
                files.extend(near.into_iter().filter(|file| self.taken.insert(file.path.clone())));
            }
        }
        let names: Vec<&str> = files.iter().map(|file| file.path.name()).collect();
        let split = bundle::split(&names, |at| at < n_named);
        for at in split.alone {
            if let Some(file) = files.get(at) {
                let alone = self.bring_back_file(file)?;
                self.bundles.extend(alone.map(|transfer| vec![transfer]));
            }
        }
        for bundle in &split.bundles {
            let (mut weights, mut sidecars) = (Vec::new(), Vec::new());
            for file in bundle.weights.iter().filter_map(|at| files.get(*at)) {
                weights.extend(self.bring_back_file(file)?);
            }
            for sidecar in bundle.sidecars.iter().filter(|sidecar| sidecar.named || !weights.is_empty()) {
                if let Some(file) = files.get(sidecar.at) {
                    sidecars.extend(self.bring_back_file(file)?);
                }
            }
            self.bundles.push(in_phases(weights, sidecars));
        }
        Ok(())
    }

    fn bring_back_file(&mut self, evicted: &EvictedRow) -> Result<Option<NewTransfer>, StorageError> {
        if let Some(cover) = skipped::cover(self.connection, self.local.row, &evicted.path.match_key())? {
            self.refuse(&evicted.path, format!("not touched: {}", cover.text()));
            return Ok(None);
        }
        if !index::files_at_key(self.connection, self.local.row, &evicted.path.match_key())?.is_empty() {
            self.refuse(&evicted.path, "Local has a file at this path");
            return Ok(None);
        }
        if self.is_open(self.local, &evicted.path) {
            self.refuse(&evicted.path, "another transfer to the same place has not ended yet");
            return Ok(None);
        }
        let holds = |file: &FileRow| file.hash == Some(evicted.hash) && !file.placeholder && !file.conflict;
        let cover = skipped::cover(self.connection, self.lake.row, &evicted.lake_path.match_key())?;
        let there = index::file_at(self.connection, self.lake.row, &evicted.lake_path)?;
        let source = match there.filter(|file| holds(file) && cover.is_none()) {
            Some(file) => Some(file),
            None => index::file_holding(self.connection, self.lake.row, &evicted.hash)?,
        };
        let Some(source) = source else {
            if let Some(cover) = cover {
                self.refuse(&evicted.path, format!("{}. {}", cover.text(), cover.reason.way_out()));
                return Ok(None);
            }
            if let Some(found) = exclusion::of_path(&evicted.lake_path, NameKind::File) {
                let why = format!("on the Lake, {found}: put {} elsewhere on the Lake, then scan", evicted.lake_path);
                self.refuse(&evicted.path, why);
                return Ok(None);
            }
            self.refuse(
                &evicted.path,
                "the Lake is not known to hold this content now: scan and hash the Lake, then try again",
            );
            return Ok(None);
        };
        if self.is_open(self.lake, &source.path) {
            self.refuse(&evicted.path, "another transfer of the Lake's copy has not ended yet");
            return Ok(None);
        }
        Ok(Some(NewTransfer {
            to: Some((Root::Local, self.local.row)),
            to_path: Some(evicted.path.clone()).filter(|path| *path != source.path),
            ..NewTransfer::new(
                Operation::Copy,
                (Root::Lake, self.lake.row),
                source.path,
                (source.size_bytes, source.modified),
            )
        }))
    }
}
