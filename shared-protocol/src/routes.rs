//! Paths on the hub's remote listener, below its base address.

use crate::{Blake3, Target};

/// Who answers there; needs no key.
pub const HEALTH: &str = "/remote/v1/health";

/// The bootstrapper; needs no key.
pub const INSTALL: &str = "/remote/install.sh";

/// The control channel as a WebSocket.
pub const SOCKET: &str = "/remote/v1/ws";

/// The control channel as a long poll.
pub const POLL: &str = "/remote/v1/poll";

/// The program for a kind of machine.
pub fn agent_binary(target: Target) -> String {
    format!("/remote/v1/agent/{target}")
}

/// A content. The address has the bare digits of its digest.
pub fn blob(content: &Blake3) -> String {
    format!("/remote/v1/blobs/{}", content.to_hex())
}

/// The list of a content's group values.
pub fn groups(content: &Blake3) -> String {
    format!("{}/groups", blob(content))
}
