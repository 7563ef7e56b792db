//! What happened.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::list::{ListView, PageQuery};
use crate::domain::described::SearchText;
use crate::domain::ids::BatchId;
use crate::domain::root::Root;
use crate::storage::history::Level;
use crate::storage::views::history::{self, HistoryEntry, HistoryFilter};
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Params, optional, search};

/// How much attention a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LevelView {
    /// None.
    Info,
    /// Something was left out.
    Warning,
    /// Something failed.
    Error,
}

impl From<Level> for LevelView {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}

impl From<LevelView> for Level {
    fn from(level: LevelView) -> Self {
        match level {
            LevelView::Info => Self::Info,
            LevelView::Warning => Self::Warning,
            LevelView::Error => Self::Error,
        }
    }
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryView {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// `scan`, `hash`, `batch`, `queue`, `root`, `settings` or `database`.
    pub kind: String,
    /// How much attention it asks for.
    pub level: LevelView,
    /// One sentence.
    pub summary: String,
    /// More, if there is more.
    pub detail: Option<String>,
    /// The root it is about.
    pub root: Option<Root>,
    /// The batch it is about.
    pub batch_id: Option<BatchId>,
}

impl From<HistoryEntry> for HistoryView {
    fn from(line: HistoryEntry) -> Self {
        let HistoryEntry { id, at, kind, level, summary, detail, root, batch_id } = line;
        Self { id, at, kind, level: level.into(), summary, detail, root, batch_id }
    }
}

/// Which lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Of this kind.
    #[serde(deserialize_with = "optional")]
    kind: Option<String>,
    /// Of this level.
    #[serde(deserialize_with = "optional")]
    #[param(inline)]
    level: Option<LevelView>,
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
    responses((status = 200, body = ListView<HistoryView>), (status = 400, body = Problem))
)]
pub(super) async fn list_history(
    State(state): State<WebState>,
    Params(query): Params<HistoryQuery>,
    Params(page): Params<PageQuery>,
) -> Answer<Json<ListView<HistoryView>>> {
    let request = page.request()?;
    let filter =
        HistoryFilter { kind: query.kind, level: query.level.map(Level::from), root: query.root, search: query.q };
    let page = state.services.database.read(move |connection| history::list(connection, &filter, &request)).await?;
    Ok(Json(ListView::of(page)))
}
