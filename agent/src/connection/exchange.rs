//! What both ways of talking have in common: the numbers, the `hello`, and what becomes of each frame.

use std::time::{Duration, Instant};

use shared_protocol::agent_to_hub::{AgentToHub, Hello};
use shared_protocol::envelope::{Decoded, Frame, FrameError};
use shared_protocol::hub_to_agent::{HubToAgent, Ping, Welcome};
use shared_protocol::refusal::Refusal;
use shared_protocol::version::{PROTO, negotiate};
use tokio::sync::mpsc;

use super::numbers::{Heard, Numbers};
use super::{Link, Socket};
use crate::dispatcher::Holdings;

/// Messages that may wait for one connection. When there are more, the hub takes nothing any more: the
/// connection is given up, and the next one begins with what is on disk.
const MAX_WAITING: usize = 256;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Over {
    /// It broke, or what came was against the protocol: try again.
    Lost(String),
    /// The hub's own word.
    Refused(Refusal),
    /// The agent ends.
    Shutdown,
    /// A WebSocket can be had again: go on with it.
    Better(Box<Socket>),
}

/// One connection's state.
pub(super) struct Exchange<'a> {
    link: &'a Link,
    pub(super) numbers: Numbers,
    /// Highest number received that a frame of the long poll has acknowledged.
    pub(super) acknowledged: u64,
    outbox: Option<mpsc::Sender<AgentToHub>>,
    pub(super) queue: mpsc::Receiver<AgentToHub>,
    /// When the hub said welcome.
    pub(super) welcomed: Option<Instant>,
    /// How often the hub wants to be pinged.
    pub(super) ping_every: Option<Duration>,
    /// Which connection this is.
    pub(super) generation: Option<u64>,
    /// When the session ends, if the hub told.
    pub(super) expiry: Option<Instant>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(link: &'a Link) -> Self {
        let (outbox, queue) = mpsc::channel(MAX_WAITING);
        Self {
            link,
            numbers: Numbers::default(),
            acknowledged: 0,
            outbox: Some(outbox),
            queue,
            welcomed: None,
            ping_every: None,
            generation: None,
            expiry: None,
        }
    }

    /// The first frame.
    pub(super) async fn hello(&mut self, last_in_seq: u64) -> Frame<AgentToHub> {
        let Holdings { slots, active, unacked_results } = self.link.dispatcher.holdings().await;
        let hello = Hello {
            proto_min: PROTO,
            proto_max: PROTO,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            agent_id: self.link.identity.agent_id(),
            boot_id: self.link.identity.boot_id(),
            last_in_seq,
            slots,
            active,
            unacked_results,
            facts: self.link.facts.borrow().clone(),
        };
        self.numbers.wrap(AgentToHub::Hello(Box::new(hello)))
    }

    /// Takes a frame; what is to be answered at once comes back.
    pub(super) async fn hear(
        &mut self,
        decoded: Result<Decoded<HubToAgent>, FrameError>,
    ) -> Result<Option<AgentToHub>, Over> {
        let decoded = decoded.map_err(|error| Over::Lost(error.to_string()))?;
        let (seq, ack) = match &decoded {
            Decoded::Known(frame) => (frame.seq, frame.ack),
            Decoded::Unknown { seq, ack, .. } => (*seq, *ack),
        };
        match self.numbers.hear(seq, ack) {
            Heard::New => {}
            Heard::Again => return Ok(None),
            Heard::Gap => {
                let received = self.numbers.received();
                return Err(Over::Lost(format!("frames are missing between {received} and {}", seq.unwrap_or(0))));
            }
        }
        match decoded {
            Decoded::Known(frame) => self.take(frame.message).await,
            Decoded::Unknown { t, .. } => {
                tracing::debug!(t, "a frame of a later version is skipped");
                Ok(None)
            }
        }
    }

    async fn take(&mut self, message: HubToAgent) -> Result<Option<AgentToHub>, Over> {
        match message {
            HubToAgent::Ping(Ping { n }) => return Ok(Some(AgentToHub::Pong(Ping { n }))),
            HubToAgent::Pong(_) => {}
            HubToAgent::Refuse(refusal) => return Err(Over::Refused(refusal)),
            HubToAgent::Welcome(welcome) => self.welcome(welcome).await?,
            _ if self.welcomed.is_none() => return Err(Over::Lost("the hub did not begin with welcome".to_owned())),
            HubToAgent::SessionUpdate(update) => self.expire_in(update.expires_in_s),
            HubToAgent::Drain(drain) => {
                tracing::info!(deadline_s = drain.deadline_s, "the hub is about to go away for a while");
            }
            message => self.link.dispatcher.said(message).await,
        }
        Ok(None)
    }

    async fn welcome(&mut self, welcome: Welcome) -> Result<(), Over> {
        let Some(outbox) = self.outbox.take() else {
            return Err(Over::Lost("the hub said welcome twice".to_owned()));
        };
        if negotiate((PROTO, PROTO), (welcome.proto, welcome.proto)).is_none() {
            return Err(Over::Lost(format!("the hub speaks version {}, which was not offered", welcome.proto)));
        }
        let id = welcome.agent_id;
        if id != self.link.identity.agent_id() {
            tracing::warn!(%id, "the hub gave this agent a new id: another one uses the old one");
            self.link.identity.become_agent(id).await;
        }
        self.welcomed = Some(Instant::now());
        self.ping_every = Some(Duration::from_secs(welcome.heartbeat_s));
        self.generation = Some(welcome.generation);
        self.expire_in(welcome.expires_in_s);
        self.link.board.connected();
        tracing::info!(generation = welcome.generation, session = %welcome.session, "connected");
        self.link.dispatcher.welcomed(welcome, outbox).await;
        Ok(())
    }

    fn expire_in(&mut self, seconds: u64) {
        // A time too far away to be told is none.
        self.expiry = Instant::now().checked_add(Duration::from_secs(seconds));
        self.link.board.expires_in(Duration::from_secs(seconds));
    }
}
