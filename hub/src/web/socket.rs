//! What both sockets share: telling a client what changed, at its pace and never at ours.
//!
//! A client first gets everything, then changes. They are gathered for a quarter of a second, so no
//! thing is told of more than four times a second, and each is read from its service only when it is
//! sent: a client that is behind gets the present, not the past. Nothing waits for a client. One
//! that does not take a message in time is told to come back and dropped; coming back costs it
//! nothing, since it gets everything again.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, close_code};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::WebState;
use crate::services::Event;

/// Shortest time between two messages about the same thing.
const PACE: Duration = Duration::from_millis(250);

/// How long a client may take for one message.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Between two questions whether the client is still there.
const PING: Duration = Duration::from_secs(20);

/// A client that answered nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(70);

/// Clients say nothing that we listen to.
pub(super) const MAX_INCOMING_BYTES: usize = 4 << 10;

/// Why a client is no longer served.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SocketEnd {
    /// It left, or the connection broke.
    Left,
    /// It did not take a message in time.
    TooSlow,
    /// The hub ends.
    Shutdown,
}

/// What a client is told. A new one has everything to tell.
pub(super) trait Feed {
    /// Something changed.
    fn add(&mut self, event: Event);
    /// So much has changed that everything has to be told again.
    fn everything(&mut self);
    /// Whether there is something to tell.
    fn is_pending(&self) -> bool;
    /// The messages of what changed, as it is now.
    fn messages(&mut self, state: &WebState) -> impl Future<Output = Vec<String>> + Send;
}

/// A client's side of the socket, with what every send obeys.
struct Client<'a, S> {
    socket: S,
    shutdown: &'a CancellationToken,
    patience: Duration,
}

/// Serves one client until it leaves, is too slow, or the hub ends.
pub(super) async fn serve<S, E, F>(
    socket: S,
    state: &WebState,
    shutdown: &CancellationToken,
    patience: Duration,
    feed: F,
) -> SocketEnd
where
    S: Sink<Frame> + Stream<Item = Result<Frame, E>> + Unpin,
    F: Feed,
{
    let mut client = Client { socket, shutdown, patience };
    let end = match client.run(state, feed).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let farewell = match end {
        SocketEnd::Left => None,
        SocketEnd::TooSlow => Some((close_code::AGAIN, "too slow: connect again for a new snapshot")),
        SocketEnd::Shutdown => Some((close_code::RESTART, "the hub is shutting down: connect again later")),
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
    async fn run<F: Feed>(&mut self, state: &WebState, mut feed: F) -> Result<std::convert::Infallible, SocketEnd> {
        // Listening begins before the first message is made, so that nothing falls in between.
        let mut events = state.services.events.subscribe();
        let mut next = Instant::now();
        let mut heard = Instant::now();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => feed.add(event),
                    Err(RecvError::Lagged(_)) => feed.everything(),
                    Err(RecvError::Closed) => return Err(SocketEnd::Shutdown),
                },
                () = sleep_until(next), if feed.is_pending() => {
                    for message in feed.messages(state).await {
                        self.send(Frame::Text(message.into())).await?;
                    }
                    next = Instant::now() + PACE;
                }
                frame = self.socket.next() => match frame {
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return Err(SocketEnd::Left),
                    Some(Ok(_)) => heard = Instant::now(),
                },
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(SocketEnd::Left);
                    }
                    self.send(Frame::Ping(axum::body::Bytes::new())).await?;
                }
                () = self.shutdown.cancelled() => return Err(SocketEnd::Shutdown),
            }
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), SocketEnd> {
        tokio::select! {
            sent = timeout(self.patience, self.socket.send(frame)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(SocketEnd::Left),
                Err(_) => Err(SocketEnd::TooSlow),
            },
            () = self.shutdown.cancelled() => Err(SocketEnd::Shutdown),
        }
    }
}
