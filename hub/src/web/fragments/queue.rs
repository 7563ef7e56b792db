//! The buttons of the queue.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::toast::Toast;
use crate::domain::ids::{BatchId, TransferId};
use crate::services::queue::{Action, Place};
use crate::web::error::{Answer, Problem};
use crate::web::extract::InPath;
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
        "first" => queue.place(id, Place::First).await?,
        "up" => queue.place(id, Place::Up).await?,
        "down" => queue.place(id, Place::Down).await?,
        "last" => queue.place(id, Place::Last).await?,
        _ => return Err(Problem::not_found("A transfer can't do this.")),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Drops what is left of a batch.
pub(super) async fn cancel_batch(State(state): State<WebState>, InPath(id): InPath<BatchId>) -> Answer<Response> {
    let n = state.services.queue.cancel_batch(id).await?;
    Toast::done(format!("Cancelled {}", format::n_files(n))).link(format!("/batches/{id}"), "Show").answer()
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
