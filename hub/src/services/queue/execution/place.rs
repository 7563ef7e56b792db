//! Where a copy goes, and what to do if something is there already.

use std::sync::Arc;

use backon::BlockingRetryable as _;
use shared_protocol::RelPath;

use super::allowed::Checks;
use super::failure::AttemptError;
use super::result::{Change, End, Ends};
use super::{Queue, damage, together};
use crate::domain::failure::FailureClass;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::retry::in_use_backoff;
use crate::domain::temporary::{download_name, part_name, token_of};
use crate::fs::copy::CopyError;
use crate::fs::entry::{Entry, Folder};
use crate::fs::folders::Folders;
use crate::fs::rename::TouchError;
use crate::fs::trash::{Bin, Put};
use crate::fs::{FileStamp, Flow, FsError};
use crate::services::Event;
use crate::storage::index;
use crate::storage::queue::{TransferRow, batches, checkpoint};

/// Everything that is known before the first byte moves.
#[derive(Debug)]
pub(super) struct CopyTarget {
    pub(super) source: Entry,
    pub(super) expected: FileStamp,
    pub(super) to_path: RelPath,
    pub(super) dest: Entry,
    pub(super) part: Entry,
}

/// What was found for one of the transfers claimed together and holds for the next: the group takes no longer than a
/// big file does.
#[derive(Debug)]
pub(super) struct GroupCache<'a> {
    pub(super) checks: Checks<'a>,
    pub(super) sources: Folders,
    pub(super) dests: Folders,
}

impl<'a> GroupCache<'a> {
    pub(super) fn new(group: &'a [TransferRow]) -> Self {
        Self { checks: Checks::new(group), sources: Folders::default(), dests: Folders::default() }
    }
}

/// The name of a transfer's part file, without the file's own.
pub(super) fn token(queue: &Queue, transfer: &TransferRow) -> String {
    token_of(&queue.token, transfer.id.0)
}

/// The source as the transfer expects it.
pub(super) const fn expected(transfer: &TransferRow) -> FileStamp {
    FileStamp::known(transfer.size_bytes, transfer.modified, transfer.identity)
}

/// The stamp of a file below a root; none if it, or its folder, is not there.
pub(super) fn stamp_at(root: &End, path: &RelPath) -> Result<Option<FileStamp>, FsError> {
    match Entry::find(&root.open, path)? {
        Some(entry) => entry.stamp_if_there(),
        None => Ok(None),
    }
}

/// Finds out where the file goes and makes its folder.
pub(super) fn prepare(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    cache: &mut GroupCache<'_>,
) -> Result<CopyTarget, AttemptError> {
    let source = cache.sources.open(&ends.from.open, transfer.path.parent())?.entry(transfer.path.name());
    check_sound(queue, transfer, ends)?;
    // Of a link this is an error, too.
    if source.stamp()? != expected(transfer) {
        return Err(AttemptError::changed());
    }
    let Destination { to_path, dest, part, occupant } = destination(queue, transfer, ends.to()?, cache)?;
    damage::check(queue, transfer, source.path(), occupant)?;
    Ok(CopyTarget { source, expected: expected(transfer), to_path, dest, part })
}

/// Where a file goes.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) to_path: RelPath,
    pub(super) dest: Entry,
    pub(super) part: Entry,
    /// What is to make way.
    occupant: Option<FileStamp>,
}

/// Finds out where a file goes, wherever it comes from, and makes its folder.
pub(super) fn destination(
    queue: &Queue,
    transfer: &TransferRow,
    to: &End,
    cache: &mut GroupCache<'_>,
) -> Result<Destination, AttemptError> {
    let folder = cache.dests.ensure(&to.open, transfer.to_path.parent())?;
    let to_path = free_name(queue, transfer, &folder)?;
    let dest = folder.entry(to_path.name());
    let mut occupant = None;
    if transfer.on_conflict == OnConflict::Replace {
        // Seen now, it costs no copy; it is looked at again when it makes way.
        occupant = dest.stamp_if_there()?;
        check_occupant(transfer, occupant)?;
    }
    if to_path != transfer.to_path {
        queue.database.write_blocking(|tx| checkpoint::renamed(tx, transfer.id, &to_path))?;
    }
    // The part file keeps its name when the destination's changes, so that a resume finds it.
    let part = part_in(queue, transfer, &folder);
    Ok(Destination { to_path, dest, part, occupant })
}

/// Refuses a source whose bytes changed though nothing wrote to it: it must not spread.
fn check_sound(queue: &Queue, transfer: &TransferRow, ends: &Ends) -> Result<(), AttemptError> {
    let file = queue.database.read_blocking(|connection| index::file_at(connection, ends.from.row, &transfer.path))?;
    if file.is_none_or(|file| file.rotted.is_none()) {
        return Ok(());
    }
    let detail = format!(
        "The bytes of {} changed though nothing wrote to it, so it is not used as a source. Heal it first, or say that \
         it is right as it is: see Hashes.",
        transfer.path
    );
    Err(AttemptError::last("rotted", detail))
}

/// The part file of a transfer in a folder, whether or not it is there.
pub(super) fn part_in(queue: &Queue, transfer: &TransferRow, folder: &Arc<Folder>) -> Entry {
    let name = if transfer.operation == Operation::Download { download_name } else { part_name };
    folder.entry(&name(transfer.path.name(), &token(queue, transfer)))
}

/// Where the part file of a transfer lies, if its folder is there.
pub(super) fn part_of(queue: &Queue, transfer: &TransferRow, root: &End) -> Result<Option<Entry>, FsError> {
    let beside = if transfer.operation.replaces_in_place() { &transfer.path } else { &transfer.to_path };
    let folder = Folder::find(&root.open, beside.parent().as_ref())?;
    Ok(folder.map(|folder| part_in(queue, transfer, &folder)))
}

/// The path that the choice leads to, given what is there now.
fn free_name(queue: &Queue, transfer: &TransferRow, folder: &Arc<Folder>) -> Result<RelPath, AttemptError> {
    let is_taken = |path: &RelPath| -> Result<bool, AttemptError> {
        Ok(folder.entry(path.name()).stamp_if_there().map(|stamp| stamp.is_some())?)
    };
    let path = together::path_now(queue, transfer, folder.below())?;
    if !is_taken(&path)? {
        return Ok(path);
    }
    match transfer.on_conflict {
        OnConflict::Skip => Err(AttemptError::exists(path.as_str())),
        OnConflict::Replace => Ok(path),
        OnConflict::KeepBoth => together::renumber(queue, transfer, folder.below(), is_taken),
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

/// The same where it may have to be copied.
pub(super) fn relocate_while_in_use<T>(work: impl FnMut() -> Result<T, CopyError>) -> Result<T, CopyError> {
    let is_in_use = |error: &CopyError| match error {
        CopyError::Source(error) | CopyError::Destination(error) => error.class() == FailureClass::InUse,
        CopyError::SourceChanged | CopyError::Stopped => false,
    };
    work.retry(in_use_backoff()).when(is_in_use).call()
}

/// Tells how far a file is that has to be copied after all, and stops it when asked.
pub(super) fn watch(queue: &Queue, transfer: &TransferRow) -> impl FnMut(u64) -> Flow {
    let (queue, id) = (queue.clone(), transfer.id);
    let stop = queue.live.flag(id);
    move |bytes| {
        queue.live.progress(id, bytes);
        queue.events.progress(Event::TransferChanged(id));
        stop.flow()
    }
}

/// The trash for what a transfer's batch deletes; its folders have the same names after a restart.
pub(super) fn bin(queue: &Queue, transfer: &TransferRow, root: &End) -> Result<Bin, AttemptError> {
    let made = queue.database.read_blocking(|connection| batches::created_at(connection, transfer.batch_id))?;
    let date = crate::storage::timestamp(made).strftime("%Y-%m-%d").to_string();
    Ok(Bin::new(&root.open, date, transfer.batch_id.to_string()))
}

/// Puts a file into the trash.
pub(super) fn put_into(
    queue: &Queue,
    transfer: &TransferRow,
    bin: &mut Bin,
    file: &Entry,
    expected: FileStamp,
) -> Result<Put, CopyError> {
    let token = token(queue, transfer);
    relocate_while_in_use(|| bin.put(file, expected, &token, &mut watch(queue, transfer)))
}

/// What is to make way has to be what was seen when that was decided.
fn check_occupant(transfer: &TransferRow, found: Option<FileStamp>) -> Result<(), AttemptError> {
    match (transfer.occupant, found) {
        (Some((size_bytes, modified)), Some(found)) if found != FileStamp::known(size_bytes, modified, None) => {
            Err(AttemptError::changed())
        }
        _ => Ok(()),
    }
}

/// Puts what has the destination's name into the trash, if the choice is to replace it. The index
/// learns it at once: from here on the old file is found in the trash whatever happens.
pub(super) fn make_way(
    queue: &Queue,
    transfer: &TransferRow,
    root: &End,
    dest: &Entry,
    path: &RelPath,
) -> Result<(), AttemptError> {
    if transfer.on_conflict != OnConflict::Replace {
        return Ok(());
    }
    let Some(stamp) = dest.stamp_if_there()? else { return Ok(()) };
    queue.roots.check_delete(root.root)?;
    check_occupant(transfer, Some(stamp))?;
    let put = put_into(queue, transfer, &mut bin(queue, transfer, root)?, dest, stamp)?;
    put.to.sync()?;
    put.from.sync()?;
    let changes = [
        Change::Trashed { root: root.row, path: path.clone(), trash_path: put.trashed, stamp: put.stamp },
        Change::Gone { root: root.row, path: path.clone() },
    ];
    Ok(super::result::commit(queue, transfer, &changes)?)
}
