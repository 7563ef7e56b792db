//! What a scan found out, and how sure it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::ScanId;
use super::root::Root;

/// Errors kept with a scan's report; the count goes on beyond.
pub const MAX_ERRORS: usize = 200;

/// The state of work that runs in the background: scans, hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[derive(strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum WorkState {
    /// Not begun.
    Queued,
    /// Under way, perhaps waiting for something.
    Running,
    /// Everything was done.
    Complete,
    /// Something could not be read; what was read counts.
    Partial,
    /// Stopped by a person.
    Cancelled,
    /// Nothing counts.
    Failed,
}

impl WorkState {
    /// The name in the API and the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Nothing more happens.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The state of two pieces of work taken together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |state| match state {
            Self::Running => 0,
            Self::Queued => 1,
            Self::Cancelled => 2,
            Self::Failed => 3,
            Self::Partial => 4,
            Self::Complete => 5,
        };
        let (worse, better) = if rank(self) <= rank(other) { (self, other) } else { (other, self) };
        // One root that was read makes the whole more than a failure.
        if worse == Self::Failed && better != Self::Failed { Self::Partial } else { worse }
    }
}

/// One root's part of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RootScan {
    /// How far it is, or how sure.
    pub state: WorkState,
    /// Files seen.
    pub n_files: u64,
    /// Folders seen, with the root's own.
    pub n_folders: u64,
    /// Bytes of the files seen.
    pub size_bytes: u64,
    /// Folders and files that could not be read.
    pub n_errors: u64,
    /// Files that are new in the index.
    pub n_added: u64,
    /// Files whose size or time is another.
    pub n_changed: u64,
    /// Files that are gone.
    pub n_removed: u64,
    /// Links and names that can't be managed.
    pub n_skipped: u64,
    /// Why it failed.
    pub detail: Option<String>,
}

impl Default for RootScan {
    fn default() -> Self {
        Self {
            state: WorkState::Queued,
            n_files: 0,
            n_folders: 0,
            size_bytes: 0,
            n_errors: 0,
            n_added: 0,
            n_changed: 0,
            n_removed: 0,
            n_skipped: 0,
            detail: None,
        }
    }
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScanError {
    /// Where.
    pub root: Root,
    /// The folder or file, `""` for the root's own folder.
    pub path: String,
    /// What went wrong.
    pub detail: String,
}

/// A scan of one or both roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScanReport {
    /// Its id.
    pub id: ScanId,
    /// The state of the roots taken together.
    pub state: WorkState,
    /// Each root that takes part.
    pub roots: BTreeMap<Root, RootScan>,
    /// The first errors.
    pub errors: Vec<ScanError>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: jiff::Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<jiff::Timestamp>,
}

impl ScanReport {
    /// A scan that has just begun.
    pub fn new(id: ScanId, roots: &[Root], started_at: jiff::Timestamp) -> Self {
        Self {
            id,
            state: WorkState::Running,
            roots: roots.iter().map(|root| (*root, RootScan::default())).collect(),
            errors: Vec::new(),
            started_at,
            finished_at: None,
        }
    }

    /// The roots' states taken together.
    pub fn joint_state(&self) -> WorkState {
        self.roots.values().map(|root| root.state).reduce(WorkState::and).unwrap_or(WorkState::Complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_taken_together() {
        use WorkState as S;
        assert_eq!(S::Complete.and(S::Complete), S::Complete);
        assert_eq!(S::Complete.and(S::Failed), S::Partial);
        assert_eq!(S::Failed.and(S::Failed), S::Failed);
        assert_eq!(S::Running.and(S::Failed), S::Running);
        assert_eq!(S::Partial.and(S::Complete), S::Partial);
        assert_eq!(S::Cancelled.and(S::Complete), S::Cancelled);
    }
}
