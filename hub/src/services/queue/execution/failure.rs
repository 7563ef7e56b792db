//! From what went wrong to what the reader learns and what the queue does next.

use super::Queue;
use crate::domain::failure::FailureClass;
use crate::domain::transfer::Failure;
use crate::fs::FsError;
use crate::fs::copy::CopyError;
use crate::fs::hash::HashError;
use crate::fs::rename::TouchError;
use crate::services::ServiceError;
use crate::services::roots::LiveRoot;
use crate::storage::StorageError;
use crate::storage::queue::outcome::Reason;

/// Why one try of a transfer did not end well.
#[derive(Debug, Clone)]
pub(in crate::services::queue) enum AttemptError {
    /// It was asked to stop.
    Stopped,
    Failed(Failure, Reason),
}

impl AttemptError {
    pub(in crate::services::queue) fn last(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Failed(Failure::Final, Reason { code, detail: detail.into() })
    }

    /// The file is not the one that the transfer was made for.
    pub(super) fn changed() -> Self {
        Self::last("changed", "The file has changed since the transfer was queued. Scan, then queue it again.")
    }

    pub(super) fn exists(path: &str) -> Self {
        Self::last("exists", format!("The destination has {path} already."))
    }
}

impl From<FsError> for AttemptError {
    fn from(error: FsError) -> Self {
        let (failure, code) = match error.class() {
            FailureClass::InUse => (Failure::InUse, "in_use"),
            FailureClass::DiskFull => (Failure::DiskFull, "disk_full"),
            FailureClass::NotFound => (Failure::Final, "missing"),
            FailureClass::PermissionDenied => (Failure::Final, "permission_denied"),
            FailureClass::ReadOnly => (Failure::Final, "read_only"),
            FailureClass::Exists => (Failure::Final, "exists"),
            FailureClass::NotSupported => (Failure::Final, "not_supported"),
            FailureClass::NameTooLong => (Failure::Final, "name_too_long"),
            // Whether the disk or the server is away, only the root can tell: `explain` asks it.
            FailureClass::Offline | FailureClass::Other => (Failure::Transient, "io"),
        };
        Self::Failed(failure, Reason { code, detail: error.to_string() })
    }
}

impl From<TouchError> for AttemptError {
    fn from(error: TouchError) -> Self {
        match error {
            TouchError::Changed => Self::changed(),
            TouchError::Fs(error) => error.into(),
        }
    }
}

impl From<CopyError> for AttemptError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::SourceChanged => Self::changed(),
            CopyError::Stopped => Self::Stopped,
            CopyError::Source(error) | CopyError::Destination(error) => error.into(),
        }
    }
}

impl From<HashError> for AttemptError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Changed => Self::changed(),
            HashError::Stopped => Self::Stopped,
            HashError::Fs(error) => error.into(),
        }
    }
}

impl From<ServiceError> for AttemptError {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        match error {
            ServiceError::Offline { .. } => Self::Failed(Failure::Offline, Reason { code: "offline", detail }),
            ServiceError::DeleteForbidden(_) => Self::last("not_allowed", detail),
            ServiceError::NotConfigured(_) => Self::last("root_changed", detail),
            ServiceError::ShuttingDown => Self::Stopped,
            ServiceError::NothingThere { .. } | ServiceError::Said { .. } => Self::last("impossible", detail),
            ServiceError::Storage(error) => error.into(),
        }
    }
}

impl From<StorageError> for AttemptError {
    fn from(error: StorageError) -> Self {
        // The database can't be written: the work waits for it, and has not failed.
        if error.passing().is_some() || matches!(error, StorageError::Closed) {
            return Self::Stopped;
        }
        Self::Failed(Failure::Transient, Reason { code: "database", detail: error.to_string() })
    }
}

/// Looks behind an error: where a root is gone, every error means just that, and it comes back.
pub(super) fn explain(queue: &Queue, roots: &[&LiveRoot], trouble: AttemptError) -> AttemptError {
    let is_about_files = matches!(
        &trouble,
        AttemptError::Failed(_, reason) if !matches!(reason.code, "exists" | "excluded" | "damaged" | "not_allowed" | "disk_full" | "root_changed" | "corrupt")
    );
    if !is_about_files {
        return trouble;
    }
    match roots.iter().find_map(|root| queue.roots.check_blocking(root).err()) {
        Some(offline) => offline.into(),
        None => trouble,
    }
}
