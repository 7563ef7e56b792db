//! The agent's program, for the bootstrapper and for agents that bring themselves to this hub's version.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use shared_protocol::Target;

use super::{RefusedPeer, RemoteState};
use crate::services::serving::AgentProgramState;

/// Sends the program for a kind of machine.
pub(super) async fn program(
    State(state): State<RemoteState>,
    Path(target): Path<String>,
) -> Result<Response, RefusedPeer> {
    let Ok(target) = target.parse::<Target>() else {
        return Err(RefusedPeer::not_found("There is an agent for x86_64-linux and aarch64-linux only."));
    };
    let agent = state.services.serving.agent(target).clone();
    let read = move || match agent.look_blocking() {
        AgentProgramState::Missing(why) => {
            Err(RefusedPeer::not_found(&format!("This hub has no agent for {target}. {why}")))
        }
        AgentProgramState::Ready { .. } => agent.read_blocking().map_err(|why| RefusedPeer::unavailable(&why)),
    };
    match state.tasks.blocking(read).await {
        Some(Ok((bytes, sha256))) => {
            let tag = HeaderValue::from_str(&format!("\"{}\"", sha256.to_hex()));
            let tag = tag.unwrap_or(HeaderValue::from_static("\"\""));
            let headers =
                [(header::ETAG, tag), (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
            Ok((headers, bytes).into_response())
        }
        Some(Err(refused)) => Err(refused),
        None => Err(RefusedPeer::unavailable("The hub is shutting down.")),
    }
}
