//! How the hub says no, in a frame or as the JSON body of an HTTP answer.
//!
//! Only this is final. An answer without it, whatever its status, came from something in between
//! and is tried again.

use serde::{Deserialize, Serialize};

use crate::version::APP;

/// Why the hub refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The key belongs to no session.
    Unauthorized,
    /// The session's time is over.
    Expired,
    /// The session was ended, or this agent removed.
    Revoked,
    /// No version is spoken by both.
    Version,
    /// A newer connection of the same agent has taken over.
    Superseded,
    /// What was sent is against the protocol.
    Protocol,
    /// Too many failed attempts, agents or connections.
    Busy,
    /// Not there, or not for this session.
    NotFound,
    /// The file is no longer what it was.
    Changed,
    /// The folder that holds it can't be reached.
    Unavailable,
    /// A code of a later version.
    #[serde(other)]
    Other,
}

/// Says no, and whether to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// For a person.
    pub detail: String,
    /// Whether coming back may help. If not, the agent ends with exit code 78.
    pub retry: bool,
    /// How long to wait before that, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// The body of an HTTP answer that refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalBody {
    /// Always [`APP`].
    pub app: String,
    /// What is refused.
    pub refusal: Refusal,
}

impl RefusalBody {
    /// The body of a refusal.
    pub fn new(refusal: Refusal) -> Self {
        Self { app: APP.to_owned(), refusal }
    }

    /// Reads a body; none if it is not the hub's own word.
    pub fn read(body: &[u8]) -> Option<Refusal> {
        let read: Self = serde_json::from_slice(body).ok()?;
        (read.app == APP).then_some(read.refusal)
    }
}

/// Codes with which the hub closes a WebSocket.
pub mod close {
    /// The session's time is over.
    pub const EXPIRED: u16 = 4002;
    /// The session was ended, or this agent removed.
    pub const REVOKED: u16 = 4003;
    /// A newer connection of the same agent has taken over.
    pub const SUPERSEDED: u16 = 4004;
    /// What was sent is against the protocol.
    pub const PROTOCOL: u16 = 4005;
}

/// Who answers, at [`crate::routes::HEALTH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always [`APP`].
    pub app: String,
    /// The hub's version.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hubs_own_word_is_read() {
        let refusal = Refusal {
            code: RefusalCode::Revoked,
            detail: "The session was ended.".to_owned(),
            retry: false,
            retry_after_s: None,
        };
        let body = serde_json::to_vec(&RefusalBody::new(refusal.clone())).unwrap_or_default();
        assert_eq!(RefusalBody::read(&body), Some(refusal));
        for proxy in
            ["<html>403</html>", "{}", r#"{"app":"other","refusal":{"code":"revoked","detail":"","retry":false}}"#]
        {
            assert_eq!(RefusalBody::read(proxy.as_bytes()), None, "{proxy}");
        }
    }
}
