//! One try of what a worker claimed: runs the steps and stores what came of each transfer, with the
//! index, in one commit.

use super::failure::{AttemptError, explain};
use super::names::Names;
use super::result::{Applied, Change, Ends, Tried};
use super::{Queue, copy, delete, download, duplicate, evict, plan_guard, restore, room, share, small, summary};
use crate::domain::operation::Operation;
use crate::domain::transfer::{self, Failure};
use crate::services::Event;
use crate::storage::StorageError;
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::{self, Reason, Stepped};

/// Makes the transfers known as running, so that they can be stopped.
pub(in crate::services::queue) fn begin(queue: &Queue, group: &[TransferRow]) {
    match group {
        [only] if only.operation == Operation::Download => queue.live.claimed_download(only.id),
        _ => queue.live.claimed(group.iter().map(|transfer| transfer.id).collect()),
    }
    for transfer in group {
        queue.live.begin(transfer.id, transfer.size_bytes, transfer.synced_bytes);
    }
}

/// Does the work, says when no file is touched any more, and writes down what came of it.
pub(in crate::services::queue) fn run(queue: &Queue, group: &[TransferRow], files_done: impl FnOnce()) {
    // Of many small files only the end is told: it comes at once.
    if let [only] = group {
        queue.events.progress(Event::TransferChanged(only.id));
    }
    let (names, ready) = Names::hold(queue, group);
    let tried = match plan_guard::check(queue, group) {
        Ok(()) => run_steps(queue, &ready),
        Err((failure, reason)) => {
            group.iter().map(|transfer| (transfer, Err(AttemptError::Failed(failure, reason.clone())))).collect()
        }
    };
    files_done();
    let mut tried: Vec<_> = tried
        .into_iter()
        .map(|(transfer, result)| (transfer, result.map_err(|trouble| room::explain(queue, transfer, trouble))))
        .collect();
    names.look_again(queue, &mut tried);
    store(queue, &tried, &names.followed());
    for transfer in group {
        queue.live.end(transfer.id);
        queue.events.send(Event::TransferChanged(transfer.id));
    }
}

fn run_steps<'a>(queue: &Queue, group: &'a [TransferRow]) -> Vec<Tried<'a>> {
    match group {
        [only] if matches!(only.operation, Operation::Copy | Operation::Move) && !small::is_small(only) => {
            vec![(
                only,
                Ends::of(queue, only).and_then(|ends| {
                    copy::run(queue, only, &ends).map_err(|trouble| explain(queue, &ends.all(), trouble))
                }),
            )]
        }
        [head, ..] => match (head.operation, Ends::of(queue, head)) {
            (Operation::Copy | Operation::Move, Ok(ends)) => small::run(queue, group, &ends),
            (Operation::RemoveDuplicate, Ok(ends)) => duplicate::run(queue, group, &ends),
            (Operation::Hardlink | Operation::Reflink | Operation::Separate, Ok(ends)) => {
                share::run(queue, group, &ends)
            }
            (Operation::Delete, Ok(ends)) => delete::run(queue, group, &ends),
            (Operation::Restore, Ok(ends)) => restore::run(queue, group, &ends),
            (Operation::Download, Ok(ends)) => download::run(queue, group, &ends),
            (Operation::Evict, Ok(ends)) => evict::run(queue, group, &ends),
            (_, Err(_)) => {
                group.iter().map(|t| (t, Err(Ends::of(queue, t).err().unwrap_or(AttemptError::Stopped)))).collect()
            }
        },
        [] => Vec::new(),
    }
}

/// Stores all results in one commit, then does what they ask for.
fn store(queue: &Queue, tried: &[Tried<'_>], followed: &[Change]) {
    let policy = queue.policy();
    // The files are as they are: that is kept until the database takes it.
    let stored = queue.ends.store_blocking(
        "transfers",
        || {},
        |tx| {
            let mut stepped = Vec::new();
            let mut applied = Applied::new(tx);
            for (transfer, result) in tried {
                let next = match result {
                    Ok(success) => {
                        applied.add(transfer, &success.changes)?;
                        if transfer.begun {
                            outcome::may_have_left_part(tx, transfer.id)?;
                        }
                        outcome::complete(tx, transfer.id, success.made, &policy)?
                    }
                    Err(AttemptError::Stopped) => {
                        outcome::apply(tx, transfer.id, transfer::TransferEvent::Stopped, None, &policy)?
                    }
                    Err(AttemptError::Failed(failure, reason)) => outcome::apply(
                        tx,
                        transfer.id,
                        transfer::TransferEvent::Failed(*failure),
                        Some(reason),
                        &policy,
                    )?,
                };
                stepped.extend(next);
            }
            if let Some((first, _)) = tried.first() {
                applied.add(first, followed)?;
            }
            applied.finish()?;
            let told = summary::tell(tx, &stepped)?;
            Ok((stepped, told))
        },
    );
    match stored {
        Ok((stepped, told)) => {
            for one in &stepped {
                queue.run_effects(one);
            }
            if told {
                queue.events.send(Event::HistoryAdded);
            }
        }
        Err(error) => not_stored(queue, tried, &error),
    }
    for (transfer, result) in tried {
        if let Err(AttemptError::Failed(_, reason)) = result {
            tracing::warn!(id = transfer.id.0, code = reason.code, detail = reason.detail, "a transfer failed");
        }
    }
}

/// The results don't fit the database, by a fault of the hub, or the hub ends: the transfers go back
/// into the order and find their own results there.
fn not_stored(queue: &Queue, tried: &[Tried<'_>], error: &StorageError) {
    tracing::error!(%error, "results of transfers could not be stored");
    if matches!(error, StorageError::Closed) {
        return;
    }
    if let Err(error) =
        queue.hold_blocking("What came of transfers could not be stored. See the log, then resume.", None)
    {
        tracing::error!(%error, "the queue could not be held");
    }
    let policy = queue.policy();
    for (transfer, _) in tried {
        let back: Result<Option<Stepped>, StorageError> = queue.database.write_blocking(|tx| {
            Ok(outcome::apply(tx, transfer.id, transfer::TransferEvent::Interrupted, None, &policy)?.ok())
        });
        if let Err(error) = back {
            tracing::error!(%error, id = transfer.id.0, "a transfer stays as it is until the next start");
        }
    }
}

/// A worker that broke off by a fault of the hub leaves nothing running behind: each of its transfers
/// that has not ended counts as tried.
pub(in crate::services::queue) fn broke_off(queue: &Queue, group: &[TransferRow]) {
    tracing::error!(n = group.len(), "a worker broke off");
    let policy = queue.policy();
    let reason = Reason { code: "broke_off", detail: "The hub stumbled over this file. Its log says why.".to_owned() };
    let event = transfer::TransferEvent::Failed(Failure::Transient);
    let stored = queue.ends.store_blocking(
        "transfers that broke off",
        || {},
        |tx| {
            let mut stepped = Vec::new();
            for one in group {
                stepped.extend(outcome::apply(tx, one.id, event, Some(&reason), &policy)?);
            }
            summary::tell(tx, &stepped)
        },
    );
    if let Err(error) = stored {
        tracing::error!(%error, "transfers stay as they are until the next start");
    }
    for transfer in group {
        queue.live.end(transfer.id);
        queue.events.send(Event::TransferChanged(transfer.id));
    }
}
