//! Removing a file for good, because its content is elsewhere too.
//!
//! Nothing that was known before counts: in this run the file and the one that stays are both read
//! whole, from the disk where the system allows it, and have to hold the same content. The digest is
//! committed before the file goes, so that a kill behind the removal finds its own work again.
//!
//! The two paths may be one file in a way that no number tells: two names of one server's share. So the
//! file is set aside under a temporary name first, and goes only if the other is still in its place.

use shared_protocol::{Blake3, RelPath};

use super::failure::AttemptError;
use super::place;
use super::result::{self, Change, End};
use super::{Queue, allowed};
use crate::domain::temporary::aside_name;
use crate::fs::at::forget_cached;
use crate::fs::entry::Entry;
use crate::fs::hash::{HashOptions, hash_file};
use crate::fs::rename::{check_unchanged, set_aside};
use crate::fs::{ContentHash, FileStamp};
use crate::services::Event;
use crate::storage::queue::{TransferRow, checkpoint};

/// A file with the root it lies in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) root: &'a End,
    pub(super) path: &'a RelPath,
}

/// What was verified about the file that stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verified {
    pub(super) stamp: FileStamp,
    pub(super) blake3: Blake3,
}

/// Two files that hold the same, as they were read in this run.
#[derive(Debug)]
pub(super) struct VerifiedPair {
    pub(super) file: Entry,
    pub(super) survivor: Entry,
    pub(super) verified: Verified,
}

/// Removes `file`, which has to be as `expected`, after `stays` was verified to hold the same content.
/// The caller stores that it is gone.
pub(super) fn remove(
    queue: &Queue,
    transfer: &TransferRow,
    file: Placed<'_>,
    expected: FileStamp,
    stays: Placed<'_>,
) -> Result<Verified, AttemptError> {
    let pair = prove(queue, transfer, file, expected, stays)?;
    check_still(queue, transfer, &pair, stays)?;
    let aside = aside(queue, transfer, &pair.file);
    let other = (&pair.survivor, pair.verified.stamp);
    if !place::touch_while_in_use(|| set_aside(&pair.file, expected, &aside, other))? {
        return Err(no_copy(stays));
    }
    place::while_in_use(|| aside.remove_for_good())?;
    pair.file.folder().sync()?;
    Ok(pair.verified)
}

/// Reads `file`, which has to be as `expected`, and `stays`: they have to hold the same content, and to
/// be two files.
pub(super) fn prove(
    queue: &Queue,
    transfer: &TransferRow,
    file: Placed<'_>,
    expected: FileStamp,
    stays: Placed<'_>,
) -> Result<VerifiedPair, AttemptError> {
    let (source, survivor) = (resolve(file)?, resolve(stays)?);
    let Some(stamp) = survivor.stamp_if_there()? else { return Err(no_copy(stays)) };
    check_unchanged(&source, expected)?;
    if source.identity()?.is(&survivor.identity()?) {
        let detail = format!("{} and {} are one file under two names: nothing would be freed.", file.path, stays.path);
        return Err(AttemptError::last("same_file", detail));
    }
    if stamp.size_bytes != expected.size_bytes {
        return Err(differs(file, stays));
    }
    let found = read(queue, transfer, &source, expected, 0)?;
    forget_cached(&survivor);
    let copy = read(queue, transfer, &survivor, stamp, expected.size_bytes)?;
    if copy.blake3 != found.blake3 {
        learn(queue, transfer, [(file, expected, &found), (stays, stamp, &copy)])?;
        return Err(differs(file, stays));
    }
    queue.database.write_blocking(|tx| checkpoint::part_complete(tx, transfer.id, &found.blake3, None))?;
    learn(queue, transfer, [(file, expected, &found), (stays, stamp, &copy)])?;
    Ok(VerifiedPair { file: source, survivor, verified: Verified { stamp, blake3: found.blake3 } })
}

/// Last looks: nothing was allowed to change while the other file was read.
pub(super) fn check_still(
    queue: &Queue,
    transfer: &TransferRow,
    pair: &VerifiedPair,
    stays: Placed<'_>,
) -> Result<(), AttemptError> {
    allowed::check(queue, transfer)?;
    queue.roots.check_blocking(stays.root)?;
    Ok(check_unchanged(&pair.survivor, pair.verified.stamp)?)
}

/// Whether an earlier try had removed the file before it was killed. That the file is gone proves
/// nothing: the one that stays has to hold the content that was written down. A file that was only set
/// aside is put back if it does not.
pub(super) fn was_removed(
    queue: &Queue,
    transfer: &TransferRow,
    file: Placed<'_>,
    stays: Placed<'_>,
) -> Result<Option<Verified>, AttemptError> {
    let verified = survives(queue, transfer, stays)?;
    if verified.is_some() {
        if let Some(name) = Entry::find(&file.root.open, file.path)? {
            aside(queue, transfer, &name).remove_for_good()?;
        }
    } else if put_back(queue, transfer, file)? {
        return Err(no_copy(stays));
    }
    Ok(verified)
}

fn survives(queue: &Queue, transfer: &TransferRow, stays: Placed<'_>) -> Result<Option<Verified>, AttemptError> {
    let Some((blake3, _)) = transfer.part.filter(|_| transfer.begun) else { return Ok(None) };
    let Some(survivor) = Entry::find(&stays.root.open, stays.path)? else { return Ok(None) };
    let Some(stamp) = survivor.stamp_if_there()? else { return Ok(None) };
    forget_cached(&survivor);
    let copy = read(queue, transfer, &survivor, stamp, transfer.size_bytes)?;
    Ok((copy.blake3 == blake3).then_some(Verified { stamp, blake3 }))
}

/// Gives a file that was set aside by a try that was killed its name again; `false` if there is none.
pub(super) fn put_back(queue: &Queue, transfer: &TransferRow, file: Placed<'_>) -> Result<bool, AttemptError> {
    let Some(name) = Entry::find(&file.root.open, file.path)? else { return Ok(false) };
    let aside = aside(queue, transfer, &name);
    if aside.stamp_if_there()?.is_none() {
        return Ok(false);
    }
    aside.rename_no_clobber(&name)?;
    Ok(true)
}

/// Where the file waits to go: a name of its own, so that it is taken for no part of a copy.
fn aside(queue: &Queue, transfer: &TransferRow, file: &Entry) -> Entry {
    file.folder().entry(&aside_name(file.name(), &place::token(queue, transfer)))
}

fn resolve(file: Placed<'_>) -> Result<Entry, AttemptError> {
    Ok(Entry::open(&file.root.open, file.path)?)
}

/// Reads a file whole. Two files are read, so each is half of what there is to do.
fn read(
    queue: &Queue,
    transfer: &TransferRow,
    file: &Entry,
    stamp: FileStamp,
    before: u64,
) -> Result<ContentHash, AttemptError> {
    let stop = queue.live.flag(transfer.id);
    let content = hash_file(file, stamp, HashOptions { sha256: false, threads: true }, None, &mut |done: u64| {
        queue.live.progress(transfer.id, u64::midpoint(before, done));
        queue.events.progress(Event::TransferChanged(transfer.id));
        stop.flow()
    })?;
    Ok(content)
}

/// What was read is known from now on, also where it was not as hoped.
fn learn(
    queue: &Queue,
    transfer: &TransferRow,
    read: [(Placed<'_>, FileStamp, &ContentHash); 2],
) -> Result<(), AttemptError> {
    let changes = read.map(|(file, stamp, content)| Change::Content {
        root: file.root.row,
        path: file.path.clone(),
        stamp,
        content: content.clone(),
    });
    Ok(result::commit(queue, transfer, &changes)?)
}

fn no_copy(stays: Placed<'_>) -> AttemptError {
    AttemptError::last(
        "no_copy",
        format!("{} has no {} any more: the file stays.", stays.root.root.label(), stays.path),
    )
}

fn differs(file: Placed<'_>, stays: Placed<'_>) -> AttemptError {
    let detail = format!(
        "{} on {} does not hold the same content as {} on {}: the file stays. Compare the two, then decide.",
        stays.path,
        stays.root.root.label(),
        file.path,
        file.root.root.label()
    );
    AttemptError::last("differs", detail)
}
