//! The questions, one small file each, with the source of what is sent and of what comes back.

mod civarchive;
mod civitai_details;
mod civitai_hash;
mod civitai_ids;
mod civitai_version;
mod huggingface;
mod manager_list;
mod modelscope;

pub use civarchive::CivArchive;
pub use civitai_details::{CivitaiDetails, MAX_DETAILS};
pub use civitai_hash::{AutoV3, CivitaiHash};
pub use civitai_ids::{CivitaiIds, MAX_IDS};
pub use civitai_version::{CivitaiModel, CivitaiVersion};
pub use huggingface::{HuggingFacePaths, HuggingFaceTree, MAX_PATHS};
pub use manager_list::ManagerList;
pub use modelscope::ModelScopeList;

use std::collections::HashSet;

use shared_protocol::Sha256;

use crate::answer::{Answer, AnswerError};

/// An answer in which "nothing there" is one, too: `None`.
fn data_or_nothing(answer: &Answer, max_bytes: usize) -> Result<Option<&[u8]>, AnswerError> {
    match answer.data(max_bytes) {
        Ok(data) => Ok(Some(data)),
        Err(AnswerError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Digests that were asked for, by whether they are among those that were found.
fn told_apart(asked: &[Sha256], found: &HashSet<Sha256>) -> (Vec<Sha256>, Vec<Sha256>) {
    asked.iter().copied().partition(|hash| found.contains(hash))
}
