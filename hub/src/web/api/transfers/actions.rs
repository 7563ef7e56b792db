//! Asking for transfers, and what a person does with one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{TransferView, show};
use crate::domain::described::TypedPathText;
use crate::domain::ids::TransferId;
use crate::domain::operation::{OnConflict, Operation};
use crate::domain::root::Root;
use crate::domain::typed_path::TypedPath;
use crate::services::queue::{Action, BatchPlace, BatchReceipt, TransferRequest};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Body, InPath};
use crate::web::spelled;

/// What to do with which files.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTransfersRequest {
    operation: OperationAsked,
    from: Root,
    /// Where they go: the other root, for `copy` and `move`.
    to: Option<Root>,
    /// Files and folders; a folder stands for every file in it and below it.
    #[schema(value_type = Vec<TypedPathText>, min_items = 1)]
    paths: Vec<TypedPath>,
    /// What to do where the destination has the name already.
    #[serde(default)]
    on_conflict: OnConflict,
    /// Whether a damaged file, whose size is not what its header says, may replace another one.
    #[serde(default)]
    include_damaged: bool,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationAsked {
    /// Have it on the other root, too.
    Copy,
    /// Have it on the other root instead.
    Move,
    /// Put it into the trash.
    Delete,
}

impl From<OperationAsked> for Operation {
    fn from(operation: OperationAsked) -> Self {
        match operation {
            OperationAsked::Copy => Self::Copy,
            OperationAsked::Move => Self::Move,
            OperationAsked::Delete => Self::Delete,
        }
    }
}

/// Puts transfers into the queue. What can't be done is told in `skipped`.
#[utoipa::path(
    post, path = "/api/transfers", tag = "queue", request_body = CreateTransfersRequest,
    responses((status = 202, body = BatchReceipt), (status = 404), (status = 409), (status = 422))
)]
pub(in crate::web::api) async fn create_transfers(
    State(state): State<WebState>,
    Body(request): Body<CreateTransfersRequest>,
) -> Answer<(StatusCode, Json<BatchReceipt>)> {
    let CreateTransfersRequest { operation, from, to, paths, on_conflict, include_damaged } = request;
    let paths = spelled::paths(&state, from, paths).await?;
    let request = TransferRequest { operation: operation.into(), from, to, paths, on_conflict, include_damaged };
    Ok((StatusCode::ACCEPTED, Json(state.services.queue.enqueue(request).await?)))
}

async fn act(state: &WebState, id: TransferId, action: Action) -> Answer<Json<TransferView>> {
    state.services.queue.act(id, action).await?;
    show(state, id).await.map(Json)
}

async fn place(state: &WebState, id: TransferId, place: BatchPlace) -> Answer<Json<TransferView>> {
    state.services.queue.place(id, place).await?;
    show(state, id).await.map(Json)
}

/// Writes a handler that does one thing with one transfer. The routes differ in nothing else.
macro_rules! with_one_transfer {
    ($(#[doc = $doc:literal] $name:ident, $path:literal, $what:ident($how:expr);)*) => {
        $(
            #[doc = $doc]
            #[utoipa::path(
                post, path = $path, tag = "queue", params(("id" = i64, Path, description = "The transfer")),
                responses(
                    (status = 200, body = TransferView), (status = 409)
                )
            )]
            pub(in crate::web::api) async fn $name(
                State(state): State<WebState>,
                InPath(id): InPath<TransferId>,
            ) -> Answer<Json<TransferView>> {
                $what(&state, id, $how).await
            }
        )*
    };
}

with_one_transfer! {
    /// Drops a transfer; nothing is left of it.
    cancel_transfer, "/api/transfers/{id}/cancel", act(Action::Cancel);
    /// Tries a transfer again that failed, was dropped, or waits for its next try.
    retry_transfer, "/api/transfers/{id}/retry", act(Action::Retry);
    /// Holds a transfer; what was copied is kept.
    pause_transfer, "/api/transfers/{id}/pause", act(Action::Pause);
    /// Lets a held transfer go on.
    resume_transfer, "/api/transfers/{id}/resume", act(Action::Resume);
    /// Makes a transfer the next one.
    place_transfer_first, "/api/transfers/{id}/first", place(BatchPlace::First);
    /// Lets a transfer pass the one in front of it.
    place_transfer_up, "/api/transfers/{id}/up", place(BatchPlace::Up);
    /// Lets the transfer behind pass.
    place_transfer_down, "/api/transfers/{id}/down", place(BatchPlace::Down);
    /// Puts a transfer to the end of the queue.
    place_transfer_last, "/api/transfers/{id}/last", place(BatchPlace::Last);
}
