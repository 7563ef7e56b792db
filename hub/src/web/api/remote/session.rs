//! The session in which agents may come.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::services::remote::self_test::SelfTestView;
use crate::services::remote::session_view::{SessionStarted, SessionView};
use crate::web::WebState;
use crate::web::error::Answer;
use crate::web::extract::Body;

/// How long the session lives.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionRequest {
    /// Minutes from now, or added to the end; `REMOTE_SESSION_TTL_MINUTES` if left out.
    #[schema(minimum = 1, maximum = 10_080)]
    ttl_minutes: Option<u32>,
}

/// Begins a session; the one before it is revoked. The only answer that holds the key.
#[utoipa::path(
    post, path = "/api/remote/session", tag = "remote", request_body = Option<SessionRequest>,
    responses((status = 201, body = SessionStarted), (status = 409), (status = 422))
)]
pub(in crate::web) async fn create_session(
    State(state): State<WebState>,
    body: Option<Body<SessionRequest>>,
) -> Answer<(StatusCode, Json<SessionStarted>)> {
    let Body(SessionRequest { ttl_minutes }) = body.unwrap_or(Body(SessionRequest::default()));
    Ok((StatusCode::CREATED, Json(state.services.remote.sessions.create(ttl_minutes).await?)))
}

/// Shows the session as it is now, without its key.
#[utoipa::path(get, path = "/api/remote/session", tag = "remote", responses((status = 200, body = SessionView)))]
pub(in crate::web) async fn show_session(State(state): State<WebState>) -> Json<SessionView> {
    Json(state.services.remote.sessions.view())
}

/// Gives the session more time.
#[utoipa::path(
    post, path = "/api/remote/session/extend", tag = "remote", request_body = Option<SessionRequest>,
    responses((status = 200, body = SessionView), (status = 404), (status = 422))
)]
pub(in crate::web) async fn extend_session(
    State(state): State<WebState>,
    body: Option<Body<SessionRequest>>,
) -> Answer<Json<SessionView>> {
    let Body(SessionRequest { ttl_minutes }) = body.unwrap_or(Body(SessionRequest::default()));
    Ok(Json(state.services.remote.sessions.extend(ttl_minutes).await?))
}

/// Ends the session at once: agents are told to stop for good, streams are cut.
#[utoipa::path(
    delete, path = "/api/remote/session", tag = "remote", responses((status = 200, body = SessionView), (status = 404))
)]
pub(in crate::web) async fn revoke_session(State(state): State<WebState>) -> Answer<Json<SessionView>> {
    state.services.remote.sessions.revoke().await?;
    Ok(Json(state.services.remote.sessions.view()))
}

/// Asks this hub through its public address, as an agent would, and tells what is wrong.
#[utoipa::path(
    get, path = "/api/remote/session/self-test", tag = "remote",
    responses((status = 200, body = SelfTestView), (status = 409))
)]
pub(in crate::web) async fn test_session(State(state): State<WebState>) -> Answer<Json<SelfTestView>> {
    Ok(Json(state.services.remote.self_test().await?))
}
