//! What was deleted: put back, or removed for good.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::SearchText;
use crate::domain::root::Root;
use crate::services::queue::BatchReceipt;
use crate::services::trash::{Emptied, EmptyRequest};
use crate::storage::views::trash::{self, TrashList, TrashView};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, Params, distinct, distinct_if_any, optional, search};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TrashQuery {
    /// Of this root; of both without.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    root: Option<Root>,
    /// Words that the path has, in any case.
    #[serde(deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
}

/// A page of the trash with what all of it takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrashListView {
    /// The files, the latest delete first.
    #[serde(flatten)]
    pub list: ListView<TrashView>,
    /// Bytes of all files that were asked for. They are not free until the trash is emptied.
    pub size_bytes: u64,
}

/// Lists what lies in the trash.
#[utoipa::path(
    get, path = "/api/trash", tag = "trash", params(TrashQuery, PageQuery),
    responses((status = 200, body = TrashListView))
)]
pub(super) async fn list_trash(
    State(state): State<WebState>,
    Params(query): Params<TrashQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<TrashListView>> {
    let request = page.request()?;
    let filter = TrashList { root: query.root, search: query.q };
    let read = move |connection: &_| {
        Ok((trash::list(connection, &filter, &request)?, trash::totals(connection, &filter)?.size_bytes))
    };
    let (page, size_bytes) = state.services.database.read(read).await?;
    Ok(Json(TrashListView { list: page, size_bytes }))
}

/// Which files come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreTrashRequest {
    #[serde(deserialize_with = "distinct")]
    #[schema(min_items = 1)]
    ids: Vec<i64>,
}

/// Puts files back to where they were. A path that is taken by now stays taken.
#[utoipa::path(
    post, path = "/api/trash/restore", tag = "trash", request_body = RestoreTrashRequest,
    responses((status = 202, body = BatchReceipt), (status = 422))
)]
pub(super) async fn restore_trash(
    State(state): State<WebState>,
    Body(request): Body<RestoreTrashRequest>,
) -> Answer<(StatusCode, Json<BatchReceipt>)> {
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.put_back(request.ids).await?)))
}

/// What is to be removed for good, all conditions together; the whole trash of the root without any.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyTrashRequest {
    /// Whose trash.
    root: Root,
    /// Only what was deleted so many days ago or longer.
    older_than_days: Option<u32>,
    /// Only these.
    #[serde(default, deserialize_with = "distinct_if_any")]
    ids: Option<Vec<i64>>,
}

/// Removes files from the trash for good. What is about to be put back stays.
#[utoipa::path(
    post, path = "/api/trash/empty", tag = "trash", request_body = EmptyTrashRequest,
    responses((status = 200, body = Emptied), (status = 422))
)]
pub(super) async fn empty_trash(
    State(state): State<WebState>,
    Body(request): Body<EmptyTrashRequest>,
) -> Answer<Json<Emptied>> {
    let asked = EmptyRequest { older_than_days: request.older_than_days, ids: request.ids };
    Ok(Json(state.services.trash.empty(request.root, asked, None).await?))
}
