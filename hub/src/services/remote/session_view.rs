//! A session as people and tools see it.

use serde::Serialize;
use shared_protocol::routes;
use uuid::Uuid;

use super::live::{Listening, LiveSession};

/// A session that was begun. The only time that its key is told.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SessionStarted {
    /// The session.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// What agents open the hub with.
    pub key: String,
    /// To be pasted on the other machine; asks for the key.
    pub install_command: String,
    /// The same for a machine that has wget only.
    pub install_command_with_wget: String,
    /// The same for a place without a terminal. It holds the key.
    pub install_command_with_key: String,
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: jiff::Timestamp,
}

/// The session as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SessionView {
    /// Whether there is one.
    pub active: bool,
    /// The session.
    #[schema(value_type = Option<String>)]
    pub id: Option<Uuid>,
    /// When it began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<jiff::Timestamp>,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<jiff::Timestamp>,
    /// Seconds that are left.
    pub expires_in_seconds: Option<u64>,
    /// The address that agents use.
    pub base_url: Option<String>,
    /// To be pasted on the other machine; asks for the key.
    pub install_command: Option<String>,
    /// Where the remote listener is bound, if it is.
    pub listening_at: Option<String>,
    /// Why the remote listener is not bound.
    pub listening_error: Option<String>,
}

impl SessionView {
    pub(super) fn of(live: Option<&LiveSession>, base_url: Option<String>, listening: Listening) -> Self {
        let (listening_at, listening_error) = match listening {
            Listening::Absent | Listening::Closed => (None, None),
            Listening::At(address) => (Some(address.to_string()), None),
            Listening::Failed(why) => (None, Some(why)),
        };
        Self {
            active: live.is_some(),
            id: live.map(LiveSession::session),
            created_at: live.map(LiveSession::created_at),
            expires_at: live.map(LiveSession::expires_at),
            expires_in_seconds: live.map(LiveSession::expires_in_s),
            install_command: base_url.as_deref().filter(|_| live.is_some()).map(install_command),
            base_url,
            listening_at,
            listening_error,
        }
    }
}

/// The one line to paste.
pub fn install_command(base_url: &str) -> String {
    format!("curl -fsSL {base_url}{} | bash", routes::INSTALL)
}

/// The same for machines without curl.
pub(super) fn install_command_with_wget(base_url: &str) -> String {
    format!("wget -qO- {base_url}{} | bash", routes::INSTALL)
}

/// The same with the key, for places without a terminal.
pub(super) fn install_command_with_key(base_url: &str, key: &str) -> String {
    format!("curl -fsSL {base_url}{} | COMFY_HUB_KEY={key} bash", routes::INSTALL)
}
