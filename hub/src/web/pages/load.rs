//! The queue in a few numbers, for the bar on top, the overview and its own page.

use serde::Serialize;

use crate::services::queue::QueueStatus;
use crate::services::remote::jobs::RemoteLoad;
use crate::web::error::Answer;
use crate::web::state::WebState;

/// The queue in a few numbers.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Load {
    /// Why it is held.
    pub paused: Option<String>,
    /// Why nothing runs though something is queued.
    pub waiting_for: Option<String>,
    /// Transfers under way.
    pub running: u64,
    /// Transfers that wait, for whatever.
    pub n_waiting: u64,
    /// Transfers that have not ended.
    pub n_left: u64,
    /// Transfers given up.
    pub failed: u64,
    /// Transfers done.
    pub completed: u64,
    /// Transfers dropped.
    pub cancelled: u64,
    /// Bytes still to be done.
    pub bytes_left: u64,
    /// How fast it goes.
    pub bytes_per_second: u64,
    /// How long it still takes.
    pub eta_seconds: Option<u64>,
    /// Nothing is left to do.
    pub is_idle: bool,
}

/// The queue in the bar on top.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Strip {
    /// Why it is held.
    pub paused: Option<String>,
    /// Transfers that have not ended.
    pub n_left: u64,
    /// Transfers under way.
    pub n_running: u64,
    /// Transfers given up.
    pub n_failed: u64,
    /// How fast it goes.
    pub bytes_per_second: u64,
    /// The list of just what the bar tells of.
    pub link: &'static str,
    /// What machines do.
    pub remote: RemoteLoad,
}

/// The queue in a few numbers.
pub(in crate::web) async fn status(state: &WebState) -> Answer<Load> {
    let status: QueueStatus = state.services.queue.status().await?;
    let n_waiting = status.queued + status.waiting + status.n_paused;
    Ok(Load {
        paused: status.paused,
        waiting_for: status.waiting_for,
        running: status.running,
        n_waiting,
        n_left: n_waiting + status.running,
        failed: status.failed,
        completed: status.completed,
        cancelled: status.cancelled,
        bytes_left: status.bytes_left,
        bytes_per_second: status.bytes_per_second,
        eta_seconds: status.eta_seconds,
        is_idle: n_waiting + status.running == 0,
    })
}

/// The queue in the bar on top.
pub(in crate::web) async fn summary(state: &WebState) -> Answer<Strip> {
    let load = status(state).await?;
    let remote = state.services.remote.load().await?;
    let shows_failed = load.n_left == 0 && load.failed > 0;
    Ok(Strip {
        remote,
        link: if shows_failed { "?tab=failed" } else { "" },
        paused: load.paused.filter(|_| load.n_left > 0),
        n_left: load.n_left,
        n_running: load.running,
        n_failed: load.failed,
        bytes_per_second: load.bytes_per_second,
    })
}
