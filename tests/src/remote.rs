//! A hub, a tunnel and an agent, and what tests about them begin with.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::RngExt as _;
use serde_json::{Value, json};

use crate::agent::{Agent, AgentSetup};
use crate::api::{Api, WORK, text};
use crate::ca::TestCa;
use crate::chaos::Chaos;
use crate::hub::{Hub, HubSetup};
use crate::roots::Roots;
use crate::wait::{SOON, wait_for};

/// The first of the ports that the system hands to nobody who asks for any, and that tests share.
const FIRST_PORT: u16 = 18_000;
/// How many of them a test has for itself, and how many tests may run at once.
const PORTS_OF_A_TEST: u16 = 100;
const MAX_TESTS: u16 = 100;

/// Two roots, a hub on them, and a tunnel to its remote listener whose address stays.
#[derive(Debug)]
pub struct Remote {
    /// The hub's roots.
    pub roots: Roots,
    /// The tunnel.
    pub tunnel: Chaos,
    setup: Option<HubSetup>,
    listener: SocketAddr,
}

/// A session, as the one who began it knows it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its key.
    pub key: String,
    /// The line to paste on the other machine.
    pub install_command: String,
    /// The same for a machine that has wget only.
    pub install_command_with_wget: String,
}

impl Remote {
    /// A tunnel without TLS, as loopback allows.
    pub fn new() -> Result<Self> {
        let listener = free_address()?;
        Self::through(Chaos::before(listener)?, listener)
    }

    /// A tunnel that ends TLS with a certificate that no machine trusts by itself.
    pub fn with_tls(ca: &TestCa) -> Result<Self> {
        let listener = free_address()?;
        Self::through(Chaos::ending_tls(listener, ca)?, listener)
    }

    fn through(tunnel: Chaos, listener: SocketAddr) -> Result<Self> {
        let roots = Roots::new()?;
        // A root that is all empty would rightly not be believed.
        roots.local_file("vae/mine.safetensors", b"mine")?;
        let setup = roots.hub()?.set("REMOTE_BIND", listener.to_string()).set("REMOTE_BASE_URL", tunnel.url());
        Ok(Self { roots, tunnel, setup: Some(setup), listener })
    }

    /// Sets a key of the hub's configuration.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.setup = self.setup.map(|setup| setup.set(key, value));
        self
    }

    /// How the hub is started.
    pub fn hub(&self) -> Result<&HubSetup> {
        self.setup.as_ref().context("there is always a setup")
    }

    /// Where the hub's remote listener is, past the tunnel.
    pub fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// Starts the hub, and indexes and hashes what lies on the Lake.
    pub fn start(&self) -> Result<(Hub, Api)> {
        let hub = self.hub()?.start()?;
        let api = hub.api()?;
        api.scan_both()?;
        api.hash("lake")?;
        Ok((hub, api))
    }

    /// An agent's machine for a session, that comes through the tunnel.
    pub fn machine(&self, session: &Session) -> Result<AgentSetup> {
        AgentSetup::new(&self.tunnel.url(), &session.key)
    }

    /// Starts the hub, a session, and an agent that is online.
    pub fn connected(&self) -> Result<Connected> {
        let (hub, api) = self.start()?;
        let session = begin_session(&api)?;
        let machine = self.machine(&session)?;
        let agent = machine.start()?;
        let id = wait_for_agent(&api)?;
        Ok(Connected { hub, api, session, machine, agent, id })
    }
}

/// Everything up and talking.
#[derive(Debug)]
pub struct Connected {
    /// The hub.
    pub hub: Hub,
    /// Its API.
    pub api: Api,
    /// The session that lives.
    pub session: Session,
    /// The agent's machine.
    pub machine: AgentSetup,
    /// The agent.
    pub agent: Agent,
    /// The agent's id.
    pub id: String,
}

impl Connected {
    /// Sends files of the Lake and tells the jobs.
    pub fn send(&self, paths: &[&str]) -> Result<Vec<String>> {
        send(&self.api, &self.id, paths)
    }

    /// Sends one file of the Lake and tells the job.
    pub fn send_one(&self, path: &str) -> Result<String> {
        let jobs = self.send(&[path])?;
        ensure!(jobs.len() == 1, "one file is one job, not {jobs:?}");
        jobs.into_iter().next().context("no job")
    }
}

/// Begins a session.
pub fn begin_session(api: &Api) -> Result<Session> {
    let answer = api.try_post("/api/remote/session", &json!({}))?;
    ensure!(answer.status == 201, "a session: {} {}", answer.status, answer.text);
    let field = |name: &str| text(&answer.json, name).to_owned();
    let session = Session {
        key: field("key"),
        install_command: field("install_command"),
        install_command_with_wget: field("install_command_with_wget"),
    };
    ensure!(session.key.starts_with("chk_"), "no key in the answer");
    Ok(session)
}

/// Waits until exactly one agent is online and tells its id.
pub fn wait_for_agent(api: &Api) -> Result<String> {
    wait_for("an agent that is online", SOON * 2, || {
        let agents = api.items("/api/remote/agents")?;
        let mut online =
            agents.iter().filter(|agent| agent["online"] == true).map(|agent| text(agent, "id").to_owned());
        Ok(online.next())
    })
}

/// Whether an agent is online.
pub fn is_online(api: &Api, id: &str) -> Result<bool> {
    let agents = api.items("/api/remote/agents")?;
    Ok(agents.iter().any(|agent| text(agent, "id") == id && agent["online"] == true))
}

/// Sends files of the Lake and tells the jobs.
pub fn send(api: &Api, agent: &str, paths: &[&str]) -> Result<Vec<String>> {
    order(api, &json!({ "agent_id": agent, "kind": "asset_download", "root": "lake", "paths": paths }))
}

/// Orders any jobs and tells them; all of them have to be taken.
pub fn order(api: &Api, request: &Value) -> Result<Vec<String>> {
    let answer = api.post("/api/remote/jobs", request)?;
    ensure!(answer["skipped"].as_array().is_none_or(Vec::is_empty), "skipped: {answer}");
    let ids = answer["job_ids"].as_array().context("no job_ids")?;
    Ok(ids.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// A job as the hub shows it.
pub fn job(api: &Api, id: &str) -> Result<Value> {
    api.get(&format!("/api/remote/jobs/{id}"))
}

/// Waits until a job is in one of some states.
pub fn wait_for_state(api: &Api, id: &str, states: &[&str], timeout: Duration) -> Result<Value> {
    let mut last = Value::Null;
    let found = wait_for(&format!("job {id} to be {states:?}"), timeout, || {
        last = job(api, id)?;
        Ok(states.contains(&text(&last, "state")).then(|| last.clone()))
    });
    found.with_context(|| format!("the job at last: {last}"))
}

/// Waits until a job is over, whatever came of it.
pub fn ended(api: &Api, id: &str) -> Result<Value> {
    wait_for_state(api, id, &["succeeded", "failed", "cancelled"], WORK)
}

/// Waits until a job is over; it has to have succeeded.
pub fn succeeded(api: &Api, id: &str) -> Result<Value> {
    let job = ended(api, id)?;
    ensure!(text(&job, "state") == "succeeded", "{job}");
    Ok(job)
}

/// An address of loopback that nobody has, and that stays free for who listens there later: tests that run
/// at once choose from ports of their own, by the slot that nextest gives each.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let slot = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").ok().and_then(|slot| slot.parse().ok());
    let slot = slot.unwrap_or_else(std::process::id) % u32::from(MAX_TESTS);
    let first = FIRST_PORT + u16::try_from(slot)? * PORTS_OF_A_TEST;
    wait_for("a free port", SOON, || {
        let port = rand::rng().random_range(first..first + PORTS_OF_A_TEST);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(TcpListener::bind(address).is_ok().then_some(address))
    })
}
