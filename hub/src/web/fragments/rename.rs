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
use crate::domain::ids::ModelId;
use crate::domain::root::Root;
use crate::services::queue::{RenameOffer, rename_offer};
use crate::web::api::models;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{FormBody, InPath, Params, optional};
use crate::web::pages::frame::fragment;
use crate::web::pages::library::drawer::reason;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
pub(in crate::web) struct RenameQuery {
    root: Root,
    path: RelPath,
    /// The new path; without one, the name that ends a conflict.
    #[serde(default, deserialize_with = "optional")]
    to: Option<RelPath>,
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
    Params(RenameQuery { root, path, to }): Params<RenameQuery>,
) -> Answer<Response> {
    let is_wish = to.is_some();
    let offer = if let Some(to) = to {
        Some(RenameOffer { to, as_elsewhere: false })
    } else {
        let wanted = path.clone();
        state.services.database.read(move |connection| rename_offer(connection, root, &wanted)).await?
    };
    let Some(RenameOffer { to, as_elsewhere }) = offer else {
        return Err(Problem::new(StatusCode::CONFLICT, "No other name is in its way any more."));
    };
    let reason = state.services.roots.check_delete(root).err().as_ref().map(reason);
    let own = context! { root => Serde(root), path => Serde(&path), to => Serde(&to), as_elsewhere, is_wish };
    let button = match to.parent() {
        Some(folder) if to.name() == path.name() => format!("Move to {folder}"),
        _ => format!("Rename to {}", to.name()),
    };
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

/// Shows the dialog that asks for a model's new name.
pub(super) async fn show_model_form(State(state): State<WebState>, InPath(id): InPath<ModelId>) -> Answer<Response> {
    let model = state.services.models.show(id).await?.model;
    let roots = model.copies.iter().map(|copy| copy.root);
    let reason = roots.map(|root| state.services.roots.check_delete(root)).find_map(Result::err).as_ref().map(reason);
    fragment("fragments/_model_rename.html", context! { model => Serde(model), reason })
}

/// What the dialog sends.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct ModelRenameForm {
    name: String,
}

/// Gives all copies of a model another name.
pub(super) async fn rename_model(
    State(state): State<WebState>,
    InPath(id): InPath<ModelId>,
    FormBody(ModelRenameForm { name }): FormBody<ModelRenameForm>,
) -> Answer<Response> {
    let renamed = async {
        let renamed = models::rename::rename(&state, id, &name).await?;
        let n = renamed.batch_ids.len();
        let left = renamed
            .left
            .first()
            .map(|left| format!("; {} on {} keeps its name: {}", left.path, left.root.label(), left.why));
        let text = format!(
            "Renaming {}{}",
            if n == 1 { "1 copy".to_owned() } else { format!("{n} copies") },
            left.unwrap_or_default()
        );
        Toast::done(text).link(format!("/batches/{}", renamed.batch_id), "Show").answer()
    };
    in_dialog(renamed.await)
}
