//! TLS from end to end: the hub's own listener, and a tunnel that ends it.

use anyhow::{Result, ensure};
use end_to_end::api::{Api, WORK};
use end_to_end::ca::TestCa;
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};

use crate::expect_arrived;

const PATH: &str = "loras/a.safetensors";

/// An agent that trusts the authority works; one that doesn't never gets a word across.
fn works_with_the_authority_only(remote: &Remote, api: &Api, ca: &TestCa, url: &str, content: &[u8]) -> Result<()> {
    let session = begin_session(api)?;
    let stranger = end_to_end::agent::AgentSetup::new(url, &session.key)?;
    let mut lost = stranger.start()?;
    wait_until("an agent that runs and is not connected", SOON, || Ok(stranger.state().join("status.json").is_file()))?;
    ensure!(lost.is_running()?, "{}", lost.log());
    ensure!(!stranger.is_connected()? && api.items("/api/remote/agents")?.is_empty());
    ensure!(!lost.log().contains(&session.key));
    lost.kill()?;

    let machine = end_to_end::agent::AgentSetup::new(url, &session.key)?.argument("--ca-file").argument(ca.authority());
    let _agent = machine.start()?;
    let id = wait_for_agent(api)?;
    let job = send(api, &id, &[PATH])?.remove(0);
    succeeded(api, &job)?;
    expect_arrived(&machine, PATH, content)?;
    ensure!(remote.roots.lake().join(PATH).is_file());
    Ok(())
}

#[test]
fn the_hubs_own_listener_speaks_tls() -> Result<()> {
    let ca = TestCa::new()?;
    let remote = Remote::new()?;
    let url = format!("https://{}", remote.listener());
    let remote = remote
        .set("REMOTE_BASE_URL", &url)
        .set("REMOTE_TLS_CERT", &ca.certificate().to_string_lossy())
        .set("REMOTE_TLS_KEY", &ca.key().to_string_lossy());
    let content = noise(1, 5 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let (_hub, api) = remote.start()?;
    works_with_the_authority_only(&remote, &api, &ca, &url, &content)?;

    // Without TLS nobody says anything there.
    let plain = end_to_end::client::builder().timeout(SOON).build()?;
    let answer = plain.get(format!("http://{}/remote/v1/health", remote.listener())).send();
    ensure!(answer.is_err() || answer.is_ok_and(|answer| answer.status().as_u16() != 200));
    Ok(())
}

#[test]
fn a_tunnel_may_end_tls() -> Result<()> {
    let ca = TestCa::new()?;
    let remote = Remote::with_tls(&ca)?;
    let content = noise(2, 5 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let (_hub, api) = remote.start()?;
    let url = remote.tunnel.url();
    works_with_the_authority_only(&remote, &api, &ca, &url, &content)?;
    let hellos = remote.tunnel.n_frames(end_to_end::chaos::Side::Agent, "hello");
    remote.tunnel.cut();
    ensure!(hellos >= 1);
    wait_until("an agent that was cut to be gone or back", WORK, || Ok(remote.tunnel.n_connections() > 0))
}
