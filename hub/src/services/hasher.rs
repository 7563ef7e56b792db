//! Hashing what the index knows by name only.
//!
//! What is left of a job is whatever in its scope has no hash, so a job goes on after a restart by itself. Each root
//! works on one job at a time.

mod work;

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use super::background::{BackgroundJobView, Runner};
use super::context::ServiceContext;
use super::{ErrorKind, ServiceError};
use crate::domain::ids::{BackgroundJobId, RootRowId};
use crate::domain::root::{PerRoot, Root};
use crate::storage::hashes::{self, Coverage};
use crate::storage::views::{Page, PageRequest, named};
use crate::storage::{Connection, StorageError, background};

pub use crate::domain::hash_scope::{HashKind, HashRequest, HashScope};

pub(super) use work::store_contents;

use work::Hashing;

/// A hash job as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HashJobView {
    #[serde(flatten)]
    pub job: BackgroundJobView,
    /// The root it is about.
    pub root: Root,
    /// Which files it reads: those without a hash, or all.
    pub kind: HashKind,
}

/// Hash jobs; clones share them.
#[derive(Clone)]
pub struct Hasher {
    context: ServiceContext,
    runner: Runner<Hashing>,
    covered: Arc<Mutex<PerRoot<Option<Covered>>>>,
}

/// A coverage with the root's row and generation that it was counted at.
type Covered = ((RootRowId, i64), Coverage);

impl Hasher {
    /// Goes on with the jobs that the last run left.
    pub(super) async fn start_service(context: ServiceContext) -> Result<Self, StorageError> {
        let runner = Runner::start(Hashing { context: context.clone() }, &context).await?;
        Ok(Self { context, runner, covered: Arc::default() })
    }

    /// Asks for hashes of whatever in the scope has none.
    pub async fn start(&self, root: Root, scope: HashScope, kind: HashKind) -> Result<BackgroundJobId, ServiceError> {
        let live = self.context.roots.live(root)?;
        if matches!(&scope, HashScope::Paths(paths) if paths.is_empty()) {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one file or folder in \"paths\"."));
        }
        let paths = match &scope {
            HashScope::Folder(folder) => folder.iter().cloned().collect(),
            HashScope::Paths(paths) => paths.clone(),
        };
        let (row, n) = (live.row, paths.len());
        let missing = self.context.database.read(move |connection| named::not_indexed(connection, row, &paths)).await?;
        ServiceError::refuse_if_all(&missing, n, named::NOT_INDEXED)?;
        let id = self.runner.add(HashRequest { root, scope, kind }).await?;
        // What a person asks for does not wait for what is done in idle hours; that is found again later.
        if kind != HashKind::Scrub {
            self.stop_scrub(root);
        }
        Ok(id)
    }

    /// A job as it is now.
    pub async fn show(&self, id: BackgroundJobId) -> Result<HashJobView, ServiceError> {
        self.runner.show(id).await
    }

    /// The latest jobs, newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<HashJobView>, ServiceError> {
        self.runner.list(request).await
    }

    /// Stops a job; the hashes it has taken stay.
    pub async fn cancel(&self, id: BackgroundJobId) -> Result<(), ServiceError> {
        self.runner.cancel(id).await
    }

    /// How much of each root is hashed.
    pub async fn coverage(&self) -> Result<PerRoot<Coverage>, ServiceError> {
        let known = Arc::clone(&self.covered);
        let found = self.context.database.read(move |connection| {
            let mut coverage = PerRoot::<Coverage>::default();
            for root in Root::ALL {
                let Some(row) = crate::storage::roots::active(connection, root)? else { continue };
                let stamp = (row.id, row.generation);
                let counted = known.lock().get(root).filter(|known| known.0 == stamp);
                let (_, now) = match counted {
                    Some(counted) => counted,
                    None => (stamp, hashes::coverage(connection, row.id, None)?),
                };
                *known.lock().get_mut(root) = Some((stamp, now));
                *coverage.get_mut(root) = now;
            }
            Ok(coverage)
        });
        Ok(found.await?)
    }

    /// Whether a job of a root is under way or waits.
    pub(super) fn is_asked(connection: &Connection, root: Root) -> Result<bool, StorageError> {
        Ok(background::next::<Hashing>(connection, root.as_str())?.is_some())
    }

    /// Ends the work of idle hours on a root.
    pub(super) fn stop_scrub(&self, root: Root) {
        // One that has ended is no longer in the way.
        self.runner.stop(|job| job.row.payload.root == root && job.row.payload.kind == HashKind::Scrub).ok();
    }
}
