//! The agent's program, for the bootstrapper.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use shared_protocol::routes;

use super::{RefusedPeer, RemoteState};

/// Sends the program for a target.
pub(super) async fn program(
    State(state): State<RemoteState>,
    Path(target): Path<String>,
) -> Result<Response, RefusedPeer> {
    if target != routes::TARGET {
        return Err(RefusedPeer::not_found("There is an agent for x86_64-linux only."));
    }
    let agent = state.services.serving.agent().clone();
    match state.tasks.blocking(move || agent.read_blocking()).await {
        Some(Ok((bytes, sha256))) => {
            let tag = HeaderValue::from_str(&format!("\"{}\"", sha256.to_hex()));
            let tag = tag.unwrap_or(HeaderValue::from_static("\"\""));
            let headers =
                [(header::ETAG, tag), (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
            Ok((headers, bytes).into_response())
        }
        Some(Err(why)) => Err(RefusedPeer::unavailable(&why)),
        None => Err(RefusedPeer::unavailable("The hub is shutting down.")),
    }
}
