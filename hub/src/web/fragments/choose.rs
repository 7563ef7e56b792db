//! Choosing a folder of this computer, for the setup: a browser can't tell a server which folder a
//! person picked, so the hub lists them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;

use crate::domain::root::Root;
use crate::fs::places::{self, Place};
use crate::services::ServiceError;
use crate::web::error::{Answer, Problem};
use crate::web::extract::Params;
use crate::web::pages::frame::fragment;
use crate::web::pages::setup;
use crate::web::state::WebState;

/// Which folder (`at`), for which field (`for`); the field's own value under the field's name.
type ChooseQuery = BTreeMap<String, String>;

/// Lists the folders inside a folder.
pub(super) async fn show_folders(
    State(state): State<WebState>,
    Params(query): Params<ChooseQuery>,
) -> Answer<Response> {
    let field = Root::ALL.into_iter().map(setup::key).find(|key| query.get("for").is_some_and(|name| name == key));
    let field = field.ok_or_else(|| Problem::malformed("for: expected the key of a folder"))?;
    let text = query.get("at").or_else(|| query.get(field)).map(|text| text.trim()).filter(|text| !text.is_empty());
    let drives = query.get("at").is_some_and(String::is_empty);
    let at = text.map(PathBuf::from).or_else(|| drives.then(PathBuf::new));
    let listed = state.tasks.blocking(move || places::list(at.as_deref())).await.ok_or(ServiceError::ShuttingDown)?;
    let Place { path, parent, folders, problem } = listed;
    fragment("fragments/_choose.html", context! { field, path, parent, problem, folders => Serde(folders) })
}
