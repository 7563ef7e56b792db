//! What happened.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::{ListView, PageQuery};
use crate::domain::described::SearchText;
use crate::domain::root::Root;
use crate::storage::history::Level;
use crate::storage::views::history::{self, HistoryFilter, HistoryView};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional, search};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    #[serde(deserialize_with = "optional")]
    kind: Option<String>,
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    level: Option<Level>,
    /// About this root.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    root: Option<Root>,
    /// With this text, in any case.
    #[serde(deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
}

/// Lists what happened, newest first.
#[utoipa::path(
    get, path = "/api/history", tag = "history", params(HistoryQuery, PageQuery),
    responses((status = 200, body = ListView<HistoryView>))
)]
pub(super) async fn list_history(
    State(state): State<WebState>,
    Params(query): Params<HistoryQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<HistoryView>>> {
    let request = page.request()?;
    let filter = HistoryFilter { kind: query.kind, level: query.level, root: query.root, search: query.q };
    let page = state.services.database.read(move |connection| history::list(connection, &filter, &request)).await?;
    Ok(Json(page))
}
