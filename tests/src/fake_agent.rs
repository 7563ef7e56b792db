//! An agent that says what a test wants, over a real connection: for what no real agent would say.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use shared_protocol::agent_to_hub::{AgentToHub, Hello};
use shared_protocol::envelope::{Decoded, Frame};
use shared_protocol::facts::Facts;
use shared_protocol::hub_to_agent::{HubToAgent, Welcome};
use shared_protocol::version::{PROTO, SUBPROTOCOL};
use shared_protocol::{AgentId, routes};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use crate::wait::SOON;

/// A connection to a hub's remote listener.
#[derive(Debug)]
pub struct FakeAgent {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    runtime: Runtime,
    id: AgentId,
    last_out: u64,
    last_in: u64,
}

impl FakeAgent {
    /// Connects with a key and says `hello` as a machine that was never seen before.
    pub fn connect(listener: SocketAddr, key: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut request = format!("ws://{listener}{}", routes::SOCKET).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {key}").parse()?);
        headers.insert("sec-websocket-protocol", SUBPROTOCOL.parse()?);
        let (socket, _) = runtime.block_on(tokio_tungstenite::connect_async(request)).context("cannot connect")?;
        let mut agent = Self { socket, runtime, id: AgentId::new(), last_out: 0, last_in: 0 };
        agent.say(&AgentToHub::Hello(Box::new(Hello {
            proto_min: PROTO,
            proto_max: PROTO,
            agent_version: "0.0.0".to_owned(),
            agent_id: agent.id,
            boot_id: Uuid::new_v4(),
            last_in_seq: 0,
            slots: 4,
            active: Vec::new(),
            unacked_results: Vec::new(),
            facts: Facts { os: "Test".to_owned(), arch: "x86_64".to_owned(), ..Facts::default() },
        })))?;
        let welcome: Welcome = agent.wait_for("a welcome", |said| match said {
            HubToAgent::Welcome(welcome) => Some(welcome),
            _ => None,
        })?;
        agent.id = welcome.agent_id;
        Ok(agent)
    }

    /// The id that the hub knows it by.
    pub fn id(&self) -> AgentId {
        self.id
    }

    /// Says something, numbered if it has to be.
    pub fn say(&mut self, message: &AgentToHub) -> Result<()> {
        let text = self.encode(message)?;
        self.runtime.block_on(self.socket.send(Message::text(text))).context("the hub takes nothing more")
    }

    /// Says something again and again, at a pace.
    pub fn repeat(&mut self, n: u64, every: Duration, mut message: impl FnMut(u64) -> AgentToHub) -> Result<()> {
        let texts = (0..n).map(|i| self.encode(&message(i))).collect::<Result<Vec<_>>>()?;
        let socket = &mut self.socket;
        self.runtime.block_on(async {
            let mut pace = tokio::time::interval(every);
            for text in texts {
                pace.tick().await;
                socket.send(Message::text(text)).await.context("the hub takes nothing more")?;
            }
            Ok(())
        })
    }

    /// Waits for what the hub says, passing over the rest.
    pub fn wait_for<T>(&mut self, what: &str, fits: impl Fn(HubToAgent) -> Option<T>) -> Result<T> {
        loop {
            let next = async { tokio::time::timeout(SOON, self.socket.next()).await };
            let Ok(next) = self.runtime.block_on(next) else { bail!("{what}: not within {SOON:?}") };
            let Message::Text(text) = next.context("the hub hung up")?? else { continue };
            let Decoded::Known(frame) = Decoded::<HubToAgent>::decode(&text)? else { continue };
            self.last_in = frame.seq.unwrap_or(0).max(self.last_in);
            if let Some(found) = fits(frame.message) {
                return Ok(found);
            }
        }
    }

    fn encode(&mut self, message: &AgentToHub) -> Result<String> {
        use shared_protocol::envelope::Message as _;
        let seq = message.is_sequenced().then(|| {
            self.last_out += 1;
            self.last_out
        });
        Ok(Frame { seq, ack: self.last_in, message: message.clone() }.encode()?)
    }
}
