//! What a scan found out, and how sure it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::background::WorkState;
use super::root::Root;

/// Errors kept with a scan's report; the count goes on beyond.
pub const MAX_ERRORS: usize = 200;

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
    pub root: Root,
    /// The folder or file, `""` for the root's own folder.
    pub path: String,
    /// What went wrong.
    pub detail: String,
}

/// Which roots to scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanRequest {
    /// These.
    pub roots: Vec<Root>,
}

/// What a scan of one or both roots found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScanReport {
    /// Each root that takes part.
    pub roots: BTreeMap<Root, RootScan>,
    /// The first errors.
    pub errors: Vec<ScanError>,
}

impl ScanReport {
    /// A scan that has not begun.
    pub fn new(roots: &[Root]) -> Self {
        Self { roots: roots.iter().map(|root| (*root, RootScan::default())).collect(), errors: Vec::new() }
    }

    /// The roots' states taken together.
    pub fn joint_state(&self) -> WorkState {
        self.roots.values().map(|root| root.state).reduce(WorkState::and).unwrap_or(WorkState::Complete)
    }
}
