//! The two folders: which row of the index each is now, and whether it can be reached.
//!
//! A look every few seconds keeps the answer fresh. A folder that does not answer in time counts as
//! offline: a dead NAS must never hold up a page. Workers ask again, directly, before and after they
//! touch a root.

mod adopt;
mod belonging;
mod links;
mod verdict;
mod watch;

use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;
use shared_protocol::ids::RootId;

pub use verdict::{Usable, examine};

use super::{ErrorKind, Event, Events, History, ServiceError, Settings, Tasks};
use crate::domain::ids::RootRowId;
use crate::domain::root::{PerRoot, Root};
use crate::fs::RootDir;
use crate::fs::entry::OpenRoot;
use crate::fs::inclusion::Neighbour;
use crate::storage::Database;

/// A root that can be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRoot {
    pub root: Root,
    /// Its row in the index.
    pub row: RootRowId,
    pub dir: RootDir,
    /// Its marker; none where nothing can be written.
    pub marker: Option<RootId>,
    /// Whether files can be made there.
    pub writable: bool,
    /// Whether names that differ only in case are different files there.
    pub case_sensitive: bool,
}

/// What the last look at a root found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own that pages show")]
pub struct RootStatus {
    /// Whether it has a folder.
    pub configured: bool,
    /// The folder, as people write it.
    pub path: Option<String>,
    /// Whether it can be worked on.
    pub online: bool,
    /// Why not.
    pub offline_reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub offline_since: Option<jiff::Timestamp>,
    /// The folder is there, but is not the one in the index: a person may adopt it anew.
    pub can_adopt: bool,
    /// What the index shows of it while it can't be worked on, for people; none if nothing was indexed yet.
    pub index_note: Option<String>,
    /// Bytes that can still be written.
    pub free_bytes: Option<u64>,
    /// Bytes of the whole volume.
    pub total_bytes: Option<u64>,
    /// Whether anything may be taken away there.
    pub allow_delete: bool,
    /// Whether files can be made there.
    pub writable: bool,
    /// Why its identity is weaker than usual.
    pub identity_note: Option<String>,
}

#[derive(Debug, Clone)]
struct KnownRoot {
    dir: Option<RootDir>,
    live: Option<LiveRoot>,
    status: RootStatus,
}

/// The two folders; clones share them.
#[derive(Clone)]
pub struct Roots {
    settings: Settings,
    database: Database,
    events: Events,
    history: History,
    known: Arc<RwLock<PerRoot<KnownRoot>>>,
    real_paths: Arc<RwLock<links::RealPaths>>,
    look_now: Arc<tokio::sync::Notify>,
}

impl Roots {
    /// Has a first look, and goes on looking in the background.
    pub(super) async fn start(
        settings: Settings,
        database: Database,
        events: Events,
        history: History,
        tasks: &Tasks,
    ) -> Self {
        let unknown = |_| KnownRoot {
            dir: None,
            live: None,
            status: RootStatus {
                configured: false,
                path: None,
                online: false,
                offline_reason: None,
                offline_since: None,
                can_adopt: false,
                index_note: None,
                free_bytes: None,
                total_bytes: None,
                allow_delete: false,
                writable: false,
                identity_note: None,
            },
        };
        let roots = Self {
            settings,
            database,
            events,
            history,
            known: Arc::new(RwLock::new(PerRoot::from_fn(unknown))),
            real_paths: Arc::default(),
            look_now: Arc::default(),
        };
        watch::start(&roots, tasks).await;
        roots
    }

    /// What the last look found.
    pub fn status(&self, root: Root) -> RootStatus {
        let allow_delete = self.allow_delete(root);
        RootStatus { allow_delete, ..self.known.read().get(root).status.clone() }
    }

    /// Whether anything may be taken away in a root, by the configuration of this moment.
    pub fn allow_delete(&self, root: Root) -> bool {
        self.settings.current().roots.get(root).allow_delete
    }

    /// Refuses where nothing may be taken away: the one place that knows.
    pub fn check_delete(&self, root: Root) -> Result<(), ServiceError> {
        if self.allow_delete(root) { Ok(()) } else { Err(ServiceError::DeleteForbidden(root)) }
    }

    /// The root, if the last look found it; else why not.
    pub fn live(&self, root: Root) -> Result<LiveRoot, ServiceError> {
        let known = self.known.read();
        let known = known.get(root);
        match &known.live {
            Some(live) => Ok(live.clone()),
            None if known.dir.is_none() => Err(ServiceError::NotConfigured(root)),
            None => Err(ServiceError::Offline {
                root,
                why: known.status.offline_reason.clone().unwrap_or_else(|| "it was not looked at yet".into()),
            }),
        }
    }

    /// The folders that no included link may lead to, into, or around, but for those that other links lead to.
    pub(super) fn neighbours(&self) -> Vec<Neighbour> {
        links::neighbours(self)
    }

    /// Looks at a root now, on this thread: it is still the one that `live` was.
    pub fn check_blocking(&self, live: &LiveRoot) -> Result<(), ServiceError> {
        watch::check(live).map_err(|why| {
            self.look_now.notify_one();
            ServiceError::Offline { root: live.root, why }
        })
    }

    /// Opens a root to work in it, on this thread: it is still the one that `live` was. What is opened is
    /// what was verified.
    pub fn open_blocking(&self, live: &LiveRoot) -> Result<Arc<OpenRoot>, ServiceError> {
        watch::open(live).map_err(|why| {
            self.look_now.notify_one();
            ServiceError::Offline { root: live.root, why }
        })
    }

    /// The root, if the last look found it and files can be made there: whoever is to change something
    /// asks before anything is promised.
    pub fn live_writable(&self, root: Root) -> Result<LiveRoot, ServiceError> {
        let live = self.live(root)?;
        if live.writable { Ok(live) } else { Err(read_only(root)) }
    }

    /// Looks at both roots anew soon, because something about them was changed.
    pub fn look_again(&self) {
        self.look_now.notify_one();
    }

    /// Looks at both roots anew, now; returns when the answer is there.
    pub async fn refresh(&self, tasks: &Tasks) {
        for root in Root::ALL {
            watch::look_at_root(self, root, tasks).await;
        }
    }

    /// Takes the folder that is there now for the root, because a person said so.
    pub async fn adopt_anew(&self, root: Root, tasks: &Tasks) -> Result<(), ServiceError> {
        adopt::anew(self, root, tasks).await?;
        self.events.send(Event::RootChanged(root));
        Ok(())
    }
}

/// Nothing can be changed in a root, whatever is asked for.
fn read_only(root: Root) -> ServiceError {
    let text = format!(
        "{} can't be written: its disk is mounted read-only, or the hub's user may not write there. Nothing was done.",
        root.label()
    );
    ServiceError::said(ErrorKind::Impossible, text)
}
