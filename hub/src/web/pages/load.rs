//! The queue in a few numbers, for the bar on top, the overview and its own page.

use serde::Serialize;

use crate::services::queue::QueueStatus;
use crate::services::remote::jobs::RemoteLoad;
use crate::web::error::Answer;
use crate::web::state::WebState;

/// The queue in a few numbers.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Load {
    #[serde(flatten)]
    pub status: QueueStatus,
    /// Transfers that wait, for whatever.
    pub n_waiting: u64,
    /// Transfers that have not ended.
    pub n_left: u64,
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
    pub bytes_per_second: u64,
    /// The list of just what the bar tells of.
    pub link: &'static str,
    /// What machines do.
    pub remote: RemoteLoad,
}

/// The queue in a few numbers.
pub(in crate::web) async fn status(state: &WebState) -> Answer<Load> {
    let status = state.services.queue.status().await?;
    let n_waiting = status.queued + status.waiting + status.n_paused;
    let n_left = n_waiting + status.running;
    Ok(Load { status, n_waiting, n_left, is_idle: n_left == 0 })
}

/// The queue in the bar on top.
pub(in crate::web) async fn summary(state: &WebState) -> Answer<Strip> {
    let Load { status, n_left, .. } = status(state).await?;
    let remote = state.services.remote.load().await?;
    let shows_failed = n_left == 0 && status.failed > 0;
    Ok(Strip {
        remote,
        link: if shows_failed { "?tab=failed" } else { "" },
        paused: status.paused.filter(|_| n_left > 0),
        n_left,
        n_running: status.running,
        n_failed: status.failed,
        bytes_per_second: status.bytes_per_second,
    })
}
