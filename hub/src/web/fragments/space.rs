//! The page of space, fetched again when something changed.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;

use crate::web::error::Answer;
use crate::web::extract::Params;
use crate::web::pages::frame::fragment;
use crate::web::pages::space::{self, SpacePageQuery};
use crate::web::state::WebState;

/// Everything the page shows.
pub(super) async fn show_space(
    State(state): State<WebState>,
    Params(query): Params<SpacePageQuery>,
) -> Answer<Response> {
    fragment("fragments/_space.html", context! { page => space::content(&state, &query).await? })
}
