//! The bootstrapper with this hub's address and the agent's digest written in.
//!
//! Both go into single quotes of the shell, in which nothing but the quote itself means anything.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{RefusedPeer, RemoteState};
use crate::services::serving::AgentProgramState;

const SCRIPT: &str = include_str!("../../../../scripts/install.sh");

/// How the agent is started and stopped, a part of the script, and the line that it takes the place of.
const SERVICE: &str = include_str!("../../../../scripts/install-service.sh");
const SERVICE_LINE: &str = "# @SERVICE@\n";

/// Where the values go, quotes and all.
const ADDRESS: &str = "'@HUB_URL@'";
const DIGEST: &str = "'@AGENT_SHA256@'";

/// Sends the script. Without an agent to hand out it is sent all the same, and says so when it is run.
pub(super) async fn script(State(state): State<RemoteState>) -> Result<Response, RefusedPeer> {
    let Some(address) = state.services.settings.current().remote.base_url.clone() else {
        return Err(RefusedPeer::unavailable("This hub has no public address yet: set REMOTE_BASE_URL."));
    };
    let agent = state.services.serving.agent().clone();
    let digest = match state.tasks.blocking(move || agent.look_blocking()).await {
        Some(AgentProgramState::Ready { sha256, .. }) => sha256.to_hex(),
        Some(AgentProgramState::Missing(_)) => String::new(),
        None => return Err(RefusedPeer::unavailable("The hub is shutting down.")),
    };
    Ok(([(header::CONTENT_TYPE, "text/x-shellscript; charset=utf-8")], render(&address, &digest)).into_response())
}

fn render(address: &str, digest: &str) -> String {
    let script = SCRIPT.replacen(SERVICE_LINE, SERVICE, 1);
    script.replacen(ADDRESS, &quoted(address), 1).replacen(DIGEST, &quoted(digest), 1)
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_values_are_written_in_and_none_can_break_out() {
        let script = render("https://hub.example", &"ab".repeat(32));
        assert!(script.contains("hub_url='https://hub.example'\n"));
        assert!(script.contains(&format!("agent_sha256='{}'\n", "ab".repeat(32))));
        assert!(!script.contains(SERVICE_LINE) && script.contains("start_agent() {"));
        assert!(!script.contains(ADDRESS) && !script.contains(DIGEST));
        assert_eq!(quoted("a'; rm -rf /; '"), r"'a'\''; rm -rf /; '\'''");
    }
}
