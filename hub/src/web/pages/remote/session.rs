//! The session as the page shows it: off, on with its end, or impossible for want of an address.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use shared_protocol::Target;

use super::machines;
use crate::services::remote::self_test::SelfTestView;
use crate::services::remote::session_view::{SessionStarted, SessionView};
use crate::services::serving::AgentProgramState;
use crate::web::error::Answer;
use crate::web::state::WebState;

/// Times that a session is offered for, in minutes, beside the configured one.
const TIMES: [u64; 5] = [60, 240, 720, 1440, 4320];

#[derive(Debug, Serialize)]
struct Time {
    minutes: u64,
    chosen: bool,
}

#[derive(Debug, Serialize)]
struct RemotePage {
    /// There is no public address yet.
    missing: bool,
    base_url: String,
    bind: String,
    tls: bool,
    session: Option<SessionView>,
    listener: Listener,
    /// Why the agent can't be handed out.
    agent_problem: Option<String>,
    /// Why there is none for Arm machines, which few need.
    no_aarch64: Option<String>,
    times: Vec<Time>,
    extend_seconds: u64,
    /// The machines that are there now.
    connected: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listener {
    address: Option<String>,
    problem: Option<String>,
}

/// What the panel shows: `{remote}`.
pub(in crate::web) async fn content(state: &WebState) -> Answer<Value> {
    let config = state.services.settings.current().remote.clone();
    let view = state.services.remote.sessions.view();
    let usual = config.session_ttl.as_secs() / 60;
    let mut times: Vec<u64> = TIMES.into_iter().chain([usual]).collect();
    times.sort_unstable();
    times.dedup();
    let remote = RemotePage {
        missing: config.base_url.is_none(),
        base_url: config.base_url.unwrap_or_default(),
        bind: config.bind.to_string(),
        tls: config.tls.is_some(),
        listener: Listener { address: view.listening_at.clone(), problem: view.listening_error.clone() },
        session: view.active.then_some(view),
        agent_problem: agent_problem(state, Target::X86_64Linux).await,
        no_aarch64: agent_problem(state, Target::Aarch64Linux).await,
        times: times.into_iter().map(|minutes| Time { minutes, chosen: minutes == usual }).collect(),
        extend_seconds: config.session_ttl.as_secs(),
        connected: machines::connected(state).await?,
    };
    Ok(context! { remote => Serde(remote) })
}

/// Why the agent can't be handed out: it is looked for and read on a blocking thread.
async fn agent_problem(state: &WebState, target: Target) -> Option<String> {
    let agent = state.services.serving.agent(target).clone();
    match tokio::task::spawn_blocking(move || agent.look_blocking()).await {
        Ok(AgentProgramState::Missing(why)) => Some(why),
        Ok(AgentProgramState::Ready { .. }) | Err(_) => None,
    }
}

#[derive(Serialize)]
struct Command<'a> {
    install: &'a str,
    install_wget: &'a str,
    install_env: &'a str,
    key: &'a str,
    test: &'a SelfTestView,
}

/// The lines to paste, shown once: `{command}`.
pub(in crate::web) fn command(started: &SessionStarted, test: &SelfTestView) -> Value {
    let command = Command {
        install: &started.install_command,
        install_wget: &started.install_command_with_wget,
        install_env: &started.install_command_with_key,
        key: &started.key,
        test,
    };
    context! { command => Serde(command) }
}
