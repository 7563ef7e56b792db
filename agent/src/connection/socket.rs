//! The control channel as a WebSocket.
//!
//! The upgrade is an ordinary request of the HTTP client, so that an answer in its place is read whole:
//! it is either the hub's own refusal or a page of something in between.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderMap, UPGRADE};
use shared_io::hub_api::{HubApi, HubError, refusal_of};
use shared_protocol::agent_to_hub::{AgentToHub, Bye};
use shared_protocol::envelope::{Decoded, Frame};
use shared_protocol::hub_to_agent::Ping;
use shared_protocol::refusal::{Refusal, RefusalCode, close};
use shared_protocol::routes;
use shared_protocol::version::{MAX_FRAME_BYTES, SUBPROTOCOL};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::Socket;
use super::exchange::{Exchange, Over};
use crate::heartbeat::{Beat, Heartbeat};
use crate::timing::Timing;

/// How long a goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

/// Opens a WebSocket.
pub(super) async fn dial(api: &HubApi, patience: Duration) -> Result<Socket, Over> {
    match timeout(patience, upgrade(api)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(HubError::Refused(refusal))) => Err(Over::Refused(refusal)),
        Ok(Err(error)) => Err(Over::Lost(error.to_string())),
        Err(_) => Err(Over::Lost(format!("the hub is out of reach: no answer within {} s", patience.as_secs()))),
    }
}

async fn upgrade(api: &HubApi) -> Result<Socket, HubError> {
    let key = generate_key();
    let request = api
        .client()
        .get(api.address().route(routes::SOCKET))
        .header(AUTHORIZATION, api.authorization())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", &key)
        .header("Sec-WebSocket-Protocol", SUBPROTOCOL);
    let response = request.send().await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal_of(response).await);
    }
    if !is_ours(response.headers(), &key) {
        return Err(HubError::OutOfReach("something in between answered the upgrade".to_owned()));
    }
    let stream = response.upgrade().await?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
        .max_write_buffer_size(4 * MAX_FRAME_BYTES);
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
}

/// Whether the upgrade was answered by who read its key and speaks the subprotocol.
fn is_ours(headers: &HeaderMap, key: &str) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes());
    is("Sec-WebSocket-Accept", &derive_accept_key(key.as_bytes())) && is("Sec-WebSocket-Protocol", SUBPROTOCOL)
}

/// Talks until the connection is over.
pub(super) async fn talk(
    mut socket: Socket,
    exchange: &mut Exchange<'_>,
    timing: &Timing,
    last_in_seq: u64,
    shutdown: &CancellationToken,
) -> Over {
    let hello = exchange.hello(last_in_seq).await;
    if let Err(over) = send(&mut socket, hello, timing.silence).await {
        return over;
    }
    let begun = Instant::now();
    let mut heartbeat = Heartbeat::new(timing.ping_every, timing.silence, begun);
    loop {
        let mut wake_at = heartbeat.wake_at();
        if exchange.welcomed.is_none() {
            wake_at = wake_at.min(begun + timing.dial);
        }
        let said = tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                goodbye(&mut socket, exchange).await;
                return Over::Shutdown;
            }
            received = socket.next() => {
                heartbeat.hear(Instant::now());
                let text = match text_of(received) {
                    Ok(Some(text)) => text,
                    Ok(None) => continue,
                    Err(over) => return over,
                };
                match exchange.hear(Decoded::decode(&text)).await {
                    Ok(said) => {
                        if let Some(every) = exchange.ping_every.take() {
                            heartbeat.ask_every(every);
                        }
                        said
                    }
                    Err(over) => return over,
                }
            }
            said = exchange.queue.recv(), if exchange.welcomed.is_some() => match said {
                Some(said) => Some(said),
                None => return Over::Lost("the hub takes nothing any more".to_owned()),
            },
            () = tokio::time::sleep_until(wake_at.into()) => {
                let now = Instant::now();
                if exchange.welcomed.is_none() && now >= begun + timing.dial {
                    return Over::Lost("the hub did not answer hello".to_owned());
                }
                match heartbeat.due(now) {
                    Some(Beat::Dead) => {
                        return Over::Lost(format!("the hub was silent for {} s", timing.silence.as_secs()));
                    }
                    Some(Beat::Ping(n)) => Some(AgentToHub::Ping(Ping { n })),
                    None => None,
                }
            }
        };
        if let Some(said) = said {
            let frame = exchange.numbers.wrap(said);
            if let Err(over) = send(&mut socket, frame, timing.silence).await {
                return over;
            }
        }
    }
}

/// The text of what came; none for what is only between the two ends of a WebSocket.
fn text_of(received: Option<Result<Message, Error>>) -> Result<Option<Utf8Bytes>, Over> {
    match received {
        None => Err(Over::Lost("the connection ended".to_owned())),
        Some(Err(error)) => Err(Over::Lost(format!("the connection broke: {error}"))),
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_))) => Err(Over::Lost("the hub sent what is no text".to_owned())),
        Some(Ok(Message::Close(closed))) => Err(match closed {
            Some(frame) => closed_with(frame.code.into(), &frame.reason),
            None => Over::Lost("the connection was closed".to_owned()),
        }),
        Some(Ok(_)) => Ok(None),
    }
}

/// What a close code means. It follows a `refuse`, which may not have arrived.
fn closed_with(code: u16, reason: &str) -> Over {
    let (code, detail, retry) = match code {
        close::EXPIRED => (RefusalCode::Expired, "The session's time is over.", false),
        close::REVOKED => (RefusalCode::Revoked, "The session was ended.", false),
        close::SUPERSEDED => (RefusalCode::Superseded, "A newer connection of this agent has taken over.", true),
        close::PROTOCOL => (RefusalCode::Protocol, "What was sent is against the protocol.", true),
        other => return Over::Lost(format!("the connection was closed ({other} {reason})")),
    };
    Over::Refused(Refusal { code, detail: detail.to_owned(), retry, retry_after_s: None })
}

async fn send(socket: &mut Socket, frame: Frame<AgentToHub>, patience: Duration) -> Result<(), Over> {
    let text = frame.encode().map_err(|error| Over::Lost(error.to_string()))?;
    match timeout(patience, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Over::Lost(format!("the connection broke: {error}"))),
        Err(_) => Err(Over::Lost("the hub takes nothing any more".to_owned())),
    }
}

/// Says that the agent ends, if that is quickly done: what was still to be said first.
async fn goodbye(socket: &mut Socket, exchange: &mut Exchange<'_>) {
    let farewell = async {
        while let Ok(said) = exchange.queue.try_recv() {
            let frame = exchange.numbers.wrap(said);
            send(socket, frame, GOODBYE).await.ok()?;
        }
        let bye = exchange.numbers.wrap(AgentToHub::Bye(Bye { reason: "The agent was stopped.".to_owned() }));
        send(socket, bye, GOODBYE).await.ok()?;
        socket.close(None).await.ok()
    };
    // Whether it arrives or not, the agent ends.
    timeout(GOODBYE, farewell).await.ok();
}
