//! The control channel by long poll, for the way where something between strips `WebSocket`s.
//!
//! What is not acknowledged is sent again with every turn, so a turn that is lost loses nothing. A turn
//! that the hub holds is given up as soon as there is something to say; the hub ends it by itself when the
//! next one arrives.

use std::time::Instant;

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use shared_io::http::HttpFailure;
use shared_io::hub_api::{HubApi, HubError, read_small, refusal_of};
use shared_protocol::agent_to_hub::{AgentToHub, Bye};
use shared_protocol::envelope::{Decoded, Frame, Message as _, Poll};
use shared_protocol::hub_to_agent::Ping;
use shared_protocol::routes;
use shared_protocol::version::MAX_POLL_BYTES;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Socket;
use super::exchange::{Exchange, Over};
use super::socket::{self, GOODBYE};
use crate::timing::Timing;

/// Frames without acknowledgement beyond which nothing more is taken from the queue.
const MAX_UNACKNOWLEDGED: usize = 64;

/// Frames that may be lost and wait for the next turn; the oldest go first.
const MAX_PASSING: usize = 16;

/// Room in a body for what is around its frames.
const AROUND: usize = 1024;

/// Why a turn brought nothing.
enum Missed {
    /// It can be made again.
    Turn(String),
    /// The connection is over.
    All(Over),
}

/// What ended the wait for a turn.
enum Woken {
    Answered(Result<Poll, Missed>),
    MoreToSay,
    Shutdown,
    Better(Box<Socket>),
    Refused(Over),
}

/// What goes out with the next turn besides what must arrive.
#[derive(Default)]
struct Passing {
    frames: Vec<Frame<AgentToHub>>,
    /// Something was received that no frame has acknowledged yet.
    owes_ack: bool,
    n_pings: u64,
}

impl Passing {
    fn push(&mut self, frame: Frame<AgentToHub>) {
        if self.frames.len() == MAX_PASSING {
            self.frames.remove(0);
        }
        self.frames.push(frame);
    }
}

/// Talks until the connection is over, or a WebSocket can be had.
pub(super) async fn talk(
    api: &HubApi,
    exchange: &mut Exchange<'_>,
    timing: &Timing,
    last_in_seq: u64,
    shutdown: &CancellationToken,
) -> Over {
    drop(exchange.hello(last_in_seq).await);
    let mut passing = Passing::default();
    let mut heard = Instant::now();
    let mut try_socket_at = heard + timing.socket_again;
    loop {
        let patience = if exchange.welcomed.is_some() { timing.poll_answer } else { timing.dial };
        let body = body_of(exchange, &mut passing);
        let turn = async {
            let missed = || Err(Missed::Turn("no answer to a poll".to_owned()));
            timeout(patience, post(api, body)).await.unwrap_or_else(|_| missed())
        };
        match wait(api, exchange, &mut passing, turn, timing, &mut try_socket_at, shutdown).await {
            Woken::MoreToSay => {}
            Woken::Better(socket) => return Over::Better(socket),
            Woken::Refused(over) | Woken::Answered(Err(Missed::All(over))) => return over,
            Woken::Shutdown => {
                goodbye(api, exchange).await;
                return Over::Shutdown;
            }
            Woken::Answered(Ok(poll)) => {
                heard = Instant::now();
                for frame in poll.frames {
                    match exchange.hear(Decoded::from_value(frame)).await {
                        Ok(said) => {
                            passing.owes_ack |= exchange.numbers.received() > exchange.acknowledged;
                            if let Some(said) = said {
                                let frame = exchange.numbers.wrap(said);
                                passing.push(frame);
                            }
                        }
                        Err(over) => return over,
                    }
                }
                if exchange.welcomed.is_none() {
                    return Over::Lost("the hub did not answer hello".to_owned());
                }
            }
            Woken::Answered(Err(Missed::Turn(why))) => {
                if exchange.welcomed.is_none() || heard.elapsed() >= timing.silence {
                    return Over::Lost(why);
                }
                sleep(timing.retry_first).await;
            }
        }
    }
}

/// Waits for a turn's answer, or for what is more urgent.
async fn wait(
    api: &HubApi,
    exchange: &mut Exchange<'_>,
    passing: &mut Passing,
    turn: impl Future<Output = Result<Poll, Missed>>,
    timing: &Timing,
    try_socket_at: &mut Instant,
    shutdown: &CancellationToken,
) -> Woken {
    tokio::pin!(turn);
    let tell_progress_at = Instant::now() + timing.poll_progress;
    loop {
        let is_open = exchange.welcomed.is_some();
        let has_room = exchange.numbers.n_unacknowledged() < MAX_UNACKNOWLEDGED;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Woken::Shutdown,
            answer = &mut turn => return Woken::Answered(answer),
            said = exchange.queue.recv(), if is_open && has_room => {
                let Some(said) = said else {
                    return Woken::Refused(Over::Lost("the hub takes nothing any more".to_owned()));
                };
                let is_urgent = said.is_sequenced();
                let frame = exchange.numbers.wrap(said);
                if is_urgent {
                    return Woken::MoreToSay;
                }
                passing.push(frame);
            }
            () = tokio::time::sleep_until(tell_progress_at.into()), if is_open && !passing.frames.is_empty() => {
                return Woken::MoreToSay;
            }
            () = tokio::time::sleep_until((*try_socket_at).into()), if is_open => {
                *try_socket_at = Instant::now() + timing.socket_again;
                match socket::dial(api, timing.dial).await {
                    Ok(found) => return Woken::Better(Box::new(found)),
                    Err(Over::Refused(refusal)) if !refusal.retry => return Woken::Refused(Over::Refused(refusal)),
                    Err(_) => {}
                }
            }
        }
    }
}

/// Everything that is to be said now. A ping asks for an acknowledgement, or carries one: an answer
/// without frames has none.
fn body_of(exchange: &mut Exchange<'_>, passing: &mut Passing) -> String {
    let is_open = exchange.welcomed.is_some();
    if is_open && (passing.owes_ack || exchange.numbers.n_unacknowledged() > 0) {
        passing.n_pings += 1;
        let ping = exchange.numbers.wrap(AgentToHub::Ping(Ping { n: passing.n_pings }));
        passing.push(ping);
    }
    let mut room = MAX_POLL_BYTES - AROUND;
    let mut frames = Vec::new();
    for frame in exchange.numbers.again().chain(passing.frames.drain(..)) {
        let Ok(text) = frame.encode() else { continue };
        let Some(left) = room.checked_sub(text.len() + 1) else { break };
        room = left;
        frames.extend(serde_json::from_str::<Value>(&text));
    }
    passing.owes_ack = false;
    exchange.acknowledged = exchange.numbers.received();
    serde_json::to_string(&Poll { generation: exchange.generation, frames }).unwrap_or_default()
}

async fn post(api: &HubApi, body: String) -> Result<Poll, Missed> {
    let request = api
        .client()
        .post(api.address().route(routes::POLL))
        .header(AUTHORIZATION, api.authorization())
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let response = request.send().await.map_err(|error| Missed::Turn(HttpFailure::of(error).to_string()))?;
    match response.status() {
        StatusCode::OK => {
            let body = read_small(response, MAX_POLL_BYTES).await.map_err(|error| Missed::Turn(error.to_string()))?;
            serde_json::from_slice(&body).map_err(|_| Missed::Turn("something in between answered a poll".to_owned()))
        }
        StatusCode::CONFLICT => {
            Err(Missed::All(Over::Lost("the hub does not know this connection any more".to_owned())))
        }
        _ => Err(match refusal_of(response).await {
            HubError::Refused(refusal) => Missed::All(Over::Refused(refusal)),
            error => Missed::Turn(error.to_string()),
        }),
    }
}

/// Says that the agent ends, if that is quickly done.
async fn goodbye(api: &HubApi, exchange: &mut Exchange<'_>) {
    while let Ok(said) = exchange.queue.try_recv() {
        drop(exchange.numbers.wrap(said));
    }
    drop(exchange.numbers.wrap(AgentToHub::Bye(Bye { reason: "The agent was stopped.".to_owned() })));
    let body = body_of(exchange, &mut Passing::default());
    // Whether it arrives or not, the agent ends.
    timeout(GOODBYE, post(api, body)).await.ok();
}
