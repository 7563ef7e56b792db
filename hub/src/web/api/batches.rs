//! Requests to the queue, each a batch of transfers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::list::{ListView, PageQuery};
use super::queue::RetriedView;
use super::transfers;
use crate::domain::ids::BatchId;
use crate::services::queue::{BatchReceipt, SkippedPath};
use crate::storage::views::batches::{self, BatchView};
use crate::storage::views::transfers::TransferView;
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{InPath, Params};

/// Lists batches, the newest first.
#[utoipa::path(
    get, path = "/api/batches", tag = "queue", params(PageQuery), responses((status = 200, body = ListView<BatchView>))
)]
pub(super) async fn list_batches(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<BatchView>>> {
    let request = page.request()?;
    let page = state.services.database.read(move |connection| batches::list(connection, &request)).await?;
    Ok(Json(page))
}

/// A batch with what was done to which file.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchDetailView {
    #[serde(flatten)]
    pub batch: BatchView,
    /// What was asked for and not queued, with the reason; at most the first thousand.
    #[schema(value_type = Vec<SkippedPath>)]
    pub skipped: serde_json::Value,
    /// Its transfers, as they were asked for.
    #[serde(flatten)]
    pub transfers: ListView<TransferView>,
}

/// Shows one batch with what was done to which file.
#[utoipa::path(
    get, path = "/api/batches/{id}", tag = "queue",
    params(("id" = i64, Path, description = "The batch"), PageQuery), responses((status = 200, body = BatchDetailView))
)]
pub(super) async fn show_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<BatchDetailView>> {
    let request = page.request()?;
    let mut entry = show(&state, id).await?;
    let skipped = std::mem::take(&mut entry.skipped);
    let transfers = transfers::of_batch(&state, id, request).await?;
    Ok(Json(BatchDetailView { batch: entry, skipped, transfers }))
}

/// One batch as it is now.
pub(in crate::web) async fn show(state: &WebState, id: BatchId) -> Answer<BatchView> {
    let found = state.services.database.read(move |connection| batches::show(connection, id)).await?;
    found.ok_or_else(|| Problem::not_found("There is no such batch."))
}

/// How many transfers were dropped.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchCancelledView {
    /// Transfers.
    pub n: u64,
}

/// Drops what is left of a batch. What is done stays done.
#[utoipa::path(
    post, path = "/api/batches/{id}/cancel", tag = "queue", params(("id" = i64, Path, description = "The batch")),
    responses((status = 200, body = BatchCancelledView))
)]
pub(super) async fn cancel_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
) -> Answer<Json<BatchCancelledView>> {
    Ok(Json(BatchCancelledView { n: state.services.queue.cancel_batch(id).await? }))
}

/// Tries everything again that failed of a batch.
#[utoipa::path(
    post, path = "/api/batches/{id}/retry-failed", tag = "queue",
    params(("id" = i64, Path, description = "The batch")), responses((status = 200, body = RetriedView))
)]
pub(super) async fn retry_failed_of_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
) -> Answer<Json<RetriedView>> {
    Ok(Json(RetriedView { n: state.services.queue.retry_failed(Some(id), None).await? }))
}

/// Undoes a batch as far as it can be: brings back what it put into the trash, takes away what it
/// copied if that is unchanged. Nothing is overwritten.
#[utoipa::path(
    post, path = "/api/batches/{id}/undo", tag = "queue", params(("id" = i64, Path, description = "The batch")),
    responses((status = 202, body = BatchReceipt), (status = 409), (status = 422))
)]
pub(super) async fn undo_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
) -> Answer<(StatusCode, Json<BatchReceipt>)> {
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.undo_batch(id).await?)))
}
