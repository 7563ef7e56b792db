//! The remote side: sessions in which agents may come, the agents that came, and their jobs.
//!
//! The truth is in the database. What is in memory (connections, frames on their way, progress of
//! the moment) may be lost at any time: an agent comes back, says what it has, and both go on from
//! there. Jobs change one at a time, under `turn`; what follows from a change is said after it is
//! committed, and once more if the saying is lost.

mod acks;
mod addresses;
pub mod agents;
mod awake;
pub mod connection;
pub mod conversation;
mod dispatch;
mod incoming;
pub mod inventory;
pub mod job_view;
pub mod jobs;
mod limiter;
mod linked;
pub mod live;
pub mod poll;
pub mod preview;
pub mod self_test;
pub mod session;
pub mod session_view;
mod turn;
mod welcome;

pub use live::{Listening, LiveSession};
pub use session::Sessions;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use parking_lot::Mutex;
use shared_protocol::{AgentId, Blake3, JobId, RelPath};
use tokio::sync::Notify;

use super::context::ServiceContext;
use super::{Events, Hasher, History, Roots, ServiceError, Settings, Sources, Tasks};
use crate::domain::root::Root;
use crate::storage::{Database, jobs as stored_jobs};
use connection::Connection;
use job_view::Moment;

/// The remote side; clones share it.
#[derive(Clone)]
pub struct Remote {
    /// The session and its key.
    pub sessions: Sessions,
    inner: Arc<RemoteInner>,
}

struct RemoteInner {
    settings: Settings,
    database: Database,
    roots: Roots,
    events: Events,
    history: History,
    tasks: Tasks,
    hasher: Hasher,
    sources: Sources,
    /// The newest connection of each agent that has one.
    connections: Mutex<HashMap<AgentId, Arc<Connection>>>,
    /// Since when agents with open jobs are out of touch.
    away: Mutex<HashMap<AgentId, Instant>>,
    /// How far jobs are, as told last.
    moments: Mutex<HashMap<JobId, Moment>>,
    /// Why queued jobs are not assigned.
    waiting: Mutex<HashMap<JobId, String>>,
    /// Results that agents may forget once they are on the disk.
    acks: acks::Acks,
    /// One change of jobs at a time.
    turn: tokio::sync::Mutex<()>,
    /// Something may be assigned, or has to be looked after.
    wake: Notify,
    /// The number of the next request for an inventory.
    next_request: AtomicU64,
}

/// A file that holds a content which an agent may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServableContent {
    /// Where it lies.
    pub root: Root,
    /// Its path there.
    pub path: RelPath,
    /// Its size, as the index has it.
    pub size_bytes: u64,
    pub hash: Blake3,
}

impl Remote {
    /// Goes on where the last run ended.
    pub(super) async fn start(context: ServiceContext, hasher: Hasher, sources: Sources) -> Result<Self, ServiceError> {
        let sessions = Sessions::start(&context).await?;
        let ServiceContext { settings, database, roots, events, history, tasks, .. } = context;
        let inner = RemoteInner {
            settings,
            database,
            roots,
            events,
            history,
            tasks,
            hasher,
            sources,
            connections: Mutex::default(),
            away: Mutex::default(),
            moments: Mutex::default(),
            waiting: Mutex::default(),
            acks: acks::Acks::default(),
            turn: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            next_request: AtomicU64::new(1),
        };
        let remote = Self { sessions, inner: Arc::new(inner) };
        remote.inner.tasks.spawn(remote.clone().run());
        remote.inner.tasks.spawn(remote.clone().acknowledge());
        Ok(remote)
    }

    /// Where a content lies, if an open job of the live session names it. A root that is away is an error
    /// unless another holds it.
    pub async fn may_serve(&self, hash: &Blake3) -> Result<Option<ServableContent>, ServiceError> {
        let Some(session) = self.sessions.current() else { return Ok(None) };
        let (hash, row) = (*hash, session.row());
        if !self.inner.database.read(move |c| stored_jobs::is_wanted(c, row, &hash)).await? {
            return Ok(None);
        }
        let holder = self.holder_of(hash).await?;
        if holder.is_none() {
            // A root that is away may hold it, and comes back: said as such, the agent waits.
            for root in Root::ALL.into_iter().filter(|root| self.inner.roots.status(*root).configured) {
                self.inner.roots.live(root)?;
            }
        }
        Ok(holder.map(|(root, file)| ServableContent { root, path: file.path, size_bytes: file.size_bytes, hash }))
    }
}
