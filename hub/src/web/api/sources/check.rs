//! Looking at addresses again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared_protocol::Blake3;
use utoipa::ToSchema;

use crate::domain::described::Blake3Text;
use crate::services::sources::SourceCheckView;
use crate::web::WebState;
use crate::web::error::{Answer, Problem};
use crate::web::extract::{Body, distinct_if_any};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The addresses of these; of all without.
    #[schema(value_type = Option<Vec<Blake3Text>>)]
    #[serde(default, deserialize_with = "distinct_if_any")]
    hashes: Option<Vec<Blake3>>,
}

/// Looks at addresses again: whether they answer, and with a file of the right size. What is asked for
/// while a round is under way comes behind it.
#[utoipa::path(
    post, path = "/api/sources/check", tag = "sources", request_body = Option<CheckRequest>,
    responses((status = 202, body = SourceCheckView), (status = 409), (status = 422))
)]
pub(crate) async fn start_check(
    State(state): State<WebState>,
    body: Option<Body<CheckRequest>>,
) -> Answer<(StatusCode, Json<SourceCheckView>)> {
    let hashes = body.and_then(|Body(request)| request.hashes);
    Ok((StatusCode::ACCEPTED, Json(state.services.source_checks.start(hashes).await?)))
}

/// Shows the round under way, or else the latest one.
#[utoipa::path(
    get, path = "/api/sources/check", tag = "sources",
    responses((status = 200, body = SourceCheckView), (status = 404))
)]
pub(crate) async fn show_check(State(state): State<WebState>) -> Answer<Json<SourceCheckView>> {
    let check = state.services.source_checks.latest().await?;
    check.map(Json).ok_or_else(|| Problem::not_found("No address was looked at yet."))
}

/// Stops the round under way. What was found stays found.
#[utoipa::path(
    post, path = "/api/sources/check/cancel", tag = "sources",
    responses((status = 202, body = SourceCheckView), (status = 409))
)]
pub(crate) async fn cancel_check(State(state): State<WebState>) -> Answer<(StatusCode, Json<SourceCheckView>)> {
    Ok((StatusCode::ACCEPTED, Json(state.services.source_checks.cancel().await?)))
}
