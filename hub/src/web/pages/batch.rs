//! One batch: what was done to which file, and the way back.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Deserialize;

use super::frame::{Frame, page};
use super::queue::{batch_title, row};
use crate::domain::ids::BatchId;
use crate::domain::transfer::TransferState;
use crate::services::queue::SkippedPath;
use crate::storage::plans;
use crate::storage::views::batches;
use crate::storage::views::page::PageRequest;
use crate::storage::views::transfers::{self, TransferFilter};
use crate::storage::views::trash::{self, TrashList};
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{InPath, Params, optional};
use crate::web::state::WebState;
use crate::web::templates::format;

const FRAME: Frame = Frame { section: "queue", title: "Batch", topics: "strip,queue" };

/// Files on one page.
const ROWS: u32 = 100;

/// Paths named among what was left out.
const NAMED: usize = 200;

/// Everything behind the `?` of a batch's page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct BatchQuery {
    /// Only files that ended so.
    #[serde(deserialize_with = "optional")]
    state: Option<TransferState>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

pub(super) async fn show_batch(
    State(state): State<WebState>,
    InPath(id): InPath<BatchId>,
    Params(query): Params<BatchQuery>,
) -> Answer<Response> {
    let content = context! { page => content(&state, id, &query).await? };
    page(&state, FRAME, "pages/batch.html", content).await
}

/// What the page of a batch shows.
pub(in crate::web) async fn content(state: &WebState, id: BatchId, query: &BatchQuery) -> Answer<Value> {
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let filter = TransferFilter { state: query.state, batch: Some(id) };
    let at_work = state.services.queue.at_work();
    let found = state
        .services
        .database
        .read(move |connection| match batches::show(connection, id)? {
            Some(batch) => {
                let trashed = trash::of_batch(connection, id)?;
                let all = trash::totals(connection, &TrashList::of(batch.to.unwrap_or(batch.from)))?;
                let plan = plans::of_batch(connection, id)?.map(|plan| plan.id.0);
                Ok(Some((batch, transfers::list(connection, &filter, &request, &at_work)?, trashed, all, plan)))
            }
            None => Ok(None),
        })
        .await?;
    let (mut batch, files, trashed, trash, plan_id) =
        found.ok_or_else(|| Problem::not_found(format!("There is no batch {id}.")))?;
    let trash_root = batch.to.unwrap_or(batch.from);
    let skipped: Vec<SkippedPath> = serde_json::from_value(std::mem::take(&mut batch.skipped)).unwrap_or_default();
    let n_skipped_more = skipped.len().saturating_sub(NAMED);
    let state_name = query.state.map(TransferState::as_str);
    let address = |cursor: Option<&String>| {
        QueryString::new().with_some("state", state_name).with_some("cursor", cursor).into_text()
    };
    let rows: Vec<_> = files.items.into_iter().map(|entry| row(entry, &state.services.queue)).collect();
    let title = batch_title(&batch.operation, batch.from, batch.to, batch.undo_of.is_some());
    Ok(context! {
        title => format!("Batch {id}: {title}, {}", format::n_files(batch.n_transfers)),
        plan_id,
        only => state_name,
        can_undo => batch.n_completed > 0 && batch.undone_by.is_none() && batch.undo_of.is_none() && !batch.forgotten,
        n_trashed => trashed.n_files,
        trashed_bytes => trashed.size_bytes,
        trash_root => Serde(trash_root),
        trash_label => trash_root.label(),
        trash_bytes => trash.size_bytes,
        state => address(query.cursor.as_ref()),
        next => files.next_cursor.as_ref().map(|cursor| address(Some(cursor))),
        rows => Serde(rows),
        skipped => Serde(skipped.into_iter().take(NAMED).collect::<Vec<_>>()),
        n_skipped_more,
        ..Value::from(Serde(batch))
    })
}
