//! How far a search is, as it is seen from outside.

use serde::{Deserialize, Serialize};

use crate::services::throughput_meter::ThroughputMeter;

/// What a search does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looks whether files are as the index has them, and which are hard links.
    Look,
    /// Compares first and last bytes.
    Ends,
    /// Reads what is still alike as a whole.
    Contents,
    /// Compares models by their tensors alone.
    Weights,
}

/// How far it is within a stage.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    pub(super) stage: Option<Stage>,
    pub(super) n_done: u64,
    pub(super) n_total: u64,
    pub(super) bytes_done: u64,
    pub(super) bytes_total: u64,
    pub(super) meter: ThroughputMeter,
    pub(super) waiting: Option<String>,
}

impl Progress {
    /// The beginning of a stage.
    pub(super) fn begin(&mut self, stage: Stage, n_total: u64, bytes_total: u64) {
        let meter = std::mem::take(&mut self.meter);
        *self = Self { stage: Some(stage), n_total, bytes_total, meter, ..Self::default() };
    }
}
