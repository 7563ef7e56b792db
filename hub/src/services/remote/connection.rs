//! An agent's connection, whatever carries it.
//!
//! The transport gives it what came and takes what is to be said; everything else happens behind it. It
//! ends for one reason, which the transport tells the agent before it closes.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared_protocol::agent_to_hub::{AgentToHub, InventoryFile};
use shared_protocol::envelope::{Decoded, Frame};
use shared_protocol::hub_to_agent::{Drain, HubToAgent, Ping};
use shared_protocol::refusal::{Refusal, RefusalCode};
use shared_protocol::{AgentId, version};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::conversation::{Broken, Conversation};
use super::live::{LiveSession, over};

/// Log lines that an agent may send in a row; one more is forgiven ten times a second.
const MOST_LINES: f64 = 200.0;

/// What an agent says lies in its folder of models.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) files: Vec<InventoryFile>,
    pub(super) n_errors: u64,
    /// There were more than are kept.
    pub(super) is_cut: bool,
}

/// An inventory that is under way, and who waits for it.
pub(super) struct AskedInventory {
    pub(super) inventory: Inventory,
    pub(super) done: oneshot::Sender<Inventory>,
}

/// A connection.
pub struct Connection {
    agent: AgentId,
    generation: u64,
    slots: u32,
    session: LiveSession,
    conversation: Mutex<Conversation>,
    wake: Notify,
    heard: Mutex<Instant>,
    closed: CancellationToken,
    why: OnceLock<Refusal>,
    lines: Mutex<(f64, Instant)>,
    pub(super) asked: Mutex<HashMap<u64, AskedInventory>>,
    /// Counts the polls: a newer one ends the one that is held.
    pub(super) polls: tokio::sync::watch::Sender<u64>,
}

impl Connection {
    pub(super) fn new(
        agent: AgentId,
        generation: u64,
        slots: u32,
        session: LiveSession,
        conversation: Conversation,
    ) -> Self {
        Self {
            agent,
            generation,
            slots,
            session,
            conversation: Mutex::new(conversation),
            wake: Notify::new(),
            heard: Mutex::new(Instant::now()),
            closed: CancellationToken::new(),
            why: OnceLock::new(),
            lines: Mutex::new((0.0, Instant::now())),
            asked: Mutex::default(),
            polls: tokio::sync::watch::Sender::new(0),
        }
    }

    /// Whose it is.
    pub const fn agent(&self) -> AgentId {
        self.agent
    }

    /// Its number, larger than that of all before.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Jobs that its agent will hold.
    pub const fn slots(&self) -> u32 {
        self.slots
    }

    /// The session under which it was opened.
    pub const fn session(&self) -> &LiveSession {
        &self.session
    }

    /// Takes a frame that came. What can't be taken ends the connection.
    pub(super) fn receive(&self, frame: Decoded<AgentToHub>) -> Result<Option<AgentToHub>, Refusal> {
        *self.heard.lock() = Instant::now();
        let (received, owes_ack) = {
            let mut conversation = self.conversation.lock();
            (conversation.receive(frame), conversation.owes_ack())
        };
        if owes_ack {
            self.wake.notify_one();
        }
        received.map_err(|broken| self.broken(&broken))
    }

    /// Has something said; a connection that can't take it ends.
    pub(super) fn say(&self, message: HubToAgent) {
        let said = self.conversation.lock().say(message);
        match said {
            Ok(()) => self.wake.notify_one(),
            Err(broken) => {
                self.broken(&broken);
            }
        }
    }

    /// Something came, though no frame.
    pub fn hear(&self) {
        *self.heard.lock() = Instant::now();
    }

    /// Nothing came for so long that the agent counts as gone.
    pub fn is_silent(&self) -> bool {
        self.heard.lock().elapsed() > version::SILENCE
    }

    /// Whether there is something to carry, be it an acknowledgement.
    pub(super) fn has_news(&self) -> bool {
        let conversation = self.conversation.lock();
        conversation.has_new() || conversation.owes_ack()
    }

    /// Waits until there is something to carry.
    pub async fn news(&self) {
        while !self.has_news() {
            self.wake.notified().await;
        }
    }

    /// What a transport that carries each frame once has to carry. An acknowledgement alone travels on a
    /// ping.
    pub fn take_new(&self) -> Vec<Frame<HubToAgent>> {
        let mut conversation = self.conversation.lock();
        if conversation.owes_ack() && !conversation.has_new() {
            conversation.say(HubToAgent::Ping(Ping { n: 0 })).ok();
        }
        conversation.take_new()
    }

    /// Everything that was not acknowledged, for a transport whose turns may be lost.
    pub(super) fn take_unacked(&self) -> Vec<Frame<HubToAgent>> {
        let mut conversation = self.conversation.lock();
        if conversation.owes_ack() && !conversation.has_unacked() {
            conversation.say(HubToAgent::Ping(Ping { n: 0 })).ok();
        }
        conversation.take_unacked()
    }

    /// Whether something was said that is not acknowledged.
    pub(super) fn has_unacked(&self) -> bool {
        self.conversation.lock().has_unacked()
    }

    /// Pings the agent.
    pub fn ping(&self, n: u64) {
        self.say(HubToAgent::Ping(Ping { n }));
    }

    /// Whether this many more log lines are taken.
    pub(super) fn takes_lines(&self, n: usize) -> bool {
        let mut lines = self.lines.lock();
        let now = Instant::now();
        let forgiven = now.duration_since(lines.1).as_secs_f64() * 10.0;
        let count = (lines.0 - forgiven).max(0.0) + f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        if count > MOST_LINES {
            return false;
        }
        *lines = (count, now);
        true
    }

    /// Ends the connection. The first reason counts.
    pub fn close(&self, why: Refusal) {
        self.why.set(why).ok();
        self.closed.cancel();
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled() || self.session.is_over().is_some()
    }

    /// Waits for the end of the connection or its session, and says why.
    pub async fn ended(&self) -> Refusal {
        tokio::select! {
            () = self.closed.cancelled() => {}
            () = self.session.token().cancelled() => {}
        }
        self.reason()
    }

    /// Why it ended.
    pub(super) fn reason(&self) -> Refusal {
        self.why.get().cloned().unwrap_or_else(|| over(self.session.is_over().unwrap_or(RefusalCode::Revoked)))
    }

    fn broken(&self, broken: &Broken) -> Refusal {
        tracing::warn!(agent = %self.agent, generation = self.generation, %broken, "a connection is ended");
        let refusal = protocol(broken.to_string());
        self.close(refusal.clone());
        refusal
    }
}

/// Against the protocol: ends the connection, not the agent.
pub fn protocol(detail: impl Into<String>) -> Refusal {
    Refusal { code: RefusalCode::Protocol, detail: detail.into(), retry: true, retry_after_s: None }
}

/// Too many of something.
pub(super) fn busy(detail: impl Into<String>, wait: Duration) -> Refusal {
    Refusal { code: RefusalCode::Busy, detail: detail.into(), retry: true, retry_after_s: Some(wait.as_secs()) }
}

/// The hub's own trouble: to be tried again.
pub(super) fn trouble(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "an agent could not be answered");
    let detail = "The hub has trouble of its own; its log says more.".to_owned();
    Refusal { code: RefusalCode::Unavailable, detail, retry: true, retry_after_s: Some(5) }
}

/// The hub goes away.
pub fn drain() -> HubToAgent {
    HubToAgent::Drain(Drain { deadline_s: 2 })
}
