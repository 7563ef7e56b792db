//! A damaged file takes the place of another one only if that was said.

use std::path::Path;

use super::Queue;
use super::failure::AttemptError;
use crate::fs::FileStamp;
use crate::fs::unfinished::is_damaged;
use crate::storage::queue::{TransferRow, batches};

/// Refuses to replace `occupant` by a source that is not as its header says.
pub(super) fn check(
    queue: &Queue,
    transfer: &TransferRow,
    source: &Path,
    occupant: Option<FileStamp>,
) -> Result<(), AttemptError> {
    let expected = FileStamp::known(transfer.size_bytes, transfer.modified, None);
    if occupant.is_none() || !is_damaged(source, expected)? {
        return Ok(());
    }
    let is_said =
        queue.database.read_blocking(|connection| batches::includes_damaged(connection, transfer.batch_id))?;
    if is_said {
        return Ok(());
    }
    let detail = format!(
        "{} is damaged: its size is not what its header says. It would have replaced {}, which stays. \
         Ask again with \"Replace by damaged files, too\" if that is what you want.",
        transfer.path, transfer.to_path
    );
    Err(AttemptError::last("damaged", detail))
}
