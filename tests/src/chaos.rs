//! A proxy between hub and agent that fails on demand, as tunnels and networks do.
//!
//! It carries bytes and, where they are plain HTTP/1.1, understands enough of them to fail at a chosen
//! moment: at a frame of the control channel, after so many bytes of a body, at a request. What it
//! can't read it carries unread. With a certificate it ends TLS, as a tunnel does. Its address stays
//! while the hub behind it goes and comes back; meanwhile it answers with a tunnel's own page.

mod pump;
mod reply;
mod rules;
mod sniff;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::ca::TestCa;
use crate::wait::wait_until;

pub use reply::Reply;
pub use rules::{Fired, Trigger};

/// One end of what is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// What the agent, or any other client, sends.
    Agent,
    /// What the hub sends.
    Hub,
}

/// What the proxy does to everything that passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Carries it.
    Pass,
    /// Carries nothing of these sides and closes nothing; what was sent arrives when the mode changes.
    Blackhole(Vec<Side>),
    /// Answers requests itself: those whose path contains the text.
    Answer(Reply, &'static str),
    /// Refuses to upgrade to a WebSocket, with this status, and carries everything else.
    StripUpgrade(u16),
    /// Carries so many bytes per second of what the hub sends, all connections together.
    Throttle(u64),
    /// Carries each byte by itself.
    Slice,
}

impl Mode {
    /// Nothing passes in either direction.
    pub fn blackhole() -> Self {
        Self::Blackhole(vec![Side::Agent, Side::Hub])
    }

    fn holds(&self, side: Side) -> bool {
        matches!(self, Self::Blackhole(sides) if sides.contains(&side))
    }
}

/// What connections listen to.
#[derive(Debug, Clone)]
struct Control {
    mode: Mode,
    /// Grows with every cut; a connection ends when it is another than at its start.
    cuts: u64,
}

/// What has passed.
#[derive(Debug, Default)]
struct Seen {
    requests: Vec<String>,
    frames: Vec<(Side, String)>,
    bodies: BTreeMap<String, u64>,
    n_connections: u64,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    control: watch::Sender<Control>,
    triggers: Mutex<Vec<Arc<rules::Armed>>>,
    seen: Mutex<Seen>,
    /// When a throttled byte may go next.
    next_turn: Mutex<Option<tokio::time::Instant>>,
}

/// A running proxy. Everything ends with it.
#[derive(Debug)]
pub struct Chaos {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    // Dropped with the proxy: that ends all of its tasks.
    _runtime: tokio::runtime::Runtime,
}

impl Chaos {
    /// A proxy in front of an address, without TLS on either side.
    pub fn before(upstream: SocketAddr) -> Result<Self> {
        Self::start(upstream, None)
    }

    /// A proxy that ends TLS, with a plain connection to the address behind it.
    pub fn ending_tls(upstream: SocketAddr, ca: &TestCa) -> Result<Self> {
        Self::start(upstream, Some(TlsAcceptor::from(ca.server_config())))
    }

    fn start(upstream: SocketAddr, tls: Option<TlsAcceptor>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("the proxy can't listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            control: watch::Sender::new(Control { mode: Mode::Pass, cuts: 0 }),
            triggers: Mutex::default(),
            seen: Mutex::default(),
            next_turn: Mutex::default(),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        runtime.spawn(accept(listener, tls, Arc::clone(&shared)));
        Ok(Self { address, scheme, shared, _runtime: runtime })
    }

    /// Its base address, without the `/` at the end.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries new connections to another address.
    pub fn point_at(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock() = upstream;
    }

    /// Changes what it does, for open connections too.
    pub fn set(&self, mode: Mode) {
        self.shared.control.send_modify(|control| control.mode = mode);
    }

    /// Resets every open connection on both sides, as a pulled cable does once somebody notices.
    pub fn cut(&self) {
        self.shared.control.send_modify(|control| control.cuts += 1);
    }

    /// Waits in ambush. Each trigger fires once.
    pub fn arm(&self, trigger: Trigger) -> Fired {
        let (armed, fired) = trigger.arm();
        self.shared.triggers.lock().push(armed);
        fired
    }

    /// Method and address of every request, in the order they came.
    pub fn requests(&self) -> Vec<String> {
        self.shared.seen.lock().requests.clone()
    }

    /// How many requests had a line that contains the text.
    pub fn n_requests(&self, containing: &str) -> usize {
        self.shared.seen.lock().requests.iter().filter(|line| line.contains(containing)).count()
    }

    /// Connections accepted so far.
    pub fn n_connections(&self) -> u64 {
        self.shared.seen.lock().n_connections
    }

    /// How many frames of a type one side has sent, as far as they were readable.
    pub fn n_frames(&self, side: Side, kind: &str) -> usize {
        self.shared.seen.lock().frames.iter().filter(|(from, t)| *from == side && t == kind).count()
    }

    /// Types of the frames that passed, with who sent them.
    pub fn frames(&self) -> Vec<(Side, String)> {
        self.shared.seen.lock().frames.clone()
    }

    /// Waits until one side has sent so many frames of a type.
    pub fn wait_for_frames(&self, side: Side, kind: &str, n: usize, timeout: Duration) -> Result<()> {
        wait_until(&format!("frame {n} of type {kind}"), timeout, || Ok(self.n_frames(side, kind) >= n))
    }

    /// Bytes of bodies that the hub sent for paths that contain the text.
    pub fn body_bytes(&self, path: &str) -> u64 {
        self.shared.seen.lock().bodies.iter().filter(|(of, _)| of.contains(path)).map(|(_, n)| n).sum()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        shared.seen.lock().n_connections += 1;
        // A latency that only the proxy adds would be none of the network's.
        drop(socket.set_nodelay(true));
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => pump::carry(socket, |socket| socket, shared).await,
                Some(tls) => {
                    // A client that does not trust the certificate goes away here.
                    if let Ok(secured) = tls.accept(socket).await {
                        pump::carry(secured, |secured| secured.get_ref().0, shared).await;
                    }
                }
            }
        });
    }
}
