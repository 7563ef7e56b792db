//! The buttons of the queue.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use minijinja::context;
use serde::{Deserialize, Serialize};

use super::confirmation::{Confirmation, in_dialog};
use super::toast::Toast;
use crate::domain::ids::{BatchId, TransferId};
use crate::services::queue::{Action, BatchPlace};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, InPath, Params, optional_parsed};
use crate::web::state::WebState;
use crate::web::templates::format;

/// Does something with one transfer. What comes of it arrives through the page's socket.
pub(super) async fn act(
    State(state): State<WebState>,
    InPath((id, action)): InPath<(TransferId, String)>,
) -> Answer<Response> {
    let queue = &state.services.queue;
    match action.as_str() {
        "cancel" => queue.act(id, Action::Cancel).await?,
        "retry" => queue.act(id, Action::Retry).await?,
        "pause" => queue.act(id, Action::Pause).await?,
        "resume" => queue.act(id, Action::Resume).await?,
        "first" => queue.place(id, BatchPlace::First).await?,
        "up" => queue.place(id, BatchPlace::Up).await?,
        "down" => queue.place(id, BatchPlace::Down).await?,
        "last" => queue.place(id, BatchPlace::Last).await?,
        _ => return Err(Problem::not_found("A transfer can't do this.")),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Drops what is left of a batch.
pub(super) async fn cancel_batch(State(state): State<WebState>, InPath(id): InPath<BatchId>) -> Answer<Response> {
    let n = state.services.queue.cancel_batch(id).await?;
    Toast::done(format!("Cancelled {}", format::n_files(n)))
        .link(format!("/batches/{id}?state=cancelled"), "Show")
        .answer()
}

/// Takes back what a batch did.
pub(super) async fn undo_batch(State(state): State<WebState>, InPath(id): InPath<BatchId>) -> Answer<Response> {
    let receipt = state.services.queue.undo_batch(id).await?;
    let batch = format!("/batches/{}", receipt.batch_id);
    let left = receipt.skipped.len();
    let text = format!("Undoing {}", format::n_files(receipt.n_transfers));
    if left == 0 {
        Toast::done(text).link(batch, "Show").answer()
    } else {
        Toast::warning(format!("{text}; {left} can't be undone")).link(batch, "Why").answer()
    }
}

/// What a dialog about failed transfers is about.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::web) struct FailedQuery {
    #[serde(default, deserialize_with = "optional_parsed")]
    batch: Option<i64>,
    /// How many the dialog has shown.
    #[serde(default, deserialize_with = "optional_parsed")]
    n: Option<u64>,
}

/// Shows how many transfers would be tried again.
pub(super) async fn confirm_retry(
    State(state): State<WebState>,
    Params(query): Params<FailedQuery>,
) -> Answer<Response> {
    let batch = query.batch.map(BatchId);
    let found = state.services.queue.failed(batch).await?;
    if found.n == 0 {
        return Toast::warning("Nothing has failed").answer();
    }
    let status = state.services.queue.status().await?;
    let again = FailedQuery { n: Some(found.n), ..query };
    let button = format!("Try {} again", format::n_files(found.n));
    let confirm = Confirmation::new("/ui/queue/retry", button, &again);
    let confirm = Confirmation { n: found.n, size_bytes: found.size_bytes, ..confirm };
    confirm.show("fragments/_retry_confirm.html", context! { batch => again.batch, paused => status.paused })
}

/// Tries again what was confirmed, if it is still that many.
pub(super) async fn retry_failed(
    State(state): State<WebState>,
    FormBody(request): FormBody<FailedQuery>,
) -> Answer<Response> {
    let retried = state.services.queue.retry_failed(request.batch.map(BatchId), request.n).await;
    let told = |n| Toast::done(format!("Trying {} again", format::n_files(n))).link("/queue".to_owned(), "Show");
    in_dialog(retried.map_err(Problem::from).and_then(|n| told(n).answer()))
}

/// Holds the queue.
pub(super) async fn pause_all(State(state): State<WebState>) -> Answer<Response> {
    state.services.queue.pause_all().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lets the queue go on.
pub(super) async fn resume_all(State(state): State<WebState>) -> Answer<Response> {
    state.services.queue.resume_all().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes what has ended out of the lists.
pub(super) async fn clear_finished(State(state): State<WebState>) -> Answer<Response> {
    let n = state.services.queue.clear_finished().await?;
    Toast::done(format!("Took {} out of the lists; history and batches keep them", format::n_files(n))).answer()
}
