//! The control channel as a WebSocket. It only carries: what is said and what follows is the
//! service's business.
//!
//! Nothing waits for an agent. One that does not take a frame in time is cut off and comes back; the
//! end of its session is told and the socket closed, whatever is under way.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::{FutureExt as _, SinkExt as _, Stream, StreamExt as _};
use shared_protocol::envelope::{Decoded, Frame};
use shared_protocol::hub_to_agent::HubToAgent;
use shared_protocol::refusal::{Refusal, RefusalCode, close};
use shared_protocol::version;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{RefusedPeer, RemoteState};
use crate::services::remote::connection::{Connection, drain, protocol};
use crate::services::remote::{LiveSession, Remote};

/// How long an agent may take for its first frame, and for each frame it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most frames that are taken together.
const TOGETHER: usize = 64;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why the socket is closed.
enum RemoteSocketEnd {
    /// It is gone already.
    Gone,
    /// The hub says no, and why.
    RefusedPeer(Refusal),
    /// The hub goes away.
    Shutdown,
}

/// Opens the control channel.
pub(super) async fn open(
    State(state): State<RemoteState>,
    Extension(session): Extension<LiveSession>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, RefusedPeer> {
    // Something on the way may have taken the upgrade away: the agent tries the long poll then.
    let upgrade = upgrade.map_err(|_| RefusedPeer::from(protocol("This address takes WebSockets.")))?;
    let upgrade = upgrade
        .protocols([version::SUBPROTOCOL])
        .max_message_size(version::MAX_FRAME_BYTES)
        .max_frame_size(version::MAX_FRAME_BYTES)
        .max_write_buffer_size(4 * version::MAX_FRAME_BYTES);
    if upgrade.selected_protocol().is_none() {
        return Err(protocol(format!("The subprotocol has to be {}.", version::SUBPROTOCOL)).into());
    }
    let tracker = state.tasks.tracker().clone();
    Ok(upgrade.on_upgrade(move |socket| tracker.track_future(serve(socket, state, session))))
}

async fn serve(mut socket: WebSocket, state: RemoteState, session: LiveSession) {
    let remote = state.services.remote.clone();
    let end = match greet(&mut socket, &remote, session).await {
        Err(end) => end,
        Ok(connection) => {
            let shutdown = state.tasks.token();
            let end = tokio::select! {
                end = carry(&mut socket, &remote, &connection) => end,
                refusal = connection.ended() => RemoteSocketEnd::RefusedPeer(refusal),
                () = shutdown.cancelled() => RemoteSocketEnd::Shutdown,
            };
            remote.disconnected(&connection).await;
            end
        }
    };
    timeout(FAREWELL, farewell(&mut socket, end)).await.ok();
}

/// Takes the hello.
async fn greet(
    socket: &mut WebSocket,
    remote: &Remote,
    session: LiveSession,
) -> Result<Arc<Connection>, RemoteSocketEnd> {
    let first = async {
        loop {
            match socket.recv().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(RemoteSocketEnd::RefusedPeer(protocol("frames are text"))),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(RemoteSocketEnd::Gone),
            }
        }
    };
    let text = match timeout(PATIENCE, first).await {
        Ok(text) => text?,
        Err(_) => return Err(RemoteSocketEnd::RefusedPeer(protocol("no \"hello\" came in time"))),
    };
    let hello = Decoded::decode(&text).map_err(|error| RemoteSocketEnd::RefusedPeer(protocol(error.to_string())))?;
    remote.connect(session, hello).await.map_err(RemoteSocketEnd::RefusedPeer)
}

async fn carry(socket: &mut WebSocket, remote: &Remote, connection: &Arc<Connection>) -> RemoteSocketEnd {
    let mut ping = interval(version::PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sink, mut stream) = socket.split();
    let mut n_pings = 0;
    loop {
        tokio::select! {
            message = stream.next() => {
                let (texts, end) = take_ready(connection, message, &mut stream);
                if let Err(refusal) = remote.hear_texts(connection, &texts).await {
                    return RemoteSocketEnd::RefusedPeer(refusal);
                }
                if let Some(end) = end {
                    return end;
                }
            }
            () = connection.news() => {
                for frame in connection.take_new() {
                    let Some(message) = text_of(&frame) else { continue };
                    match timeout(PATIENCE, sink.send(message)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) | Err(_) => return RemoteSocketEnd::Gone,
                    }
                }
            }
            _ = ping.tick() => {
                n_pings += 1;
                connection.ping(n_pings);
            }
        }
    }
}

/// Takes what came together: the texts of frames, and why there will be no more.
fn take_ready(
    connection: &Connection,
    mut message: Option<Result<Message, axum::Error>>,
    stream: &mut (impl Stream<Item = Result<Message, axum::Error>> + Unpin),
) -> (Vec<Utf8Bytes>, Option<RemoteSocketEnd>) {
    let mut texts = Vec::new();
    loop {
        match message {
            Some(Ok(Message::Text(text))) => texts.push(text),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => connection.hear(),
            Some(Ok(Message::Binary(_))) => {
                return (texts, Some(RemoteSocketEnd::RefusedPeer(protocol("frames are text"))));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return (texts, Some(RemoteSocketEnd::Gone)),
        }
        if texts.len() == TOGETHER {
            return (texts, None);
        }
        match stream.next().now_or_never() {
            Some(next) => message = next,
            None => return (texts, None),
        }
    }
}

fn text_of(frame: &Frame<HubToAgent>) -> Option<Message> {
    let encoded = frame.encode().inspect_err(|error| tracing::error!(%error, "a frame can't be written"));
    encoded.ok().map(|text| Message::Text(text.into()))
}

/// The last word is outside the sequence: nobody acknowledges it.
async fn farewell(socket: &mut WebSocket, end: RemoteSocketEnd) {
    let (message, code, reason) = match end {
        RemoteSocketEnd::Gone => return,
        RemoteSocketEnd::Shutdown => (drain(), close_code::RESTART, "the hub is shutting down".to_owned()),
        RemoteSocketEnd::RefusedPeer(refusal) => {
            let (code, reason) = (code_of(refusal.code), refusal.detail.clone());
            (HubToAgent::Refuse(refusal), code, reason)
        }
    };
    if let Some(message) = text_of(&Frame { seq: None, ack: 0, message }) {
        socket.send(message).await.ok();
    }
    // A close frame holds 123 bytes of reason.
    let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
    socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.ok();
    // To close while something unread lies here would reset the connection, and what was just said would be
    // thrown away on its way.
    while let Some(Ok(_)) = socket.recv().await {}
}

const fn code_of(code: RefusalCode) -> u16 {
    match code {
        RefusalCode::Expired => close::EXPIRED,
        RefusalCode::Revoked | RefusalCode::Unauthorized => close::REVOKED,
        RefusalCode::Superseded => close::SUPERSEDED,
        RefusalCode::Protocol | RefusalCode::Version => close::PROTOCOL,
        _ => close_code::AGAIN,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests may unwrap")]
mod tests;
