//! Reading the header of one model when someone looks at it.
//!
//! Nothing is kept: a header is a few hundred kilobytes at the front of a file, read in
//! milliseconds, and a kept one would have to be thrown away with every change of the file.

use std::time::Duration;

use super::Roots;
use crate::domain::kind::WeightFormat;
use crate::domain::root::Root;
use crate::domain::safetensors::{self, SafetensorsSummary};
use crate::fs::FileStamp;
use crate::fs::head::{HeadError, read_head};
use shared_protocol::RelPath;

/// A share that takes longer to answer keeps the reader waiting no further.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a header was not read.
#[derive(Debug, thiserror::Error)]
pub enum ModelHeaderError {
    /// The file is of another format.
    #[error("only safetensors files have a header that is read")]
    NotSafetensors,
    /// The content is in a cloud; opening the file would download it.
    #[error("the content is not on this disk but in a cloud")]
    Placeholder,
    /// The root can't be reached.
    #[error("{0}")]
    Unavailable(String),
    /// The file can't be read, or is none of these.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The header is not as the format says.
    #[error(transparent)]
    Header(#[from] safetensors::HeaderError),
}

/// Reads the header of the file that the index knows by this stamp.
pub async fn read(
    roots: &Roots,
    root: Root,
    path: &RelPath,
    stamp: FileStamp,
    placeholder: bool,
) -> Result<SafetensorsSummary, ModelHeaderError> {
    if WeightFormat::of(path.name()) != Some(WeightFormat::Safetensors) {
        return Err(ModelHeaderError::NotSafetensors);
    }
    if placeholder {
        return Err(ModelHeaderError::Placeholder);
    }
    let live = roots.live(root).map_err(|error| ModelHeaderError::Unavailable(error.to_string()))?;
    let file = live.dir.resolve(path);
    // Not awaited by the end of the program: it may hang in the system for minutes.
    let reading = tokio::task::spawn_blocking(move || {
        let header = read_head(&file, stamp, safetensors::MAX_HEADER_BYTES)?;
        Ok(safetensors::summarize(&header, stamp.size_bytes)?)
    });
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(ModelHeaderError::Unavailable("reading it broke off".to_owned())),
        Err(_) => Err(ModelHeaderError::Unavailable(format!("{} does not answer", root.label()))),
    }
}
