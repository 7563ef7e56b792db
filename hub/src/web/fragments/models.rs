//! What people do with models: notes, and filters that they keep.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::confirmation::in_dialog;
use super::toast::{Toast, partial, respond};
use crate::domain::ids::ModelId;
use crate::web::api::models::{filters, notes};
use crate::web::error::Answer;
use crate::web::extract::{FormBody, InPath, Params};
use crate::web::pages::frame::fragment;
use crate::web::pages::models::{ModelsPageQuery, saved};
use crate::web::state::WebState;

/// What a person wrote about a model.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct NotesForm {
    #[serde(default)]
    notes: String,
}

/// Keeps it.
pub(super) async fn set_notes(
    State(state): State<WebState>,
    InPath(id): InPath<ModelId>,
    FormBody(NotesForm { notes }): FormBody<NotesForm>,
) -> Answer<Response> {
    notes::set(&state, id, notes).await?;
    Toast::done("Notes saved").answer()
}

/// Shows the dialog that asks for a name.
pub(super) async fn ask_name(
    State(state): State<WebState>,
    Params(query): Params<ModelsPageQuery>,
) -> Answer<Response> {
    fragment("fragments/_filter_save.html", saved(&state, &query).await?)
}

/// A filter with the name that it gets, or that goes.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct FilterForm {
    name: String,
    #[serde(default)]
    query: String,
}

/// Keeps a filter.
pub(super) async fn save_filter(
    State(state): State<WebState>,
    FormBody(FilterForm { name, query }): FormBody<FilterForm>,
) -> Answer<Response> {
    let saved = async {
        let kept = filters::save(&state, &name, &query).await?;
        changed(&state, Toast::done(format!("Filter saved as {}", kept.name)), &query).await
    };
    in_dialog(saved.await)
}

/// Lets a filter go.
pub(super) async fn remove_filter(
    State(state): State<WebState>,
    FormBody(FilterForm { name, query }): FormBody<FilterForm>,
) -> Answer<Response> {
    let toast = Toast::done(format!("Filter {name} removed"));
    filters::remove(&state, name).await?;
    changed(&state, toast, &query).await
}

/// The kept filters as they are now, with a message.
async fn changed(state: &WebState, toast: Toast, query: &str) -> Answer<Response> {
    let shown = saved(state, &filters::parse(query)?).await?;
    let filters = partial("saved-filters", "innerHTML", "fragments/_saved_filters.html", shown)?;
    Ok(respond(toast.piece()? + &filters))
}
