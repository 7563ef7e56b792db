//! Reading the Lake's file of addresses when someone looks at a file. It is never written here.

use std::time::Duration;

use shared_protocol::Blake3;

use super::Roots;
use crate::domain::exclusion::SOURCES_FILE;
use crate::domain::root::Root;
use crate::domain::sources::{Address, SourcesError, addresses};
use crate::fs::FsError;
use crate::fs::head::read_small;

/// A share that takes longer to answer keeps the reader waiting no further.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tens of thousands of models have less.
const MAX_BYTES: u64 = 64 << 20;

/// Why the file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ModelSourcesError {
    /// The Lake can't be reached.
    #[error("{0}")]
    Unavailable(String),
    /// The file can't be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The file is not as it should be.
    #[error("{SOURCES_FILE} on the Lake can't be used: {0}")]
    Content(#[from] SourcesError),
}

/// The addresses that the Lake's file has for a content; none if there is no such file.
pub async fn read(roots: &Roots, hash: Blake3) -> Result<Vec<Address>, ModelSourcesError> {
    let live = roots.live(Root::Lake).map_err(|error| ModelSourcesError::Unavailable(error.to_string()))?;
    let file = live.dir.path().join(SOURCES_FILE);
    // Not awaited by the end of the program: it may hang in the system for minutes.
    let reading = tokio::task::spawn_blocking(move || match read_small(&file, MAX_BYTES) {
        Ok(bytes) => Ok(addresses(&bytes, &hash)?),
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    });
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(ModelSourcesError::Unavailable("reading it broke off".to_owned())),
        Err(_) => Err(ModelSourcesError::Unavailable(format!("{} does not answer", Root::Lake.label()))),
    }
}
