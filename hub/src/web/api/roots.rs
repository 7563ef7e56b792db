//! Deciding which folder a root is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::scans::ScanStartedView;
use crate::domain::root::Root;
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::InPath;

/// Takes the folder that is at a root's path now for that root, where `can_adopt` of `/api/health` says that this
/// waits for a decision, and begins to scan it. No model file is touched.
#[utoipa::path(
    post, path = "/api/roots/{root}/adopt", tag = "library",
    params(("root" = Root, Path, description = "The root")),
    responses((status = 202, body = ScanStartedView), (status = 409))
)]
pub(super) async fn adopt_root(
    State(state): State<WebState>,
    InPath(root): InPath<Root>,
) -> Answer<(StatusCode, Json<ScanStartedView>)> {
    let id = state.services.adopt(root, &state.tasks).await?;
    Ok((StatusCode::ACCEPTED, Json(ScanStartedView { id })))
}
