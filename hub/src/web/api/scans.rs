//! Scans: from the folders on disk to the index.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::{ListView, PageQuery};
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::services::indexer::ScanView;
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, InPath, Params, distinct_if_any};

/// Which roots to scan.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScanBody {
    /// The roots; both if left out.
    #[serde(deserialize_with = "distinct_if_any")]
    roots: Option<Vec<Root>>,
}

/// A scan that was started or joined.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScanStartedView {
    /// Ask for its state under this number.
    pub id: BackgroundJobId,
}

/// Starts a scan, or joins the one under way if it covers these roots.
#[utoipa::path(
    post, path = "/api/scans", tag = "scans", request_body = Option<ScanBody>,
    responses((status = 202, body = ScanStartedView), (status = 409), (status = 422))
)]
pub(super) async fn create_scan(
    State(state): State<WebState>,
    body: Option<Body<ScanBody>>,
) -> Answer<(StatusCode, Json<ScanStartedView>)> {
    let roots = body.and_then(|Body(request)| request.roots).unwrap_or_else(|| Root::ALL.to_vec());
    let id = state.services.indexer.begin(roots).await?;
    Ok((StatusCode::ACCEPTED, Json(ScanStartedView { id })))
}

/// Lists the latest scans, newest first, the one under way among them.
#[utoipa::path(
    get, path = "/api/scans", tag = "scans", params(PageQuery), responses((status = 200, body = ListView<ScanView>))
)]
pub(super) async fn list_scans(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<ScanView>>> {
    Ok(Json(state.services.indexer.list(page.request()?).await?))
}

/// Shows a scan as it is now.
#[utoipa::path(
    get, path = "/api/scans/{id}", tag = "scans", params(("id" = i64, Path, description = "The scan")),
    responses((status = 200, body = ScanView))
)]
pub(super) async fn show_scan(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Json<ScanView>> {
    Ok(Json(state.services.indexer.show(id).await?))
}

/// Stops a scan. What it has written so far stays; one that waits for its turn never begins.
#[utoipa::path(
    post, path = "/api/scans/{id}/cancel", tag = "scans", params(("id" = i64, Path, description = "The scan")),
    responses((status = 202, body = ScanView), (status = 409))
)]
pub(super) async fn cancel_scan(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<(StatusCode, Json<ScanView>)> {
    state.services.indexer.cancel(id).await?;
    Ok((StatusCode::ACCEPTED, Json(state.services.indexer.show(id).await?)))
}
