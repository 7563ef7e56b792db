//! What agents were asked to do.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared_protocol::{AgentId, JobId, RelPath};
use utoipa::{IntoParams, ToSchema};

use crate::domain::described::{RelPathText, TypedPathText, UuidText};
use crate::domain::remote_job::JobState;
use crate::domain::root::Root;
use crate::domain::typed_path::TypedPath;
use crate::services::remote::job_view::JobView;
use crate::services::remote::jobs::{CloneRequest, JobsMade};
use crate::services::remote::preview::PreviewView;
use crate::storage::jobs::JobFilter;
use crate::web::WebState;
use crate::web::api::list::{ListView, PageQuery};
use crate::web::error::Answer;
use crate::web::extract::{Body, InPath, Params, optional, optional_parsed};
use crate::web::spelled;

/// What to ask an agent for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum JobRequest {
    /// Files: one job each, to the same path below the agent's folder of models.
    AssetDownload {
        /// Who.
        #[schema(value_type = UuidText)]
        agent_id: AgentId,
        /// From which root.
        root: Root,
        /// Files and folders.
        #[schema(value_type = Vec<TypedPathText>)]
        paths: Vec<TypedPath>,
    },
    /// A repository, cloned or brought to the newest.
    ComfyGitClone {
        /// Who.
        #[schema(value_type = UuidText)]
        agent_id: AgentId,
        /// The repository; `COMFY_REPO_URL` if left out.
        url: Option<String>,
        /// Branch, tag or full commit id; the remote's own default if left out.
        #[serde(rename = "ref")]
        reference: Option<String>,
        /// Folder below `ComfyUI`'s; that folder itself if left out.
        #[schema(value_type = Option<RelPathText>)]
        dir: Option<RelPath>,
        /// Commits of history; all if left out.
        depth: Option<u32>,
    },
}

/// Files that may be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// To whom.
    #[schema(value_type = UuidText)]
    agent_id: AgentId,
    /// From which root.
    root: Root,
    /// Files and folders.
    #[schema(value_type = Vec<TypedPathText>)]
    paths: Vec<TypedPath>,
}

/// Which jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// One agent's.
    #[serde(deserialize_with = "optional_parsed")]
    #[param(value_type = Option<UuidText>, inline)]
    agent_id: Option<AgentId>,
    /// In one state.
    #[serde(deserialize_with = "optional")]
    state: Option<JobState>,
}

/// Asks an agent for files or for a repository.
#[utoipa::path(
    post, path = "/api/remote/jobs", tag = "remote", request_body = JobRequest,
    responses((status = 202, body = JobsMade), (status = 404), (status = 422))
)]
pub(in crate::web) async fn create_jobs(
    State(state): State<WebState>,
    Body(request): Body<JobRequest>,
) -> Answer<(StatusCode, Json<JobsMade>)> {
    let remote = &state.services.remote;
    let made = match request {
        JobRequest::AssetDownload { agent_id, root, paths } => {
            remote.send_files(agent_id, root, spelled::paths(&state, root, paths).await?).await?
        }
        JobRequest::ComfyGitClone { agent_id, url, reference, dir, depth } => {
            remote.send_clone(agent_id, CloneRequest { url, reference, dir, depth }).await?
        }
    };
    Ok((StatusCode::ACCEPTED, Json(made)))
}

/// Tells what sending files would mean: how much, from where, how long. Nothing is changed.
#[utoipa::path(
    post, path = "/api/remote/jobs/preview", tag = "remote", request_body = PreviewRequest,
    responses((status = 200, body = PreviewView), (status = 404), (status = 422))
)]
pub(in crate::web) async fn preview_jobs(
    State(state): State<WebState>,
    Body(PreviewRequest { agent_id, root, paths }): Body<PreviewRequest>,
) -> Answer<Json<PreviewView>> {
    let paths = spelled::paths(&state, root, paths).await?;
    Ok(Json(state.services.remote.preview(agent_id, root, paths).await?))
}

/// Lists jobs, newest first.
#[utoipa::path(
    get, path = "/api/remote/jobs", tag = "remote", params(JobQuery, PageQuery),
    responses((status = 200, body = ListView<JobView>))
)]
pub(in crate::web) async fn list_jobs(
    State(state): State<WebState>,
    Params(JobQuery { agent_id, state: wanted }): Params<JobQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<JobView>>> {
    let filter = JobFilter { agent: agent_id, state: wanted, open: false };
    Ok(Json(state.services.remote.list_jobs(filter, page.request()?).await?))
}

/// Shows a job as it is now, with its lines.
#[utoipa::path(
    get, path = "/api/remote/jobs/{id}", tag = "remote", params(("id" = inline(UuidText), Path, description = "The job")),
    responses((status = 200, body = JobView))
)]
pub(in crate::web) async fn show_job(
    State(state): State<WebState>,
    InPath(id): InPath<JobId>,
) -> Answer<Json<JobView>> {
    Ok(Json(state.services.remote.show_job(id).await?))
}

/// Drops a job: at once if its agent has not got it, else as soon as the agent has stopped.
#[utoipa::path(
    post, path = "/api/remote/jobs/{id}/cancel", tag = "remote",
    params(("id" = inline(UuidText), Path, description = "The job")),
    responses((status = 202, body = JobView), (status = 409))
)]
pub(in crate::web) async fn cancel_job(
    State(state): State<WebState>,
    InPath(id): InPath<JobId>,
) -> Answer<(StatusCode, Json<JobView>)> {
    Ok((StatusCode::ACCEPTED, Json(state.services.remote.cancel_job(id).await?)))
}

/// Tries a job again that failed or was dropped.
#[utoipa::path(
    post, path = "/api/remote/jobs/{id}/retry", tag = "remote",
    params(("id" = inline(UuidText), Path, description = "The job")),
    responses((status = 202, body = JobView), (status = 409))
)]
pub(in crate::web) async fn retry_job(
    State(state): State<WebState>,
    InPath(id): InPath<JobId>,
) -> Answer<(StatusCode, Json<JobView>)> {
    Ok((StatusCode::ACCEPTED, Json(state.services.remote.retry_job(id).await?)))
}
