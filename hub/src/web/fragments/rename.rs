//! The button that ends a conflict of names: its dialog, and what it does.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::confirmation::{Confirmation, in_dialog};
use super::toast::{Toast, respond};
use crate::domain::root::Root;
use crate::services::queue::{RenameOffer, rename_offer};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, Params};
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
pub(in crate::web) struct RenameQuery {
    root: Root,
    path: RelPath,
}

/// What the dialog sends.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::web) struct RenameForm {
    root: Root,
    path: RelPath,
    to: RelPath,
}

/// Shows the dialog.
pub(super) async fn confirm(
    State(state): State<WebState>,
    Params(RenameQuery { root, path }): Params<RenameQuery>,
) -> Answer<Response> {
    let wanted = path.clone();
    let offer = state.services.database.read(move |connection| rename_offer(connection, root, &wanted)).await?;
    let Some(RenameOffer { to, as_elsewhere }) = offer else {
        return Err(Problem::new(StatusCode::CONFLICT, "No other name is in its way any more."));
    };
    let reason = state.services.roots.check_delete(root).err().as_ref().map(reason);
    let own = context! { root => Serde(root), path => Serde(&path), to => Serde(&to), as_elsewhere };
    let button = format!("Rename to {}", to.name());
    let confirm = Confirmation { reason, ..Confirmation::new("/ui/rename", button, &RenameForm { root, path, to }) };
    confirm.show("fragments/_rename_confirm.html", own)
}

/// Queues what was confirmed.
pub(super) async fn create(State(state): State<WebState>, FormBody(form): FormBody<RenameForm>) -> Answer<Response> {
    in_dialog(rename(&state, form).await)
}

async fn rename(state: &WebState, RenameForm { root, path, to }: RenameForm) -> Answer<Response> {
    let name = to.name().to_owned();
    let receipt = state.services.queue.rename(root, path, Some(to)).await?;
    let toast = Toast::done(format!("Renaming to {name}"))
        .undo(format!("/ui/batches/{}/undo", receipt.batch_id), "Undo")
        .link(format!("/batches/{}", receipt.batch_id), "Show");
    // The details are of a name that is about to go.
    let closed = "<hx-partial hx-target=\"#drawer\" hx-swap=\"innerHTML\"></hx-partial>";
    Ok(respond(toast.piece()? + closed))
}
