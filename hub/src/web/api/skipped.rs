//! What a root holds that the index does not see, and saying that a place is right as it is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::list::{ListView, PageQuery};
use super::scans::ScanStartedView;
use crate::domain::root::Root;
use crate::storage::views::skipped::{self, SkippedView};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, InPath, Params};

/// Lists what the last scan skipped in a root, by path.
#[utoipa::path(
    get, path = "/api/roots/{root}/skipped", tag = "library",
    params(("root" = Root, Path, description = "The root"), PageQuery),
    responses((status = 200, body = ListView<SkippedView>))
)]
pub(super) async fn list_skipped(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<SkippedView>>> {
    let request = page.request()?;
    let page = state.services.database.read(move |connection| skipped::list(connection, root, &request)).await?;
    Ok(Json(page))
}

/// Which place is right as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// Its path, as the list tells it.
    path: String,
}

/// Says that a folder whose disk is gone or another one is right as it is now. The scan that this starts
/// takes what is missing there out of the index; no file is touched.
#[utoipa::path(
    post, path = "/api/roots/{root}/skipped/accept", tag = "library", request_body = AcceptBody,
    params(("root" = Root, Path, description = "The root")),
    responses((status = 202, body = ScanStartedView), (status = 422))
)]
pub(super) async fn accept_skipped(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    Body(body): Body<AcceptBody>,
) -> Answer<(StatusCode, Json<ScanStartedView>)> {
    let id = state.services.indexer.accept(root, body.path).await?;
    Ok((StatusCode::ACCEPTED, Json(ScanStartedView { id })))
}
