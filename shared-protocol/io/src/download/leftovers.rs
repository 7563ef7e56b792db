//! Half-done files of ours that nobody will go on with.
//!
//! A download that failed or was cancelled leaves what it had, so that another try goes on from there. After a
//! week without a write nobody does any more: then it is removed when the program starts, with the notes beside it.
//! Ours is what has a journal of ours beside it; a name alone proves nothing. What an open job is about stays, and so
//! does whatever someone holds the lock of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::time::{Duration, SystemTime};

use shared_protocol::RelPath;

use super::claim::{note_paths, owner_of, part_paths, successor};
use crate::confine::{ConfinedFolder, PlaceError};
use crate::durable::remove_lightly;
use crate::error::FileError;
use crate::system;
use crate::walk::walk;

/// Time without a write after which nobody goes on.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(7 * 24);

/// Removes what nobody will go on with.
#[derive(Debug)]
pub struct Leftovers {
    models: ConfinedFolder,
    /// Half-done files of open jobs, by their names' match keys.
    wanted: BTreeSet<String>,
    now: SystemTime,
}

impl Leftovers {
    /// In the folder of models; `wanted` are the places that someone will go on to download to.
    pub fn new<'a>(models: ConfinedFolder, wanted: impl Iterator<Item = &'a RelPath>, now: SystemTime) -> Self {
        Self { models, wanted: wanted.flat_map(part_paths).map(|part| part.match_key()).collect(), now }
    }

    /// Looks through the whole folder; `wants_to_stop` is asked between files.
    pub fn sweep(&self, wants_to_stop: &dyn Fn() -> bool) {
        // A half-done file is as old as the youngest of it and its notes.
        let mut is_old: BTreeMap<RelPath, bool> = BTreeMap::new();
        walk(&self.models, &mut |path, found| {
            if let Some(part) = part_of(&path) {
                let all_are = is_old.entry(part).or_insert(true);
                *all_are &= self.is_forgotten(found);
            }
        });
        for (part, _) in is_old.into_iter().filter(|(part, is_old)| *is_old && !self.wanted.contains(&part.match_key()))
        {
            if wants_to_stop() {
                return;
            }
            match self.remove(&part) {
                Ok(Some(bytes)) => {
                    tracing::info!(bytes, "removed {}: half done, and not gone on with for a week", part.as_str());
                }
                Ok(None) => {}
                Err(error) => tracing::warn!("a half-done file stays: {error}"),
            }
        }
    }

    /// Removes a half-done file with its notes, and tells what it took of the disk; none if someone has it.
    fn remove(&self, part: &RelPath) -> Result<Option<u64>, PlaceError> {
        let path = self.models.resolve(part)?;
        if owner_of(&path).is_none() {
            return Ok(None);
        }
        let opened = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Some(file),
            // Notes alone: their file has got its name, and the program died before they were removed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::of("open", &path)(error).into()),
        };
        let mut bytes = 0;
        if let Some(file) = &opened {
            // Where there are no locks, someone may have it.
            if file.try_lock().is_err() {
                return Ok(None);
            }
            let found = file.metadata().map_err(FileError::of("look at", &path))?;
            // Until it was locked, someone may have finished it or gone on with it.
            let is_still_there = fs::symlink_metadata(&path).is_ok_and(|now| system::is_same_file(&now, &found));
            if !is_still_there || !self.is_forgotten(&found) {
                return Ok(None);
            }
            bytes = system::taken_bytes(&found);
        }
        if opened.is_some() {
            remove_lightly(&path)?;
        }
        // The journal last: as long as anything is left, it says whose that is.
        let [journal, groups] = note_paths(&path);
        for file in [successor(&groups), groups, successor(&journal), journal] {
            bytes += fs::symlink_metadata(&file).map_or(0, |found| system::taken_bytes(&found));
            remove_lightly(&file)?;
        }
        Ok(Some(bytes))
    }

    fn is_forgotten(&self, found: &Metadata) -> bool {
        // A time to come is none of long ago.
        let age = found.modified().ok().and_then(|at| self.now.duration_since(at).ok());
        age.is_some_and(|age| age >= FORGOTTEN_AFTER)
    }
}

/// The half-done file that a file is or belongs to, if it has such a name.
fn part_of(path: &RelPath) -> Option<RelPath> {
    let name = path.name();
    let note = name.strip_suffix('~').unwrap_or(name);
    let part = match [".journal", ".groups"].iter().find_map(|ending| note.strip_suffix(ending)) {
        Some(part) => part,
        None => name,
    };
    let of = part.strip_prefix('.')?.strip_suffix(".part").filter(|of| !of.is_empty())?;
    RelPath::in_folder(path.parent().as_ref(), &format!(".{of}.part")).ok()
}

#[cfg(test)]
#[path = "leftovers_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
