//! The queue as a whole.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::services::queue::QueueStatus;
use crate::web::WebState;
use crate::web::error::Answer;

/// How many finished transfers were taken from the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClearedView {
    /// Transfers.
    pub n: u64,
}

/// Shows the queue as a whole.
#[utoipa::path(get, path = "/api/queue", tag = "queue", responses((status = 200, body = QueueStatus)))]
pub(super) async fn show_queue(State(state): State<WebState>) -> Answer<Json<QueueStatus>> {
    Ok(Json(state.services.queue.status().await?))
}

/// Holds the queue: nothing new begins, and what runs pauses.
#[utoipa::path(post, path = "/api/queue/pause", tag = "queue", responses((status = 200, body = QueueStatus)))]
pub(super) async fn pause_queue(State(state): State<WebState>) -> Answer<Json<QueueStatus>> {
    state.services.queue.pause_all().await?;
    show_queue(State(state)).await
}

/// Lets the queue go on.
#[utoipa::path(post, path = "/api/queue/resume", tag = "queue", responses((status = 200, body = QueueStatus)))]
pub(super) async fn resume_queue(State(state): State<WebState>) -> Answer<Json<QueueStatus>> {
    state.services.queue.resume_all().await?;
    show_queue(State(state)).await
}

/// Takes transfers that have ended from the list. What happened stays in the history.
#[utoipa::path(delete, path = "/api/queue/finished", tag = "queue", responses((status = 200, body = ClearedView)))]
pub(super) async fn clear_finished(State(state): State<WebState>) -> Answer<Json<ClearedView>> {
    Ok(Json(ClearedView { n: state.services.queue.clear_finished().await? }))
}

/// How many transfers are tried again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetriedView {
    /// Transfers.
    pub n: u64,
}

/// Tries everything again that failed and is still listed.
#[utoipa::path(post, path = "/api/queue/retry-failed", tag = "queue", responses((status = 200, body = RetriedView)))]
pub(super) async fn retry_failed(State(state): State<WebState>) -> Answer<Json<RetriedView>> {
    Ok(Json(RetriedView { n: state.services.queue.retry_failed(None, None).await? }))
}
