//! From paths to transfers: folders become files, and what belongs together is planned together.

use std::collections::HashSet;

use shared_protocol::RelPath;

use super::super::{SkippedPath, TransferRequest, exclusions};
use super::MOST_SKIPPED;
use super::destination::Destination;
use crate::domain::bundle::{self, Bundle};
use crate::domain::ids::RootRowId;
use crate::domain::operation::Operation;
use crate::services::roots::LiveRoot;
use crate::storage::index::beside::{by_folder, files_in, folders_below, with_surroundings};
use crate::storage::index::{self, FileRow};
use crate::storage::queue::batches::{self, GrowingBatch, NewBatch, NewTransfer};
use crate::storage::{Connection, StorageError};

/// Stores transfers as it finds them.
pub(super) struct EnqueuePlan<'a> {
    pub(super) connection: &'a Connection,
    pub(super) request: &'a TransferRequest,
    pub(super) from: &'a LiveRoot,
    pub(super) to: Option<Destination<'a>>,
    /// Paths that unfinished transfers already read or write.
    pub(super) open: HashSet<(RootRowId, String)>,
    pub(super) batch: GrowingBatch<'a>,
    /// The first of them, to be told.
    pub(super) skipped: Vec<SkippedPath>,
    pub(super) n_skipped: usize,
}

impl<'a> EnqueuePlan<'a> {
    pub(super) fn begin(
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
            to: to.map(|to| Destination::new(connection, from, to)),
            open: batches::open_paths(connection)?,
            batch: GrowingBatch::begin(connection, &batch)?,
            skipped: Vec::new(),
            n_skipped: 0,
        })
    }

    pub(super) fn skip(&mut self, path: &RelPath, why: impl Into<String>) {
        self.n_skipped += 1;
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(SkippedPath { path: path.to_string(), why: why.into() });
        }
    }

    /// Adds what a person named: files with what belongs to them, and all files of folders.
    pub(super) fn add_all<'p>(&mut self, paths: impl Iterator<Item = &'p RelPath>) -> Result<(), StorageError> {
        // Files of one folder are looked at together: some may belong to others.
        let mut named: Vec<FileRow> = Vec::new();
        for path in paths {
            if let Some(file) = index::file_at(self.connection, self.from.row, path)? {
                named.push(file);
            } else {
                by_folder(std::mem::take(&mut named)).into_iter().try_for_each(|files| self.add_files(files))?;
                self.add_folder(path)?;
            }
        }
        by_folder(named).into_iter().try_for_each(|files| self.add_files(files))
    }

    fn add_folder(&mut self, path: &RelPath) -> Result<(), StorageError> {
        let mut is_empty = true;
        for folder in folders_below(self.connection, self.from.row, path)? {
            let files = files_in(self.connection, self.from.row, Some(&folder))?;
            is_empty &= files.is_empty();
            self.add_files(files)?;
        }
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

    /// Adds files of one folder with what belongs to them.
    fn add_files(&mut self, chosen: Vec<FileRow>) -> Result<(), StorageError> {
        let n_chosen = chosen.len();
        let files = with_surroundings(self.connection, self.from.row, chosen)?;
        let names: Vec<&str> = files.iter().map(|file| file.path.name()).collect();
        let found = bundle::split(&names, |at| at < n_chosen);
        let alone = found.alone.into_iter().map(|at| Bundle { weights: vec![at], sidecars: Vec::new() });
        let mut bundles: Vec<Bundle> = found.bundles.into_iter().chain(alone).collect();
        // In the order of the folder, or of the request.
        bundles.sort_by_key(|bundle| bundle.weights.first().copied());
        bundles.iter().try_for_each(|bundle| self.add_bundle(&files, bundle))
    }

    /// Whether an unfinished transfer reads or writes this file of the side it is taken from.
    pub(super) fn is_open(&self, path: &RelPath) -> bool {
        self.open.contains(&(self.from.row, path.match_key()))
    }

    /// What is queued for one file.
    pub(super) fn transfer(&self, file: &FileRow, operation: Operation, to_path: Option<RelPath>) -> NewTransfer {
        NewTransfer {
            to: self.to.as_ref().map(|to| (to.live.root, to.live.row)),
            to_path: to_path.filter(|to_path| *to_path != file.path),
            on_conflict: self.request.on_conflict,
            ..NewTransfer::new(
                operation,
                (self.from.root, self.from.row),
                file.path.clone(),
                (file.size_bytes, file.modified),
            )
        }
    }
}
