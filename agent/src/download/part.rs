//! The half-done file and its journal.
//!
//! `.<name>.part` holds the bytes, `.<name>.part.journal` which groups of them are proved, and
//! `.<name>.part.groups` the list they were proved by. The data is synced before the journal that claims it,
//! and the journal is replaced as a whole. While work goes on the journal says so; one that still says so at
//! the start is of a program that died, and its groups are read and proved again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared_protocol::groups::{GROUP_BYTES, group_value};
use shared_protocol::{Blake3, GroupList, RelPath};

use super::board::GroupSet;
use super::positioned;
use crate::confine::{ConfineError, ConfinedFolder};

/// Longest part of a name that is kept in the names beside it.
const MAX_NAME: usize = 200;

/// Why the half-done file can't be worked with.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// A path is not to be used.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// Something failed.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another file has the name by now.
    #[error("{} is there with another content: nothing is overwritten", .0.display())]
    Occupied(PathBuf),
}

impl PartError {
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

/// Whether an error says that the disk, or one's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    version: u32,
    blake3: Blake3,
    size_bytes: u64,
    /// Whether work on it goes on.
    is_open: bool,
    /// One bit per group.
    proved: Vec<u8>,
}

/// The half-done file of one content at one place, locked.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    journal: PathBuf,
    groups: PathBuf,
    dest: PathBuf,
    blake3: Blake3,
    size_bytes: u64,
}

pub(super) fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PartError {
    let path = path.to_owned();
    move |source| PartError::Io { verb, path, source }
}

/// The name beside `dest` under which it is half done.
pub(crate) fn part_path(dest: &RelPath) -> Option<RelPath> {
    let name = dest.name();
    let kept = name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or(name);
    // Two names that were cut must not meet.
    let tail = if kept.len() < name.len() {
        format!("~{}", &blake3::hash(name.as_bytes()).to_hex()[..8])
    } else {
        String::new()
    };
    RelPath::in_folder(dest.parent().as_ref(), &format!(".{kept}{tail}.part")).ok()
}

/// Where the journal and the list of groups of a half-done file lie.
pub(super) fn note_paths(part: &Path) -> [PathBuf; 2] {
    [".journal", ".groups"].map(|ending| {
        let mut name = part.to_owned().into_os_string();
        name.push(ending);
        name.into()
    })
}

impl Part {
    /// Opens or makes it; none while another program or job works on it.
    pub(crate) fn open(
        models: &ConfinedFolder,
        dest: &RelPath,
        blake3: Blake3,
        size_bytes: u64,
    ) -> Result<Option<Self>, PartError> {
        let dest_path = models.resolve_with_folders(dest)?;
        let part = part_path(dest).ok_or_else(|| PartError::Io {
            verb: "name a file beside",
            path: dest_path.clone(),
            source: io::ErrorKind::InvalidFilename.into(),
        })?;
        let path = models.resolve_with_folders(&part)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("open", &path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: nothing better can be had there.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        // Who had the lock may have finished, and what was opened is the finished file by now.
        if !path.exists() || dest_path.exists() {
            return Ok(None);
        }
        let [journal, groups] = note_paths(&path);
        Ok(Some(Self { file, journal, groups, path, dest: dest_path, blake3, size_bytes }))
    }

    /// The list that an earlier run was given, if it is the content's.
    pub(crate) fn stored_groups(&self) -> Option<GroupList> {
        let bytes = read_plain(&self.groups).ok()?;
        GroupList::from_bytes(self.size_bytes, &bytes).ok().filter(|list| list.root() == self.blake3)
    }

    /// Keeps the list for a later run.
    pub(crate) fn store_groups(&self, list: &GroupList) -> Result<(), PartError> {
        replace(&self.groups, &list.to_bytes())
    }

    /// What an earlier run has proved. What is doubtful is read again; `wants_to_stop` is asked between groups.
    pub(crate) fn resume(&self, list: &GroupList, wants_to_stop: &dyn Fn() -> bool) -> Result<GroupSet, PartError> {
        let n_groups = list.values().len() as u64;
        let empty = GroupSet::none_of(n_groups);
        let Some(journal) = self.read_journal() else { return Ok(empty) };
        let Some(mut held) = GroupSet::from_bytes(n_groups, &journal.proved) else { return Ok(empty) };
        let length = self.file.metadata().map_err(failed("look at", &self.path))?.len();
        let is_doubtful = journal.is_open || length != self.size_bytes;
        let mut buffer = Vec::new();
        for (group, value) in (0..n_groups).zip(list.values()) {
            if !held.has(group) || !is_doubtful {
                continue;
            }
            if wants_to_stop() {
                break;
            }
            let offset = group * GROUP_BYTES;
            let n_bytes = (self.size_bytes - offset).min(GROUP_BYTES);
            buffer.resize(usize::try_from(n_bytes).unwrap_or_default(), 0);
            let is_read = positioned::read_exact_at(&self.file, &mut buffer, offset).is_ok();
            if !is_read || group_value(offset, &buffer) != *value {
                held.remove(group);
            }
        }
        Ok(held)
    }

    fn read_journal(&self) -> Option<Journal> {
        let journal: Journal = serde_json::from_slice(&read_plain(&self.journal).ok()?).ok()?;
        let is_ours = journal.version == 1 && journal.blake3 == self.blake3 && journal.size_bytes == self.size_bytes;
        is_ours.then_some(journal)
    }

    /// Gives the file its full length.
    pub(crate) fn stretch(&self) -> Result<(), PartError> {
        self.file.set_len(self.size_bytes).map_err(failed("set the length of", &self.path))
    }

    /// Bytes of the disk that are taken by it already.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |found| positioned::taken_bytes(&found))
    }

    /// Throws away what is there.
    pub(crate) fn empty(&self) -> Result<(), PartError> {
        remove(&self.journal)?;
        self.file.set_len(0).map_err(failed("empty", &self.path))
    }

    /// Writes a block at its place.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), PartError> {
        positioned::write_all_at(&self.file, bytes, offset).map_err(failed("write", &self.path))
    }

    /// Makes the data safe, then says so in the journal.
    pub(crate) fn record(&self, proved: &GroupSet, is_open: bool) -> Result<(), PartError> {
        self.file.sync_data().map_err(failed("sync", &self.path))?;
        let journal = Journal {
            version: 1,
            blake3: self.blake3,
            size_bytes: self.size_bytes,
            is_open,
            proved: proved.to_bytes(),
        };
        let text = serde_json::to_vec(&journal).map_err(|error| failed("write", &self.journal)(error.into()))?;
        replace(&self.journal, &text)
    }

    /// Gives the proved file its name. Nothing that has it is replaced.
    pub(crate) fn finish(&self) -> Result<(), PartError> {
        self.file.sync_all().map_err(failed("sync", &self.path))?;
        match positioned::rename_new(&self.path, &self.dest) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(PartError::Occupied(self.dest.clone()));
            }
            other => other.map_err(failed("rename", &self.path))?,
        }
        self.forget_notes()?;
        let folder = self.dest.parent().unwrap_or(&self.dest);
        positioned::sync_folder(folder).map_err(failed("sync the folder", folder))
    }

    /// Copies another file, proves what was read, and finishes if it is the content.
    pub(crate) fn fill_from(&self, from: &Path, wants_to_stop: &dyn Fn() -> bool) -> Result<bool, PartError> {
        self.empty()?;
        let mut source = File::open(from).map_err(failed("open", from))?;
        let mut block = vec![0; usize::try_from(GROUP_BYTES).unwrap_or(1 << 20)];
        let (mut hasher, mut offset) = (blake3::Hasher::new(), 0);
        while !wants_to_stop() {
            let n = source.read(&mut block).map_err(failed("read", from))?;
            if n == 0 {
                let is_right = hasher.finalize().as_bytes() == self.blake3.as_bytes();
                return if is_right { self.finish().map(|()| true) } else { Ok(false) };
            }
            let bytes = block.get(..n).unwrap_or_default();
            hasher.update(bytes);
            self.write(offset, bytes)?;
            offset += n as u64;
        }
        Ok(false)
    }

    /// Removes what lies beside the file.
    fn forget_notes(&self) -> Result<(), PartError> {
        for note in [&self.journal, &self.groups] {
            // A program that died may have left its successor half written.
            remove(&successor(note))?;
            remove(note)?;
        }
        Ok(())
    }

    /// Removes everything, because it is not needed.
    pub(crate) fn discard(&self) -> Result<(), PartError> {
        self.forget_notes()?;
        remove(&self.path)
    }

    /// Where the file will be.
    pub(crate) fn dest(&self) -> &Path {
        &self.dest
    }
}

/// Reads a file that is no link.
fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    if fs::symlink_metadata(path)?.is_file() { fs::read(path) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(path: &Path) -> Result<(), PartError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The name under which what replaces a file is written.
pub(super) fn successor(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push("~");
    name.into()
}

/// Replaces a file by a whole one: after a power cut it is the old or the new.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), PartError> {
    let fresh = successor(path);
    remove(&fresh)?;
    let file = OpenOptions::new().write(true).create_new(true).open(&fresh).map_err(failed("make", &fresh))?;
    positioned::write_all_at(&file, bytes, 0).map_err(failed("write", &fresh))?;
    file.sync_data().map_err(failed("sync", &fresh))?;
    fs::rename(&fresh, path).map_err(failed("rename", &fresh))
}

#[cfg(test)]
#[path = "part_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
