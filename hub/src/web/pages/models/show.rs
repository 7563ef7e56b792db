//! One model: what it is, where its copies are, and what its maker wrote.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;

use super::super::frame::{Frame, page};
use crate::domain::ids::ModelId;
use crate::web::api::models::detail;
use crate::web::error::Answer;
use crate::web::extract::InPath;
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "library", title: "Model", topics: "strip" };

/// Shows a model.
pub(in crate::web::pages) async fn show_model(
    State(state): State<WebState>,
    InPath(id): InPath<ModelId>,
) -> Answer<Response> {
    let found = detail(&state, id).await?;
    page(&state, FRAME, "pages/model.html", context! { model => Serde(found) }).await
}
