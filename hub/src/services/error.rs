//! What services answer when they can't do what they were asked.

use crate::domain::root::Root;
use crate::storage::StorageError;

/// What kind of "no" it is; the web layer makes a status of it in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request can't be understood.
    Malformed,
    /// Not allowed by the configuration.
    Forbidden,
    /// No such thing.
    NotFound,
    /// In the way of something else, or changed meanwhile.
    Conflict,
    /// Understood, and impossible.
    Impossible,
    /// A root can't be reached now.
    Unavailable,
    /// Our own trouble.
    Internal,
}

/// Why a service did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Said in words for the reader, with what to do.
    #[error("{text}")]
    Said { kind: ErrorKind, text: String },
    /// Nothing of what was named is there.
    #[error("nothing of this {why}")]
    NothingThere {
        /// What is wrong with all of it, as the end of a sentence.
        why: String,
        named: Vec<String>,
    },
    /// A root has no folder yet.
    #[error("{} has no folder yet: set it up in Settings", .0.label())]
    NotConfigured(Root),
    /// A root can't be reached.
    #[error("{} can't be reached: {why}", root.label())]
    Offline { root: Root, why: String },
    /// Deleting is switched off.
    #[error("nothing may be deleted in {}: set {}_ALLOW_DELETE to true to allow it", .0.label(), .0.as_str().to_uppercase())]
    DeleteForbidden(Root),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The program is shutting down.
    #[error("the hub is shutting down")]
    ShuttingDown,
}

impl ServiceError {
    pub fn said(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::Said { kind, text: text.into() }
    }

    /// There is no such thing.
    pub fn not_found(what: &str) -> Self {
        Self::said(ErrorKind::NotFound, format!("There is no such {what}."))
    }

    /// Refuses a request of which nothing is there: it would succeed with nothing done.
    pub fn refuse_if_all(missing: &[impl ToString], n_named: usize, why: &str) -> Result<(), Self> {
        if missing.is_empty() || missing.len() < n_named {
            return Ok(());
        }
        Err(Self::NothingThere { why: why.to_owned(), named: missing.iter().map(ToString::to_string).collect() })
    }

    /// What kind of "no" it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Said { kind, .. } => *kind,
            Self::NothingThere { .. } | Self::NotConfigured(_) => ErrorKind::Impossible,
            Self::Offline { .. } | Self::ShuttingDown => ErrorKind::Unavailable,
            Self::DeleteForbidden(_) => ErrorKind::Forbidden,
            Self::Storage(StorageError::Missing(_) | StorageError::Cursor) => ErrorKind::NotFound,
            Self::Storage(StorageError::MalformedCursor) => ErrorKind::Malformed,
            // Its disk is full, for example: what to do is told, and then it can be asked again.
            Self::Storage(error) if error.passing().is_some() => ErrorKind::Unavailable,
            Self::Storage(_) => ErrorKind::Internal,
        }
    }
}
