//! A listener on the hub's event socket.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::hub::Hub;

/// Events of a hub, in the order they came.
#[derive(Debug)]
pub struct Events {
    receive: mpsc::Receiver<Value>,
    // Dropped with the listener: that ends the task and closes the socket.
    _runtime: tokio::runtime::Runtime,
}

impl Events {
    /// Connects to `/ws/events`.
    pub fn of(hub: &Hub) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = format!("ws://{}/ws/events", hub.host());
        let (socket, _) = runtime.block_on(tokio_tungstenite::connect_async(address)).context("cannot connect")?;
        let (send, receive) = mpsc::channel();
        runtime.spawn(async move {
            let mut socket = socket;
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else { continue };
                let Ok(event) = serde_json::from_str(&text) else { break };
                if send.send(event).is_err() {
                    break;
                }
            }
        });
        Ok(Self { receive, _runtime: runtime })
    }

    /// The next event that fits, dropping those before it.
    pub fn next(&self, what: &str, timeout: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + timeout;
        let mut seen = Vec::new();
        while let Ok(event) = self.receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if fits(&event) {
                return Ok(event);
            }
            seen.push(event.to_string());
        }
        bail!("no event for {what} within {timeout:?}; there were: {}", seen.join("\n"))
    }

    /// Every event that arrives within a time.
    pub fn during(&self, time: Duration) -> Vec<Value> {
        let end = Instant::now() + time;
        let next = || self.receive.recv_timeout(end.saturating_duration_since(Instant::now())).ok();
        std::iter::from_fn(next).collect()
    }
}
