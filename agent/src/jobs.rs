//! What the agent can be asked to do, and what each job is given: its name, a way to be stopped, and a
//! way to tell how far it is.
//!
//! A job is a future from its order and a [`JobContext`] to an `Outcome`. It never talks to the hub
//! about itself: what it reports is collected and sent by the connection, if there is one, so that work
//! goes on without.

pub mod asset_download;
pub mod report;

use shared_protocol::hub_to_agent::JobRef;
use tokio_util::sync::CancellationToken;

pub use report::{Reporter, Reports};

/// What a job is given.
#[derive(Debug, Clone)]
pub struct JobContext {
    /// Which try of which job.
    pub job: JobRef,
    /// Cancelled when the job has to stop: it then ends within seconds, as cancelled.
    pub cancel: CancellationToken,
    /// Where it tells how far it is.
    pub report: Reporter,
}
