//! The database: its copies, and what an earlier one knew.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::services::upkeep::Lost;
use crate::storage::backups::{self, Backup};
use crate::storage::open;
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::Body;

#[derive(Debug, Serialize, ToSchema)]
pub struct DatabaseView {
    pub path: String,
    pub schema: usize,
    /// Its copies, the newest first. The newest that is whole takes the place of a database that is
    /// broken or gone.
    pub backups: Vec<Backup>,
    /// What an earlier database knew of the folders and this one does not.
    pub lost: Lost,
}

/// What to do about a database that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LostAction {
    /// Take back what the list on Local names.
    TakeEvictions,
    /// Begin without it.
    BeginAnew,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LostRequest {
    action: LostAction,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LostReceipt {
    /// Evicted files that are known again.
    pub n_files: u64,
}

/// Shows the database, its copies, and what was lost.
#[utoipa::path(get, path = "/api/database", tag = "hub", responses((status = 200, body = DatabaseView)))]
pub(super) async fn show_database(State(state): State<WebState>) -> Answer<Json<DatabaseView>> {
    let path = state.services.database.path().to_owned();
    let shown = path.display().to_string();
    let backups = state.tasks.blocking(move || backups::list(&path)).await.unwrap_or_default();
    let lost = state.services.evictions_list.lost().await?;
    Ok(Json(DatabaseView { path: shown, schema: open::schema(), backups, lost }))
}

/// Says what to do about a database that was lost.
#[utoipa::path(
    post, path = "/api/database/lost", tag = "hub", request_body = LostRequest,
    responses((status = 200, body = LostReceipt), (status = 404))
)]
pub(super) async fn answer_lost(
    State(state): State<WebState>,
    Body(request): Body<LostRequest>,
) -> Answer<Json<LostReceipt>> {
    let list = &state.services.evictions_list;
    let n_files = match request.action {
        LostAction::TakeEvictions => list.take_back().await?,
        LostAction::BeginAnew => list.begin_anew().await.map(|()| 0)?,
    };
    Ok(Json(LostReceipt { n_files }))
}
