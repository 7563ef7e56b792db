//! The control channel as a long poll.

use axum::body::Bytes;
use axum::extract::State;
use axum::{Extension, Json};
use shared_protocol::envelope::Poll;
use shared_protocol::refusal::{Refusal, RefusalCode};

use super::{RefusedPeer, RemoteState};
use crate::services::remote::LiveSession;
use crate::services::remote::connection::protocol;
use crate::services::remote::poll::PollEnd;

/// Takes a turn, and answers when there is something to say or the time is over.
pub(super) async fn turn(
    State(state): State<RemoteState>,
    Extension(session): Extension<LiveSession>,
    body: Bytes,
) -> Result<Json<Poll>, RefusedPeer> {
    let turn: Poll = serde_json::from_slice(&body).map_err(|error| RefusedPeer::from(protocol(error.to_string())))?;
    match state.services.remote.poll(session, turn).await {
        Ok(answer) => Ok(Json(answer)),
        Err(PollEnd::Refused(refusal)) => Err(refusal.into()),
        // 409.
        Err(PollEnd::UnknownGeneration) => Err(RefusedPeer::from(Refusal {
            code: RefusalCode::Superseded,
            detail: "The hub knows no such connection: say hello again.".to_owned(),
            retry: true,
            retry_after_s: None,
        })),
    }
}
