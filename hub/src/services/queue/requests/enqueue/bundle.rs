//! Planning a model with its sidecars: they go together, stay together, and share a number.

use std::collections::{HashMap, HashSet};

use shared_protocol::RelPath;

use super::destination::{SeenPlace, nearly};
use super::plan::EnqueuePlan;
use crate::domain::bundle::{self, Bundle, Fate, numbered};
use crate::domain::operation::{OnConflict, Operation};
use crate::storage::index::FileRow;
use crate::storage::index::beside::with_surroundings;
use crate::storage::queue::batches::{NewTransfer, in_phases};
use crate::storage::{StorageError, skipped};

/// Numbers tried before giving up.
const MOST_NUMBERS: u32 = 1_000;

/// What becomes of one file.
enum BundleVerdict {
    Go(RelPath),
    /// It goes to the path of this file, which makes way.
    Replace(FileRow, Differs),
    /// It is not needed: the destination has the same.
    Present,
    /// It stays, and why.
    Stay(String),
}

/// Whether what makes way has another content.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Differs(bool);

impl EnqueuePlan<'_> {
    /// Adds weights with what belongs to them, or one file that belongs to none.
    pub(super) fn add_bundle(&mut self, files: &[FileRow], bundle: &Bundle) -> Result<(), StorageError> {
        let verdicts = self.judge_all(files, bundle)?;
        // What the destination has already is as good as gone there; on this side it stays.
        let is_copy = self.request.operation == Operation::Copy;
        let goes = |at: usize| match verdicts.get(&at) {
            Some(BundleVerdict::Go(_) | BundleVerdict::Replace(..)) => bundle.weights.contains(&at),
            Some(BundleVerdict::Present) => is_copy && bundle.weights.contains(&at),
            _ => false,
        };
        let fates: Vec<Fate> = bundle.sidecars.iter().map(|sidecar| sidecar.fate(goes)).collect();
        let (mut first, mut then, mut replaced, mut kept) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
        let mut verdicts = verdicts;
        for at in &bundle.weights {
            let (Some(file), Some(verdict)) = (files.get(*at), verdicts.remove(at)) else { continue };
            if let BundleVerdict::Replace(twin, Differs(true)) = &verdict {
                replaced.push(twin.clone());
            }
            first.extend(self.queued(file, self.request.operation, verdict));
        }
        for (sidecar, fate) in bundle.sidecars.iter().zip(fates) {
            let (Some(file), Some(verdict)) = (files.get(sidecar.at), verdicts.remove(&sidecar.at)) else { continue };
            kept.insert(file.path.match_key());
            let operation = match (fate, self.request.operation) {
                (Fate::Stays, _) if sidecar.named => {
                    self.skip(&file.path, "the model that it belongs to stays where it is");
                    continue;
                }
                (Fate::Stays, _) | (Fate::Shared, Operation::Delete) => continue,
                (Fate::Shared, _) => Operation::Copy,
                (Fate::Goes, operation) => operation,
            };
            then.extend(self.queued(file, operation, verdict));
        }
        then.extend(self.superseded(replaced, &kept)?);
        self.batch.add_bundle(&in_phases(first, then))
    }

    /// What becomes of each file of a bundle, as far as the file itself and the destination say.
    fn judge_all(&mut self, files: &[FileRow], bundle: &Bundle) -> Result<HashMap<usize, BundleVerdict>, StorageError> {
        let mut seen: Vec<(usize, &FileRow, SeenPlace)> = Vec::new();
        for at in bundle.weights.iter().copied().chain(bundle.sidecars.iter().map(|sidecar| sidecar.at)) {
            if let Some(file) = files.get(at) {
                seen.push((at, file, self.look(file)?));
            }
        }
        let names = self.free_names(&seen)?;
        Ok(seen
            .into_iter()
            .map(|(at, _, seen)| match (seen, names.get(&at)) {
                (SeenPlace::Barred(why), _) => (at, BundleVerdict::Stay(why)),
                (_, Some(path)) => (at, BundleVerdict::Go(path.clone())),
                (seen, None) => (at, self.judge(seen)),
            })
            .collect())
    }

    fn look(&mut self, file: &FileRow) -> Result<SeenPlace, StorageError> {
        let barred = |why: &str| Ok(SeenPlace::Barred(why.to_owned()));
        if let Some(why) = self.unknown(file)? {
            return Ok(SeenPlace::Barred(why));
        }
        if file.conflict {
            barred("another name here differs only in case: rename one of them first")
        } else if file.placeholder && self.request.operation != Operation::Delete {
            barred("its content lies in a cloud and is not on this disk")
        } else if file.rotted.is_some() && self.request.operation != Operation::Delete {
            barred("its bytes changed though nothing wrote to it: heal it first, see Hashes")
        } else if self.is_open(&file.path) {
            barred("another transfer of it has not ended yet")
        } else if let Some(to) = &mut self.to {
            to.look(file, &self.open)
        } else {
            Ok(SeenPlace::Free(file.path.clone()))
        }
    }

    /// Whether a root was not seen where the file is or is to go.
    fn unknown(&self, file: &FileRow) -> Result<Option<String>, StorageError> {
        let key = file.path.match_key();
        for root in std::iter::once(self.from.row).chain(self.to.as_ref().map(|to| to.live.row)) {
            if let Some(cover) = skipped::cover(self.connection, root, &key)? {
                return Ok(Some(format!("not touched: {}", cover.text())));
            }
        }
        Ok(None)
    }

    fn judge(&self, seen: SeenPlace) -> BundleVerdict {
        let is_copy = self.request.operation == Operation::Copy;
        match (seen, self.request.on_conflict) {
            (SeenPlace::Barred(why), _) => BundleVerdict::Stay(why),
            (SeenPlace::Nearly(there), _) => BundleVerdict::Stay(nearly(&there)),
            (SeenPlace::Free(path), _) => BundleVerdict::Go(path),
            (SeenPlace::Same(_), _) if is_copy => BundleVerdict::Present,
            (SeenPlace::Same(twin), OnConflict::Replace) => BundleVerdict::Replace(twin, Differs(false)),
            (SeenPlace::Other(twin), OnConflict::Replace) => BundleVerdict::Replace(twin, Differs(true)),
            (SeenPlace::Same(_), _) => BundleVerdict::Stay("the destination has the same file already".to_owned()),
            (SeenPlace::Other(_), _) => {
                BundleVerdict::Stay("the destination has another file of this name already".to_owned())
            }
        }
    }

    /// Names beside what is there, if both are to be kept and any name of the bundle is taken: then all
    /// get the same number.
    fn free_names(&mut self, seen: &[(usize, &FileRow, SeenPlace)]) -> Result<HashMap<usize, RelPath>, StorageError> {
        let none = Ok(HashMap::new());
        let is_move = self.request.operation == Operation::Move;
        let is_taken = |seen: &SeenPlace| match seen {
            SeenPlace::Other(_) | SeenPlace::Nearly(_) => true,
            SeenPlace::Same(_) => is_move,
            SeenPlace::Free(_) | SeenPlace::Barred(_) => false,
        };
        let (OnConflict::KeepBoth, Some((_, first, _))) = (self.request.on_conflict, seen.first()) else {
            return none;
        };
        let (true, Some(to)) = (seen.iter().any(|(_, _, seen)| is_taken(seen)), &mut self.to) else { return none };
        let Ok(folder) = to.folder(first.path.parent())? else { return none };
        let names: Vec<&str> = seen.iter().map(|(_, file, _)| file.path.name()).collect();
        for number in 2..MOST_NUMBERS {
            let numbered = numbered(&names, number);
            let paths = numbered.iter().map(|name| RelPath::in_folder(folder.as_ref(), name));
            let Ok(paths) = paths.collect::<Result<Vec<_>, _>>() else { return none };
            let mut all_free = true;
            for path in &paths {
                all_free &= to.is_free(path, &self.open)?;
            }
            if all_free {
                return Ok(seen.iter().map(|(at, ..)| *at).zip(paths).collect());
            }
        }
        none
    }

    /// The transfer of a file, unless it stays: then that is told.
    fn queued(&mut self, file: &FileRow, operation: Operation, verdict: BundleVerdict) -> Option<NewTransfer> {
        let to_path = match verdict {
            BundleVerdict::Go(to_path) => to_path,
            BundleVerdict::Replace(twin, _) => twin.path,
            BundleVerdict::Present => {
                self.skip(&file.path, "the destination has the same file already");
                return None;
            }
            BundleVerdict::Stay(why) => {
                self.skip(&file.path, why);
                return None;
            }
        };
        if self.request.on_conflict == OnConflict::KeepBoth
            && let Some(to) = &mut self.to
        {
            to.claim(&to_path);
        }
        Some(self.transfer(file, operation, Some(to_path)))
    }

    /// What belongs to weights of the destination that are replaced, and is not replaced itself, describes
    /// a model that is gone then: it goes to the trash with it.
    fn superseded(&self, replaced: Vec<FileRow>, kept: &HashSet<String>) -> Result<Vec<NewTransfer>, StorageError> {
        let (Some(to), false) = (&self.to, replaced.is_empty()) else { return Ok(Vec::new()) };
        let n = replaced.len();
        let files = with_surroundings(self.connection, to.live.row, replaced)?;
        let names: Vec<&str> = files.iter().map(|file| file.path.name()).collect();
        let found = bundle::split(&names, |at| at < n);
        let left = found.bundles.iter().flat_map(|bundle| &bundle.sidecars);
        let left = left.filter(|sidecar| sidecar.fate(|owner| owner < n) == Fate::Goes);
        let is_left = |file: &&FileRow| {
            let key = file.path.match_key();
            !file.conflict && !kept.contains(&key) && !self.open.contains(&(to.live.row, key))
        };
        let transfers = left.filter_map(|sidecar| files.get(sidecar.at)).filter(is_left).map(|file| NewTransfer {
            from: (to.live.root, to.live.row),
            to: None,
            on_conflict: OnConflict::Skip,
            ..self.transfer(file, Operation::Delete, None)
        });
        Ok(transfers.collect())
    }
}
