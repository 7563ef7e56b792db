//! Versions, sizes and times that both sides keep to. Source: PROTOCOL.md.

use core::time::Duration;

/// The one version of the protocol that there is so far.
pub const PROTO: u32 = 1;

/// The WebSocket's subprotocol.
pub const SUBPROTOCOL: &str = "hub-agent.v1";

/// What the hub calls itself in its health and its refusals, so that a proxy's page is never taken
/// for its word.
pub const APP: &str = "comfy-hub";

/// Longest frame, in bytes of its text.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

/// Longest body of a poll, either way: some whole frames.
pub const MAX_POLL_BYTES: usize = 4 * MAX_FRAME_BYTES;

/// How often each side pings.
pub const PING_EVERY: Duration = Duration::from_secs(15);

/// Silence after which a connection counts as dead.
pub const SILENCE: Duration = Duration::from_secs(45);

/// How long the hub holds a poll when it has nothing to say.
pub const POLL_HOLD: Duration = Duration::from_secs(25);

/// How long the hub waits for an agent that is out of touch before it calls its jobs unknown.
pub const LEASE: Duration = Duration::from_mins(2);

/// Shortest time between two progress frames of one agent.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// The newest version that two sides both speak, each naming its oldest and its newest.
pub fn negotiate(ours: (u32, u32), theirs: (u32, u32)) -> Option<u32> {
    let newest = ours.1.min(theirs.1);
    (newest >= ours.0.max(theirs.0)).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(negotiate((1, 3), (2, 5)), Some(3));
        assert_eq!(negotiate((1, 1), (1, 1)), Some(1));
        assert_eq!(negotiate((2, 3), (1, 1)), None);
        assert_eq!(negotiate((1, 1), (2, 3)), None);
    }
}
