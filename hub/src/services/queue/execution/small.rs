//! Copying or moving many small files together: written one after the other, synced and renamed
//! together, and committed at once. Moves on one volume are renames, whatever their size.

use super::failure::{AttemptError, explain};
use super::landing::{self, LandingStage, Staged};
use super::place::{self, GroupCache};
use super::result::{Ends, Tried};
use super::{Queue, copy, recovery, room};
use crate::domain::transfer::Failure;
use crate::fs::Buffers;
use crate::fs::copy::{CopyRequest, copy_to_part_with, sync_part};
use crate::storage::queue::TransferRow;

/// Files up to this size are written without checkpoints: begun anew after a kill or a pause.
pub(in crate::services::queue) const SMALL_BYTES: u64 = 8 << 20;

pub(super) const fn is_small(transfer: &TransferRow) -> bool {
    transfer.size_bytes <= SMALL_BYTES
}

pub(super) fn run<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends) -> Vec<Tried<'a>> {
    let mut staged = queue.with_buffers(|buffers| write_all(queue, group, ends, buffers));
    drop_damaged(queue, ends, &mut staged);
    for (transfer, stage) in &mut staged {
        if let LandingStage::Written(place, _) = stage
            && is_small(transfer)
            && let Err(error) = sync_part(&place.part)
        {
            landing::give_up(stage, explain(queue, &ends.all(), error.into()));
        }
    }
    landing::land(queue, staged, ends)
}

fn write_all<'a>(queue: &Queue, group: &'a [TransferRow], ends: &Ends, buffers: &mut Buffers) -> Vec<Staged<'a>> {
    let mut cache = GroupCache::new(group);
    let mut full = false;
    let mut staged = Vec::with_capacity(group.len());
    for transfer in group {
        let stopped = full || queue.live.flag(transfer.id).is_cancelled();
        let stage =
            if stopped { Err(AttemptError::Stopped) } else { write(queue, transfer, ends, &mut cache, buffers) };
        let stage = stage.unwrap_or_else(|trouble| {
            LandingStage::Ended(Err(room::explain(queue, transfer, explain(queue, &ends.all(), trouble))))
        });
        // The rest would end the same way; it keeps its place in the order.
        full |= matches!(&stage, LandingStage::Ended(Err(AttemptError::Failed(Failure::DiskFull, _))));
        let done = if matches!(&stage, LandingStage::Ended(Err(_))) { 0 } else { transfer.size_bytes };
        queue.live.progress(transfer.id, done);
        staged.push((transfer, stage));
    }
    staged
}

/// Ends what is not the content that the index knows.
fn drop_damaged(queue: &Queue, ends: &Ends, staged: &mut [Staged<'_>]) {
    let known = queue.database.read_blocking(|connection| {
        let known = |(transfer, stage): &Staged<'_>| match stage {
            LandingStage::Written(..) => copy::known_hash(connection, transfer, ends),
            LandingStage::Renamed(_) | LandingStage::Ended(_) => Ok(None),
        };
        staged.iter().map(known).collect::<Result<Vec<_>, _>>()
    });
    let known = match known {
        Ok(known) => known,
        Err(error) => {
            let trouble = AttemptError::from(error);
            for (_, stage) in staged.iter_mut() {
                landing::give_up(stage, trouble.clone());
            }
            return;
        }
    };
    for ((transfer, stage), known) in staged.iter_mut().zip(known) {
        if let LandingStage::Written(place, copied) = stage
            && let Err(trouble) = copy::check_known(queue, transfer, ends, place, known, &copied.content)
        {
            *stage = LandingStage::Ended(Err(trouble));
        }
    }
}

fn write(
    queue: &Queue,
    transfer: &TransferRow,
    ends: &Ends,
    cache: &mut GroupCache<'_>,
    buffers: &mut Buffers,
) -> Result<LandingStage, AttemptError> {
    cache.checks.check(queue, transfer)?;
    if let Some(success) = recovery::find(queue, transfer, ends)? {
        return Ok(LandingStage::Ended(Ok(success)));
    }
    let place = place::prepare(queue, transfer, ends, cache)?;
    if copy::renamed(queue, transfer, ends, &place)? {
        return Ok(LandingStage::Renamed(place));
    }
    if !is_small(transfer) {
        // It was taken for a rename.
        return copy::write(queue, transfer, ends, place);
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
        Ok(copied) => Ok(LandingStage::Written(place, copied)),
        Err(error) => {
            // There is no checkpoint to go on from.
            place.part.clean_up();
            Err(error.into())
        }
    }
}
