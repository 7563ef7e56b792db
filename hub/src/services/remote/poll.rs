//! The control channel by long poll: the same frames, where something on the way takes `WebSockets` away.
//!
//! Every turn carries what was not acknowledged, so a turn may be lost either way. The hub holds a turn
//! while it has nothing to say; a newer one ends the one that is held, whose answer nobody waits for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared_protocol::agent_to_hub::AgentToHub;
use shared_protocol::envelope::{Decoded, Frame, Poll};
use shared_protocol::hub_to_agent::HubToAgent;
use shared_protocol::refusal::Refusal;
use shared_protocol::version;
use tokio::sync::watch;

use super::Remote;
use super::connection::{Connection, protocol};
use super::live::LiveSession;

/// How long a turn is held while something is not acknowledged.
const REPEAT: Duration = Duration::from_secs(1);

/// Why a turn is not answered with frames.
#[derive(Debug)]
pub enum PollEnd {
    /// No connection has this number: say hello again.
    UnknownGeneration,
    /// No.
    Refused(Refusal),
}

impl Remote {
    /// Takes a turn and answers it.
    pub async fn poll(&self, session: LiveSession, turn: Poll) -> Result<Poll, PollEnd> {
        let mut frames = turn
            .frames
            .into_iter()
            .map(|frame| Decoded::<AgentToHub>::from_value(frame).map_err(|error| protocol(error.to_string())));
        let connection = if let Some(generation) = turn.generation {
            self.polled(generation, &session).ok_or(PollEnd::UnknownGeneration)?
        } else {
            let hello = frames.next().ok_or_else(|| PollEnd::Refused(protocol("the first turn says \"hello\"")))?;
            self.connect(session, hello.map_err(PollEnd::Refused)?).await.map_err(PollEnd::Refused)?
        };
        connection.hear();
        let mut my_turn = 0;
        connection.polls.send_modify(|turns| {
            *turns += 1;
            my_turn = *turns;
        });
        if let Err(refusal) = self.hear_frames(&connection, frames.collect()).await {
            return Err(self.end(&connection, refusal).await);
        }
        let newer = newer_turn(connection.polls.subscribe(), my_turn);
        let repeats = connection.has_unacked();
        tokio::select! {
            refusal = connection.ended() => return Err(self.end(&connection, refusal).await),
            () = connection.news() => {}
            // The answer before may be lost. Not at once: an agent that never acknowledges must not spin.
            () = tokio::time::sleep(REPEAT), if repeats => {}
            () = newer => {
                return Ok(Poll { generation: Some(connection.generation()), frames: Vec::new() });
            }
            () = tokio::time::sleep(version::POLL_HOLD) => {}
            () = self.inner.tasks.token().cancelled() => {
                connection.say(super::connection::drain());
            }
        }
        connection.hear();
        Ok(Poll { generation: Some(connection.generation()), frames: fit(connection.take_unacked()) })
    }

    async fn end(&self, connection: &Arc<Connection>, refusal: Refusal) -> PollEnd {
        self.disconnected(connection).await;
        PollEnd::Refused(refusal)
    }

    fn polled(&self, generation: u64, session: &LiveSession) -> Option<Arc<Connection>> {
        let connections = self.inner.connections.lock();
        let mut all = connections.values();
        all.find(|c| c.generation() == generation && c.session().row() == session.row() && !c.is_closed()).cloned()
    }
}

/// Returns when another turn than this one has come.
async fn newer_turn(mut turns: watch::Receiver<u64>, mine: u64) {
    // What it was is kept no longer than this: it holds a lock.
    turns.wait_for(|turn| *turn != mine).await.ok();
}

/// As many frames as one answer holds; what is left comes with the next turn.
fn fit(frames: Vec<Frame<HubToAgent>>) -> Vec<Value> {
    let mut room = version::MAX_POLL_BYTES - 1_024;
    let mut fitting = Vec::new();
    for frame in frames {
        let encoded = match frame.encode() {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!(%error, "a frame can't be written");
                break;
            }
        };
        let Some(left) = room.checked_sub(encoded.len() + 1) else { break };
        room = left;
        match serde_json::from_str(&encoded) {
            Ok(value) => fitting.push(value),
            Err(_) => break,
        }
    }
    fitting
}
