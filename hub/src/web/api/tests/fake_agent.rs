//! An agent in this process: it speaks the protocol with the hub's service, without a socket.

use std::sync::Arc;

use shared_protocol::AgentId;
use shared_protocol::agent_to_hub::{ActiveJob, AgentToHub, Hello};
use shared_protocol::envelope::{Decoded, Frame, Message as _};
use shared_protocol::facts::Facts;
use shared_protocol::hub_to_agent::{HubToAgent, JobAssign, JobRef, Welcome};
use shared_protocol::refusal::Refusal;
use uuid::Uuid;

use crate::services::Remote;
use crate::services::remote::connection::Connection;

pub(super) struct FakeAgent {
    pub(super) remote: Remote,
    pub(super) connection: Arc<Connection>,
    pub(super) welcome: Welcome,
    seq: u64,
    ack: u64,
    inbox: std::collections::VecDeque<HubToAgent>,
}

/// What an agent says first.
pub(super) fn hello(id: AgentId, boot: u128, active: Vec<ActiveJob>, unacked_results: Vec<JobRef>) -> Hello {
    Hello {
        proto_min: 1,
        proto_max: 1,
        agent_version: "0.1.0".to_owned(),
        agent_id: id,
        boot_id: Uuid::from_u128(boot),
        last_in_seq: 0,
        slots: 2,
        active,
        unacked_results,
        facts: Facts { hostname: Some("pod-7".to_owned()), ..Facts::default() },
    }
}

impl FakeAgent {
    pub(super) async fn connect(remote: &Remote, key: &str, hello: Hello) -> Result<Self, Refusal> {
        let session = remote.sessions.authorize(Some(key))?;
        let first = Frame { seq: Some(1), ack: 0, message: AgentToHub::Hello(Box::new(hello)) };
        let connection = remote.connect(session, Decoded::Known(first)).await?;
        let mut inbox: std::collections::VecDeque<_> = connection.take_new().into();
        let HubToAgent::Welcome(welcome) = inbox.pop_front().unwrap().message else { panic!("no welcome") };
        let ack = 1 + inbox.iter().filter(|frame| frame.seq.is_some()).count() as u64;
        let inbox = inbox.into_iter().map(|frame| frame.message).collect();
        Ok(Self { remote: remote.clone(), connection, welcome, seq: 1, ack, inbox })
    }

    pub(super) async fn say(&mut self, message: AgentToHub) -> Result<(), Refusal> {
        let seq = message.is_sequenced().then(|| {
            self.seq += 1;
            self.seq
        });
        let text = Frame { seq, ack: self.ack, message }.encode().unwrap();
        self.remote.hear_texts(&self.connection, &[text]).await
    }

    /// The next message that is no ping.
    pub(super) async fn next(&mut self) -> HubToAgent {
        loop {
            if let Some(message) = self.inbox.pop_front() {
                if !matches!(message, HubToAgent::Ping(_) | HubToAgent::Pong(_)) {
                    return message;
                }
                continue;
            }
            self.connection.news().await;
            for frame in self.connection.take_new() {
                self.ack = frame.seq.unwrap_or(self.ack);
                self.inbox.push_back(frame.message);
            }
        }
    }

    pub(super) async fn next_order(&mut self) -> JobAssign {
        match self.next().await {
            HubToAgent::JobAssign(order) => order,
            other => panic!("no order: {other:?}"),
        }
    }

    /// The connection breaks.
    pub(super) async fn vanish(self) {
        self.remote.disconnected(&self.connection).await;
    }
}
