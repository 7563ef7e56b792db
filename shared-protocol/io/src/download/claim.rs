//! Which half-done file beside a destination is ours.
//!
//! A name proves nothing: training scripts and other downloaders write `.x.part`, too. What proves is a record: the
//! journal beside the file, which is written before the file is made. Names that someone else has are passed over,
//! and so are those that another machine on the same volume works under, whose locks may not be seen here.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use shared_protocol::{Blake3, GroupList, RelPath};

use crate::confine::PlaceError;
use crate::durable;
use crate::error::FileError;
use crate::machine;

/// Longest part of a name that is kept in the names beside it.
const MAX_NAME: usize = 200;

/// Names tried beside one destination.
const MOST_NAMES: u32 = 16;

/// A half-done file that another machine has not written to for so long is no longer worked on there.
const QUIET: Duration = Duration::from_mins(3);

/// What makes a text a journal of ours.
#[derive(Debug, Deserialize)]
pub(super) struct Owner {
    version: u32,
    #[serde(rename = "blake3")]
    _blake3: Blake3,
    #[serde(rename = "size_bytes")]
    _size_bytes: u64,
    #[serde(rename = "is_open")]
    _is_open: bool,
    /// The machine that works on it.
    #[serde(default)]
    machine: String,
}

/// Where the journal and the list of groups of a half-done file lie.
pub(super) fn note_paths(part: &Path) -> [PathBuf; 2] {
    [".journal", ".groups"].map(|ending| {
        let mut name = part.to_owned().into_os_string();
        name.push(ending);
        name.into()
    })
}

/// Reads a file that is no link.
pub(super) fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    if fs::symlink_metadata(path)?.is_file() { fs::read(path) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// The name under which what replaces a file is written.
pub(super) fn successor(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push("~");
    name.into()
}

/// Reads who a half-done file belongs to, by the journal beside it; none if it is not ours.
pub(super) fn owner_of(part: &Path) -> Option<Owner> {
    let [journal, _] = note_paths(part);
    let owner: Owner = serde_json::from_slice(&read_plain(&journal).ok()?).ok()?;
    (owner.version == 1).then_some(owner)
}

/// The names that a half-done file may have, the usual one first.
pub(super) fn part_names(dest_name: &str) -> impl Iterator<Item = String> + use<> {
    let kept = dest_name.get(..dest_name.floor_char_boundary(MAX_NAME)).unwrap_or(dest_name);
    // Two names that were cut must not meet.
    let tail = if kept.len() < dest_name.len() {
        format!("~{}", blake3::hash(dest_name.as_bytes()).to_hex().chars().take(8).collect::<String>())
    } else {
        String::new()
    };
    let stem = format!(".{kept}{tail}");
    (0..MOST_NAMES).map(move |n| if n == 0 { format!("{stem}.part") } else { format!("{stem}~{n}.part") })
}

/// The places beside `dest` under which it may be half done.
pub(super) fn part_paths(dest: &RelPath) -> impl Iterator<Item = RelPath> {
    let folder = dest.parent();
    part_names(dest.name()).filter_map(move |name| RelPath::in_folder(folder.as_ref(), &name).ok())
}

/// Whether the list beside a half-done file is that of a content: then we wrote it, though the journal is gone.
fn has_list_of(part: &Path, blake3: &Blake3, size_bytes: u64) -> bool {
    let [_, groups] = note_paths(part);
    let list = read_plain(&groups).ok().and_then(|bytes| GroupList::from_bytes(size_bytes, &bytes).ok());
    list.is_some_and(|list| list.root() == *blake3)
}

/// Finds a name beside `dest` that is ours, or makes one ours by writing `record` as its journal.
///
/// # Errors
///
/// If every name is someone's, or the disk fails.
pub(super) fn claim(dest: &Path, blake3: &Blake3, size_bytes: u64, record: &[u8]) -> Result<PathBuf, PlaceError> {
    let name = dest.file_name().unwrap_or_default().to_string_lossy();
    for candidate in part_names(&name) {
        let part = dest.with_file_name(candidate);
        if let Some(owner) = owner_of(&part) {
            if is_plain_or_absent(&part) && !is_worked_on_elsewhere(&part, &owner) {
                return Ok(part);
            }
        } else if is_plain_or_absent(&part) && has_list_of(&part, blake3, size_bytes) {
            let [journal, _] = note_paths(&part);
            durable::write_beside(&journal, &successor(&journal), record, &mut OpenOptions::new(), false)?;
            return Ok(part);
        } else if is_free(&part) && write_new(&part, record)? {
            return Ok(part);
        }
    }
    Err(PlaceError::Occupied(dest.to_owned()))
}

fn is_plain_or_absent(part: &Path) -> bool {
    match fs::symlink_metadata(part) {
        Ok(found) => found.is_file(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether nothing has the name, nor one that would lie beside it.
fn is_free(part: &Path) -> bool {
    let [journal, groups] = note_paths(part);
    let beside = [successor(&journal), successor(&groups), journal, groups];
    beside.iter().map(PathBuf::as_path).chain([part]).all(|path| fs::symlink_metadata(path).is_err())
}

/// Writes the journal that makes a name ours; not if someone was faster.
fn write_new(part: &Path, record: &[u8]) -> Result<bool, PlaceError> {
    let [journal, _] = note_paths(part);
    match OpenOptions::new().write(true).create_new(true).open(&journal) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(owner_of(part).is_some()),
        Err(error) => Err(FileError::of("make", &journal)(error).into()),
        Ok(mut file) => {
            let written = file.write_all(record);
            if written.is_err() {
                // Made a moment ago, by us.
                fs::remove_file(&journal).ok();
            }
            written.map(|()| true).map_err(|error| FileError::of("write", &journal)(error).into())
        }
    }
}

fn is_worked_on_elsewhere(part: &Path, owner: &Owner) -> bool {
    if owner.machine.is_empty() || owner.machine == machine::this().id() {
        return false;
    }
    let [journal, _] = note_paths(part);
    [part, &journal].iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok()).any(|written| {
        // A time to come is that of a clock that is ahead.
        SystemTime::now().duration_since(written).map_or(true, |age| age < QUIET)
    })
}

#[cfg(test)]
#[path = "claim_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
