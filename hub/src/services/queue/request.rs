//! What people ask of the queue, and what it answers.

use serde::Serialize;
use shared_protocol::RelPath;

use crate::domain::ids::BatchId;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRequest {
    /// Copy, move or delete.
    pub operation: Operation,
    pub from: Root,
    /// To which root, for copies and moves.
    pub to: Option<Root>,
    /// Files and folders.
    pub paths: Vec<RelPath>,
    /// What to do where the destination has the name.
    pub on_conflict: OnConflict,
    /// Whether a damaged file may take the place of another one.
    pub include_damaged: bool,
}

/// Something that was asked for and not queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SkippedPath {
    pub path: String,
    pub why: String,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BatchReceipt {
    /// The batch that was made.
    pub batch_id: BatchId,
    /// Transfers queued.
    pub n_transfers: u64,
    pub size_bytes: u64,
    /// What was not queued, with reasons.
    pub skipped: Vec<SkippedPath>,
}

/// What a person does with one transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Drop it.
    Cancel,
    /// Try it again.
    Retry,
    /// Hold it.
    Pause,
    /// Let it go on.
    Resume,
}

/// The queue as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct QueueStatus {
    /// Whether it is held.
    pub is_paused: bool,
    /// Why it is held.
    pub paused: Option<String>,
    /// Why nothing runs though something is queued: a root that can't be reached.
    pub waiting_for: Option<String>,
    /// Transfers under way.
    pub running: u64,
    /// Transfers whose turn has not come.
    pub queued: u64,
    /// Transfers that will be tried again by themselves.
    pub waiting: u64,
    /// Transfers held by a person.
    pub n_paused: u64,
    /// Transfers done and still listed.
    pub completed: u64,
    /// Transfers given up and still listed.
    pub failed: u64,
    /// Transfers dropped and still listed.
    pub cancelled: u64,
    /// Bytes still to be done.
    pub bytes_left: u64,
    /// How fast it goes.
    pub bytes_per_second: u64,
    /// How long it will take at this rate.
    pub eta_seconds: Option<u64>,
}
