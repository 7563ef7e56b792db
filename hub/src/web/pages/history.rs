//! What happened, newest first.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::frame::{Frame, page};
use crate::storage::Connection;
use crate::storage::views::history::{self, HistoryFilter, HistoryView, level_of};
use crate::storage::views::page::PageRequest;
use crate::web::address::QueryString;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional};
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "history", title: "History", topics: "strip,history" };

/// Lines on one page.
const ROWS: u32 = 100;

/// Everything behind the `?` of the history's page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct HistoryPageQuery {
    #[serde(deserialize_with = "optional")]
    kind: Option<String>,
    #[serde(deserialize_with = "optional")]
    level: Option<String>,
    #[serde(deserialize_with = "optional")]
    cursor: Option<String>,
}

pub(super) async fn show_history(
    State(state): State<WebState>,
    Params(query): Params<HistoryPageQuery>,
) -> Answer<Response> {
    let content = context! { page => list(&state, &query).await? };
    page(&state, FRAME, "pages/history.html", content).await
}

/// What the list shows.
pub(in crate::web) async fn list(state: &WebState, query: &HistoryPageQuery) -> Answer<Value> {
    let level = match query.level.as_deref() {
        Some(name) => Some(level_of(name).ok_or_else(|| Problem::malformed("level: expected info, warning or error"))?),
        None => None,
    };
    let filter = HistoryFilter { kind: query.kind.clone(), level, ..HistoryFilter::default() };
    let request = PageRequest::new(ROWS, query.cursor.clone())?;
    let page = state.services.database.read(move |connection| history::list(connection, &filter, &request)).await?;
    let next = page.next_cursor.as_ref().map(|cursor| query.address(Some(cursor)));
    Ok(context! {
        query => Serde(query),
        state => query.address(query.cursor.as_ref()),
        is_filtered => query.kind.is_some() || query.level.is_some(),
        rows => Serde(page.items),
        next,
    })
}

/// The latest lines.
pub(in crate::web) async fn latest(state: &WebState, limit: u32) -> Answer<Vec<HistoryView>> {
    let request = PageRequest::latest(limit);
    let read = move |connection: &Connection| history::list(connection, &HistoryFilter::default(), &request);
    Ok(state.services.database.read(read).await?.items)
}

impl HistoryPageQuery {
    /// The query of this list, or of a page of it.
    pub(in crate::web) fn address(&self, cursor: Option<&String>) -> String {
        QueryString::new()
            .with_some("kind", self.kind.as_ref())
            .with_some("level", self.level.as_ref())
            .with_some("cursor", cursor)
            .into_text()
    }
}
