//! The end of a session, heard where nginx stands in between with its defaults: no `WebSockets`, answers taken in first.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::Api;
use end_to_end::agent::FOR_GOOD;
use end_to_end::api::WORK;
use end_to_end::chaos::{Mode, Trigger};
use end_to_end::client;
use end_to_end::machine::measured;
use end_to_end::nginx::Nginx;
use end_to_end::remote::{Remote, begin_session, send, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::SOON;
use reqwest::Method;

const PATH: &str = "checkpoints/a.safetensors";
const SIZE: usize = 24 << 20;

/// How long the end may take to arrive; it took a quarter of a minute once.
const HEARD_WITHIN: Duration = Duration::from_secs(6);

fn revoke(api: &Api) -> Result<()> {
    let answer = Api::send(api.request(Method::DELETE, "/api/remote/session"))?;
    ensure!((200..300).contains(&answer.status), "{}", answer.text);
    Ok(())
}

#[test]
fn whoever_comes_right_after_the_end_is_told_of_it() -> Result<()> {
    let remote = Remote::new()?;
    let (_hub, api) = remote.start()?;
    let address = format!("http://{}/remote/v1/", remote.listener());
    let mut said = Vec::new();
    // A machine that is busy may take longer than the hub waits.
    for _ in 0..5 {
        let session = begin_session(&api)?;
        revoke(&api)?;
        let client = client::builder().timeout(SOON).build()?;
        match client.get(&address).bearer_auth(&session.key).send().and_then(reqwest::blocking::Response::text) {
            Ok(text) if text.contains("\"revoked\"") => return Ok(()),
            other => said.push(format!("{other:?}")),
        }
    }
    anyhow::bail!("nobody was told: {said:?}")
}

#[test]
fn behind_nginx_the_end_of_a_session_is_heard_at_once() -> Result<()> {
    let test = "behind_nginx_the_end_of_a_session_is_heard_at_once";
    let remote = Remote::new()?;
    let Some(nginx) = Nginx::before(test, remote.listener(), "")? else { return Ok(()) };
    let address: SocketAddr = nginx.url("").trim_start_matches("http://").trim_end_matches('/').parse()?;
    remote.tunnel.point_at(address);
    remote.roots.lake_file(PATH, &noise(1, SIZE))?;
    let (_hub, api) = remote.start()?;
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let session = begin_session(&api)?;
        let machine = remote.machine(&session)?;
        let agent = machine.start()?;
        let id = wait_for_agent(&api)?;
        ensure!(remote.tunnel.n_requests("POST /remote/v1/poll") > 0, "nginx lets no WebSocket through");
        remote.tunnel.set(Mode::Throttle(1 << 20));
        let before = remote.tunnel.body_bytes("/blobs/");
        let at = remote.tunnel.arm(Trigger::body("/blobs/", 1 << 20));
        send(&api, &id, &[PATH])?;
        at.wait(WORK)?;
        revoke(&api)?;
        let began = Instant::now();
        let log = agent.log();
        let status = agent.wait_for_end(WORK).with_context(|| log)?;
        slowest = slowest.max(began.elapsed());
        ensure!(status.code() == Some(FOR_GOOD) && !machine.key_file().exists(), "{status:?}");
        let sent = remote.tunnel.body_bytes("/blobs/") - before;
        ensure!(sent < SIZE as u64 / 2, "the stream went on: {sent} bytes");
        remote.tunnel.set(Mode::Pass);
    }
    measured("from the revoke to the agent's end behind nginx", &format!("{} ms at most", slowest.as_millis()));
    ensure!(slowest < HEARD_WITHIN, "it took {slowest:?}");
    Ok(())
}
