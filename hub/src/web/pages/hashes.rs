//! Hashes: how much has one, and the work of taking them.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::frame::{Frame, page};
use crate::domain::ids::HashJobId;
use crate::domain::root::Root;
use crate::domain::scan::WorkState;
use crate::services::hasher::{HashJobView, HashKind};
use crate::storage::views::PageRequest;
use crate::web::api::scrub;
use crate::web::error::Answer;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "hashes", title: "Hashes", topics: "strip,hashes" };

/// Jobs that are listed.
const JOBS: u32 = 20;

#[derive(Debug, Serialize)]
struct Side {
    root: Root,
    label: &'static str,
    n_files: u64,
    n_hashed: u64,
    n_missing: u64,
    size_bytes: u64,
    hashed_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Job {
    id: HashJobId,
    root: Root,
    kind: HashKind,
    state: WorkState,
    is_open: bool,
    n_done: u64,
    n_total: u64,
    n_failed: u64,
    bytes_done: u64,
    bytes_total: u64,
    bytes_per_second: u64,
    eta_seconds: Option<u64>,
    waiting: Option<String>,
    detail: Option<String>,
    files: Vec<String>,
    finished_at: Option<Timestamp>,
}

/// Shows coverage and work.
pub(super) async fn show_hashes(State(state): State<WebState>) -> Answer<Response> {
    page(&state, FRAME, "pages/hashes.html", content(&state).await?).await
}

/// What the page shows: `{coverage, jobs, scrub}`.
pub(in crate::web) async fn content(state: &WebState) -> Answer<Value> {
    let hasher = &state.services.hasher;
    let coverage = hasher.coverage().await?;
    let sides: Vec<Side> = coverage
        .iter()
        .map(|(root, of)| Side {
            root,
            label: root.label(),
            n_files: of.n_files,
            n_hashed: of.n_hashed,
            n_missing: of.n_files.saturating_sub(of.n_hashed),
            size_bytes: of.size_bytes,
            hashed_bytes: of.hashed_bytes,
        })
        .collect();
    let jobs: Vec<Job> = hasher.list(PageRequest::latest(JOBS)).await?.items.into_iter().map(Job::from).collect();
    let scrub = scrub::view(state).await?;
    Ok(context! { coverage => Serde(sides), jobs => Serde(jobs), scrub => Serde(scrub) })
}

impl From<HashJobView> for Job {
    fn from(job: HashJobView) -> Self {
        Self {
            id: job.id,
            root: job.root,
            kind: job.kind,
            state: job.state,
            is_open: !job.state.is_final(),
            n_done: job.n_done,
            n_total: job.n_total,
            n_failed: job.n_failed,
            bytes_done: job.bytes_done,
            bytes_total: job.bytes_total,
            bytes_per_second: job.bytes_per_second,
            eta_seconds: job.eta_seconds,
            waiting: job.waiting,
            detail: job.detail,
            files: job.files,
            finished_at: job.finished_at,
        }
    }
}
