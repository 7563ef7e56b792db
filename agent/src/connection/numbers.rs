//! The numbers of one connection: what was sent, what was received, and what the hub has not yet
//! acknowledged.

use std::collections::VecDeque;

use shared_protocol::agent_to_hub::AgentToHub;
use shared_protocol::envelope::{Frame, Message as _};

/// What a frame's number says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is the next one, or has no number.
    New,
    /// It was received before.
    Again,
    /// One or more before it are missing: the connection can't go on.
    Gap,
}

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    sent: u64,
    received: u64,
    unacknowledged: VecDeque<Frame<AgentToHub>>,
}

impl Numbers {
    /// Highest number received.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Puts a message into its frame. One with a number is kept until it is acknowledged.
    pub(super) fn wrap(&mut self, message: AgentToHub) -> Frame<AgentToHub> {
        let seq = message.is_sequenced().then(|| {
            self.sent += 1;
            self.sent
        });
        let frame = Frame { seq, ack: self.received, message };
        if seq.is_some() {
            self.unacknowledged.push_back(frame.clone());
        }
        frame
    }

    /// Takes the numbers of a received frame.
    pub(super) fn hear(&mut self, seq: Option<u64>, ack: u64) -> Heard {
        while self.unacknowledged.front().is_some_and(|frame| frame.seq <= Some(ack)) {
            self.unacknowledged.pop_front();
        }
        match seq {
            None => Heard::New,
            Some(seq) if seq <= self.received => Heard::Again,
            Some(seq) if seq == self.received + 1 => {
                self.received = seq;
                Heard::New
            }
            Some(_) => Heard::Gap,
        }
    }

    /// What is to be sent again, oldest first, with the acknowledgement as it is now.
    pub(super) fn again(&self) -> impl Iterator<Item = Frame<AgentToHub>> {
        self.unacknowledged.iter().map(|frame| Frame { ack: self.received, ..frame.clone() })
    }

    /// How many frames wait to be acknowledged.
    pub(super) fn n_unacknowledged(&self) -> usize {
        self.unacknowledged.len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use proptest::prelude::*;
    use shared_protocol::agent_to_hub::Bye;
    use shared_protocol::hub_to_agent::Ping;

    use super::*;

    fn bye() -> AgentToHub {
        AgentToHub::Bye(Bye { reason: String::new() })
    }

    #[test]
    fn only_what_must_arrive_has_a_number_and_is_kept() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.wrap(bye()).seq, Some(1));
        assert_eq!(numbers.wrap(AgentToHub::Ping(Ping { n: 1 })).seq, None);
        assert_eq!(numbers.hear(Some(1), 0), Heard::New);
        let second = numbers.wrap(bye());
        assert_eq!((second.seq, second.ack), (Some(2), 1));
        assert_eq!(
            numbers.again().map(|frame| (frame.seq, frame.ack)).collect::<Vec<_>>(),
            [(Some(1), 1), (Some(2), 1)]
        );
        numbers.hear(None, 1);
        assert_eq!(numbers.again().map(|frame| frame.seq).collect::<Vec<_>>(), [Some(2)]);
    }

    proptest! {
        /// However frames are repeated, each is taken once and in order; a gap is never passed.
        #[test]
        fn each_number_is_taken_once(seqs in prop::collection::vec(1_u64..20, 0..100)) {
            let mut numbers = Numbers::default();
            let mut taken = Vec::new();
            for seq in seqs {
                let before = numbers.received();
                match numbers.hear(Some(seq), 0) {
                    Heard::New => taken.push(seq),
                    Heard::Again => prop_assert!(seq <= before),
                    Heard::Gap => prop_assert!(seq > before + 1),
                }
            }
            let n = u64::try_from(taken.len()).unwrap();
            prop_assert_eq!(taken, (1..=n).collect::<Vec<_>>());
        }

        /// What an acknowledgement does not cover is kept, the rest is not.
        #[test]
        fn what_is_not_acknowledged_is_kept(n_sent in 0_u64..30, acks in prop::collection::vec(0_u64..40, 0..20)) {
            let mut numbers = Numbers::default();
            for _ in 0..n_sent {
                numbers.wrap(bye());
            }
            for ack in &acks {
                numbers.hear(None, *ack);
            }
            let newest = acks.into_iter().max().unwrap_or(0).min(n_sent);
            prop_assert_eq!(u64::try_from(numbers.n_unacknowledged()).unwrap(), n_sent - newest);
        }
    }
}
