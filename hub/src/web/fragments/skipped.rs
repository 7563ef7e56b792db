//! The list of what was skipped, and its buttons: a place is right as it is, a link is included or left out again.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use serde::Deserialize;
use shared_protocol::RelPath;

use super::toast::Toast;
use crate::domain::root::Root;
use crate::web::error::Answer;
use crate::web::extract::{FormBody, InPath, Params};
use crate::web::pages::frame::fragment;
use crate::web::pages::skipped::{self, SkippedQuery};
use crate::web::state::WebState;

/// Shows the list anew.
pub(super) async fn show_skipped(
    State(state): State<WebState>,
    Params(query): Params<SkippedQuery>,
) -> Answer<Response> {
    fragment("fragments/_skipped.html", context! { page => skipped::list(&state, query).await? })
}

#[derive(Debug, Deserialize)]
pub(super) struct AcceptForm {
    path: String,
}

/// Takes a place as it is, because a person said so.
pub(super) async fn accept(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    FormBody(form): FormBody<AcceptForm>,
) -> Answer<Response> {
    state.services.indexer.accept(root, form.path.clone()).await?;
    Toast::done(format!("{} is right as it is; {} is being scanned", form.path, root.label())).answer()
}

/// Which link, and what is to be.
#[derive(Debug, Deserialize)]
pub(super) struct LinkForm {
    path: RelPath,
    include: bool,
}

/// Includes what a link leads to, or leaves it out again.
pub(super) async fn set_link(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
    FormBody(LinkForm { path, include }): FormBody<LinkForm>,
) -> Answer<Response> {
    let indexer = &state.services.indexer;
    let done = if include {
        indexer.include_link(root, path.clone()).await?;
        "is included"
    } else {
        indexer.leave_link_out(root, path.clone()).await?;
        "is left out again"
    };
    Toast::done(format!("{path} {done}; {} is being scanned", root.label())).answer()
}
