//! Fetching one content to one place, whatever the sources do.
//!
//! `chunk_scheduler` (who fetches which group), `partial_groups` (what is there of the others), `source_state` (how
//! long a source is tried), `retry_after` (how long it wants to rest), `answer` (is this what was asked for) and `room`
//! decide and touch nothing. `source_client` asks, `attempt` reads, `part` writes, `reachability` tells whose fault it
//! is. `grouped`, with a `worker` per connection, and `whole` put them together: the one verifies each MiB when it is
//! there, the other has only the digest of the whole, until the `list` has come. In both, nothing gets its final name
//! before all of it is verified.

mod answer;
mod attempt;
mod attempt_error;
mod chunk_scheduler;
mod claim;
mod earlier;
mod expected;
mod grouped;
mod leftovers;
mod lines;
mod list;
mod pace;
mod page;
mod part;
mod partial_groups;
mod reachability;
pub mod retry_after;
mod room;
mod source_client;
mod source_pool;
mod source_state;
mod throughput;
mod whole;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shared_protocol::job::{AssetDownload, AssetSource, JobPhase, SourcePolicy};
use shared_protocol::outcome::{FailureCode, How, Outcome, SourceReport};
use shared_protocol::refusal::Refusal;
use shared_protocol::{Allowed, GroupList, RelPath};
use tokio_util::sync::CancellationToken;

use self::list::ListRequest;
use self::source_pool::SourcePool;
use self::whole::Listed;
use crate::confine::{ConfinedFolder, PlaceError};
use crate::error::FileError;
use crate::http::Http;
use crate::hub_api::HubApi;
use crate::report::Reporter;

pub use expected::{Digests, Expected};
pub use leftovers::Leftovers;
pub use lines::Lines;
pub use pace::Pace;
pub use part::PartFile;
pub use room::{Room, TooLittle};
pub use source_state::Patience;

/// How often a disk may fail to keep a file.
const MOST_FAILED: u32 = 3;

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
    /// What comes from each site.
    pub lines: Lines,
    /// How fast all of them may go together.
    pub pace: Pace,
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

/// What a download is to bring.
#[derive(Debug, Clone)]
pub struct Order {
    /// What it is.
    pub expected: Expected,
    /// Its size.
    pub size_bytes: u64,
    /// Where it goes, below the folder of models.
    pub dest: RelPath,
    /// Where it can be had, best first; the hub, if it is among them, last.
    pub sources: Vec<AssetSource>,
    /// How patient to be.
    pub policy: SourcePolicy,
}

impl From<AssetDownload> for Order {
    fn from(order: AssetDownload) -> Self {
        let AssetDownload { blake3, size_bytes, dest, sources, policy } = order;
        Self { expected: Expected::Blake3(blake3), size_bytes, dest, sources, policy }
    }
}

/// One download.
pub struct Download {
    /// What is wanted.
    pub order: Order,
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
    pub fn new(
        order: impl Into<Order>,
        tools: DownloadTools,
        cancel: CancellationToken,
        report: Reporter,
    ) -> Arc<Self> {
        let order = order.into();
        let allowed = Allowed::with_private(tools.allow_private && order.policy.allow_private);
        Arc::new(Self { order, tools, cancel, report, allowed, n_waiting: AtomicUsize::new(0) })
    }

    /// Opens the part file; none while someone else works on it, when the place is taken by now, or where its caller has
    /// to open it: without the content's BLAKE3.
    pub fn open_part(&self) -> Result<Option<PartFile>, PlaceError> {
        let Some(blake3) = self.order.expected.blake3() else { return Ok(None) };
        PartFile::open(&self.tools.models, &self.order.dest, blake3, self.order.size_bytes)
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

    /// Fetches a content that is not there yet, and gives it its name, unless that is for its caller to do. The reports are filled in however it ends.
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
    let reading = Arc::clone(&part);
    pool.go_on_from(blocking(move || Ok::<_, DownloadError>(reading.kept_reports())).await?);
    let mut n_failed = 0;
    loop {
        make_room(download, &part, &reservation).await?;
        let fetched = fetch_bytes(download, &part, pool, &reservation).await;
        let is_fetched = fetched.is_ok();
        match if is_fetched { finish(download, &part).await } else { fetched } {
            // What the disk failed to keep is looked at as it lies there, and fetched again.
            Err(DownloadError::Disk(PlaceError::File(error)))
                if n_failed < MOST_FAILED && (part.is_gone() || (is_fetched && error.is_passing())) =>
            {
                n_failed += 1;
                if part.is_gone() {
                    download.report.warn(format!("{error}: it is fetched anew."));
                    let anew = Arc::clone(&part);
                    blocking(move || Ok::<_, DownloadError>(anew.begin_anew()?)).await?;
                } else {
                    download.report.warn(format!("{error}: what is there is verified again."));
                    part.doubt();
                }
                tokio::select! {
                    () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
                    () = tokio::time::sleep(download.tools.patience.full_disk) => {}
                }
            }
            other => return other,
        }
    }
}

/// Fetches what is missing of the bytes.
async fn fetch_bytes(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    pool: &mut SourcePool,
    room: &room::Reservation,
) -> Result<(), DownloadError> {
    let Some(Listed { list, bringer }) = list_or_all(download, part, pool, room).await? else { return Ok(()) };
    let came = part.kept_stream();
    let there = resume(download, part, &list).await?;
    let lost = came.saturating_sub(there.n_bytes(download.order.size_bytes));
    if let Some(liar) = bringer.filter(|_| lost > 0).and_then(|source| pool.members.get_mut(source)) {
        liar.has_lied(download, lost)?;
    }
    pool.limit_to(there.n_counted(download.order.size_bytes));
    grouped::run(download, part, list, there, pool, room).await
}

/// Gives the file its name.
async fn finish(download: &Download, part: &Arc<PartFile>) -> Result<(), DownloadError> {
    loop {
        let finished = Arc::clone(part);
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

/// The verified list of the content's groups; none once all of the content is there without. While the list is on its
/// way, what others than the hub have is fetched already.
async fn list_or_all(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    pool: &mut SourcePool,
    room: &room::Reservation,
) -> Result<Option<Listed>, DownloadError> {
    let mut list = ListRequest::start(download, part);
    let time = if pool.has_public() { download.tools.patience.list } else { Duration::MAX };
    let found = tokio::select! {
        biased;
        () = download.cancel.cancelled() => return Err(DownloadError::Cancelled),
        found = list.within(time) => found?,
    };
    match found {
        Some(Some(list)) => Ok(Some(Listed { list, bringer: None })),
        Some(None) | None => whole::run(download, part, &mut list, pool, room).await,
    }
}

async fn resume(
    download: &Arc<Download>,
    part: &Arc<PartFile>,
    list: &GroupList,
) -> Result<part::Resumed, DownloadError> {
    download.report.update(|state| state.phase = JobPhase::Verifying);
    let (part, list, cancel) = (Arc::clone(part), list.clone(), download.cancel.clone());
    let there = blocking(move || {
        let there = part.resume(&list, &|| cancel.is_cancelled())?;
        part.stretch().map(|()| there)
    })
    .await?;
    if download.cancel.is_cancelled() {
        return Err(DownloadError::Cancelled);
    }
    if there.held.n_held() > 0 {
        let (n_held, n_groups) = (there.held.n_held(), there.held.n_groups());
        download.report.info(format!("Going on: {n_held} of {n_groups} MiB are there and verified."));
    }
    Ok(there)
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
