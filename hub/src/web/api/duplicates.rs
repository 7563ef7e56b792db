//! Duplicates: searches for them, and the groups that the last one found.

pub mod resolve;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::duplicates::GroupKind;
use crate::domain::ids::BackgroundJobId;
use crate::domain::root::Root;
use crate::services::duplicates::DuplicateScanView;
use crate::storage::views::duplicates::{self as views, DuplicateGroupView, GroupFilter, GroupTotals};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, InPath, Params, distinct, optional};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DuplicateScanRequest {
    /// In these roots; with both, also across them.
    #[serde(deserialize_with = "distinct")]
    roots: Vec<Root>,
    /// Smaller files are left alone; empty ones always are.
    #[serde(default)]
    min_size: u64,
}

/// A search that was put into the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct DuplicateScanStartedView {
    /// Ask for its state under this number.
    pub id: BackgroundJobId,
}

/// Searches for duplicates. It reads only what it must, fills the hash cache, and its result takes the
/// place of the one before.
#[utoipa::path(
    post, path = "/api/duplicates/scans", tag = "duplicates", request_body = DuplicateScanRequest,
    responses((status = 202, body = DuplicateScanStartedView), (status = 422))
)]
pub(super) async fn create_duplicate_scan(
    State(state): State<WebState>,
    Body(DuplicateScanRequest { roots, min_size }): Body<DuplicateScanRequest>,
) -> Answer<(StatusCode, Json<DuplicateScanStartedView>)> {
    let id = state.services.duplicates.start(roots, min_size).await?;
    Ok((StatusCode::ACCEPTED, Json(DuplicateScanStartedView { id })))
}

/// Lists the latest searches, newest first.
#[utoipa::path(
    get, path = "/api/duplicates/scans", tag = "duplicates", params(PageQuery),
    responses((status = 200, body = ListView<DuplicateScanView>))
)]
pub(super) async fn list_duplicate_scans(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<DuplicateScanView>>> {
    Ok(Json(state.services.duplicates.list(page.request()?).await?))
}

/// Shows a search as it is now.
#[utoipa::path(
    get, path = "/api/duplicates/scans/{id}", tag = "duplicates",
    params(("id" = i64, Path, description = "The search")), responses((status = 200, body = DuplicateScanView))
)]
pub(super) async fn show_duplicate_scan(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<Json<DuplicateScanView>> {
    Ok(Json(state.services.duplicates.show(id).await?))
}

/// Stops a search. What it has read stays in the cache.
#[utoipa::path(
    post, path = "/api/duplicates/scans/{id}/cancel", tag = "duplicates",
    params(("id" = i64, Path, description = "The search")),
    responses((status = 202, body = DuplicateScanView), (status = 409))
)]
pub(super) async fn cancel_duplicate_scan(
    State(state): State<WebState>,
    InPath(id): InPath<BackgroundJobId>,
) -> Answer<(StatusCode, Json<DuplicateScanView>)> {
    state.services.duplicates.cancel(id).await?;
    Ok((StatusCode::ACCEPTED, Json(state.services.duplicates.show(id).await?)))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct DuplicatesQuery {
    /// Only copies within this root; both roots taken together if it is missing.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    root: Option<Root>,
    /// What the files have in common; `content` if it is missing.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    kind: Option<GroupKind>,
}

/// One page of groups with all of them taken together.
#[derive(Debug, Serialize, ToSchema)]
pub struct DuplicateListView {
    /// One page of groups, those first that waste most.
    #[serde(flatten)]
    pub groups: ListView<DuplicateGroupView>,
    /// All groups of this filter.
    pub summary: GroupTotals,
    /// The search that found them; none if there was none yet.
    pub scan: Option<DuplicateScanView>,
}

/// Lists what the last search found, as far as it is still so.
#[utoipa::path(
    get, path = "/api/duplicates", tag = "duplicates", params(DuplicatesQuery, PageQuery),
    responses((status = 200, body = DuplicateListView))
)]
pub(super) async fn list_duplicates(
    State(state): State<WebState>,
    Params(DuplicatesQuery { root, kind }): Params<DuplicatesQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<DuplicateListView>> {
    let filter = GroupFilter { kind: kind.unwrap_or_default(), within: root };
    let request = page.request()?;
    let read = move |connection: &crate::storage::Connection| {
        Ok((views::list(connection, filter, &request)?, views::totals(connection, filter)?))
    };
    let (page, summary) = state.services.database.read(read).await?;
    let scan = state.services.duplicates.latest().await?;
    Ok(Json(DuplicateListView { groups: page, summary, scan }))
}
