//! Fetching one content to one place, whatever the sources do.
//!
//! `board` (who fetches which group), `source` (how long a source is tried), `answer` (is this what was asked
//! for) and `room` decide and touch nothing. `supply` asks, `fetch` reads, `part` writes. `grouped` and `whole` put
//! them together: the one proves each MiB as it comes, the other has only the digest of the whole. In
//! both, nothing gets its final name before all of it is proved.

mod answer;
mod board;
mod fault;
mod fetch;
mod fleet;
mod grouped;
mod leftovers;
mod part;
mod positioned;
mod progress;
mod room;
mod source;
mod supply;
mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared_protocol::groups::GROUP_BYTES;
use shared_protocol::job::{AssetDownload, JobPhase};
use shared_protocol::outcome::SourceReport;
use shared_protocol::refusal::Refusal;
use shared_protocol::{Allowed, GroupList};

use self::fault::Weight;
use self::fleet::Fleet;
use crate::confine::ConfinedFolder;
use crate::http::Http;
use crate::hub_api::{HubApi, HubError};
use crate::jobs::JobContext;
use crate::library::Library;

pub use leftovers::Leftovers;
pub(crate) use part::Part;
pub use part::PartError;
pub use room::{Room, TooLittle};
pub use source::Patience;

/// Times that the hub is asked for a group list before doing without.
const LIST_ATTEMPTS: u32 = 4;

/// What all downloads share; clones share it, too.
#[derive(Clone)]
pub struct DownloadTools {
    /// Where models lie.
    pub models: ConfinedFolder,
    /// What is known of them.
    pub library: Library,
    /// Asks public sources.
    pub http: Http,
    /// Asks the hub.
    pub hub: HubApi,
    /// Whether the agent's side lets private addresses be used; the order has to allow it too.
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
pub enum Stop {
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
    Disk(#[from] PartError),
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

impl Stop {
    fn of_weight(weight: Weight) -> Self {
        if let Weight::SessionOver(refusal) = weight { Self::SessionOver(refusal) } else { Self::NoSource }
    }
}

/// One download.
pub(crate) struct Job {
    pub(crate) order: AssetDownload,
    pub(crate) context: JobContext,
    pub(crate) tools: DownloadTools,
    allowed: Allowed,
    n_waiting: AtomicUsize,
}

impl Job {
    /// What an order asks for.
    pub(crate) fn new(order: AssetDownload, context: JobContext, tools: DownloadTools) -> Self {
        let allowed = Allowed::with_private(tools.allow_private && order.policy.allow_private);
        Self { order, context, tools, allowed, n_waiting: AtomicUsize::new(0) }
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
        self.context.report.update(|state| {
            is_news = state.phase != JobPhase::Paused;
            state.phase = JobPhase::Paused;
            state.bytes_per_second = None;
            state.doing = Some(why.clone());
        });
        if is_news {
            self.context.report.warn(why);
        }
        tokio::select! {
            () = self.context.cancel.cancelled() => {}
            () = tokio::time::sleep(self.tools.patience.full_disk) => {}
        }
        self.n_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Fetches a content that is not there yet, and puts it in its place. The reports are filled in however it ends.
pub(crate) async fn fetch(job: &Arc<Job>, part: Arc<Part>, reports: &mut Vec<SourceReport>) -> Result<(), Stop> {
    let mut fleet = Fleet::new(job);
    let result = fetch_with(job, part, &mut fleet).await;
    *reports = fleet.reports();
    result
}

async fn fetch_with(job: &Arc<Job>, part: Arc<Part>, fleet: &mut Fleet) -> Result<(), Stop> {
    let reservation = job.tools.room.enter();
    make_room(job, &part, &reservation).await?;
    if let Some(list) = group_list(job, &part).await? {
        let held = resume(job, &part, &list).await?;
        grouped::run(job, &part, list, held, fleet, &reservation).await?;
    } else {
        let emptied = Arc::clone(&part);
        blocking(move || emptied.empty()).await?;
        whole::run(job, &part, fleet, &reservation).await?;
    }
    loop {
        let finished = Arc::clone(&part);
        match blocking(move || finished.finish()).await {
            // Synced data may find no room as late as this.
            Err(Stop::Disk(error)) if error.is_full() && !job.context.cancel.is_cancelled() => {
                job.wait_for_room(&error).await;
            }
            other => return other,
        }
    }
}

/// Waits until there is room for the rest.
async fn make_room(job: &Job, part: &Part, reservation: &room::Reservation) -> Result<(), Stop> {
    loop {
        let needed = job.order.size_bytes.saturating_sub(part.taken_bytes());
        match reservation.reserve(needed, room::space(job.tools.models.path())) {
            Ok(()) => return Ok(()),
            Err(too_little) if too_little.never => return Err(Stop::TooSmall(too_little)),
            Err(_) if job.context.cancel.is_cancelled() => return Err(Stop::Cancelled),
            Err(too_little) => job.wait_for_room(&too_little).await,
        }
    }
}

/// The proved list of the content's groups; none for a small one, or if nobody has it.
async fn group_list(job: &Job, part: &Part) -> Result<Option<GroupList>, Stop> {
    if job.order.size_bytes <= GROUP_BYTES {
        return Ok(None);
    }
    if let Some(list) = part.stored_groups() {
        return Ok(Some(list));
    }
    let mut delay = job.tools.patience.first_delay;
    for attempt in 1..=LIST_ATTEMPTS {
        let asked = tokio::select! {
            () = job.context.cancel.cancelled() => return Err(Stop::Cancelled),
            asked = job.tools.hub.groups(&job.order.blake3, job.order.size_bytes) => asked,
        };
        match asked {
            Ok(Some(list)) => {
                part.store_groups(&list).or_else(|error| if error.is_full() { Ok(()) } else { Err(error) })?;
                return Ok(Some(list));
            }
            Ok(None) => break,
            Err(HubError::Refused(refusal)) => match fault::Fault::of_refusal(refusal).weight {
                Weight::SessionOver(refusal) => return Err(Stop::SessionOver(refusal)),
                Weight::OutOfReach | Weight::Retry => {}
                _ => break,
            },
            Err(error) => {
                job.context.report.info(format!("No list of parts yet (try {attempt}): {error}"));
            }
        }
        tokio::select! {
            () = job.context.cancel.cancelled() => return Err(Stop::Cancelled),
            () = tokio::time::sleep(delay) => delay *= 2,
        }
    }
    job.context.report.warn("The hub has no list of its parts: it is proved as a whole at the end.");
    Ok(None)
}

async fn resume(job: &Arc<Job>, part: &Arc<Part>, list: &GroupList) -> Result<board::GroupSet, Stop> {
    job.context.report.update(|state| state.phase = JobPhase::Verifying);
    let (part, list, cancel) = (Arc::clone(part), list.clone(), job.context.cancel.clone());
    let held = blocking(move || {
        let held = part.resume(&list, &|| cancel.is_cancelled())?;
        part.stretch()?;
        Ok(held)
    })
    .await?;
    if job.context.cancel.is_cancelled() {
        return Err(Stop::Cancelled);
    }
    if held.n_held() > 0 {
        let text = format!("Going on: {} of {} MiB are there and proved.", held.n_held(), held.n_groups());
        job.context.report.info(text);
    }
    Ok(held)
}

/// Runs something that works on files.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PartError> + Send + 'static,
) -> Result<T, Stop> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Stop::GivenUp),
    }
}

/// Opens the half-done file of an order; none while someone else works on it.
pub(crate) fn open_part(job: &Job) -> Result<Option<Part>, PartError> {
    Part::open(&job.tools.models, &job.order.dest, job.order.blake3, job.order.size_bytes)
}
