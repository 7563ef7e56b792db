//! The latest lines of the log.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::SearchText;
use crate::services::logs::LogLine;
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::{Params, optional, search};

/// How grave a line is at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd.
    #[serde(alias = "warning")]
    Warn,
    /// Something happened.
    Info,
    Debug,
    /// All.
    Trace,
}

impl LogLevel {
    fn as_str(self) -> &'static str {
        self.into()
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// At least so grave.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    level: Option<LogLevel>,
    /// With this text, in any case.
    #[serde(deserialize_with = "search")]
    #[param(value_type = Option<SearchText>, inline, max_length = 1000)]
    q: Option<String>,
}

/// Lists the latest lines of the log, newest first. Older ones are in the files of the data folder.
#[utoipa::path(
    get, path = "/api/logs", tag = "history", params(LogsQuery, PageQuery),
    responses((status = 200, body = ListView<LogLine>))
)]
pub(super) async fn list_logs(
    State(state): State<WebState>,
    Params(query): Params<LogsQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<LogLine>>> {
    let level = query.level.map(LogLevel::as_str);
    let text = query.q.as_deref().unwrap_or_default();
    Ok(Json(state.services.logs.list(level, text, &page.request()?)?))
}
