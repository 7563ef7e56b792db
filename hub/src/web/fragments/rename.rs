//! The button that ends a conflict of names: its dialog, and what it does.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use shared_protocol::RelPath;

use super::toast::{Toast, respond};
use crate::domain::root::Root;
use crate::services::queue::{RenameOffer, rename_offer};
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, Params};
use crate::web::pages::frame::fragment;
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;

/// Which file.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct RenameQuery {
    root: Root,
    path: RelPath,
}

/// What the dialog sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct RenameForm {
    root: Root,
    path: RelPath,
    to: RelPath,
}

#[derive(Debug, Serialize)]
struct Confirm {
    root: Root,
    path: RelPath,
    to: RelPath,
    as_elsewhere: bool,
    reason: Option<String>,
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
    let confirm = Confirm { root, path, to, as_elsewhere, reason };
    fragment("fragments/_rename_confirm.html", context! { confirm => Serde(confirm) })
}

/// Queues what was confirmed.
pub(super) async fn create(
    State(state): State<WebState>,
    FormBody(RenameForm { root, path, to }): FormBody<RenameForm>,
) -> Answer<Response> {
    let name = to.name().to_owned();
    match state.services.queue.rename(root, path, Some(to)).await {
        Ok(receipt) => {
            let toast = Toast::done(format!("Renaming to {name}"))
                .undo(format!("/ui/batches/{}/undo", receipt.batch_id), "Undo")
                .link(format!("/batches/{}", receipt.batch_id), "Show");
            // The details are of a name that is about to go.
            let closed = "<hx-partial hx-target=\"#drawer\" hx-swap=\"innerHTML\"></hx-partial>";
            Ok(respond(toast.piece()? + closed))
        }
        Err(error) => {
            let mut response =
                fragment("fragments/_error_line.html", context! { text => reason(&error) })?.into_response();
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
    }
}
