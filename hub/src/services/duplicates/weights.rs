//! Models that are the same but for what their makers wrote into the headers.
//!
//! Headers are read first, they are short; bytes behind them only where another file has the same table
//! of tensors and as many bytes. What was read is kept for the next search.

use std::collections::{BTreeMap, BTreeSet};

use shared_protocol::Blake3;

use super::files::{Files, Places, Results};
use crate::domain::duplicates::{GroupKind, Stage, tensor_table};
use crate::domain::ids::RootRowId;
use crate::fs::hash::HashError;
use crate::fs::head::{LENGTH_BYTES, read_head};
use crate::fs::weights::hash_from;
use crate::services::ServiceError;
use crate::services::reading::{Kit, OpenFile, ReadResult};
use crate::storage::duplicates::{self, CandidateRow, KnownWeights, ModelRow, NewGroup};
use crate::storage::{Connection, StorageError};

/// Longer headers are left alone: no model of use has one, and it would be held in memory.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// What a file has that is no model, or whose header can't be read.
const NO_MODEL: KnownWeights = KnownWeights { tensors: None, data_start: 0, weights: None };

/// Finds the groups among models that are not equal to the last byte.
pub(super) fn groups(places: Places<'_>, rows: &[RootRowId], min_size: u64) -> Result<Vec<NewGroup>, ServiceError> {
    let database = &places.reading.context.database;
    let models = database.read_blocking(|connection| duplicates::models(connection, rows, min_size))?;
    let (rows, mut known): (Vec<CandidateRow>, Vec<Option<KnownWeights>>) =
        models.into_iter().map(|ModelRow { file, known }| (file, known)).unzip();
    let files = Files::new(places, rows);
    let store = |tx: &Connection, found: &[ReadResult<KnownWeights>]| store(&files, tx, found);

    let unread: Vec<usize> = (0..known.len()).filter(|at| known.get(*at).is_some_and(Option::is_none)).collect();
    note(&mut known, files.read((Stage::Weights, 0), &unread, &|_, file| table(file), &store)?);

    let unread: Vec<usize> = alike(&files.rows, &known, |of| Some((of.tensors?, None)))
        .into_iter()
        .flatten()
        .filter(|at| known.get(*at).is_some_and(|of| of.is_some_and(|of| of.weights.is_none())))
        .collect();
    let starts: BTreeMap<_, _> =
        files.rows.iter().zip(&known).filter_map(|(row, of)| Some((row.file.id, (*of)?))).collect();
    let weigh = |kit: &mut Kit, file: &mut OpenFile<'_>| {
        weigh(kit, file, starts.get(&file.file.id).copied().unwrap_or(NO_MODEL))
    };
    note(&mut known, files.read((Stage::Weights, files.size_bytes(&unread)), &unread, &weigh, &store)?);

    let group = |members: Vec<usize>| {
        let digest = members.first().and_then(|at| *known.get(*at)?)?.weights?;
        let rows = members.iter().filter_map(|at| files.rows.get(*at));
        let size_bytes = rows.clone().map(|row| row.file.size_bytes).min()?;
        let root = |row: &CandidateRow| places.lives.iter().find(|live| live.row == row.root).map(|live| live.root);
        let names = rows.filter_map(|row| Some(vec![(row.file.id, root(row)?)]));
        Some(NewGroup { kind: GroupKind::Weights, digest, size_bytes, files: names.collect() })
    };
    let equal = alike(&files.rows, &known, |of| Some((of.tensors?, Some(of.weights?))));
    Ok(equal.into_iter().filter_map(group).collect())
}

/// What is compared: the table, and the bytes behind it once they were read.
type WeightsKey = (Blake3, Option<Blake3>);

/// Positions of models with the same key and as many bytes, of which at least two differ as files.
fn alike(
    files: &[CandidateRow],
    known: &[Option<KnownWeights>],
    key: impl Fn(&KnownWeights) -> Option<WeightsKey>,
) -> Vec<Vec<usize>> {
    let mut found: BTreeMap<(WeightsKey, u64), Vec<usize>> = BTreeMap::new();
    for (at, (file, of)) in files.iter().zip(known).enumerate() {
        if let Some((of, key)) = of.as_ref().and_then(|of| Some((of, key(of)?))) {
            found.entry((key, file.file.size_bytes.saturating_sub(of.data_start))).or_default().push(at);
        }
    }
    let differ = |members: &Vec<usize>| {
        // A file without a hash equals none of its size: else the search had read it.
        let content = |at: &usize| files.get(*at).map(|row| row.file.hash.ok_or(*at));
        members.iter().filter_map(content).collect::<BTreeSet<_>>().len() > 1
    };
    found.into_values().filter(differ).collect()
}

fn note(known: &mut [Option<KnownWeights>], read: Results<KnownWeights>) {
    for (at, of) in read {
        if let Some(place) = known.get_mut(at) {
            *place = of;
        }
    }
}

fn store(files: &Files<'_>, tx: &Connection, found: &[ReadResult<KnownWeights>]) -> Result<(), StorageError> {
    found.iter().try_for_each(|found| match (files.of(found), &found.result) {
        (Some((_, row)), Ok(known)) => duplicates::put_weights(tx, row, known),
        _ => Ok(()),
    })
}

fn table(file: &OpenFile<'_>) -> Result<KnownWeights, HashError> {
    let Some(header) = read_head(&file.path(), file.stamp(), MAX_HEADER_BYTES)? else { return Ok(NO_MODEL) };
    let Ok(table) = tensor_table(&header) else { return Ok(NO_MODEL) };
    let tensors = Blake3::from_bytes(*blake3::hash(table.as_bytes()).as_bytes());
    Ok(KnownWeights { tensors: Some(tensors), data_start: LENGTH_BYTES + header.len() as u64, weights: None })
}

fn weigh(kit: &mut Kit, file: &OpenFile<'_>, known: KnownWeights) -> Result<KnownWeights, HashError> {
    let mut progress = |moved: u64| file.moved(moved);
    let weights = hash_from(&mut kit.bytes, &file.path(), file.stamp(), known.data_start, &mut progress)?;
    Ok(KnownWeights { weights: Some(weights), ..known })
}
