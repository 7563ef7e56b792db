//! Where a copy goes, and what to do if something is there already.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use backon::BlockingRetryable as _;
use shared_protocol::RelPath;

use super::Queue;
use super::failure::Trouble;
use super::result::{Change, Ends};
use super::unknown;
use crate::domain::failure::FailureClass;
use crate::domain::operation::{OnConflict, Operation, other_name};
use crate::domain::retry::in_use_backoff;
use crate::domain::root::Root;
use crate::fs::copy::part_path;
use crate::fs::open::{stamp_if_there, stamp_path};
use crate::fs::rename::TouchError;
use crate::fs::{FileStamp, FsError, RootDir, ensure_no_links, folders, trash};
use crate::storage::queue::{TransferRow, batches, waypoint};

/// Other names tried before giving up.
const MOST_NAMES: u32 = 200;

/// Everything that is known before the first byte moves.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) source: PathBuf,
    pub(super) expected: FileStamp,
    pub(super) to_path: RelPath,
    pub(super) dest: PathBuf,
    pub(super) part: PathBuf,
}

/// Folders that were looked at for one of the transfers claimed together. The next file in them needs
/// no second look: the group takes no longer than a big file does.
#[derive(Debug, Default)]
pub(super) struct Trodden {
    /// The source's folders without a link on the way.
    sources: HashSet<Option<RelPath>>,
    /// The destination's folders as they are spelled on disk.
    made: HashMap<Option<RelPath>, Option<RelPath>>,
}

impl Trodden {
    fn source(&mut self, dir: &RootDir, folder: Option<RelPath>) -> Result<(), FsError> {
        if !self.sources.contains(&folder) {
            folder.iter().try_for_each(|folder| ensure_no_links(dir, folder))?;
            self.sources.insert(folder);
        }
        Ok(())
    }

    fn made(&mut self, dir: &RootDir, folder: Option<RelPath>) -> Result<Option<RelPath>, FsError> {
        if let Some(spelled) = self.made.get(&folder) {
            return Ok(spelled.clone());
        }
        let spelled = folders::ensure_folder(dir, folder.as_ref())?;
        self.made.insert(folder, spelled.clone());
        Ok(spelled)
    }
}

/// The name of a transfer's part file, without the file's own.
pub(super) fn token(queue: &Queue, transfer: &TransferRow) -> String {
    format!("{}-{}", queue.token, transfer.id)
}

/// Refuses what the configuration of this moment forbids.
pub(super) fn check_allowed(queue: &Queue, transfer: &TransferRow) -> Result<(), Trouble> {
    unknown::check(queue, transfer)?;
    if transfer.operation.takes_away() {
        queue.roots.check_delete(transfer.from)?;
    }
    if transfer.on_conflict == OnConflict::Replace
        && let Some(to) = transfer.to.or((transfer.operation == Operation::Restore).then_some(transfer.from))
    {
        queue.roots.check_delete(to)?;
    }
    Ok(())
}

/// The source as the transfer expects it.
pub(super) const fn expected(transfer: &TransferRow) -> FileStamp {
    FileStamp { size_bytes: transfer.size_bytes, modified: transfer.modified }
}

/// Finds out where the file goes and makes its folder.
pub(super) fn prepare(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    trodden: &mut Trodden,
) -> Result<Place, Trouble> {
    let to = ends.to()?;
    trodden.source(&ends.from.dir, transfer.path.parent())?;
    let source = ends.from.dir.resolve(&transfer.path);
    // Of a link this is an error, too.
    if stamp_path(&source)? != expected(transfer) {
        return Err(Trouble::changed());
    }
    let folder = trodden.made(&to.dir, transfer.to_path.parent())?;
    let spelled = RelPath::in_folder(folder.as_ref(), transfer.to_path.name())
        .map_err(|error| Trouble::last("name", error.to_string()))?;
    let to_path = free_name(&to.dir, &spelled, transfer.on_conflict)?;
    if transfer.on_conflict == OnConflict::Replace {
        // Seen now, it costs no copy; it is looked at again when it makes way.
        check_occupant(transfer, stamp_if_there(&to.dir.resolve(&to_path))?)?;
    }
    if to_path != transfer.to_path {
        queue.database.write_blocking(|tx| waypoint::renamed(tx, transfer.id, &to_path))?;
    }
    Ok(place(queue, transfer, source, &to.dir, to_path))
}

fn place(queue: &Queue, transfer: &TransferRow, source: PathBuf, dir: &RootDir, to_path: RelPath) -> Place {
    let dest = dir.resolve(&to_path);
    // The part file keeps its name when the destination's changes, so that a resume finds it.
    let folder = dir.resolve_folder(to_path.parent().as_ref());
    let part = part_path(&folder, transfer.path.name(), &token(queue, transfer));
    Place { source, expected: expected(transfer), to_path, dest, part }
}

/// Where the part file of a transfer lies, whether or not it is there.
pub(super) fn part_of(queue: &Queue, transfer: &TransferRow, dir: &RootDir) -> PathBuf {
    let beside = if transfer.operation.replaces_in_place() { &transfer.path } else { &transfer.to_path };
    place(queue, transfer, PathBuf::new(), dir, beside.clone()).part
}

/// The path that the choice leads to, given what is there now.
fn free_name(dir: &RootDir, path: &RelPath, choice: OnConflict) -> Result<RelPath, Trouble> {
    let is_taken = |path: &RelPath| stamp_if_there(&dir.resolve(path)).map(|stamp| stamp.is_some());
    if !is_taken(path)? {
        return Ok(path.clone());
    }
    match choice {
        OnConflict::Skip => Err(Trouble::exists(path.as_str())),
        OnConflict::Replace => Ok(path.clone()),
        OnConflict::KeepBoth => {
            for n in 1..MOST_NAMES {
                let other = RelPath::in_folder(path.parent().as_ref(), &other_name(path.name(), n))
                    .map_err(|error| Trouble::last("name", error.to_string()))?;
                if !is_taken(&other)? {
                    return Ok(other);
                }
            }
            Err(Trouble::exists(path.as_str()))
        }
    }
}

/// Tries for about ten seconds as long as another program holds a file.
pub(super) fn while_in_use<T>(work: impl FnMut() -> Result<T, FsError>) -> Result<T, FsError> {
    work.retry(in_use_backoff()).when(|error| error.class() == FailureClass::InUse).call()
}

/// The same where a file may also have changed.
pub(super) fn touch_while_in_use<T>(work: impl FnMut() -> Result<T, TouchError>) -> Result<T, TouchError> {
    work.retry(in_use_backoff())
        .when(|error| matches!(error, TouchError::Fs(error) if error.class() == FailureClass::InUse))
        .call()
}

/// The folder names of a batch in the trash; the same after a restart.
pub(super) fn trash_folder(queue: &Queue, transfer: &TransferRow) -> Result<(String, String), Trouble> {
    let made = queue.database.read_blocking(|connection| batches::created_at(connection, transfer.batch_id))?;
    let date = crate::storage::timestamp(made).strftime("%Y-%m-%d").to_string();
    Ok((date, transfer.batch_id.to_string()))
}

/// What is to make way has to be what was seen when that was decided.
fn check_occupant(transfer: &TransferRow, found: Option<FileStamp>) -> Result<(), Trouble> {
    match (transfer.occupant, found) {
        (Some((size_bytes, modified)), Some(found)) if found != FileStamp { size_bytes, modified } => {
            Err(Trouble::changed())
        }
        _ => Ok(()),
    }
}

/// Puts what has the destination's name into the trash, if the choice is to replace it. The index
/// learns it at once: from here on the old file is found in the trash whatever happens.
pub(super) fn make_way(queue: &Queue, transfer: &TransferRow, root: Root, path: &RelPath) -> Result<(), Trouble> {
    if transfer.on_conflict != OnConflict::Replace {
        return Ok(());
    }
    let live = queue.roots.live(root)?;
    let Some(stamp) = stamp_if_there(&live.dir.resolve(path))? else { return Ok(()) };
    queue.roots.check_delete(root)?;
    check_occupant(transfer, Some(stamp))?;
    let (date, batch) = trash_folder(queue, transfer)?;
    let trash_path = touch_while_in_use(|| trash::put(&live.dir, path, Some(stamp), &date, &batch))?;
    let changes = [
        Change::Trashed { root: live.row, path: path.clone(), trash_path, stamp },
        Change::Gone { root: live.row, path: path.clone() },
    ];
    Ok(super::result::commit(queue, transfer, &changes)?)
}
