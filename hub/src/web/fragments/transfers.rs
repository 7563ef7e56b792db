//! The answer to the dialog: what was confirmed goes into the queue, and nothing else.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use serde::Deserialize;

use super::confirm::{self, ConfirmTarget, Confirmed, Targeted};
use super::confirmation::{check_shown, check_typed, in_dialog};
use super::toast::{Toast, partial, respond};
use crate::domain::operation::{OnConflict, Operation};
use crate::services::queue::{BatchReceipt, TransferRequest};
use crate::storage::views::trash::{self, TrashList};
use crate::web::error::Answer;
use crate::web::extract::FormBody;
use crate::web::state::WebState;
use crate::web::templates::format;

/// What the dialog sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct ConfirmedRequest {
    #[serde(default)]
    on_conflict: OnConflict,
    /// A box that is not ticked is not sent at all.
    #[serde(default)]
    include_damaged: Option<String>,
    #[serde(default)]
    typed: String,
    #[serde(flatten)]
    asked: Confirmed,
}

/// Queues what was confirmed.
pub(super) async fn create_transfers(
    State(state): State<WebState>,
    FormBody(request): FormBody<ConfirmedRequest>,
) -> Answer<Response> {
    in_dialog(create(&state, request).await)
}

async fn create(state: &WebState, request: ConfirmedRequest) -> Answer<Response> {
    let Confirmed { operation, fingerprint, target } = request.asked;
    let found = confirm::find_for(state, &target, operation).await?;
    check_shown("The library has", found.fingerprint() == fingerprint)?;
    check_typed(found.typed(operation).as_deref(), &request.typed)?;
    let wanted = TransferRequest {
        operation,
        from: found.from,
        to: operation.has_destination().then(|| found.from.other()),
        paths: paths(&target, &found),
        on_conflict: request.on_conflict,
        include_damaged: request.include_damaged.is_some(),
    };
    let receipt = state.services.queue.enqueue(wanted).await?;
    if let Some(id) = &target.s {
        state.services.selections.forget(id);
    }
    let bar = context! { bulk => context! { n => 0, id => (), all => false } };
    let trash = trash_after(state, operation, &found, &receipt).await?;
    let html = toast_of(operation, &found, &receipt, trash).piece()?
        + &if target.scope == "selection" {
            partial("bulk", "innerHTML", "fragments/_bulk.html", bar)?
        } else {
            String::new()
        };
    Ok(respond(html))
}

/// A whole folder is named as such, so that the queue keeps what belongs together together.
fn paths(target: &ConfirmTarget, found: &Targeted) -> Vec<shared_protocol::RelPath> {
    match &target.folder {
        Some(folder) if target.scope == "folder" => vec![folder.clone()],
        _ => found.files.iter().map(|file| file.path.clone()).collect(),
    }
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

fn toast_of(operation: Operation, found: &Targeted, receipt: &BatchReceipt, trash: Option<u64>) -> Toast {
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
