//! What leaves Local because the Lake holds it, and comes back from there.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::{FolderText, SearchText, TypedPathText};
use crate::domain::eviction::{EvictBy, choose};
use crate::domain::root::Root;
use crate::domain::typed_path::{TypedFolder, TypedPath};
use crate::services::queue::EvictionReceipt;
use crate::storage::views::PageRequest;
use crate::storage::views::evictions::{self, CandidateView, EvictedFilter, EvictedView, MOST};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, Params, optional, optional_parsed, search};
use crate::web::spelled;

/// How much is to be freed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CandidatesQuery {
    /// Bytes; without it every candidate is listed.
    #[serde(deserialize_with = "optional_parsed")]
    #[param(value_type = Option<u64>)]
    free_bytes: Option<u64>,
    /// The largest first, or those changed longest ago.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    by: Option<EvictBy>,
}

/// Files that make enough room.
#[derive(Debug, Serialize, ToSchema)]
pub struct CandidatesView {
    /// The files, in their order.
    #[serde(flatten)]
    pub files: ListView<CandidateView>,
    pub n_files: u64,
    pub size_bytes: u64,
    /// Whether they free as much as was asked for.
    pub enough: bool,
}

/// Lists files that may leave Local, as many as free so much.
#[utoipa::path(
    get, path = "/api/evictions/candidates", tag = "evictions", params(CandidatesQuery, PageQuery),
    responses((status = 200, body = CandidatesView))
)]
pub(super) async fn list_candidates(
    State(state): State<WebState>,
    Params(query): Params<CandidatesQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<CandidatesView>> {
    candidates(&state, query.free_bytes, query.by.unwrap_or_default(), &page.request()?).await.map(Json)
}

/// The files that free so much; all candidates, of which there are at most 1000 at a time, without a number.
pub(in crate::web) async fn candidates(
    state: &WebState,
    free: Option<u64>,
    by: EvictBy,
    request: &PageRequest,
) -> Answer<CandidatesView> {
    state.services.comparer.refresh_to_show().await?;
    let mut files = state.services.database.read(move |connection| evictions::candidates(connection, by)).await?;
    if let Some(free) = free {
        let sizes: Vec<u64> = files.iter().map(|file| file.size_bytes).collect();
        let chosen = choose(&sizes, free, by);
        let mut place = 0..;
        files.retain(|_| place.next().is_some_and(|place| chosen.binary_search(&place).is_ok()));
    }
    let size_bytes = files.iter().map(|file| file.size_bytes).sum();
    debug_assert!(files.len() <= MOST as usize, "the view is bounded");
    Ok(CandidatesView {
        n_files: files.len() as u64,
        size_bytes,
        enough: free.is_none_or(|free| size_bytes >= free),
        files: request.cut(files, |file| place(file, by))?,
    })
}

/// Where a file stands in the order; by its name, a cursor of the other order fits nowhere.
fn place(file: &CandidateView, by: EvictBy) -> (EvictBy, i128, i64) {
    match by {
        EvictBy::Size => (by, -i128::from(file.size_bytes), -file.id.0),
        EvictBy::Age => (by, i128::from(file.modified.0), file.id.0),
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvictionRequest {
    /// Files and folders of Local; a folder stands for every file in it and below it.
    #[schema(value_type = Vec<TypedPathText>, min_items = 1)]
    paths: Vec<TypedPath>,
}

/// Lets files leave Local for good, each after the Lake's copy was read and found to hold the same
/// content. What the Lake lacks is copied first. Undoing the batch copies them back.
#[utoipa::path(
    post, path = "/api/evictions", tag = "evictions", request_body = EvictionRequest,
    responses((status = 202, body = EvictionReceipt), (status = 422))
)]
pub(super) async fn create_evictions(
    State(state): State<WebState>,
    Body(request): Body<EvictionRequest>,
) -> Answer<(StatusCode, Json<EvictionReceipt>)> {
    let paths = spelled::paths(&state, Root::Local, request.paths).await?;
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.evict(paths).await?)))
}

/// Copies evicted files back to where they were. Nothing is overwritten.
#[utoipa::path(
    post, path = "/api/evictions/restore", tag = "evictions", request_body = EvictionRequest,
    responses((status = 202, body = EvictionReceipt), (status = 422))
)]
pub(super) async fn restore_evictions(
    State(state): State<WebState>,
    Body(request): Body<EvictionRequest>,
) -> Answer<(StatusCode, Json<EvictionReceipt>)> {
    let paths = spelled::evicted(&state, request.paths).await?;
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.bring_back(paths).await?)))
}

/// Which evicted files.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct EvictionsQuery {
    /// In this folder and below it.
    #[param(value_type = Option<FolderText>, inline)]
    folder: Option<TypedFolder>,
    /// Words that the path has, in any case.
    #[serde(deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
}

/// Lists evicted files, by name.
#[utoipa::path(
    get, path = "/api/evictions", tag = "evictions", params(EvictionsQuery, PageQuery),
    responses((status = 200, body = ListView<EvictedView>), (status = 422))
)]
pub(super) async fn list_evictions(
    State(state): State<WebState>,
    Params(query): Params<EvictionsQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<EvictedView>>> {
    let request = page.request()?;
    let folder = spelled::evicted_folder(&state, query.folder).await?.or_not_found(Root::Local.label())?;
    let filter = EvictedFilter { folder, search: query.q };
    let page =
        state.services.database.read(move |connection| evictions::evicted(connection, &filter, &request)).await?;
    Ok(Json(page))
}
