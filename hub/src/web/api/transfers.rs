//! The queue's transfers: what is copied, moved or deleted, file by file.

pub mod actions;
pub mod rename;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::{ListView, PageQuery};
use crate::domain::ids::{BatchId, TransferId};
use crate::domain::transfer::TransferState;
use crate::storage::views::PageRequest;
use crate::storage::views::transfers::{self, TransferFilter, TransferView};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{InPath, Params, optional, optional_parsed};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct TransfersQuery {
    /// In this state; in the order of the queue, or the latest first where they have ended.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    state: Option<TransferState>,
    /// Of this batch; as they were asked for.
    #[serde(deserialize_with = "optional_parsed")]
    #[param(value_type = Option<i64>)]
    batch: Option<BatchId>,
}

/// Lists transfers.
#[utoipa::path(
    get, path = "/api/transfers", tag = "queue", params(TransfersQuery, PageQuery),
    responses((status = 200, body = ListView<TransferView>))
)]
pub(super) async fn list_transfers(
    State(state): State<WebState>,
    Params(TransfersQuery { state: in_state, batch }): Params<TransfersQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<TransferView>>> {
    list(&state, TransferFilter { state: in_state, batch }, page.request()?).await.map(Json)
}

/// Shows one transfer.
#[utoipa::path(
    get, path = "/api/transfers/{id}", tag = "queue", params(("id" = i64, Path, description = "The transfer")),
    responses((status = 200, body = TransferView))
)]
pub(super) async fn show_transfer(
    State(state): State<WebState>,
    InPath(id): InPath<TransferId>,
) -> Answer<Json<TransferView>> {
    show(&state, id).await.map(Json)
}

/// One transfer as it is now.
pub(in crate::web) async fn show(state: &WebState, id: TransferId) -> Answer<TransferView> {
    let at_work = state.services.queue.at_work();
    let found = state.services.database.read(move |connection| transfers::show(connection, id, &at_work)).await?;
    let found = found.map(|transfer| state.services.queue.with_live(transfer));
    found.ok_or_else(|| Problem::not_found("There is no such transfer."))
}

/// The first transfers in a state, as they are now.
pub(in crate::web) async fn in_state(state: &WebState, wanted: TransferState) -> Answer<Vec<TransferView>> {
    let filter = TransferFilter { state: Some(wanted), batch: None };
    Ok(list(state, filter, PageRequest::first()).await?.items)
}

/// One page of a batch's transfers, as they are now.
pub(super) async fn of_batch(state: &WebState, batch: BatchId, request: PageRequest) -> Answer<ListView<TransferView>> {
    list(state, TransferFilter { state: None, batch: Some(batch) }, request).await
}

async fn list(state: &WebState, filter: TransferFilter, request: PageRequest) -> Answer<ListView<TransferView>> {
    let at_work = state.services.queue.at_work();
    let read = move |connection: &_| transfers::list(connection, &filter, &request, &at_work);
    let page = state.services.database.read(read).await?;
    Ok(page.map(|transfer| state.services.queue.with_live(transfer)))
}
