//! Fetching one content to one place, whatever the sources do.
//!
//! `chunk_scheduler` (who fetches which group), `source_state` (how long a source is tried), `answer` (is this what
//! was asked for) and `room` decide and touch nothing. `source_client` asks, `attempt` reads, `part` writes. `grouped`
//! and `whole` put them together: the one verifies each MiB as it comes, the other has only the digest of the whole.
//! In both, nothing gets its final name before all of it is verified.

mod answer;
mod attempt;
mod attempt_error;
mod chunk_scheduler;
mod claim;
mod grouped;
mod leftovers;
mod part;
mod room;
mod source_client;
mod source_pool;
mod source_state;
mod throughput;
mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shared_protocol::groups::GROUP_BYTES;
use shared_protocol::job::{AssetDownload, JobPhase};
use shared_protocol::outcome::{FailureCode, How, Outcome, SourceReport};
use shared_protocol::refusal::Refusal;
use shared_protocol::{Allowed, GroupList};
use tokio_util::sync::CancellationToken;

use self::attempt_error::{AttemptError, Consequence};
use self::source_pool::SourcePool;
use crate::confine::{ConfinedFolder, PlaceError};
use crate::error::FileError;
use crate::http::Http;
use crate::hub_api::{HubApi, HubError};
use crate::report::Reporter;

pub use leftovers::Leftovers;
pub use part::PartFile;
pub use room::{Room, TooLittle};
pub use source_state::Patience;

/// Times that the hub is asked for a group list before doing without.
const LIST_ATTEMPTS: u32 = 4;

/// What all downloads share; clones share it, too.
#[derive(Clone)]
pub struct DownloadTools {
    /// Where models lie.
    pub models: ConfinedFolder,
    /// Asks public sources.
    pub http: Http,
    /// Asks the hub, which may have the content and its group list; none in the hub itself.
    pub hub: Option<HubApi>,
    /// Whether this machine's side lets private addresses be used; the order has to allow it too.
    pub allow_private: bool,
    /// Connections per source, 1 to 4.
    pub connections: usize,
    /// Room on the disk.
    pub room: Room,
    /// How patient to be.
    pub patience: Patience,
}

/// Why a download ended without the content.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// It was told to stop.
    #[error("it was cancelled")]
    Cancelled,
    /// No source is left.
    #[error("no source is left that has it")]
    NoSource,
    /// The hub ended the session.
    #[error("the hub ended the session: {}", .0.detail)]
    SessionOver(Refusal),
    /// The disk failed, or something is in the way.
    #[error(transparent)]
    Disk(#[from] PlaceError),
    /// The disk is too small for it.
    #[error("the disk is too small: {0}")]
    TooSmall(TooLittle),
    /// The digest can't be that of a content of this size.
    #[error("no content has this size and digest")]
    NotItself,
    /// A task ended without an answer.
    #[error("a part of the work was given up")]
    GivenUp,
}

impl DownloadError {
    /// What it means for a job.
    pub fn failure_code(&self) -> FailureCode {
        match self {
            Self::TooSmall(_) => FailureCode::DiskFull,
            Self::Disk(error) => error.failure_code(),
            Self::NoSource | Self::SessionOver(_) | Self::NotItself => FailureCode::NoSource,
            Self::Cancelled | Self::GivenUp => FailureCode::Internal,
        }
    }
}

impl From<FileError> for DownloadError {
    fn from(error: FileError) -> Self {
        Self::Disk(error.into())
    }
}

/// One download.
pub struct Download {
    /// What is wanted.
    pub order: AssetDownload,
    /// What it shares with others.
    pub tools: DownloadTools,
    /// Cancelled when it has to stop.
    pub cancel: CancellationToken,
    /// Where it tells how far it is.
    pub report: Reporter,
    allowed: Allowed,
    n_waiting: AtomicUsize,
}

impl Download {
    /// Prepares what an order asks for; nothing is done yet.
    pub fn new(order: AssetDownload, tools: DownloadTools, cancel: CancellationToken, report: Reporter) -> Arc<Self> {
        let allowed = Allowed::with_private(tools.allow_private && order.policy.allow_private);
        Arc::new(Self { order, tools, cancel, report, allowed, n_waiting: AtomicUsize::new(0) })
    }

    /// Opens the part file; none while someone else works on it, or when the place is taken by now.
    pub fn open_part(&self) -> Result<Option<PartFile>, PlaceError> {
        PartFile::open(&self.tools.models, &self.order.dest, self.order.blake3, self.order.size_bytes)
    }

    /// Fetches the content to a place where nothing is and nobody works.
    pub async fn run(self: &Arc<Self>) -> Outcome {
        let (began, mut reports) = (Instant::now(), Vec::new());
        let opening = Arc::clone(self);
        let result = match blocking(move || opening.open_part()).await {
            Ok(Some(part)) => self.fetch(Arc::new(part), &mut reports).await,
            Ok(None) => Err(PlaceError::Occupied(self.order.dest.as_str().into()).into()),
            Err(error) => Err(error),
        };
        outcome_of(result.map(|()| How::Downloaded), reports, began)
    }

    /// Fetches a content that is not there yet, and gives it its name. The reports are filled in however it ends.
    ///
    /// # Errors
    ///
    /// If no source is left, it is cancelled, or the disk fails. A full disk is waited for, and what is there by then
    /// stays for another try.
    pub async fn fetch(
        self: &Arc<Self>,
        part: Arc<PartFile>,
        reports: &mut Vec<SourceReport>,
    ) -> Result<(), DownloadError> {
        let mut pool = SourcePool::new(self);
        let result = fetch_with(self, part, &mut pool).await;
        *reports = pool.reports();
        result
    }

    fn stall(&self) -> Duration {
        Duration::from_secs(self.order.policy.stall_timeout_s.max(1))
    }

    fn is_paused(&self) -> bool {
        self.n_waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until it is worth trying again to write.
    async fn wait_for_room(&self, why: &(dyn std::fmt::Display + Sync)) {
        self.n_waiting.fetch_add(1, Ordering::Relaxed);
        let why = format!("waiting for room on the disk: {why}");
        let mut is_news = false;
        self.report.update(|state| {
            is_news = state.phase != JobPhase::Paused;
            state.phase = JobPhase::Paused;
            state.bytes_per_second = None;
            state.doing = Some(why.clone());
        });
        if is_news {
            self.report.warn(why);
        }
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = tokio::time::sleep(self.tools.patience.full_disk) => {}
        }
        self.n_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn fetch_with(download: &Arc<Download>, part: Arc<PartFile>, pool: &mut SourcePool) -> Result<(), DownloadError> {
    let reservation = download.tools.room.new_reservation();
    make_room(download, &part, &reservation).await?;
    if let Some(list) = group_list(download, &part).await? {
        let held = resume(download, &part, &list).await?;
        grouped::run(download, &part, list, held, pool, &reservation).await?;
    } else {
        let emptied = Arc::clone(&part);
        blocking(move || emptied.empty()).await?;
        whole::run(download, &part, pool, &reservation).await?;
    }
    loop {
        let finished = Arc::clone(&part);
        match blocking(move || finished.finish()).await {
            // Synced data may find no room as late as this.
            Err(DownloadError::Disk(error)) if error.is_full() && !download.cancel.is_cancelled() => {
                download.wait_for_room(&error).await;
            }
            other => return other,
        }
    }
}

/// Waits until there is room for the rest.
async fn make_room(download: &Download, part: &PartFile, reservation: &room::Reservation) -> Result<(), DownloadError> {
    loop {
        let needed = download.order.size_bytes.saturating_sub(part.taken_bytes());
        // A folder of models may be a disk of its own.
        let folder = part.dest().parent().unwrap_or_else(|| download.tools.models.path());
        match reservation.reserve(needed, room::space(folder)) {
            Ok(()) => return Ok(()),
            Err(too_little) if too_little.never => return Err(DownloadError::TooSmall(too_little)),
            Err(_) if download.cancel.is_cancelled() => return Err(DownloadError::Cancelled),
            Err(too_little) => download.wait_for_room(&too_little).await,
        }
    }
}

/// The verified list of the content's groups; none for a small one, or if nobody has it.
async fn group_list(download: &Download, part: &PartFile) -> Result<Option<GroupList>, DownloadError> {
    if download.order.size_bytes <= GROUP_BYTES {
        return Ok(None);
    }
    if let Some(list) = part.stored_groups() {
        return Ok(Some(list));
    }
    let Some(hub) = &download.tools.hub else { return Ok(None) };
    let mut delay = download.tools.patience.first_delay;
    for attempt in 1..=LIST_ATTEMPTS {
        let asked = tokio::select! {
            () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
            asked = hub.groups(&download.order.blake3, download.order.size_bytes) => asked,
        };
        match asked {
            Ok(Some(list)) => {
                part.store_groups(&list).or_else(|error| if error.is_full() { Ok(()) } else { Err(error) })?;
                return Ok(Some(list));
            }
            Ok(None) => break,
            Err(HubError::Refused(refusal)) => match AttemptError::of_refusal(refusal).consequence {
                Consequence::SessionOver(refusal) => return Err(DownloadError::SessionOver(refusal)),
                Consequence::OutOfReach | Consequence::Retry => {}
                _ => break,
            },
            Err(error) => {
                download.report.info(format!("No list of parts yet (try {attempt}): {error}"));
            }
        }
        tokio::select! {
            () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
            () = tokio::time::sleep(delay) => delay *= 2,
        }
    }
    download.report.warn("The hub has no list of its parts: it is verified as a whole at the end.");
    Ok(None)
}

async fn resume(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    list: &GroupList,
) -> Result<chunk_scheduler::GroupSet, DownloadError> {
    download.report.update(|state| state.phase = JobPhase::Verifying);
    let (part, list, cancel) = (Arc::clone(part), list.clone(), download.cancel.clone());
    let held = blocking(move || {
        let held = part.resume(&list, &|| cancel.is_cancelled())?;
        part.stretch().map(|()| held)
    })
    .await?;
    if download.cancel.is_cancelled() {
        return Err(DownloadError::Cancelled);
    }
    if held.n_held() > 0 {
        let text = format!("Going on: {} of {} MiB are there and verified.", held.n_held(), held.n_groups());
        download.report.info(text);
    }
    Ok(held)
}

/// Runs something that works on files.
pub async fn blocking<T: Send + 'static, E: Into<DownloadError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, DownloadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(DownloadError::GivenUp),
    }
}

/// What became of a job: if no source was left, with the last that each one did.
pub fn outcome_of(result: Result<How, DownloadError>, sources: Vec<SourceReport>, began: Instant) -> Outcome {
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let error = match result {
        Ok(how) => return Outcome::Succeeded { how, duration_ms, sources, commit: None },
        Err(DownloadError::Cancelled) => return Outcome::Cancelled {},
        Err(error) => error,
    };
    let mut detail = error.to_string();
    if matches!(error, DownloadError::NoSource) {
        for source in &sources {
            if let Some(reason) = source.reasons.last() {
                detail.extend(["; ", &source.source, ": ", &reason.detail]);
            }
        }
    }
    Outcome::Failed { code: error.failure_code(), detail, duration_ms, sources }
}
