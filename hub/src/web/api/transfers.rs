//! The queue's transfers: what is copied, moved or deleted, file by file.

pub mod actions;
pub mod rename;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared_protocol::{Blake3, RelPath};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::{Blake3Text, RelPathText};
use crate::domain::ids::{BatchId, TransferId};
use crate::domain::root::Root;
use crate::domain::transfer::TransferState;
use crate::services::Queue;
use crate::storage::views::PageRequest;
use crate::storage::views::transfers::{self, TransferEntry, TransferFilter};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{InPath, Params, optional, optional_parsed};

/// One file's copy, move, delete or the like.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferView {
    /// Its number.
    pub id: TransferId,
    /// The request it came from.
    pub batch_id: BatchId,
    /// `copy`, `move`, `delete`, `restore` and the like.
    pub operation: String,
    /// Where the file is taken from.
    pub from: Root,
    /// Where it goes; of a duplicate that goes, where the copy that stays lies.
    pub to: Option<Root>,
    /// Its path where it is taken from.
    #[schema(value_type = RelPathText)]
    pub path: RelPath,
    /// Its path where it goes, if that is another; of a duplicate that goes, the copy that stays.
    pub to_path: Option<String>,
    /// Where it stands.
    pub state: TransferState,
    /// It was asked to pause or to end and is about to.
    pub stopping: bool,
    /// Bytes done.
    pub bytes_done: u64,
    /// Bytes that were read again so far, while a copy that was interrupted checks what it has.
    pub bytes_checked: Option<u64>,
    /// Bytes of the whole file.
    pub size_bytes: u64,
    /// How fast it is, while it runs.
    pub bytes_per_second: Option<u64>,
    /// How long it will still take, while it runs.
    pub eta_seconds: Option<u64>,
    /// Tries after the first.
    pub attempts: u32,
    /// Why the last try failed.
    pub error: Option<TransferErrorView>,
    /// The content's hash, once it is known.
    #[schema(value_type = Option<Blake3Text>)]
    pub hash: Option<Blake3>,
    /// When it will be tried again.
    pub next_try_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was first begun.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Why a try failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferErrorView {
    /// For programs: `changed`, `exists`, `disk_full`, `in_use`, `offline` and the like.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl TransferView {
    /// A transfer with what only the queue knows while it runs: the database is behind.
    pub fn new(transfer: TransferEntry, queue: &Queue) -> Self {
        let live = queue.live(transfer.id).filter(|_| transfer.state == TransferState::Running);
        let error = transfer
            .error_code
            .map(|code| TransferErrorView { code, detail: transfer.error_detail.unwrap_or_default() });
        Self {
            id: transfer.id,
            batch_id: transfer.batch_id,
            operation: transfer.operation,
            from: transfer.from,
            to: transfer.to,
            path: transfer.path,
            to_path: transfer.to_path,
            state: transfer.state,
            stopping: transfer.stopping,
            bytes_done: live.map_or(transfer.bytes_done, |live| live.bytes_done),
            bytes_checked: live.and_then(|live| live.bytes_checked),
            size_bytes: transfer.size_bytes,
            bytes_per_second: live.map(|live| live.bytes_per_second),
            eta_seconds: live.and_then(|live| live.eta_seconds),
            attempts: transfer.attempts,
            error,
            hash: transfer.hash,
            next_try_at: transfer.next_try_at,
            created_at: transfer.created_at,
            started_at: transfer.started_at,
            finished_at: transfer.finished_at,
        }
    }
}

/// Which transfers.
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
    responses((status = 200, body = ListView<TransferView>), (status = 400, body = Problem))
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
    responses((status = 200, body = TransferView), (status = 404, body = Problem))
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
    let found = found.map(|transfer| TransferView::new(transfer, &state.services.queue));
    found.ok_or_else(|| Problem::not_found("There is no such transfer."))
}

/// The first transfers in a state, as they are now.
pub(in crate::web) async fn in_state(state: &WebState, wanted: TransferState) -> Answer<Vec<TransferView>> {
    let filter = TransferFilter { state: Some(wanted), batch: None };
    Ok(list(state, filter, PageRequest::first()).await?.into_items())
}

/// One page of a batch's transfers, as they are now.
pub(super) async fn of_batch(state: &WebState, batch: BatchId, request: PageRequest) -> Answer<ListView<TransferView>> {
    list(state, TransferFilter { state: None, batch: Some(batch) }, request).await
}

async fn list(state: &WebState, filter: TransferFilter, request: PageRequest) -> Answer<ListView<TransferView>> {
    let at_work = state.services.queue.at_work();
    let read = move |connection: &_| transfers::list(connection, &filter, &request, &at_work);
    let page = state.services.database.read(read).await?;
    Ok(ListView::of(page.map(|transfer| TransferView::new(transfer, &state.services.queue))))
}
