//! All times the agent keeps to, in one value, so that tests need not wait for minutes.

use std::time::Duration;

use shared_protocol::hub_to_agent::CANCEL_WITHIN;
use shared_protocol::version::{PING_EVERY, POLL_HOLD, PROGRESS_EVERY, SILENCE};

/// All times the agent keeps to.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Longest wait for the answer to an upgrade, a `hello` or a question for health. Three in a row fit into
    /// the half minute within which a long poll takes over.
    pub dial: Duration,
    /// How often the hub is pinged.
    pub ping_every: Duration,
    /// Silence after which a connection counts as dead.
    pub silence: Duration,
    /// First window that the wait before a new try is drawn from; it doubles.
    pub retry_first: Duration,
    /// Widest window.
    pub retry_most: Duration,
    /// A connection as old as this starts the window over.
    pub healthy_after: Duration,
    /// How often the WebSocket is tried again while the long poll is used.
    pub socket_again: Duration,
    /// How often the hub is asked for another version of this program, while it refuses this one.
    pub update_again: Duration,
    /// Longest wait for a poll's answer: the hub's hold and a reserve.
    pub poll_answer: Duration,
    /// Shortest time between two polls that are made only to tell progress.
    pub poll_progress: Duration,
    /// How long the hub is still looked for when the session's time is known to be over.
    pub after_expiry: Duration,
    /// Shortest time between two progress frames.
    pub progress_every: Duration,
    /// How long a cancelled job may take to end by itself; then it is ended.
    pub cancel_grace: Duration,
    /// How often the machine is looked at for changes.
    pub facts_every: Duration,
    /// Shortest time between two looks when jobs end one after another.
    pub facts_apart: Duration,
}

impl Timing {
    /// The same, with all waits between two tries a part as long. How long an answer may take stays: that is
    /// the other side's affair.
    #[must_use]
    pub fn hurried(self, by: u32) -> Self {
        let by = by.max(1);
        Self {
            ping_every: self.ping_every / by,
            silence: self.silence / by,
            retry_first: self.retry_first / by,
            retry_most: self.retry_most / by,
            healthy_after: self.healthy_after / by,
            socket_again: self.socket_again / by,
            update_again: self.update_again / by,
            after_expiry: self.after_expiry / by,
            facts_every: self.facts_every / by,
            facts_apart: self.facts_apart / by,
            ..self
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(8),
            ping_every: PING_EVERY,
            silence: SILENCE,
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_secs(30),
            healthy_after: Duration::from_mins(1),
            socket_again: Duration::from_mins(5),
            update_again: Duration::from_mins(2),
            poll_answer: POLL_HOLD + Duration::from_secs(15),
            poll_progress: Duration::from_secs(2),
            after_expiry: Duration::from_mins(10),
            progress_every: PROGRESS_EVERY,
            cancel_grace: CANCEL_WITHIN.saturating_sub(Duration::from_secs(3)),
            facts_every: Duration::from_mins(1),
            facts_apart: Duration::from_secs(2),
        }
    }
}
