//! Requests to the queue, each a batch of transfers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::list::{ListView, PageQuery};
use super::queue::RetriedView;
use super::transfers::{self, TransferView};
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::services::queue::{BatchReceipt, SkippedPath};
use crate::storage::views::batches::{self, BatchEntry};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{InPath, Params};

/// A request with what became of its files. The files themselves: `/api/transfers?batch=`.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchView {
    /// Its number.
    pub id: BatchId,
    /// `copy`, `move`, `delete`, `restore` and the like.
    pub operation: String,
    /// Where the files are taken from.
    pub from: Root,
    /// Where they go.
    pub to: Option<Root>,
    /// What was to happen with names that are taken: `skip`, `replace` or `keep_both`.
    pub on_conflict: String,
    /// How many files were asked for and not queued; a batch shown by itself names them.
    pub n_skipped: u64,
    /// The batch that this one undoes.
    pub undo_of: Option<BatchId>,
    /// The batch that undoes this one.
    pub undone_by: Option<BatchId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Its transfers.
    pub n_transfers: u64,
    /// That will still happen.
    pub n_open: u64,
    /// Of these, held by a person.
    pub n_paused: u64,
    /// That are done.
    pub n_completed: u64,
    /// That were given up.
    pub n_failed: u64,
    /// That were dropped.
    pub n_cancelled: u64,
    /// Bytes of all of them.
    pub size_bytes: u64,
    /// Bytes of what is done.
    pub completed_bytes: u64,
    /// It ended so long ago that its files are no longer listed (`HISTORY_DAYS`, `HISTORY_ROWS`): the
    /// numbers stay, and it can't be undone.
    pub forgotten: bool,
}

impl From<BatchEntry> for BatchView {
    fn from(batch: BatchEntry) -> Self {
        let progress = batch.progress;
        Self {
            id: batch.id,
            operation: batch.operation,
            from: batch.from,
            to: batch.to,
            on_conflict: batch.on_conflict,
            n_skipped: batch.n_skipped,
            undo_of: batch.undo_of,
            undone_by: batch.undone_by,
            created_at: batch.created_at,
            n_transfers: progress.n_transfers,
            n_open: progress.n_open,
            n_paused: progress.n_paused,
            n_completed: progress.n_completed,
            n_failed: progress.n_failed,
            n_cancelled: progress.n_cancelled,
            size_bytes: progress.size_bytes,
            completed_bytes: progress.completed_bytes,
            forgotten: batch.forgotten,
        }
    }
}

/// Lists batches, the newest first.
#[utoipa::path(
    get, path = "/api/batches", tag = "queue", params(PageQuery),
    responses((status = 200, body = ListView<BatchView>), (status = 400, body = Problem))
)]
pub(super) async fn list_batches(
    State(state): State<WebState>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<BatchView>>> {
    let request = page.request()?;
    let page = state.services.database.read(move |connection| batches::list(connection, &request)).await?;
    Ok(Json(ListView::of(page)))
}

/// A batch with what was done to which file.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchDetailView {
    /// The batch.
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
    params(("id" = i64, Path, description = "The batch"), PageQuery),
    responses((status = 200, body = BatchDetailView), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn show_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<BatchDetailView>> {
    let request = page.request()?;
    let mut entry = entry(&state, id).await?;
    let skipped = std::mem::take(&mut entry.skipped);
    let batch = entry.into();
    let transfers = transfers::of_batch(&state, id, request).await?;
    Ok(Json(BatchDetailView { batch, skipped, transfers }))
}

/// One batch as it is now.
pub(in crate::web) async fn show(state: &WebState, id: BatchId) -> Answer<BatchView> {
    entry(state, id).await.map(BatchView::from)
}

async fn entry(state: &WebState, id: BatchId) -> Answer<BatchEntry> {
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
    responses((status = 200, body = BatchCancelledView), (status = 404, body = Problem))
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
    params(("id" = i64, Path, description = "The batch")),
    responses((status = 200, body = RetriedView), (status = 404, body = Problem))
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
    responses(
        (status = 202, body = BatchReceipt), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(super) async fn undo_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
) -> Answer<(StatusCode, Json<BatchReceipt>)> {
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.undo_batch(id).await?)))
}
