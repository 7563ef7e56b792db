//! What a plan takes away is checked once more when its turn comes: both roots are still those that
//! the plan was made from, and before anything is deleted, everything was renamed and copied.

use super::Queue;
use super::failure::AttemptError;
use crate::domain::operation::Operation;
use crate::domain::transfer::Failure;
use crate::services::ServiceError;
use crate::storage::plans;
use crate::storage::queue::TransferRow;
use crate::storage::queue::outcome::Reason;

/// Refuses a group whose plan does not hold any more. A group is of one batch if it has a phase.
pub(super) fn check(queue: &Queue, group: &[TransferRow]) -> Result<(), (Failure, Reason)> {
    let Some(head) = group.first() else { return Ok(()) };
    let takes_away = head.operation == Operation::Delete || head.to == Some(head.from);
    if head.phase == 0 || !takes_away {
        return Ok(());
    }
    match guard(queue, head) {
        Ok(()) => Ok(()),
        Err(AttemptError::Failed(failure, reason)) => Err((failure, reason)),
        Err(AttemptError::Stopped) => {
            let detail = "The hub is shutting down.".to_owned();
            Err((Failure::Transient, Reason { code: "stopped", detail }))
        }
    }
}

fn guard(queue: &Queue, head: &TransferRow) -> Result<(), AttemptError> {
    let batch = head.batch_id;
    let (is_mirror, plan, not_done) = queue
        .database
        .read_blocking(|connection| {
            let plan = plans::of_batch(connection, batch)?;
            Ok((plans::is_mirror(connection, batch)?, plan, plans::not_done(connection, batch)?))
        })
        .map_err(ServiceError::from)?;
    if !is_mirror {
        return Ok(());
    }
    let plan = plan.ok_or_else(|| AttemptError::last("impossible", "The plan of this batch is not known any more."))?;
    for (root, row) in [plan.asked.from, plan.asked.to] {
        let live = queue.roots.live(root)?;
        queue.roots.check_blocking(&live)?;
        if live.row != row {
            let detail = format!("{}'s folder is another one now. Make a new plan.", root.label());
            return Err(AttemptError::last("root_changed", detail));
        }
    }
    if head.operation == Operation::Delete && not_done > 0 {
        let files = if not_done == 1 { "file was" } else { "files were" };
        let detail = format!(
            "Nothing of this plan is deleted, because {not_done} {files} not renamed or copied. Make a new plan for \
             what is left."
        );
        return Err(AttemptError::last("copies_failed", detail));
    }
    Ok(())
}
