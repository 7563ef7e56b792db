//! The half-done file and its journal.
//!
//! `.<name>.part` holds the bytes, `.<name>.part.journal` says that it is ours (`claim`) and which groups of it are
//! verified, and `.<name>.part.groups` is the list they were verified by. A content of one group is never gone on with:
//! where the system can, its file has no name at all before it has its final one, and a kill leaves nothing.
//!
//! The data is synced before the journal that claims it, and the journal is replaced as a whole. While work goes on the
//! journal says so; one that still says so at the start is of a program that died, and its groups are read and verified
//! again. What is there of other groups, and of a content whose list is not known yet, is noted as well: nothing
//! verifies it until its group is whole.

mod journal;
mod lost;
mod placed;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, RwLock};
use shared_protocol::groups::{GROUP_BYTES, group_value};
use shared_protocol::outcome::SourceReport;
use shared_protocol::{Blake3, GroupList, RelPath};

use super::chunk_scheduler::GroupSet;
use super::claim::{self, note_paths, read_plain, successor};
use super::expected::Expected;
use super::partial_groups::KeptBytes;
use crate::confine::{ConfinedFolder, PlaceError};
use crate::durable::{self, remove_lightly};
use crate::error::FileError;
use crate::system;
use journal::Journal;
use placed::Placed;

pub(super) use journal::{Recorded, Resumed};

/// The half-done file of one content at one place, locked.
#[derive(Debug)]
pub struct PartFile {
    /// Opened anew where the server of a network disk has forgotten it.
    file: RwLock<File>,
    path: PathBuf,
    journal: PathBuf,
    groups: PathBuf,
    dest: PathBuf,
    expected: Expected,
    size_bytes: u64,
    /// Whether it has no name yet: then nothing lies beside it.
    is_nameless: bool,
    /// Of one that its caller names.
    placed: Option<Placed>,
    /// Whether its notes are gone for good; locked while they are written. The journal is written beside the work, and
    /// a write that is late must not bring one back.
    is_over: Mutex<bool>,
}

impl PartFile {
    /// Opens or makes it; none while another program or download works on it.
    pub fn open(
        models: &ConfinedFolder,
        dest: &RelPath,
        blake3: Blake3,
        size_bytes: u64,
    ) -> Result<Option<Self>, PlaceError> {
        let dest = models.resolve_with_folders(dest)?;
        let unfinished = |file, path: PathBuf, is_nameless| {
            let ([journal, groups], is_over) = (note_paths(&path), Mutex::new(is_nameless));
            let (file, expected, dest) = (RwLock::new(file), Expected::Blake3(blake3), dest.clone());
            Self { file, journal, groups, path, dest, expected, size_bytes, is_nameless, placed: None, is_over }
        };
        if size_bytes <= GROUP_BYTES
            && let Some(file) = dest.parent().and_then(system::open_nameless)
        {
            return Ok((!dest.exists()).then(|| unfinished(file, dest.clone(), true)));
        }
        let record = Journal::empty(&Expected::Blake3(blake3), size_bytes).to_bytes();
        let path = claim::claim(&dest, &blake3, size_bytes, &record)?;
        let (file, is_new) = open_or_make(&path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: nothing better can be had there.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let part = unfinished(file, path, false);
        // Who had the lock may have finished, and what was opened is the finished file by now.
        if !part.path.exists() || !part.journal.exists() || part.dest.exists() {
            if is_new {
                part.discard()?;
            }
            return Ok(None);
        }
        Ok(Some(part))
    }

    /// The list that an earlier run was given, if it is the content's.
    pub(super) fn stored_groups(&self) -> Option<GroupList> {
        let bytes = read_plain(&self.groups).ok()?;
        GroupList::from_bytes(self.size_bytes, &bytes).ok().filter(|list| Some(list.root()) == self.expected.blake3())
    }

    /// Keeps the list for a later run, unless there will be none.
    pub(super) fn store_groups(&self, list: &GroupList) -> Result<(), FileError> {
        let is_over = self.is_over.lock();
        if *is_over { Ok(()) } else { replace(&self.groups, &list.to_bytes()) }
    }

    /// What is there already. What is doubtful is read again; `wants_to_stop` is asked between groups.
    pub(super) fn resume(&self, list: &GroupList, wants_to_stop: &dyn Fn() -> bool) -> Result<Resumed, FileError> {
        let n_groups = list.values().len() as u64;
        let nothing = Resumed { held: GroupSet::none_of(n_groups), partial: Vec::new() };
        let Some(journal) = self.read_journal() else { return Ok(nothing) };
        let (mut held, partial) = if let Some(bytes) = journal.stream {
            let group = bytes / GROUP_BYTES;
            (GroupSet::first_of(n_groups, group), vec![KeptBytes::counted(group, bytes % GROUP_BYTES)])
        } else {
            let Some(held) = GroupSet::from_bytes(n_groups, &journal.verified) else { return Ok(nothing) };
            (held, journal.partial)
        };
        let length = self.on_file("look at", File::metadata)?.len();
        let is_doubtful = journal.is_open || journal.stream.is_some() || length != self.size_bytes;
        let mut buffer = Vec::new();
        for (group, value) in (0..n_groups).zip(list.values()) {
            if !held.has(group) || !is_doubtful {
                continue;
            }
            if wants_to_stop() {
                break;
            }
            let offset = group * GROUP_BYTES;
            buffer.resize(usize::try_from(self.group_bytes(group)).unwrap_or_default(), 0);
            if self.read(offset, &mut buffer).is_err() || group_value(offset, &buffer) != *value {
                held.remove(group);
            }
        }
        let is_there = |kept: &KeptBytes| {
            let is_inside = kept.group < n_groups && kept.bytes > 0 && kept.bytes < self.group_bytes(kept.group);
            is_inside && !held.has(kept.group) && kept.group * GROUP_BYTES + kept.bytes <= length
        };
        let partial = partial.into_iter().filter(is_there).collect();
        Ok(Resumed { held, partial })
    }

    fn group_bytes(&self, group: u64) -> u64 {
        self.size_bytes.saturating_sub(group * GROUP_BYTES).min(GROUP_BYTES)
    }

    /// How much of the content is there from its beginning, verified by nothing.
    pub(super) fn kept_stream(&self) -> u64 {
        let length = self.file.read().metadata().map_or(0, |found| found.len());
        self.read_journal().and_then(|journal| journal.stream).unwrap_or(0).min(length).min(self.size_bytes)
    }

    /// What each source had done when the journal was written.
    pub(super) fn kept_reports(&self) -> Vec<SourceReport> {
        self.read_journal().map(|journal| journal.sources).unwrap_or_default()
    }

    /// Reads what was written.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), FileError> {
        self.on_file("read", |file| system::read_exact_at(file, bytes, offset))
    }

    /// Does something with the file, again where its error may pass.
    fn on_file<T>(&self, verb: &'static str, mut work: impl FnMut(&File) -> io::Result<T>) -> Result<T, FileError> {
        FileError::again(|| {
            let result = work(&self.file.read()).map_err(FileError::of(verb, &self.path));
            if result.as_ref().is_err_and(FileError::is_stale) {
                self.open_anew();
            }
            result
        })
    }

    fn read_journal(&self) -> Option<Journal> {
        let journal: Journal = serde_json::from_slice(&read_plain(&self.journal).ok()?).ok()?;
        let is_of_it = self.expected.is_same(&journal.expected) && journal.size_bytes == self.size_bytes;
        let is_ours = journal.version == 1 && is_of_it;
        is_ours.then_some(journal)
    }

    /// Gives the file its full length.
    pub(super) fn stretch(&self) -> Result<(), FileError> {
        self.on_file("set the length of", |file| file.set_len(self.size_bytes))
    }

    /// Bytes of the disk that are taken by it already.
    pub(super) fn taken_bytes(&self) -> u64 {
        self.file.read().metadata().map_or(0, |found| system::taken_bytes(&found))
    }

    /// Throws away what is there; it stays ours.
    pub fn empty(&self) -> Result<(), FileError> {
        if !self.is_nameless {
            replace(&self.journal, &Journal::empty(&self.expected, self.size_bytes).to_bytes())?;
        }
        self.on_file("empty", |file| file.set_len(0))
    }

    /// Writes a block at its place.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        self.on_file("write", |file| system::write_all_at(file, bytes, offset))
    }

    /// Makes the data safe, then says so in the journal; does nothing once the file is finished or discarded.
    pub(super) fn record(&self, there: Recorded, is_open: bool) -> Result<(), FileError> {
        let Recorded { verified, partial, sources } = there;
        let empty = Journal::empty(&self.expected, self.size_bytes);
        self.write_journal(&Journal { is_open, verified: verified.to_bytes(), partial, sources, ..empty })
    }

    /// [`Self::record`] of what is there from the beginning, without a list.
    pub(super) fn record_stream(&self, n_bytes: u64, sources: Vec<SourceReport>) -> Result<(), FileError> {
        let empty = Journal::empty(&self.expected, self.size_bytes);
        self.write_journal(&Journal { stream: Some(n_bytes), sources, ..empty })
    }

    fn write_journal(&self, journal: &Journal) -> Result<(), FileError> {
        let is_over = self.is_over.lock();
        if *is_over {
            return Ok(());
        }
        // Not tried again: a disk that failed to keep something may say the next time that all is well.
        system::sync_bytes(&self.file.read()).map_err(FileError::of("sync", &self.path))?;
        replace(&self.journal, &journal.to_bytes())
    }

    /// Gives the verified file its name, and removes what lies beside it. One that its caller names is made safe.
    ///
    /// # Errors
    ///
    /// If the disk is full as late as this, or something else has the name by now: that is not replaced.
    pub fn finish(&self) -> Result<(), PlaceError> {
        system::sync_file(&self.file.read()).map_err(FileError::of("sync", &self.path))?;
        if self.placed.is_some() {
            return Ok(());
        }
        let named = FileError::again(|| {
            let named = if self.is_nameless {
                system::give_name(&self.file.read(), &self.dest)
            } else {
                system::rename_new(&self.path, &self.dest)
            };
            named.map_err(FileError::of("rename", &self.path))
        });
        match named {
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
                return Err(PlaceError::Occupied(self.dest.clone()));
            }
            other => other?,
        }
        self.forget_notes()?;
        let folder = self.dest.parent().unwrap_or(&self.dest);
        Ok(system::sync_folder(folder).map_err(FileError::of("sync the folder", folder))?)
    }

    /// Copies another file, verifies what was read, and finishes if it is the content.
    pub fn fill_from(&self, from: &Path, wants_to_stop: &dyn Fn() -> bool) -> Result<bool, PlaceError> {
        self.empty()?;
        let mut source = File::open(from).map_err(FileError::of("open", from))?;
        let mut block = vec![0; usize::try_from(GROUP_BYTES).unwrap_or(1 << 20)];
        let (mut hasher, mut offset) = (blake3::Hasher::new(), 0);
        while !wants_to_stop() {
            let n = source.read(&mut block).map_err(FileError::of("read", from))?;
            if n == 0 {
                let found = Blake3::from_bytes(*hasher.finalize().as_bytes());
                let is_right = self.expected.blake3() == Some(found);
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
    fn forget_notes(&self) -> Result<(), FileError> {
        *self.is_over.lock() = true;
        if self.is_nameless {
            return Ok(());
        }
        // The journal last: as long as anything is left, it says whose that is.
        for note in [&self.groups, &self.journal] {
            // A program that died may have left its successor half written.
            remove_lightly(&successor(note))?;
            remove_lightly(note)?;
        }
        Ok(())
    }

    /// Removes the half-done file and its notes, because they are not needed.
    pub fn discard(&self) -> Result<(), FileError> {
        if self.is_nameless {
            return Ok(());
        }
        remove_lightly(&self.path)?;
        self.forget_notes()
    }

    /// Where the file will be.
    pub fn dest(&self) -> &Path {
        &self.dest
    }
}

/// Opens a half-done file, and tells whether it had to be made.
fn open_or_make(path: &Path) -> Result<(File, bool), FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened.map(|file| (file, false)).map_err(FileError::of("open", path)),
    }
    let made = options.create(true).truncate(false).open(path).map_err(FileError::of("make", path))?;
    Ok((made, true))
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    durable::write_beside(path, &successor(path), bytes, &mut OpenOptions::new(), true)
}

#[cfg(test)]
#[path = "part_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
