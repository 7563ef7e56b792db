//! One connection's sequence of frames, whatever carries it: pure, without a socket or a clock.
//!
//! Both directions count their frames from 1. What the hub says is kept until it is acknowledged: a
//! WebSocket carries it once, a long poll with every turn. What comes a second time is dropped by
//! its number; a gap, or an acknowledgement of what was never said, ends the connection.

use std::collections::VecDeque;

use shared_protocol::agent_to_hub::AgentToHub;
use shared_protocol::envelope::{Decoded, Frame, FrameError, Message as _};
use shared_protocol::hub_to_agent::HubToAgent;

/// Frames that may wait for their acknowledgement. An agent that lets more pile up is cut off; it comes
/// back and both reconcile.
pub const MOST_UNACKED: usize = 256;

/// Frames without a number that may wait; the oldest goes.
const MOST_LOOSE: usize = 4;

/// Why a connection can't go on.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Frames are missing.
    #[error("frame {got} came after frame {last}")]
    Gap {
        /// The last one that came.
        last: u64,
        /// The one that came now.
        got: u64,
    },
    /// The other side has heard what was never said.
    #[error("frame {0} was acknowledged and never sent")]
    Ack(u64),
    /// The other side says less than it should.
    #[error("a frame \"{0}\" needs a number")]
    Unnumbered(&'static str),
    /// It can't be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The other side takes nothing.
    #[error("{MOST_UNACKED} frames wait for their acknowledgement")]
    Overflow,
}

/// The numbers of both directions, and what was not acknowledged.
#[derive(Debug, Default)]
pub struct Conversation {
    received: u64,
    said: u64,
    /// The highest number that was given to the transport at least once.
    sent: u64,
    unacked: VecDeque<(u64, HubToAgent)>,
    loose: VecDeque<HubToAgent>,
    /// The other side should learn what was received, even if there is nothing to say.
    owes_ack: bool,
}

impl Conversation {
    /// Takes a text that came. Nothing comes of a repetition or of an unknown type.
    #[cfg(test)]
    pub fn receive_text(&mut self, text: &str) -> Result<Option<AgentToHub>, Broken> {
        self.receive(Decoded::decode(text)?)
    }

    /// Takes a frame that came.
    pub fn receive(&mut self, frame: Decoded<AgentToHub>) -> Result<Option<AgentToHub>, Broken> {
        let (seq, ack, message) = match frame {
            Decoded::Known(Frame { seq, ack, message }) => (seq, ack, Some(message)),
            Decoded::Unknown { seq, ack, .. } => (seq, ack, None),
        };
        self.acknowledge(ack)?;
        match seq {
            None if message.as_ref().is_some_and(AgentToHub::is_sequenced) => Err(Broken::Unnumbered("of this type")),
            None => Ok(message),
            Some(seq) if seq <= self.received => {
                // Its acknowledgement was lost.
                self.owes_ack = true;
                Ok(None)
            }
            Some(seq) if seq == self.received + 1 => {
                self.received = seq;
                self.owes_ack = true;
                Ok(message)
            }
            Some(got) => Err(Broken::Gap { last: self.received, got }),
        }
    }

    fn acknowledge(&mut self, ack: u64) -> Result<(), Broken> {
        if ack > self.sent {
            return Err(Broken::Ack(ack));
        }
        while self.unacked.front().is_some_and(|(seq, _)| *seq <= ack) {
            self.unacked.pop_front();
        }
        Ok(())
    }

    /// Has something said with the next turn.
    pub fn say(&mut self, message: HubToAgent) -> Result<(), Broken> {
        if !message.is_sequenced() {
            if self.loose.len() == MOST_LOOSE {
                self.loose.pop_front();
            }
            self.loose.push_back(message);
            return Ok(());
        }
        if self.unacked.len() >= MOST_UNACKED {
            return Err(Broken::Overflow);
        }
        self.said += 1;
        self.unacked.push_back((self.said, message));
        Ok(())
    }

    /// Whether a transport that carries each frame once has something to carry.
    pub fn has_new(&self) -> bool {
        self.said > self.sent || !self.loose.is_empty()
    }

    /// Whether something was said that is not acknowledged.
    pub fn has_unacked(&self) -> bool {
        !self.unacked.is_empty() || !self.loose.is_empty()
    }

    /// Whether the other side should be told at once what was received.
    pub const fn owes_ack(&self) -> bool {
        self.owes_ack
    }

    /// What was not given to the transport yet.
    pub fn take_new(&mut self) -> Vec<Frame<HubToAgent>> {
        let after = self.sent;
        self.take_frames(|seq| seq > after)
    }

    /// Everything that was not acknowledged, for a transport whose turns may be lost.
    pub fn take_unacked(&mut self) -> Vec<Frame<HubToAgent>> {
        self.take_frames(|_| true)
    }

    fn take_frames(&mut self, wanted: impl Fn(u64) -> bool) -> Vec<Frame<HubToAgent>> {
        self.sent = self.said;
        self.owes_ack = false;
        let ack = self.received;
        let numbered = self.unacked.iter().filter(|(seq, _)| wanted(*seq));
        let mut frames: Vec<_> =
            numbered.map(|(seq, message)| Frame { seq: Some(*seq), ack, message: message.clone() }).collect();
        frames.extend(self.loose.drain(..).map(|message| Frame { seq: None, ack, message }));
        frames
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests;
