//! An agent that talks a thousand times a second, and a browser that has frozen.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end::bench::process::memory_mib;
use end_to_end::events::Events;
use end_to_end::fake_agent::FakeAgent;
use end_to_end::machine::measured;
use end_to_end::remote::{Remote, begin_session, send, succeeded};
use end_to_end::roots::noise;
use serde_json::{Value, json};
use shared_protocol::agent_to_hub::{AgentToHub, JobProgress, JobResult, Progress};
use shared_protocol::hub_to_agent::HubToAgent;
use shared_protocol::job::JobPhase;
use shared_protocol::outcome::{How, Outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const PATH: &str = "loras/a.safetensors";
const N: u64 = 3000;
/// What the hub may hold in memory for all of it.
const MOST_MIB: f64 = 32.0;

/// A socket for everything that changes, opened and never read from again; with as little room as the system gives.
async fn frozen_browser(host: &str) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(2048)?;
    let mut stream = socket.connect(host.parse()?).await?;
    let request = format!(
        "GET /ws/events HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    ensure!(answer == *b"HTTP/1.1 101", "{}", String::from_utf8_lossy(&answer));
    Ok(stream)
}

#[test]
fn a_thousand_progress_frames_a_second_and_a_frozen_browser_harm_nobody() -> Result<()> {
    let remote = Remote::new()?;
    remote.roots.lake_file(PATH, &noise(1, 5_000_000))?;
    let (hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let mut agent = FakeAgent::connect(remote.listener(), &session.key)?;
    let events = Events::of(&hub)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _frozen = runtime.block_on(frozen_browser(hub.host()))?;

    let id = send(&api, &agent.id().to_string(), &[PATH])?.remove(0);
    let assigned = agent.wait_for("the job", |said| match said {
        HubToAgent::JobAssign(assign) => Some(assign.job),
        _ => None,
    })?;
    agent.say(&AgentToHub::JobAccepted(assigned))?;
    let before = memory_mib(hub.process(), "VmRSS:")?;
    let began = Instant::now();
    agent.repeat(N, Duration::from_millis(1), |i| {
        AgentToHub::Progress(Progress {
            jobs: vec![JobProgress {
                job: assigned,
                phase: JobPhase::Running,
                bytes_done: i * 1000,
                bytes_total: Some(5_000_000),
                bytes_per_second: Some(1_000_000),
                doing: Some("hub".to_owned()),
            }],
        })
    })?;
    let outcome = Outcome::Succeeded { how: How::Downloaded, duration_ms: 3000, sources: Vec::new(), commit: None };
    agent.say(&AgentToHub::JobResult(JobResult { job: assigned, outcome }))?;
    succeeded(&api, &id)?;
    let took = began.elapsed();
    let told = events.during(Duration::from_millis(500));
    let about = |event: &&Value| event.to_string().contains(&id);
    let n_told = u64::try_from(told.iter().filter(about).count())?;
    measured("events told of one job", &format!("{n_told} for {N} frames in {took:?}"));
    // Four a second, and the states it went through.
    ensure!(n_told <= 4 * (took.as_secs() + 2) + 6, "{n_told} events in {took:?}");
    let grown = memory_mib(hub.process(), "VmRSS:")? - before;
    ensure!(grown < MOST_MIB, "the hub grew by {grown} MiB");
    api.post("/api/scans", &json!({ "roots": ["lake"] }))?;
    Ok(())
}
