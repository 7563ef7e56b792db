//! `ASSET_DOWNLOAD`: one content at one place. What is there already is not fetched.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared_protocol::job::{AssetDownload, JobPhase};
use shared_protocol::outcome::{FailureCode, How, Outcome, SourceReport};
use shared_protocol::{Blake3, RelPath};

use crate::confine::ConfineError;
use crate::download::{self, DownloadTools, Job, Part, PartError, Stop};
use crate::jobs::JobContext;
use crate::library::{Library, LibraryError};

/// How often a place is looked at that someone else works on.
const OCCUPIED: Duration = Duration::from_millis(200);

/// Contents from this size on are linked rather than copied.
const LEAST_LINKED: u64 = 1 << 20;

/// Why there is no content at the place.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Stop(#[from] Stop),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("{0} is there with another content: nothing is overwritten")]
    Occupied(RelPath),
}

/// Does the job.
pub async fn asset_download(order: AssetDownload, context: JobContext, tools: &DownloadTools) -> Outcome {
    let began = Instant::now();
    let job = Arc::new(Job::new(order, context, tools.clone()));
    let mut sources = Vec::new();
    let result = work(&job, &mut sources).await;
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok(how) => Outcome::Succeeded { how, duration_ms, sources, commit: None },
        Err(Failure::Stop(Stop::Cancelled) | Failure::Library(LibraryError::Stopped)) => Outcome::Cancelled {},
        Err(failure) => {
            let (code, detail) = (code_of(&failure), detail_of(&failure, &sources));
            Outcome::Failed { code, detail, duration_ms, sources }
        }
    }
}

async fn work(job: &Arc<Job>, sources: &mut Vec<SourceReport>) -> Result<How, Failure> {
    job.context.report.update(|state| {
        state.phase = JobPhase::Verifying;
        state.bytes_total = Some(job.order.size_bytes);
    });
    // Whoever works on the same place may be about to finish it, so what is there is looked at every time.
    let part = loop {
        if let Some(how) = already_there(job).await? {
            return Ok(how);
        }
        let opening = Arc::clone(job);
        if let Some(part) = download::blocking(move || download::open_part(&opening)).await? {
            break Arc::new(part);
        }
        tokio::select! {
            () = job.context.cancel.cancelled() => return Err(Stop::Cancelled.into()),
            () = tokio::time::sleep(OCCUPIED) => {}
        }
    };
    let how = if let Some(how) = elsewhere(job, &part).await? {
        how
    } else {
        download::fetch(job, part, sources).await?;
        How::Downloaded
    };
    let (library, dest, blake3) = known(job);
    in_library(move || library.learn(&dest, blake3)).await?;
    Ok(how)
}

fn known(job: &Job) -> (Library, RelPath, Blake3) {
    (job.tools.library.clone(), job.order.dest.clone(), job.order.blake3)
}

/// Whether the content is at its place; another one there is an error.
async fn already_there(job: &Arc<Job>) -> Result<Option<How>, Failure> {
    let (library, dest, blake3) = known(job);
    let (size, cancel) = (job.order.size_bytes, job.context.cancel.clone());
    let (at, is_right) = in_library(move || {
        let Some(found) = library.size_of(&dest)? else { return Ok((dest, None)) };
        let is_right = found == size && library.content_of(&dest, &|| cancel.is_cancelled())? == blake3;
        Ok((dest, Some(is_right)))
    })
    .await?;
    match is_right {
        None => Ok(None),
        Some(true) => Ok(Some(How::AlreadyThere)),
        Some(false) => Err(Failure::Occupied(at)),
    }
}

/// Whether a content is worth a second name of a file. What is smaller takes no room to speak of, and files
/// that hold the same by chance, as empty ones do, would change together from then on.
const fn is_worth_a_link(size_bytes: u64) -> bool {
    size_bytes >= LEAST_LINKED
}

/// Looks for the same content elsewhere below the folder, and links it. On another disk, or one without links,
/// it is copied and proved on the way.
async fn elsewhere(job: &Arc<Job>, part: &Arc<Part>) -> Result<Option<How>, Failure> {
    let (library, dest, blake3) = known(job);
    let (models, size, cancel) = (job.tools.models.clone(), job.order.size_bytes, job.context.cancel.clone());
    if size == 0 && blake3.as_bytes() == ::blake3::hash(b"").as_bytes() {
        let part = Arc::clone(part);
        download::blocking(move || part.empty().and_then(|()| part.finish())).await?;
        return Ok(Some(How::Copied));
    }
    let twin = in_library(move || {
        let twin = library.find(&blake3, size, &dest, &|| cancel.is_cancelled());
        twin.map(|twin| Ok((models.resolve(&twin)?, twin))).transpose()
    })
    .await?;
    if job.context.cancel.is_cancelled() {
        return Err(Stop::Cancelled.into());
    }
    let Some((from, twin)) = twin else { return Ok(None) };
    job.context.report.info(format!("The same content is at {:?} already.", twin.as_str()));
    let (part, cancel) = (Arc::clone(part), job.context.cancel.clone());
    let how = download::blocking(move || {
        if is_worth_a_link(size) && fs::hard_link(&from, part.dest()).is_ok() {
            part.discard()?;
            return Ok(Some(How::Linked));
        }
        Ok(part.fill_from(&from, &|| cancel.is_cancelled())?.then_some(How::Copied))
    })
    .await;
    match how {
        // Fetching knows how to wait for room.
        Err(Stop::Disk(error)) if error.is_full() => Ok(None),
        other => Ok(other?),
    }
}

async fn in_library<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LibraryError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Stop::GivenUp.into()),
    }
}

fn code_of(failure: &Failure) -> FailureCode {
    match failure {
        Failure::Occupied(_) | Failure::Stop(Stop::Disk(PartError::Occupied(_))) => FailureCode::InTheWay,
        Failure::Library(LibraryError::Confine(error)) | Failure::Stop(Stop::Disk(PartError::Confine(error))) => {
            match error {
                ConfineError::Link(_) => FailureCode::Policy,
                ConfineError::InTheWay(_) => FailureCode::InTheWay,
                ConfineError::Folder { .. } | ConfineError::Io { .. } => FailureCode::Disk,
            }
        }
        Failure::Stop(Stop::TooSmall(_)) => FailureCode::DiskFull,
        Failure::Stop(Stop::Disk(error)) if error.is_full() => FailureCode::DiskFull,
        Failure::Stop(Stop::Disk(_)) | Failure::Library(_) => FailureCode::Disk,
        Failure::Stop(Stop::NoSource | Stop::SessionOver(_) | Stop::NotItself) => FailureCode::NoSource,
        Failure::Stop(Stop::Cancelled | Stop::GivenUp) => FailureCode::Internal,
    }
}

/// What failed, and the last that each source did.
fn detail_of(failure: &Failure, sources: &[SourceReport]) -> String {
    let mut detail = failure.to_string();
    if matches!(failure, Failure::Stop(Stop::NoSource)) {
        for source in sources {
            if let Some(reason) = source.reasons.last() {
                detail.extend(["; ", &source.source, ": ", &reason.detail]);
            }
        }
    }
    detail
}
