//! The bootstrapper with this hub's address and the agents' digests written in.
//!
//! They go into single quotes of the shell, in which nothing but the quote itself means anything.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use shared_protocol::Target;

use super::{RefusedPeer, RemoteState};
use crate::services::serving::AgentProgramState;

const SCRIPT: &str = include_str!("../../../../scripts/install.sh");

/// How the agent is started and stopped, a part of the script, and the line that it takes the place of.
const SERVICE: &str = include_str!("../../../../scripts/install-service.sh");
const SERVICE_LINE: &str = "# @SERVICE@\n";

/// Where the values go, quotes and all.
const ADDRESS: &str = "'@HUB_URL@'";
const DIGEST: &str = "'@AGENT_SHA256@'";
const DIGEST_AARCH64: &str = "'@AGENT_SHA256_AARCH64@'";

/// Sends the script. Without an agent to hand out it is sent all the same, and says so when it is run.
pub(super) async fn script(State(state): State<RemoteState>) -> Result<Response, RefusedPeer> {
    let Some(address) = state.services.settings.current().remote.base_url.clone() else {
        return Err(RefusedPeer::unavailable("This hub has no public address yet: set REMOTE_BASE_URL."));
    };
    let agents = Target::ALL.map(|target| state.services.serving.agent(target).clone());
    let look = move || {
        agents.map(|agent| match agent.look_blocking() {
            AgentProgramState::Ready { sha256, .. } => sha256.to_hex(),
            AgentProgramState::Missing(_) => String::new(),
        })
    };
    let Some([digest, digest_aarch64]) = state.tasks.blocking(look).await else {
        return Err(RefusedPeer::unavailable("The hub is shutting down."));
    };
    let script = render(&address, &digest, &digest_aarch64);
    Ok(([(header::CONTENT_TYPE, "text/x-shellscript; charset=utf-8")], script).into_response())
}

fn render(address: &str, digest: &str, digest_aarch64: &str) -> String {
    let mut script = SCRIPT.replacen(SERVICE_LINE, SERVICE, 1);
    for (place, value) in [(ADDRESS, address), (DIGEST, digest), (DIGEST_AARCH64, digest_aarch64)] {
        script = script.replacen(place, &quoted(value), 1);
    }
    script
}

/// A text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_are_written_in_and_none_can_break_out() {
        let script = render("https://hub.example", &"ab".repeat(32), &"cd".repeat(32));
        assert!(script.contains("hub_url='https://hub.example'\n"));
        assert!(script.contains(&format!("agent_sha256='{}'\n", "ab".repeat(32))));
        assert!(script.contains(&format!("agent_sha256_aarch64='{}'\n", "cd".repeat(32))));
        assert!(!script.contains(SERVICE_LINE) && script.contains("start_agent() {"));
        assert!(!script.contains(ADDRESS) && !script.contains(DIGEST) && !script.contains(DIGEST_AARCH64));
        assert_eq!(quoted("a'; rm -rf /; '"), r"'a'\''; rm -rf /; '\'''");
    }
}
