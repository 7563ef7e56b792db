//! The way to the hub: opened again and again for as long as the agent runs, by WebSocket or, where
//! something between strips those, by long poll.
//!
//! Only the hub's own word ends it ([`Ended::ForGood`]): a refusal as JSON or as a frame, or a close code. That no
//! version is spoken by both ends nothing: the agent takes the program that the hub has, and starts anew with it.
//! A page of a proxy, whatever its status, means that the hub is out of reach just now. What is said and
//! heard is handled by `exchange`; jobs go on whether there is a connection or not.

mod backoff;
mod exchange;
mod numbers;
mod poll;
mod socket;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Upgraded;
use shared_io::HubApi;
use shared_protocol::facts::Facts;
use shared_protocol::refusal::{Refusal, RefusalCode};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_util::sync::CancellationToken;

use self::backoff::Backoff;
use self::exchange::{Exchange, Over};
use crate::dispatcher::Dispatcher;
use crate::identity::Identity;
use crate::status::Board;
use crate::timing::Timing;
use crate::update;

/// An open WebSocket.
type Socket = WebSocketStream<Upgraded>;

/// `WebSocket`s in a row that come to nothing before the long poll is used.
const SOCKETS_BEFORE_POLL: u32 = 3;

/// What a connection needs.
#[derive(Debug, Clone)]
pub struct Link {
    /// The hub.
    pub api: HubApi,
    /// The times to keep to.
    pub timing: Timing,
    /// Who this agent is.
    pub identity: Arc<Identity>,
    /// Who does the jobs.
    pub dispatcher: Dispatcher,
    /// What this machine is.
    pub facts: watch::Receiver<Facts>,
    /// Where people see how it goes.
    pub board: Arc<Board>,
    /// This program; none where it is not to be replaced.
    pub program: Option<PathBuf>,
}

/// Why the agent ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Shutdown,
    /// The hub said so, or the session's time is long over.
    ForGood(String),
    /// The hub had another version of this program, which has its place now.
    Replaced,
}

/// What was learnt from the connections so far.
struct Past {
    backoff: Backoff,
    n_failed_sockets: u32,
    last_in_seq: u64,
    /// Until when the hub is not asked for another version of this program.
    no_update_before: Option<Instant>,
    /// From when on an agent whose session is over looks for its hub no more.
    give_up_at: Option<Instant>,
}

/// Keeps the way open until the agent ends.
pub async fn run(link: &Link, shutdown: &CancellationToken) -> Ended {
    let mut past = Past {
        backoff: Backoff::new(&link.timing),
        n_failed_sockets: 0,
        last_in_seq: 0,
        no_update_before: None,
        give_up_at: None,
    };
    let mut better = None;
    loop {
        let mut exchange = Exchange::new(link);
        let over = once(link, &mut exchange, &mut past, better.take(), shutdown).await;
        let lasted = exchange.welcomed.map(|since| since.elapsed());
        if let Some(lasted) = lasted {
            past.last_in_seq = exchange.numbers.received();
            if lasted >= link.timing.healthy_after {
                past.backoff.reset();
            }
            let now = Instant::now();
            past.give_up_at = exchange.expiry.and_then(|expiry| expiry.max(now).checked_add(link.timing.after_expiry));
        }
        let mut at_least = Duration::ZERO;
        let why = match over {
            Over::Shutdown => return Ended::Shutdown,
            Over::Better(socket) => {
                better = Some(*socket);
                continue;
            }
            Over::Refused(refusal) if is_final(&refusal) => return Ended::ForGood(refusal.detail),
            Over::Refused(refusal) if refusal.code == RefusalCode::Version => match past.update(link, shutdown).await {
                Ok(true) => return Ended::Replaced,
                Ok(false) => refusal.detail,
                Err(why) => format!("{} The hub's own program can't be had: {why}.", refusal.detail),
            },
            Over::Refused(refusal) => {
                at_least = Duration::from_secs(refusal.retry_after_s.unwrap_or(0)).min(MOST_PATIENT);
                refusal.detail
            }
            Over::Lost(why) => why,
        };
        link.board.lost(&why);
        let wait = past.backoff.next(rand::random()).max(at_least);
        tracing::warn!(again_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "not connected: {why}");
        let again_at = Instant::now() + wait;
        let give_up_at = past.give_up_at.filter(|give_up_at| *give_up_at <= again_at);
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ended::Shutdown,
            () = tokio::time::sleep_until(give_up_at.unwrap_or(again_at).into()) => {}
        }
        if give_up_at.is_some() {
            return Ended::ForGood("The session's time is over and the hub can't be reached.".to_owned());
        }
    }
}

impl Past {
    /// Takes the hub's program in the place of this one, unless that was tried a moment ago.
    async fn update(&mut self, link: &Link, shutdown: &CancellationToken) -> Result<bool, String> {
        let is_early = self.no_update_before.is_some_and(|at| Instant::now() < at);
        let Some(program) = link.program.as_ref().filter(|_| !is_early) else { return Ok(false) };
        self.no_update_before = Some(Instant::now() + link.timing.update_again);
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(false),
            replaced = update::replace(&link.api, program) => replaced.map_err(|error| error.to_string()),
        }
    }
}

/// Longest wait that the hub can ask for.
const MOST_PATIENT: Duration = Duration::from_mins(10);

/// One connection, by the way that is likely to work.
async fn once(
    link: &Link,
    exchange: &mut Exchange<'_>,
    past: &mut Past,
    better: Option<Socket>,
    shutdown: &CancellationToken,
) -> Over {
    let Link { api, timing, .. } = link;
    if better.is_none() && past.n_failed_sockets >= SOCKETS_BEFORE_POLL {
        let health = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Over::Shutdown,
            health = timeout(timing.dial, api.health()) => health,
        };
        match health {
            Ok(Ok(_)) => {
                tracing::info!("no WebSocket gets through: using the long poll");
                let over = poll::talk(api, exchange, timing, past.last_in_seq, shutdown).await;
                if exchange.welcomed.is_none() {
                    // Perhaps it is the poll that doesn't get through now: a WebSocket has the next try.
                    past.n_failed_sockets = SOCKETS_BEFORE_POLL - 1;
                }
                return over;
            }
            Ok(Err(error)) => return Over::Lost(error.to_string()),
            Err(_) => return Over::Lost("the hub is out of reach: no answer about its health".to_owned()),
        }
    }
    let dialled = if let Some(socket) = better {
        Ok(socket)
    } else {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Err(Over::Shutdown),
            dialled = socket::dial(api, timing.dial) => dialled,
        }
    };
    let over = match dialled {
        Ok(socket) => socket::talk(socket, exchange, timing, past.last_in_seq, shutdown).await,
        Err(over) => over,
    };
    past.n_failed_sockets = if exchange.welcomed.is_some() { 0 } else { past.n_failed_sockets.saturating_add(1) };
    over
}

/// Whether the hub's word ends the agent. Taken over, misunderstood, or of another version, it comes back, whatever is
/// said.
fn is_final(refusal: &Refusal) -> bool {
    !refusal.retry && !matches!(refusal.code, RefusalCode::Superseded | RefusalCode::Protocol | RefusalCode::Version)
}
