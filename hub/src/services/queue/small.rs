//! Copying or moving many small files together: written one after the other, synced and renamed
//! together, and committed at once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::failure::{Trouble, explain};
use super::place::{self, Place, Trodden};
use super::result::{self, Change, Ends, Success, Tried};
use super::{Queue, copy, ending, landed};
use crate::domain::operation::Operation;
use crate::domain::transfer::Failure;
use crate::fs::copy::{CopiedPart, CopyRequest, copy_to_part_with, discard_part, sync_part};
use crate::fs::rename::sync_folder;
use crate::fs::{Buffers, volume};
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::{Made, Reason};

/// Files up to this size are written without way points: begun anew after a kill or a pause.
pub(super) const SMALL_BYTES: u64 = 8 << 20;

pub(super) const fn is_small(transfer: &TransferRow) -> bool {
    transfer.size_bytes <= SMALL_BYTES
}

/// How far one file of the group is.
enum Stage {
    /// Its part file is complete.
    Written(Place, CopiedPart),
    /// It has ended.
    Ended(Result<Success, Trouble>),
}

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let ready = ends.all().into_iter().try_for_each(|root| queue.roots.check_blocking(root));
    if ready.is_err() {
        return group.iter().map(|t| (t, Err(ends_error(queue, ends)))).collect();
    }
    let mut staged = queue.with_buffers(|buffers| write_all(queue, group, ends, buffers));
    drop_damaged(queue, ends, &mut staged);
    for (_, stage) in &mut staged {
        if let Stage::Written(place, _) = stage
            && let Err(error) = sync_part(&place.part)
        {
            *stage = Stage::Ended(Err(error.into()));
        }
    }
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for (transfer, stage) in &mut staged {
        if let Stage::Written(place, _) = stage {
            match copy::land(queue, transfer, ends, place) {
                Ok(()) => folders.extend(place.dest.parent().map(PathBuf::from)),
                Err(trouble) => give_up(transfer, stage, explain(queue, &ends.all(), trouble)),
            }
        }
    }
    for folder in &folders {
        if let Err(error) = sync_folder(folder) {
            tracing::warn!(%error, "a folder could not be synced");
        }
    }
    finish(queue, staged, ends)
}

fn write_all<'a>(
    queue: &Queue,
    group: &'a [TransferRow],
    ends: &Ends,
    buffers: &mut Buffers,
) -> Vec<(&'a TransferRow, Stage)> {
    let mut trodden = Trodden::default();
    let mut full = false;
    let mut staged = Vec::with_capacity(group.len());
    for transfer in group {
        let stopped = full || queue.live.flag(transfer.id).is_cancelled();
        let stage = if stopped { Err(Trouble::Stopped) } else { write(queue, transfer, ends, &mut trodden, buffers) };
        let stage = stage.unwrap_or_else(|trouble| Stage::Ended(Err(explain(queue, &ends.all(), trouble))));
        // The rest would end the same way; it keeps its place in the order.
        full |= matches!(&stage, Stage::Ended(Err(Trouble::Failed(Failure::DiskFull, _))));
        let done = if matches!(&stage, Stage::Ended(Err(_))) { 0 } else { transfer.size_bytes };
        queue.live.progress(transfer.id, done);
        staged.push((transfer, stage));
    }
    staged
}

/// Ends what is not the content that the index knows.
fn drop_damaged(queue: &Queue, ends: &Ends, staged: &mut [(&TransferRow, Stage)]) {
    let known = queue.database.read_blocking(|connection| {
        staged.iter().map(|(transfer, _)| copy::known_hash(connection, transfer, ends)).collect::<Result<Vec<_>, _>>()
    });
    let known = match known {
        Ok(known) => known,
        Err(error) => {
            let detail = error.to_string();
            for (transfer, stage) in staged.iter_mut() {
                give_up(
                    transfer,
                    stage,
                    Trouble::Failed(Failure::Transient, Reason { code: "database", detail: detail.clone() }),
                );
            }
            return;
        }
    };
    for ((transfer, stage), known) in staged.iter_mut().zip(known) {
        if let Stage::Written(place, copied) = stage
            && let Err(trouble) = copy::check_known(transfer, place, known, &copied.content)
        {
            *stage = Stage::Ended(Err(trouble));
        }
    }
}

/// Ends a file that was written and can't go on.
fn give_up(transfer: &TransferRow, stage: &mut Stage, trouble: Trouble) {
    if let Stage::Written(place, _) = stage {
        if let Err(error) = discard_part(&place.part) {
            tracing::warn!(%error, id = transfer.id.0, "a part file could not be removed");
        }
        *stage = Stage::Ended(Err(trouble));
    }
}

fn ends_error(queue: &Queue, ends: &Ends) -> Trouble {
    let failed = ends.all().into_iter().find_map(|root| queue.roots.check_blocking(root).err());
    failed.map_or(Trouble::Stopped, Trouble::from)
}

fn write(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    trodden: &mut Trodden,
    buffers: &mut Buffers,
) -> Result<Stage, Trouble> {
    place::check_allowed(queue, transfer)?;
    if let Some(success) = landed::find(queue, transfer, ends)? {
        return Ok(Stage::Ended(Ok(success)));
    }
    let place = place::prepare(queue, transfer, ends, trodden)?;
    if transfer.operation == Operation::Move
        && volume::same_volume(ends.from.dir.path(), place.dest.parent().unwrap_or(&place.dest))?
    {
        return copy::rename(queue, transfer, ends, &place).map(|success| Stage::Ended(Ok(success)));
    }
    let request = CopyRequest {
        source: &place.source,
        expected: place.expected,
        part: &place.part,
        resume_from: 0,
        resume_proof: None,
        sha256: queue.settings.current().hash_sha256,
        may_share: true,
        sync_every: 0,
        sync: false,
    };
    let stop = queue.live.flag(transfer.id);
    let copied = copy_to_part_with(buffers, request, &mut |bytes_done| {
        queue.live.progress(transfer.id, bytes_done);
        stop.flow()
    });
    match copied {
        Ok(copied) => Ok(Stage::Written(place, copied)),
        Err(error) => {
            // There is no way point to go on from.
            discard_part(&place.part)?;
            Err(error.into())
        }
    }
}

/// Ends the group. The sources of moves go only after all copies are committed.
fn finish<'a>(queue: &Queue, staged: Vec<(&'a TransferRow, Stage)>, ends: &Ends) -> Vec<Tried<'a>> {
    let mut tried: Vec<Tried<'a>> = Vec::with_capacity(staged.len());
    let mut to_drop: Vec<(&'a TransferRow, Place, CopiedPart, Vec<Change>)> = Vec::new();
    for (transfer, stage) in staged {
        match stage {
            Stage::Ended(result) => tried.push((transfer, result)),
            Stage::Written(place, copied) => match ending::landed_changes(transfer, ends, &place, &copied) {
                Ok(changes) if transfer.operation == Operation::Move => {
                    to_drop.push((transfer, place, copied, changes));
                }
                Ok(changes) => tried.push((transfer, Ok(Success { changes, made: Some(made(&copied)) }))),
                Err(trouble) => tried.push((transfer, Err(trouble))),
            },
        }
    }
    if to_drop.is_empty() {
        return tried;
    }
    let committed = queue.database.write_blocking(|tx| {
        let mut applied = result::Applied::new(tx);
        to_drop.iter().try_for_each(|(transfer, _, _, changes)| applied.add(transfer, changes))?;
        applied.finish()
    });
    if let Err(error) = committed {
        let detail = error.to_string();
        tracing::error!(detail, "copies could not be committed: their sources stay");
        tried.extend(to_drop.into_iter().map(|(transfer, ..)| (transfer, Err(Trouble::Stopped))));
        return tried;
    }
    for (transfer, place, copied, _) in to_drop {
        let result = ending::drop_source(transfer, ends, &place)
            .map(|changes| Success { changes, made: Some(made(&copied)) })
            .map_err(|trouble| explain(queue, &ends.all(), trouble));
        tried.push((transfer, result));
    }
    tried
}

fn made(copied: &CopiedPart) -> Made {
    Made { size_bytes: copied.stamp.size_bytes, modified: copied.stamp.modified, hash: Some(copied.content.blake3) }
}
