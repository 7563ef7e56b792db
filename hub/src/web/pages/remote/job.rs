//! One job: how far it is, where each byte came from, what was told about it.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use shared_protocol::JobId;

use super::jobs::{JobListLine, how, names};
use crate::domain::remote_job::JobKind;
use crate::services::remote::job_view::JobView;
use crate::web::error::Answer;
use crate::web::extract::InPath;
use crate::web::pages::frame::{Frame, page};
use crate::web::state::WebState;
use crate::web::templates::format;

const FRAME: Frame = Frame { section: "remote", title: "Job", topics: "strip,jobs" };

/// A line of facts.
#[derive(Debug, Default, Serialize)]
pub(in crate::web) struct JobFact {
    pub name: &'static str,
    pub value: String,
    pub is_path: bool,
    pub is_digest: bool,
}

/// Shows a job.
pub(in crate::web) async fn show_job(State(state): State<WebState>, InPath(id): InPath<JobId>) -> Answer<Response> {
    page(&state, FRAME, "pages/remote_job.html", context! { page => content(&state, id).await? }).await
}

/// What the page of a job shows.
pub(in crate::web) async fn content(state: &WebState, id: JobId) -> Answer<Value> {
    let view = state.services.remote.show_job(id).await?;
    let facts = facts(&view);
    let job = JobListLine::of(view, &names(state).await?);
    Ok(context! {
        id => id.to_string(),
        title => format!("{} {}", verb(job.view.kind), job.title),
        facts => Serde(facts),
        job => Serde(job),
    })
}

fn facts(job: &JobView) -> Vec<JobFact> {
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value {
            facts.push(JobFact { name, value, ..JobFact::default() });
        }
    };
    add("Bytes", job.size_bytes.map(|total| format!("{} of {}", format::bytes(job.bytes_done), format::bytes(total))));
    add("Rate", job.bytes_per_second.map(|rate| format!("{}/s", format::bytes(rate))));
    add("Left", job.eta_seconds.map(format::duration));
    add("At", job.doing.clone());
    add("Waits", job.waiting.clone());
    add("How", job.how.as_deref().map(|word| how(word).to_owned()));
    let took = |ms: u64| if ms < 1_000 { format!("{ms} ms") } else { format::duration(ms / 1_000) };
    add("Took", job.duration_ms.map(took));
    add("Attempt", (job.attempt > 0).then(|| job.attempt.to_string()));
    add("Branch, tag or commit", job.reference.clone());
    for (name, value) in [("Repository", &job.url), ("Folder below ComfyUI", &job.dir)] {
        facts.extend(value.clone().map(|value| JobFact { name, value, is_path: true, is_digest: false }));
    }
    for (name, value) in [("Commit", &job.commit), ("Content", &job.hash)] {
        facts.extend(value.clone().map(|value| JobFact { name, value, is_path: false, is_digest: true }));
    }
    facts
}

const fn verb(kind: JobKind) -> &'static str {
    match kind {
        JobKind::AssetDownload => "Send",
        JobKind::ComfyGitClone => "Clone",
    }
}
