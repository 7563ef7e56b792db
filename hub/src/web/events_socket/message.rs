//! What clients are told.

use jiff::Timestamp;
use serde::Serialize;
use shared_protocol::{AgentId, JobId};
use utoipa::ToSchema;

use crate::domain::described::UuidText;
use crate::domain::ids::{BackgroundJobId, BatchId, TransferId};
use crate::domain::root::{PerRoot, Root};
use crate::domain::transfer::TransferState;
use crate::services::Event;
use crate::services::duplicates::DuplicateScanView;
use crate::services::hasher::HashJobView;
use crate::services::indexer::ScanView;
use crate::services::models::DescribeJobView;
use crate::services::queue::QueueStatus;
use crate::services::remote::agents::AgentView;
use crate::services::remote::job_view::JobView;
use crate::services::remote::session_view::SessionView;
use crate::services::roots::RootStatus;
use crate::services::serving::UplinkView;
use crate::services::sources::{DiscoveryView, SourceCheckView};
use crate::storage::views::PageRequest;
use crate::storage::views::batches::BatchView;
use crate::storage::views::transfers::TransferView;
use crate::web::WebState;
use crate::web::api::{batches, transfers};
use crate::web::error::{Answer, Problem};

/// Hash jobs that are looked through for open ones.
const LATEST_HASH_JOBS: u32 = 200;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventMessage)]
pub(super) struct Message {
    at: Timestamp,
    #[serde(flatten)]
    news: News,
}

/// Everything under way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSnapshot)]
struct Snapshot {
    /// The hub's version.
    version: &'static str,
    /// The two folders.
    roots: PerRoot<RootStatus>,
    /// The queue as a whole.
    queue: QueueStatus,
    /// The scan under way.
    scan: Option<ScanView>,
    /// The hash jobs that have not ended.
    hashes: Vec<HashJobView>,
    /// The transfers under way.
    transfers: Vec<TransferView>,
    /// The remote session.
    session: SessionView,
    agents: Vec<AgentView>,
    /// The jobs of agents that have not ended.
    jobs: Vec<JobView>,
}

/// What it tells. A thing that is gone is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = EventNews)]
enum News {
    /// Everything under way: the first message, and again after too many changes at once.
    Snapshot(Box<Snapshot>),
    /// A scan went on or ended.
    Scan { id: BackgroundJobId, scan: Option<ScanView> },
    /// A transfer changed its state or went on.
    Transfer { id: TransferId, transfer: Option<TransferView> },
    /// A batch was made, or one of its transfers ended.
    Batch { id: BatchId, batch: Option<BatchView> },
    /// The queue as a whole: held, freed, longer, shorter, in another order.
    Queue { queue: QueueStatus },
    /// A root came, went, or has other space.
    Root { root: Root, status: RootStatus },
    /// A root's index changed: lists of its files are out of date.
    Index { root: Root },
    /// A hash job went on or ended.
    Hash { id: BackgroundJobId, hash: Option<HashJobView> },
    /// A search for duplicates went on or ended.
    DuplicateScan { id: BackgroundJobId, scan: Option<DuplicateScanView> },
    /// The groups of duplicates are others.
    Duplicates,
    /// Models came, went, or more is known of them.
    ModelChanged,
    /// A job that reads headers went on or ended.
    ModelRead { id: BackgroundJobId, read: Option<DescribeJobView> },
    /// The comparison changed.
    Diff,
    /// The Lake's file of addresses is another.
    Sources,
    /// A round of looks at addresses went on or ended.
    SourceCheck { check: Option<SourceCheckView> },
    /// A run of look-ups went on or ended.
    Discovery { id: BackgroundJobId, run: Option<DiscoveryView> },
    /// The remote session began, ended, or has other limits.
    Session { session: SessionView },
    /// An agent came, went, or told of itself.
    Agent {
        #[schema(value_type = UuidText)]
        id: AgentId,
        agent: Option<AgentView>,
    },
    /// A job of an agent went on or ended.
    Job {
        #[schema(value_type = UuidText)]
        id: JobId,
        job: Option<JobView>,
    },
    /// How much goes out to agents, and which contents.
    Uplink { uplink: UplinkView },
    /// Something was added to the history.
    History,
    /// The configuration changed.
    Settings,
}

impl Message {
    /// Everything under way.
    pub(super) async fn snapshot(state: &WebState) -> Answer<Self> {
        let services = &state.services;
        let snapshot = Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            roots: PerRoot::from_fn(|root| services.roots.status(root)),
            queue: services.queue.status().await?,
            scan: services.indexer.current(),
            hashes: open_hash_jobs(state).await?,
            transfers: transfers::in_state(state, TransferState::Running).await?,
            session: services.remote.sessions.view(),
            agents: services.remote.list_agents().await?,
            jobs: services.remote.open_jobs().await?,
        };
        Ok(Self::now(News::Snapshot(Box::new(snapshot))))
    }

    /// The present state of what an event names.
    pub(super) async fn about(event: Event, state: &WebState) -> Answer<Self> {
        Ok(Self::now(match event {
            Event::ScanChanged(id) => News::Scan { id, scan: found(state.services.indexer.show(id).await)? },
            Event::TransferChanged(id) => News::Transfer { id, transfer: found(transfers::show(state, id).await)? },
            Event::BatchChanged(id) => News::Batch { id, batch: found(batches::show(state, id).await)? },
            Event::RootChanged(root) => News::Root { root, status: state.services.roots.status(root) },
            Event::IndexChanged(root) => News::Index { root },
            Event::DuplicateScanChanged(id) => {
                News::DuplicateScan { id, scan: found(state.services.duplicates.show(id).await)? }
            }
            Event::DuplicatesChanged => News::Duplicates,
            Event::ModelsChanged => News::ModelChanged,
            Event::DescribeChanged(id) => {
                News::ModelRead { id, read: found(state.services.models.show_job(id).await)? }
            }
            Event::PairsChanged => News::Diff,
            Event::SourcesChanged => News::Sources,
            Event::SourceCheckChanged => News::SourceCheck { check: state.services.source_checks.latest().await? },
            Event::DiscoveryChanged(id) => {
                News::Discovery { id, run: found(state.services.discoveries.show(id).await)? }
            }
            Event::SessionChanged => News::Session { session: state.services.remote.sessions.view() },
            Event::AgentChanged(id) => News::Agent { id, agent: found(state.services.remote.show_agent(id).await)? },
            Event::JobChanged(id) => News::Job { id, job: found(state.services.remote.show_job(id).await)? },
            Event::UplinkChanged => News::Uplink { uplink: state.services.serving.uplink() },
            Event::HistoryAdded => News::History,
            Event::SettingsChanged => News::Settings,
            Event::QueueChanged => News::Queue { queue: state.services.queue.status().await? },
            Event::HashChanged(id) => News::Hash { id, hash: found(state.services.hasher.show(id).await)? },
        }))
    }

    fn now(news: News) -> Self {
        Self { at: Timestamp::now(), news }
    }

    /// The frame's text.
    pub(super) fn to_json(&self) -> Option<String> {
        serde_json::to_string(self).inspect_err(|error| tracing::error!(%error, "a message can't be written")).ok()
    }
}

/// Jobs end in the order in which they were asked for, so the open ones are among the latest.
async fn open_hash_jobs(state: &WebState) -> Answer<Vec<HashJobView>> {
    let mut jobs = state.services.hasher.list(PageRequest::latest(LATEST_HASH_JOBS)).await?.items;
    jobs.retain(|job| !job.job.state.is_final());
    Ok(jobs)
}

/// What is gone is told as nothing.
fn found<T, E: Into<Problem>>(result: Result<T, E>) -> Answer<Option<T>> {
    match result.map_err(Into::into) {
        Ok(thing) => Ok(Some(thing)),
        Err(problem) if problem.status == axum::http::StatusCode::NOT_FOUND => Ok(None),
        Err(problem) => Err(problem),
    }
}
