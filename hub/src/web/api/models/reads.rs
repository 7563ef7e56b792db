//! Jobs that read headers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::BackgroundJobId;
use crate::services::models::DescribeJobView;
use crate::web::WebState;
use crate::web::api::list::{ListView, PageQuery};
use crate::web::error::Answer;
use crate::web::extract::{InPath, Params};

/// A job that was put into the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct DescribeStartedView {
    /// Ask for its state under this number.
    pub id: BackgroundJobId,
}

/// Reads headers that were not read, also those that could not be read before.
#[utoipa::path(
    post, path = "/api/models/reads", tag = "models", responses((status = 202, body = DescribeStartedView))
)]
pub(in crate::web::api) async fn create_read(
    State(state): State<WebState>,
) -> Answer<(StatusCode, Json<DescribeStartedView>)> {
    let id = state.services.models.read_again().await?;
    Ok((StatusCode::ACCEPTED, Json(DescribeStartedView { id })))
}

/// Lists the latest jobs that read headers, newest first.
#[utoipa::path(
    get, path = "/api/models/reads", tag = "models", params(PageQuery),
    responses((status = 200, body = ListView<DescribeJobView>))
)]
pub(in crate::web::api) async fn list_reads(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<DescribeJobView>>> {
    Ok(Json(state.services.models.list_jobs(page.request()?).await?))
}

/// Shows a job that reads headers, as it is now.
#[utoipa::path(
    get, path = "/api/models/reads/{id}", tag = "models", params(("id" = i64, Path, description = "The job")),
    responses((status = 200, body = DescribeJobView))
)]
pub(in crate::web::api) async fn show_read(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Json<DescribeJobView>> {
    Ok(Json(state.services.models.show_job(id).await?))
}

/// Stops a job that reads headers. What it has read stays.
#[utoipa::path(
    post, path = "/api/models/reads/{id}/cancel", tag = "models",
    params(("id" = i64, Path, description = "The job")),
    responses((status = 202, body = DescribeJobView), (status = 409))
)]
pub(in crate::web::api) async fn cancel_read(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<(StatusCode, Json<DescribeJobView>)> {
    state.services.models.cancel_job(id).await?;
    Ok((StatusCode::ACCEPTED, Json(state.services.models.show_job(id).await?)))
}
