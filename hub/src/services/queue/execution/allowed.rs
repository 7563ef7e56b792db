//! What a transfer may not do, as it is when its turn comes.

use super::failure::AttemptError;
use super::unknown::Unknown;
use super::{Queue, exclusions, together};
use crate::domain::operation::{OnConflict, Operation};
use crate::fs::unfinished::ControlFiles;
use crate::storage::queue::TransferRow;

/// Refuses what is forbidden; what is the same for the transfers claimed together is looked up once.
#[derive(Debug)]
pub(super) struct Checks<'a> {
    group: &'a [TransferRow],
    unknown: Option<Unknown>,
    control_files: ControlFiles,
}

impl<'a> Checks<'a> {
    pub(super) fn new(group: &'a [TransferRow]) -> Self {
        Self { group, unknown: None, control_files: ControlFiles::default() }
    }

    /// Refuses what the configuration of this moment forbids, what is no part of the library, and what was not seen.
    pub(super) fn check(&mut self, queue: &Queue, transfer: &TransferRow) -> Result<(), AttemptError> {
        exclusions::check(queue, transfer, &mut self.control_files)?;
        let unknown = match &mut self.unknown {
            Some(known) => known,
            none => none.insert(Unknown::of(queue, self.group)?),
        };
        unknown.check(queue, transfer)?;
        together::check(queue, transfer)?;
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
}

/// The same for one transfer alone.
pub(super) fn check(queue: &Queue, transfer: &TransferRow) -> Result<(), AttemptError> {
    Checks::new(std::slice::from_ref(transfer)).check(queue, transfer)
}
