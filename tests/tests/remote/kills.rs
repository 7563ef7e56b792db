//! `kill -9` of either side in the middle of a file.

use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::api::WORK;
use end_to_end::chaos::{Mode, Trigger};
use end_to_end::remote::{Remote, is_online, succeeded};
use end_to_end::roots::noise;
use end_to_end::wait::wait_until;

use crate::expect_arrived;

const PATH: &str = "checkpoints/big.safetensors";
const SIZE: usize = 48 << 20;
/// 37 %.
const THERE: u64 = SIZE as u64 / 100 * 37;
/// What may be on its way, unverified or not yet written down, when someone is killed: of 48 MiB a
/// restart from zero would send 18 again.
const IN_FLIGHT: u64 = 12 << 20;

/// What the sources of a job brought, by all processes of the agent.
fn brought(job: &serde_json::Value) -> Option<u64> {
    job["sources"].as_array()?.iter().map(|source| source["bytes"].as_u64()).sum()
}

#[test]
fn a_killed_hub_comes_back_and_the_file_goes_on() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(1, SIZE);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(8 << 20));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", THERE));
    let id = up.send_one(PATH)?;
    at.wait(WORK)?;
    up.hub.kill()?;
    let tried = remote.tunnel.n_connections();
    wait_until("the agent to look for its hub", WORK, || Ok(remote.tunnel.n_connections() > tried + 1))?;
    remote.tunnel.set(Mode::Pass);
    let hub = remote.hub()?.start()?;
    let api = hub.api()?;
    succeeded(&api, &id)?;
    expect_arrived(&up.machine, PATH, &content)?;
    let sent = remote.tunnel.body_bytes("/blobs/");
    ensure!(sent < SIZE as u64 + IN_FLIGHT, "{sent} bytes were sent for {SIZE}");
    ensure!(is_online(&api, &up.id)?);
    Ok(())
}

#[test]
fn a_killed_agent_goes_on_from_what_it_had_proved() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(2, SIZE);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(8 << 20));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", THERE));
    let id = up.send_one(PATH)?;
    at.wait(WORK)?;
    up.agent.kill()?;
    ensure!(!up.machine.models().join(PATH).exists(), "a final name holds no half file");
    remote.tunnel.set(Mode::Pass);
    let before = remote.tunnel.body_bytes("/blobs/");
    let _agent = up.machine.start()?;
    let job = succeeded(&up.api, &id)?;
    ensure!(brought(&job) == Some(SIZE as u64), "the agent before counts, too: {job}");
    expect_arrived(&up.machine, PATH, &content)?;
    let after = remote.tunnel.body_bytes("/blobs/") - before;
    let missing = SIZE as u64 - THERE;
    ensure!(after < missing + IN_FLIGHT, "{after} bytes were sent after the kill where {missing} were missing");
    Ok(())
}

#[test]
fn both_may_die_again_and_again() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(3, SIZE);
    remote.roots.lake_file(PATH, &content)?;
    let mut up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(10 << 20));
    let id = up.send_one(PATH)?;
    for turn in 0..4 {
        let at = remote.tunnel.arm(Trigger::body("/blobs/", 6 << 20));
        at.wait(Duration::from_mins(2))?;
        if turn % 2 == 0 {
            up.agent.kill()?;
            up.agent = up.machine.start()?;
        } else {
            up.hub.kill()?;
            up.hub = remote.hub()?.start()?;
            up.api = up.hub.api()?;
        }
    }
    remote.tunnel.set(Mode::Pass);
    let job = succeeded(&up.api, &id)?;
    ensure!(brought(&job) == Some(SIZE as u64), "{job}");
    expect_arrived(&up.machine, PATH, &content)
}
