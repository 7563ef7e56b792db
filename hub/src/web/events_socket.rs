//! `/ws/events`: everything that changes, as JSON, for tools. How clients are treated is told in
//! [`super::socket`].

mod message;
mod pending;

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::{Sink, Stream};
use tokio_util::sync::CancellationToken;

use self::message::Message;
use self::pending::Pending;
use super::WebState;
use super::error::{Answer, Problem};
use super::socket::{self, Feed, MAX_INCOMING_BYTES, PATIENCE, SocketEnd};
use crate::services::Event;

/// Opens the stream of changes: a snapshot first, then each change, at most four times a second per
/// thing. Whoever is too slow is closed with 1013 and comes back for a new snapshot.
#[utoipa::path(
    get, path = "/ws/events", tag = "events",
    responses((status = 101, description = "WebSocket; each text frame is one JSON message", body = Message))
)]
pub(super) async fn open_events(
    State(state): State<WebState>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let upgrade = upgrade.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let Ok(place) = state.event_clients.clone().try_acquire_owned() else {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many clients listen already; come back later."));
    };
    // Held from here on, so that the end of the program waits also for a socket about to open.
    let held = state.tasks.tracker().token();
    Ok(upgrade.max_message_size(MAX_INCOMING_BYTES).max_frame_size(MAX_INCOMING_BYTES).on_upgrade(
        move |socket: WebSocket| async move {
            let shutdown = state.tasks.token().clone();
            Box::pin(serve(socket, &state, &shutdown, PATIENCE)).await;
            drop((place, held));
        },
    ))
}

/// Serves one client until it leaves, is too slow, or the hub ends.
async fn serve<S, E>(socket: S, state: &WebState, shutdown: &CancellationToken, patience: Duration) -> SocketEnd
where
    S: Sink<Frame> + Stream<Item = Result<Frame, E>> + Unpin,
{
    let mut pending = Pending::default();
    pending.everything();
    socket::serve(socket, state, shutdown, patience, pending).await
}

impl Feed for Pending {
    fn add(&mut self, event: Event) {
        // The inherent one.
        Self::add(self, event);
    }

    fn everything(&mut self) {
        Self::everything(self);
    }

    fn is_pending(&self) -> bool {
        !self.is_empty()
    }

    /// A message that could not be made was logged, and the next change comes.
    async fn messages(&mut self, state: &WebState) -> Vec<String> {
        let mut messages = Vec::new();
        match self.take_events() {
            Some(events) => {
                for event in events {
                    messages.push(Message::about(event, state).await);
                }
            }
            None => messages.push(Message::snapshot(state).await),
        }
        messages.into_iter().filter_map(|made| made.ok()?.to_json()).collect()
    }
}

#[cfg(test)]
mod tests;
