//! What the dispatcher needs to know of jobs: that they can be judged, run, and stopped.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use shared_io::report::Reporter;
use shared_protocol::agent_to_hub::{AgentToHub, Inventory};
use shared_protocol::hub_to_agent::JobRef;
use shared_protocol::job::JobSpec;
use shared_protocol::outcome::{FailureCode, Outcome};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::inventory::Part;

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

/// The jobs themselves.
pub trait Work: Send + Sync + 'static {
    /// Whether this machine's rules allow an order; why not.
    fn check(&self, spec: &JobSpec) -> Result<(), String>;

    /// Does a job. The future may be dropped at any point: what is on disk by then can be gone on from.
    fn run(&self, spec: JobSpec, context: JobContext) -> BoxFuture<'static, Outcome>;

    /// Lists the files below the folder of models, part by part, until `part` wants no more. Blocks.
    fn list(&self, part: &mut dyn FnMut(Part) -> bool);
}

/// Runs a job to its end; none if the agent's came first.
///
/// A job that was asked to stop and does not is dropped after `grace`. One that panics has failed, and
/// takes nothing else with it.
pub(super) async fn run_to_end(
    work: BoxFuture<'static, Outcome>,
    stop: CancellationToken,
    grace: Duration,
    shutdown: CancellationToken,
) -> Option<Outcome> {
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        ended = AssertUnwindSafe(work).catch_unwind() => Some(ended.unwrap_or_else(|_| Outcome::Failed {
            code: FailureCode::Internal,
            detail: "The agent has a fault: the job broke off. Its log tells where.".to_owned(),
            duration_ms: 0,
            sources: Vec::new(),
        })),
        () = late => Some(Outcome::Cancelled {}),
    }
}

/// Answers a request for the list of files.
pub(super) async fn list_files<W: Work>(
    work: Arc<W>,
    request: u64,
    outbox: mpsc::Sender<AgentToHub>,
    stop: CancellationToken,
) {
    let listing = tokio::task::spawn_blocking(move || {
        work.list(&mut |Part { files, last, n_errors }| {
            let message = AgentToHub::Inventory(Inventory { request, files, last, n_errors });
            !stop.is_cancelled() && outbox.blocking_send(message).is_ok()
        });
    });
    if let Err(error) = listing.await {
        tracing::error!("the list of files broke off: {error}");
    }
}

/// An order in a few words, for the log.
pub(super) fn describe(spec: &JobSpec) -> String {
    match spec {
        JobSpec::AssetDownload(order) => format!("fetch {} ({} bytes)", order.dest.as_str(), order.size_bytes),
        JobSpec::ComfyGitClone(order) => {
            format!("clone into {}", order.dir.as_ref().map_or("ComfyUI's folder", |dir| dir.as_str()))
        }
        JobSpec::Unknown => "unknown".to_owned(),
    }
}

/// An outcome in a few words, for the log.
pub(super) fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded { how, duration_ms, .. } => format!("succeeded ({how:?}) in {duration_ms} ms"),
        Outcome::Failed { code, detail, .. } => format!("failed ({code:?}): {detail}"),
        Outcome::Cancelled {} => "cancelled".to_owned(),
    }
}
