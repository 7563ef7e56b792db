//! Models that are the same but for what their makers wrote into the headers.
//!
//! Headers are read first, they are short; bytes behind them only where another file has the same table
//! of tensors and as many bytes. What was read is kept for the next search.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use shared_protocol::Blake3;

use super::read::{Kit, ReaderPool, each, stamp_of, wait_for_transfers};
use super::stage::Stage;
use crate::domain::duplicates::GroupKind;
use crate::domain::ids::RootRowId;
use crate::domain::safetensors::tensor_table;
use crate::fs::hash::HashError;
use crate::fs::head::{HeadError, read_head};
use crate::fs::weights::hash_from;
use crate::services::ServiceError;
use crate::services::roots::LiveRoot;
use crate::storage::StorageError;
use crate::storage::duplicates::{self, CandidateRow, KnownWeights, ModelRow, NewGroup};

/// Longer headers are left alone: no model of use has one, and it would be held in memory.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Bytes in front of a header.
const LENGTH_BYTES: u64 = 8;

/// What a file has that is no model, or whose header can't be read.
const NO_MODEL: KnownWeights = KnownWeights { tensors: None, data_start: 0, weights: None };

/// Finds the groups among models that are not equal to the last byte.
pub(super) fn groups(pool: &ReaderPool<'_>, rows: &[RootRowId], min_size: u64) -> Result<Vec<NewGroup>, ServiceError> {
    let models = pool.this.database.read_blocking(|connection| duplicates::models(connection, rows, min_size))?;
    let (files, mut known): (Vec<CandidateRow>, Vec<Option<KnownWeights>>) =
        models.into_iter().map(|ModelRow { file, known }| (file, known)).unzip();
    let unread: Vec<usize> = (0..files.len()).filter(|at| known.get(*at).is_some_and(Option::is_none)).collect();
    pool.this.update(|running| running.progress.begin(Stage::Weights, unread.len() as u64, 0));
    let tables = |_: &mut Kit, live: &LiveRoot, file: &CandidateRow| table(live, file);
    let read = each(pool, &files, &unread, &tables, &mut |found| store(pool, &files, found))?;
    take(&mut known, read);

    let unread: Vec<usize> = alike(&files, &known, |of| Some((of.tensors?, None)))
        .into_iter()
        .flatten()
        .filter(|at| known.get(*at).is_some_and(|of| of.is_some_and(|of| of.weights.is_none())))
        .collect();
    let bytes = unread.iter().filter_map(|at| files.get(*at)).map(|file| file.size_bytes).sum();
    pool.this.update(|running| running.progress.begin(Stage::Weights, unread.len() as u64, bytes));
    let starts: BTreeMap<_, _> = files.iter().zip(&known).filter_map(|(file, of)| Some((file.id, (*of)?))).collect();
    let weigh = |kit: &mut Kit, live: &LiveRoot, file: &CandidateRow| {
        weigh(pool, kit, live, file, starts.get(&file.id).copied().unwrap_or(NO_MODEL))
    };
    let read = each(pool, &files, &unread, &weigh, &mut |found| store(pool, &files, found))?;
    take(&mut known, read);

    let group = |members: Vec<usize>| {
        let digest = members.first().and_then(|at| *known.get(*at)?)?.weights?;
        let size_bytes = members.iter().filter_map(|at| files.get(*at)).map(|file| file.size_bytes).min()?;
        let root = |file: &CandidateRow| pool.lives.iter().find(|live| live.row == file.root).map(|live| live.root);
        let names =
            members.iter().filter_map(|at| files.get(*at)).filter_map(|file| Some(vec![(file.id, root(file)?)]));
        Some(NewGroup { kind: GroupKind::Weights, digest, size_bytes, files: names.collect() })
    };
    let equal = alike(&files, &known, |of| Some((of.tensors?, Some(of.weights?))));
    Ok(equal.into_iter().filter_map(group).collect())
}

/// What is compared: the table, and the bytes behind it once they were read.
type Key = (Blake3, Option<Blake3>);

/// Positions of models with the same key and as many bytes, of which at least two differ as files.
fn alike(
    files: &[CandidateRow],
    known: &[Option<KnownWeights>],
    key: impl Fn(&KnownWeights) -> Option<Key>,
) -> Vec<Vec<usize>> {
    let mut found: BTreeMap<(Key, u64), Vec<usize>> = BTreeMap::new();
    for (at, (file, of)) in files.iter().zip(known).enumerate() {
        if let Some((of, key)) = of.as_ref().and_then(|of| Some((of, key(of)?))) {
            found.entry((key, file.size_bytes.saturating_sub(of.data_start))).or_default().push(at);
        }
    }
    let differ = |members: &Vec<usize>| {
        // A file without a hash equals none of its size: else the search had read it.
        let content = |at: &usize| files.get(*at).map(|file| file.hash.ok_or(*at));
        members.iter().filter_map(content).collect::<BTreeSet<_>>().len() > 1
    };
    found.into_values().filter(differ).collect()
}

fn take(known: &mut [Option<KnownWeights>], read: Vec<(usize, Option<KnownWeights>)>) {
    for (at, of) in read {
        if let Some(place) = known.get_mut(at) {
            *place = of;
        }
    }
}

fn store(
    pool: &ReaderPool<'_>,
    files: &[CandidateRow],
    found: &[(usize, Option<KnownWeights>)],
) -> Result<(), StorageError> {
    pool.this.database.write_blocking(|tx| {
        found.iter().try_for_each(|(at, known)| match (files.get(*at), known) {
            (Some(file), Some(known)) => duplicates::put_weights(tx, file, known),
            _ => Ok(()),
        })
    })
}

fn table(live: &LiveRoot, file: &CandidateRow) -> Result<KnownWeights, HashError> {
    crate::fs::ensure_no_links(&live.dir, &file.path).map_err(HashError::Fs)?;
    let header = match read_head(&live.dir.resolve(&file.path), stamp_of(file), MAX_HEADER_BYTES) {
        Ok(header) => header,
        Err(HeadError::NotSafetensors | HeadError::CutShort | HeadError::TooLong(_)) => return Ok(NO_MODEL),
        Err(HeadError::Changed) => return Err(HashError::Changed),
        Err(HeadError::Fs(error)) => return Err(HashError::Fs(error)),
    };
    let Ok(table) = tensor_table(&header) else { return Ok(NO_MODEL) };
    let tensors = Blake3::from_bytes(*blake3::hash(table.as_bytes()).as_bytes());
    Ok(KnownWeights { tensors: Some(tensors), data_start: LENGTH_BYTES + header.len() as u64, weights: None })
}

fn weigh(
    pool: &ReaderPool<'_>,
    kit: &mut Kit,
    live: &LiveRoot,
    file: &CandidateRow,
    known: KnownWeights,
) -> Result<KnownWeights, HashError> {
    let mut progress = |moved: u64| {
        pool.this.update(|running| {
            running.progress.meter.add(moved, Instant::now());
            running.progress.bytes_done += moved;
        });
        wait_for_transfers(pool, live);
        pool.cancel.flow()
    };
    crate::fs::ensure_no_links(&live.dir, &file.path).map_err(HashError::Fs)?;
    let path = live.dir.resolve(&file.path);
    let weights = hash_from(&mut kit.ends, &path, stamp_of(file), known.data_start, &mut progress)?;
    Ok(KnownWeights { weights: Some(weights), ..known })
}
