//! Searching for duplicates.
//!
//! What a search reads goes into the hash cache and beside it, so that one that was interrupted is soon where it was, and
//! the next one reads only what has changed. Its result replaces that of the search before in one commit; a search that
//! was stopped or failed changes nothing.

mod files;
mod plan;
mod search;
mod weights;

use serde::Serialize;

use super::background::{BackgroundJobView, Runner};
use super::context::ServiceContext;
use super::{ErrorKind, ServiceError};
use crate::domain::duplicates::{SearchReport, SearchScope};
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::storage::views::{Page, PageRequest};
use crate::storage::{StorageError, background};

pub use plan::{Keep, keeper, resolution};

use search::Searching;

/// A search for duplicates as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DuplicateScanView {
    #[serde(flatten)]
    pub job: BackgroundJobView,
    /// Where it searches, and for what.
    #[serde(flatten)]
    pub scope: SearchScope,
    #[serde(flatten)]
    pub report: SearchReport,
}

/// Searches for duplicates; clones share them.
#[derive(Clone)]
pub struct Duplicates {
    context: ServiceContext,
    runner: Runner<Searching>,
}

impl Duplicates {
    /// Goes on with the searches that the last run left.
    pub(super) async fn start_service(context: ServiceContext) -> Result<Self, StorageError> {
        let runner = Runner::start(Searching { context: context.clone() }, &context).await?;
        Ok(Self { context, runner })
    }

    /// Asks for a search; one of the same scope that has not begun is joined.
    pub async fn start(&self, mut roots: Vec<Root>, min_size: u64) -> Result<BackgroundJobId, ServiceError> {
        roots.sort_unstable();
        roots.dedup();
        if roots.is_empty() {
            return Err(ServiceError::said(ErrorKind::Malformed, "Name at least one root: \"local\" or \"lake\"."));
        }
        for root in &roots {
            self.context.roots.live(*root)?;
        }
        self.runner.add(SearchScope { roots, min_size: min_size.max(1) }).await
    }

    /// A search as it is now.
    pub async fn show(&self, id: BackgroundJobId) -> Result<DuplicateScanView, ServiceError> {
        self.runner.show(id).await
    }

    /// The latest searches, newest first.
    pub async fn list(&self, request: PageRequest) -> Result<Page<DuplicateScanView>, ServiceError> {
        self.runner.list(request).await
    }

    /// The search whose groups are shown.
    pub async fn latest(&self) -> Result<Option<DuplicateScanView>, ServiceError> {
        let scan = self.context.database.read(background::latest::<Searching>).await?;
        Ok(scan.map(|scan| self.runner.view(&scan)))
    }

    /// Stops a search; what it has read stays in the cache.
    pub async fn cancel(&self, id: BackgroundJobId) -> Result<(), ServiceError> {
        self.runner.cancel(id).await
    }
}
