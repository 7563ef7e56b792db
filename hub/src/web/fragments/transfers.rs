//! The answer to the dialog: what was confirmed goes into the queue, and nothing else.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use minijinja::context;
use serde::Deserialize;

use super::confirm::{self, Target, Targeted};
use super::toast::{Toast, partial, respond};
use crate::domain::operation::{OnConflict, Operation};
use crate::services::queue::{BatchReceipt, TransferRequest};
use crate::storage::views::trash::{self, TrashList};
use crate::web::error::Answer;
use crate::web::extract::FormBody;
use crate::web::pages::frame::fragment;
use crate::web::state::WebState;
use crate::web::templates::format;

/// What the dialog sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct ConfirmedRequest {
    operation: Operation,
    #[serde(default)]
    on_conflict: OnConflict,
    /// A box that is not ticked is not sent at all.
    #[serde(default)]
    include_damaged: Option<String>,
    fingerprint: String,
    #[serde(default)]
    typed: String,
    #[serde(flatten)]
    target: Target,
}

/// Queues what was confirmed.
pub(super) async fn create_transfers(
    State(state): State<WebState>,
    FormBody(request): FormBody<ConfirmedRequest>,
) -> Answer<Response> {
    let found = confirm::find_for(&state, &request.target, request.operation).await?;
    if found.fingerprint() != request.fingerprint {
        return refused("The library has changed since: these are other files now. Close this and look again.");
    }
    if found.typed(request.operation).is_some_and(|expected| expected != request.typed.trim()) {
        return refused("The words are not as asked for.");
    }
    let wanted = TransferRequest {
        operation: request.operation,
        from: found.from,
        to: request.operation.has_destination().then(|| found.from.other()),
        paths: paths(&request.target, &found),
        on_conflict: request.on_conflict,
        include_damaged: request.include_damaged.is_some(),
    };
    let receipt = match state.services.queue.enqueue(wanted).await {
        Ok(receipt) => receipt,
        Err(error) => return refused(&crate::web::pages::library::drawer::reason(&error)),
    };
    if let Some(id) = &request.target.s {
        state.services.selections.forget(id);
    }
    let bar = context! { bulk => context! { n => 0, id => (), all => false } };
    let trash = trash_after(&state, request.operation, &found, &receipt).await?;
    let html = told(request.operation, &found, &receipt, trash).piece()?
        + &if request.target.scope == "selection" {
            partial("bulk", "innerHTML", "fragments/_bulk.html", bar)?
        } else {
            String::new()
        };
    Ok(respond(html))
}

/// A whole folder is named as such, so that the queue keeps what belongs together together.
fn paths(target: &Target, found: &Targeted) -> Vec<shared_protocol::RelPath> {
    match &target.folder {
        Some(folder) if target.scope == "folder" => vec![folder.clone()],
        _ => found.files.iter().map(|file| file.path.clone()).collect(),
    }
}

fn refused(text: &str) -> Answer<Response> {
    let mut response = fragment("fragments/_error_line.html", context! { text })?.into_response();
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// What the trash holds with what is being deleted: that much is not free.
async fn trash_after(
    state: &WebState,
    operation: Operation,
    found: &Targeted,
    receipt: &BatchReceipt,
) -> Answer<Option<u64>> {
    if operation != Operation::Delete {
        return Ok(None);
    }
    let list = TrashList::of(found.from);
    let totals = state.services.database.read(move |connection| trash::totals(connection, &list)).await?;
    // What is already there of this very batch is counted once.
    let batch = receipt.batch_id;
    let there = state.services.database.read(move |connection| trash::of_batch(connection, batch)).await?;
    Ok(Some((totals.size_bytes - there.size_bytes.min(totals.size_bytes)).saturating_add(receipt.size_bytes)))
}

fn told(operation: Operation, found: &Targeted, receipt: &BatchReceipt, trash: Option<u64>) -> Toast {
    let what = format!("{} ({})", format::n_files(receipt.n_transfers), format::bytes(receipt.size_bytes));
    let text = match operation {
        Operation::Copy => format!("Copying {what} to {}", found.from.other().label()),
        Operation::Move => format!("Moving {what} to {}", found.from.other().label()),
        _ => format!("Deleting {what} from {}", found.from.label()),
    };
    let skipped = match receipt.skipped.len() {
        0 => String::new(),
        n => format!("; {} left out", format::count(i64::try_from(n).unwrap_or(i64::MAX))),
    };
    let batch = format!("/batches/{}", receipt.batch_id);
    if receipt.n_transfers == 0 {
        return Toast::warning(format!("Nothing was queued{skipped}")).link(batch, "Why");
    }
    let toast = if skipped.is_empty() { Toast::done(text) } else { Toast::warning(format!("{text}{skipped}")) };
    let toast = match trash {
        None => toast.link(batch, "Show"),
        Some(bytes) => toast
            .more(format!("The trash of {} holds {} then; it frees nothing.", found.from.label(), format::bytes(bytes)))
            .link(format!("/trash?root={}", found.from), "Empty…"),
    };
    match operation {
        Operation::Delete => toast.undo(format!("/ui/batches/{}/undo", receipt.batch_id), "Undo"),
        _ => toast.undo(format!("/ui/batches/{}/cancel", receipt.batch_id), "Cancel"),
    }
}
