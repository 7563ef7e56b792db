//! One model: what it is, where its copies are, and what its maker wrote.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;

use super::super::frame::{Frame, page};
use super::super::library::drawer::reason;
use super::super::remote::machines;
use super::metadata::metadata_tree;
use crate::domain::ids::ModelId;
use crate::domain::root::Root;
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
    let roots = &state.services.roots;
    let delete_reasons: BTreeMap<&str, String> = Root::ALL
        .into_iter()
        .filter_map(|root| Some((root.as_str(), reason(&roots.check_delete(root).err()?))))
        .collect();
    let send = machines::send_label(&state).await?;
    let metadata = metadata_tree(&found.metadata);
    let content =
        context! { model => Serde(found), metadata => Serde(metadata), delete_reasons => Serde(delete_reasons), send };
    page(&state, FRAME, "pages/model.html", content).await
}
