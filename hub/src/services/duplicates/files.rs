//! The files that a search reads, and how.

use std::collections::HashMap;

use parking_lot::Mutex;
use shared_protocol::Blake3;

use crate::domain::duplicates::{Node, SearchReport, Stage};
use crate::domain::ids::FileId;
use crate::fs::ends::hash_ends;
use crate::fs::hash::HashError;
use crate::fs::{ContentHash, node};
use crate::services::hasher::store_contents;
use crate::services::reading::{Kit, OpenFile, ReadResult, Reading, Supply, Work, n_readers};
use crate::services::roots::LiveRoot;
use crate::storage::duplicates::{self, CandidateRow};
use crate::storage::index::Edits;
use crate::storage::{Connection, StorageError};

/// What came of each file, by its position; nothing for one that could not be read.
pub(super) type Results<T> = Vec<(usize, Option<T>)>;

/// Stores what was found of some files, in a commit of their own.
type StoreFound<'a, T> = dyn Fn(&Connection, &[ReadResult<T>]) -> Result<(), StorageError> + 'a;

/// Where a search reads.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) reading: Reading<'a>,
    pub(super) report: &'a Mutex<SearchReport>,
    pub(super) lives: &'a [LiveRoot],
}

/// Files of these places, by their positions.
pub(super) struct Files<'a> {
    pub(super) places: Places<'a>,
    pub(super) rows: Vec<CandidateRow>,
    positions: HashMap<FileId, usize>,
}

impl<'a> Files<'a> {
    pub(super) fn new(places: Places<'a>, rows: Vec<CandidateRow>) -> Self {
        let positions = rows.iter().enumerate().map(|(at, row)| (row.file.id, at)).collect();
        Self { places, rows, positions }
    }

    pub(super) fn of(&self, found: &ReadResult<impl Sized>) -> Option<(usize, &CandidateRow)> {
        let at = *self.positions.get(&found.file.id)?;
        Some((at, self.rows.get(at)?))
    }

    /// Bytes of some of them.
    pub(super) fn size_bytes(&self, wanted: &[usize]) -> u64 {
        wanted.iter().filter_map(|at| self.rows.get(*at)).map(|row| row.file.size_bytes).sum()
    }

    /// Reads some of them in a stage of so many bytes, and stores what was found as the search goes on.
    pub(super) fn read<T: Send>(
        &self,
        (stage, bytes_total): (Stage, u64),
        wanted: &[usize],
        work: &Work<'_, T>,
        store: &StoreFound<'_, T>,
    ) -> Result<Results<T>, StorageError> {
        let Places { reading, report, lives } = self.places;
        report.lock().stage = Some(stage);
        reading.progress.begin_stage(wanted.len() as u64, bytes_total);
        let supply = |live: &LiveRoot| {
            let rows = wanted.iter().filter_map(|at| self.rows.get(*at)).filter(|row| row.root == live.row);
            let files = rows.map(|row| row.file.clone()).collect();
            Supply::of_files(live.clone(), files, n_readers(&reading.context.settings, live))
        };
        let mut results: Results<T> = Vec::with_capacity(wanted.len());
        let mut take = |found: Vec<ReadResult<T>>| {
            reading.context.ends.store_blocking("what was compared", || {}, |tx| store(tx, &found))?;
            results.extend(found.into_iter().filter_map(|found| Some((self.of(&found)?.0, found.result.ok()))));
            Ok(())
        };
        reading.read(lives.iter().map(supply).collect(), work, &mut take)?;
        Ok(results)
    }

    /// Looks which file each name is.
    pub(super) fn looks(&self, wanted: &[usize]) -> Result<Results<Option<Node>>, StorageError> {
        let look = |_: &mut Kit, file: &mut OpenFile<'_>| {
            let (stamp, node) = node::look_at_file(&file.path()).map_err(HashError::Fs)?;
            if stamp == file.stamp() { Ok(node) } else { Err(HashError::Changed) }
        };
        self.read((Stage::Look, 0), wanted, &look, &|_, _| Ok(()))
    }

    /// Reads first and last bytes.
    pub(super) fn ends(&self, wanted: &[usize]) -> Result<Results<Blake3>, StorageError> {
        let read = |kit: &mut Kit, file: &mut OpenFile<'_>| Ok(hash_ends(&mut kit.bytes, &file.path(), file.stamp())?);
        self.read((Stage::Ends, 0), wanted, &read, &|tx, found| {
            found.iter().try_for_each(|found| match (self.of(found), &found.result) {
                (Some((_, row)), Ok(ends)) => duplicates::put_ends(tx, row, ends),
                _ => Ok(()),
            })
        })
    }

    /// Reads whole files. Only BLAKE3: a search is to be quick, and SHA-256 is three times the work.
    pub(super) fn contents(&self, wanted: &[usize]) -> Result<Results<ContentHash>, StorageError> {
        let hash = |kit: &mut Kit, file: &mut OpenFile<'_>| file.hash(&mut kit.buffers, false);
        self.read((Stage::Contents, self.size_bytes(wanted)), wanted, &hash, &store_contents)
    }

    /// Stores hashes that were not read under these names; those that are stored already are left.
    pub(super) fn store_known(&self, known: impl Iterator<Item = (usize, Blake3)>) -> Result<(), StorageError> {
        let rows = known.filter_map(|(at, blake3)| Some((self.rows.get(at)?, blake3)));
        let new: Vec<_> = rows.filter(|(row, _)| row.file.hash.is_none()).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.places.reading.context.database.write_blocking(|tx| {
            let mut edits = Edits::new(tx);
            for (CandidateRow { root, file, .. }, blake3) in &new {
                let known = ContentHash { size_bytes: file.size_bytes, blake3: *blake3, sha256: None, groups: None };
                edits.know(*root, Some(file.id), &file.path, file.modified, file.identity, &known)?;
            }
            edits.finish()
        })
    }
}
