//! `/ws/events`: everything that changes, as JSON, for tools.
//!
//! A client first gets a snapshot of all that is under way, then every change. Changes are gathered
//! for a quarter of a second, so no thing is told of more than four times a second, and each is read
//! from its service only when it is sent: a client that is behind gets the present, not the past.
//! Nothing waits for a client. One that does not take a message in time is told to come back and
//! dropped; coming back costs it nothing, since it gets a snapshot again.

mod message;
mod pending;

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::message::Message;
use self::pending::Pending;
use super::WebState;
use super::error::{Answer, Problem};

/// Shortest time between two messages about the same thing.
const PACE: Duration = Duration::from_millis(250);

/// How long a client may take for one message.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Between two questions whether the client is still there.
const PING: Duration = Duration::from_secs(20);

/// A client that answered nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(70);

/// Clients say nothing that we listen to.
const MAX_INCOMING_BYTES: usize = 4 << 10;

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

/// Why a client is no longer served.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It left, or the connection broke.
    Left,
    /// It did not take a message in time.
    TooSlow,
    /// The hub ends.
    Shutdown,
}

/// A client's side of the socket, with what every send obeys.
struct Client<'a, S> {
    socket: S,
    shutdown: &'a CancellationToken,
    patience: Duration,
}

/// Serves one client until it leaves, is too slow, or the hub ends.
async fn serve<S, E>(socket: S, state: &WebState, shutdown: &CancellationToken, patience: Duration) -> End
where
    S: Sink<Frame> + Stream<Item = Result<Frame, E>> + Unpin,
{
    let mut client = Client { socket, shutdown, patience };
    let end = match client.run(state).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let farewell = match end {
        End::Left => None,
        End::TooSlow => Some((close_code::AGAIN, "too slow: connect again for a new snapshot")),
        End::Shutdown => Some((close_code::RESTART, "the hub is shutting down: connect again later")),
    };
    if let Some((code, reason)) = farewell {
        let frame = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
        timeout(FAREWELL, client.socket.send(frame)).await.ok();
    }
    end
}

impl<S, E> Client<'_, S>
where
    S: Sink<Frame> + Stream<Item = Result<Frame, E>> + Unpin,
{
    async fn run(&mut self, state: &WebState) -> Result<std::convert::Infallible, End> {
        // Listening begins before the snapshot is taken, so that nothing falls in between.
        let mut events = state.services.events.subscribe();
        self.tell(Message::snapshot(state).await).await?;
        let mut pending = Pending::default();
        let mut next = Instant::now() + PACE;
        let mut heard = Instant::now();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => pending.add(event),
                    Err(RecvError::Lagged(_)) => pending.everything(),
                    Err(RecvError::Closed) => return Err(End::Shutdown),
                },
                () = sleep_until(next), if !pending.is_empty() => {
                    match pending.take() {
                        Some(events) => for event in events {
                            self.tell(Message::about(event, state).await).await?;
                        },
                        None => self.tell(Message::snapshot(state).await).await?,
                    }
                    next = Instant::now() + PACE;
                }
                frame = self.socket.next() => match frame {
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return Err(End::Left),
                    Some(Ok(_)) => heard = Instant::now(),
                },
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(End::Left);
                    }
                    self.send(Frame::Ping(axum::body::Bytes::new())).await?;
                }
                () = self.shutdown.cancelled() => return Err(End::Shutdown),
            }
        }
    }

    /// Sends a message; one that could not be made was logged, and the next change comes.
    async fn tell(&mut self, message: Answer<Message>) -> Result<(), End> {
        match message.map(|message| message.to_json()) {
            Ok(Some(json)) => self.send(Frame::Text(json.into())).await,
            Ok(None) | Err(_) => Ok(()),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), End> {
        tokio::select! {
            sent = timeout(self.patience, self.socket.send(frame)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Left),
                Err(_) => Err(End::TooSlow),
            },
            () = self.shutdown.cancelled() => Err(End::Shutdown),
        }
    }
}

#[cfg(test)]
mod tests;
