//! The latest log lines.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use super::frame::{Frame, page};
use crate::storage::views::PageRequest;
use crate::web::address::QueryString;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional, search};
use crate::web::state::WebState;

const FRAME: Frame = Frame { section: "logs", title: "Logs", topics: "strip" };

/// Lines on the page; the files hold the rest.
const LINES: u32 = 300;

/// Everything behind the `?` of the log's page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct LogsPageQuery {
    #[serde(deserialize_with = "optional")]
    level: Option<String>,
    #[serde(deserialize_with = "search")]
    q: Option<String>,
}

pub(super) async fn show_logs(State(state): State<WebState>, Params(query): Params<LogsPageQuery>) -> Answer<Response> {
    let folder = state.services.settings.current().app_data_dir.join("logs");
    let content = context! { page => context! { folder => folder.display().to_string(), ..list(&state, &query)? } };
    page(&state, FRAME, "pages/logs.html", content).await
}

/// What the list shows.
pub(in crate::web) fn list(state: &WebState, query: &LogsPageQuery) -> Answer<Value> {
    let text = query.q.as_deref().unwrap_or_default();
    let lines = state.services.logs.list(query.level.as_deref(), text, &PageRequest::latest(LINES))?.items;
    Ok(context! { query => Serde(query), state => query.address(), rows => Serde(lines) })
}

impl LogsPageQuery {
    /// The query of this list.
    pub(in crate::web) fn address(&self) -> String {
        QueryString::new().with_some("level", self.level.as_ref()).with_some("q", self.q.as_ref()).into_text()
    }
}
