//! Removing a file for good, because its content is elsewhere too.
//!
//! Nothing that was known before counts: in this run the file and the one that stays are both read
//! whole, from the disk where the system allows it, and have to hold the same content. The digest is
//! committed before the file goes, so that a kill behind the removal finds its own work again.
//!
//! The two paths may be one file in a way that no number tells: two names of one server's share. So the
//! file is set aside under a temporary name first, and goes only if the other is still in its place.

use std::path::{Path, PathBuf};

use shared_protocol::{Blake3, RelPath};

use super::Queue;
use super::ending;
use super::failure::Trouble;
use super::place;
use super::result::{self, Change};
use crate::fs::copy::{discard_part, part_path};
use crate::fs::hash::{HashOptions, hash_file};
use crate::fs::open::{forget_cached, stamp_if_there};
use crate::fs::rename::{check_unchanged, rename_no_clobber, set_aside, sync_folder};
use crate::fs::{ContentHash, FileStamp, ensure_no_links, identity};
use crate::services::Event;
use crate::services::roots::LiveRoot;
use crate::storage::queue::{TransferRow, waypoint};

/// A file with the root it lies in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) root: &'a LiveRoot,
    pub(super) path: &'a RelPath,
}

/// What was proved about the file that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proved {
    pub(super) stamp: FileStamp,
    pub(super) blake3: Blake3,
}

/// Two files that hold the same, as they were read in this run.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) file: PathBuf,
    pub(super) survivor: PathBuf,
    pub(super) proved: Proved,
}

/// Removes `file`, which has to be as `expected`, after `stays` was proved to hold the same content.
/// The caller stores that it is gone.
pub(super) fn remove(
    queue: &Queue,
    transfer: &TransferRow,
    file: Placed<'_>,
    expected: FileStamp,
    stays: Placed<'_>,
) -> Result<Proved, Trouble> {
    let pair = prove(queue, transfer, file, expected, stays)?;
    check_still(queue, transfer, &pair, stays)?;
    let aside = aside(queue, transfer, file);
    let other = (pair.survivor.as_path(), pair.proved.stamp);
    if !place::touch_while_in_use(|| set_aside(&pair.file, expected, &aside, other))? {
        return Err(no_copy(stays));
    }
    place::while_in_use(|| discard_part(&aside))?;
    if let Some(folder) = pair.file.parent() {
        sync_folder(folder)?;
    }
    Ok(pair.proved)
}

/// Reads `file`, which has to be as `expected`, and `stays`: they have to hold the same content, and to
/// be two files.
pub(super) fn prove(
    queue: &Queue,
    transfer: &TransferRow,
    file: Placed<'_>,
    expected: FileStamp,
    stays: Placed<'_>,
) -> Result<Pair, Trouble> {
    let (source, survivor) = (resolve(file)?, resolve(stays)?);
    let Some(stamp) = stamp_if_there(&survivor)? else { return Err(no_copy(stays)) };
    check_unchanged(&source, expected)?;
    if identity::is_same_file(&source, &survivor)? {
        let detail = format!("{} and {} are one file under two names: nothing would be freed.", file.path, stays.path);
        return Err(Trouble::last("same_file", detail));
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
    queue.database.write_blocking(|tx| waypoint::part_complete(tx, transfer.id, &found.blake3, None))?;
    learn(queue, transfer, [(file, expected, &found), (stays, stamp, &copy)])?;
    Ok(Pair { file: source, survivor, proved: Proved { stamp, blake3: found.blake3 } })
}

/// Last looks: nothing was allowed to change while the other file was read.
pub(super) fn check_still(
    queue: &Queue,
    transfer: &TransferRow,
    pair: &Pair,
    stays: Placed<'_>,
) -> Result<(), Trouble> {
    place::check_allowed(queue, transfer)?;
    queue.roots.check_blocking(stays.root)?;
    Ok(check_unchanged(&pair.survivor, pair.proved.stamp)?)
}

/// Whether an earlier try had removed the file before it was killed. That the file is gone proves
/// nothing: the one that stays has to hold the content that was written down. A file that was only set
/// aside is put back if it does not.
pub(super) fn was_removed(
    queue: &Queue,
    transfer: &TransferRow,
    file: Placed<'_>,
    stays: Placed<'_>,
) -> Result<Option<Proved>, Trouble> {
    let proved = survives(queue, transfer, stays)?;
    if proved.is_some() {
        discard_part(&aside(queue, transfer, file))?;
    } else if put_back(queue, transfer, file)? {
        return Err(no_copy(stays));
    }
    Ok(proved)
}

fn survives(queue: &Queue, transfer: &TransferRow, stays: Placed<'_>) -> Result<Option<Proved>, Trouble> {
    let Some((blake3, _)) = transfer.part.filter(|_| transfer.begun) else { return Ok(None) };
    let survivor = resolve(stays)?;
    let Some(stamp) = stamp_if_there(&survivor)? else { return Ok(None) };
    forget_cached(&survivor);
    let copy = read(queue, transfer, &survivor, stamp, transfer.size_bytes)?;
    Ok((copy.blake3 == blake3).then_some(Proved { stamp, blake3 }))
}

/// Gives a file that was set aside by a try that was killed its name again; `false` if there is none.
pub(super) fn put_back(queue: &Queue, transfer: &TransferRow, file: Placed<'_>) -> Result<bool, Trouble> {
    let aside = aside(queue, transfer, file);
    if stamp_if_there(&aside)?.is_none() {
        return Ok(false);
    }
    rename_no_clobber(&aside, &resolve(file)?)?;
    Ok(true)
}

/// Where the file waits to go: a name of its own, so that it is taken for no part of a copy.
fn aside(queue: &Queue, transfer: &TransferRow, file: Placed<'_>) -> PathBuf {
    let folder = file.root.dir.resolve_folder(file.path.parent().as_ref());
    part_path(&folder, file.path.name(), &format!("{}-aside", place::token(queue, transfer)))
}

fn resolve(file: Placed<'_>) -> Result<PathBuf, Trouble> {
    ensure_no_links(&file.root.dir, file.path)?;
    Ok(file.root.dir.resolve(file.path))
}

/// Reads a file whole. Two files are read, so each is half of what there is to do.
fn read(
    queue: &Queue,
    transfer: &TransferRow,
    path: &Path,
    stamp: FileStamp,
    before: u64,
) -> Result<ContentHash, Trouble> {
    let stop = queue.live.flag(transfer.id);
    let content = hash_file(path, stamp, HashOptions { sha256: false, threads: true }, None, &mut |done: u64| {
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
) -> Result<(), Trouble> {
    let changes = read.map(|(file, stamp, content)| Change::Content {
        root: file.root.row,
        path: file.path.clone(),
        modified: stamp.modified,
        content: ending::known(content),
    });
    Ok(result::commit(queue, transfer, &changes)?)
}

fn no_copy(stays: Placed<'_>) -> Trouble {
    Trouble::last("no_copy", format!("{} has no {} any more: the file stays.", stays.root.root.label(), stays.path))
}

fn differs(file: Placed<'_>, stays: Placed<'_>) -> Trouble {
    let detail = format!(
        "{} on {} does not hold the same content as {} on {}: the file stays. Compare the two, then decide.",
        stays.path,
        stays.root.root.label(),
        file.path,
        file.root.root.label()
    );
    Trouble::last("differs", detail)
}
