//! The control channel breaks, at the moments where something could get lost or be done twice.

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, text};
use end_to_end::chaos::{Mode, Side, Trigger};
use end_to_end::machine;
use end_to_end::remote::{Remote, begin_session, job, succeeded, wait_for_agent, wait_for_state};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};

use crate::expect_arrived;

const PATH: &str = "loras/a.safetensors";

#[test]
fn a_job_whose_acceptance_got_lost_is_done_once() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(1, 3 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    let lost = remote.tunnel.arm(Trigger::frame(Side::Agent, "job_accepted").swallow().cut());
    let id = up.send_one(PATH)?;
    lost.wait(SOON)?;
    succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)?;
    let sent = remote.tunnel.body_bytes("/blobs/");
    ensure!(sent < content.len() as u64 * 2, "{sent} bytes were sent for {}", content.len());
    ensure!(remote.tunnel.n_frames(Side::Agent, "hello") >= 2);
    Ok(())
}

#[test]
fn an_assignment_that_got_lost_is_made_again() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(1, 200_000);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    let lost = remote.tunnel.arm(Trigger::frame(Side::Hub, "job_assign").swallow().cut());
    let id = up.send_one(PATH)?;
    lost.wait(SOON)?;
    succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)
}

#[test]
fn a_result_that_got_lost_is_told_again() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(2, 2 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    let lost = remote.tunnel.arm(Trigger::frame(Side::Agent, "job_result").swallow().cut());
    let id = up.send_one(PATH)?;
    lost.wait(WORK)?;
    succeeded(&up.api, &id)?;
    ensure!(remote.tunnel.n_frames(Side::Agent, "job_result") >= 2);
    ensure!(remote.tunnel.body_bytes("/blobs/") < content.len() as u64 * 2, "it was done twice");
    expect_arrived(&up.machine, PATH, &content)
}

#[test]
fn a_result_whose_receipt_got_lost_is_told_again_and_changes_nothing() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(3, 2 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    let lost = remote.tunnel.arm(Trigger::frame(Side::Hub, "result_ack").swallow().cut());
    let id = up.send_one(PATH)?;
    lost.wait(WORK)?;
    let before = succeeded(&up.api, &id)?;
    remote.tunnel.wait_for_frames(Side::Hub, "result_ack", 2, WORK)?;
    let after = job(&up.api, &id)?;
    for field in ["state", "finished_at", "attempt"] {
        ensure!(before[field] == after[field], "{field}: {before} became {after}");
    }
    ensure!(remote.tunnel.n_frames(Side::Agent, "job_result") >= 2);

    // What the hub has taken note of is not told on the connection after that.
    let told = remote.tunnel.n_frames(Side::Agent, "job_result");
    let hellos = remote.tunnel.n_frames(Side::Agent, "hello");
    remote.tunnel.cut();
    remote.tunnel.wait_for_frames(Side::Agent, "hello", hellos + 1, WORK)?;
    let next = up.send_one("loras/a.safetensors")?;
    succeeded(&up.api, &next)?;
    ensure!(remote.tunnel.n_frames(Side::Agent, "job_result") == told + 1, "{:?}", remote.tunnel.frames());
    Ok(())
}

/// While the agent works, one or both directions fall silent without a word; it notices and comes back.
fn falls_silent(sides: &[Side]) -> Result<()> {
    let remote = Remote::new()?.set("REMOTE_STALL_TIMEOUT_SECONDS", "2");
    let content = noise(4, 6 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?.hasty();
    let mut agent = machine.start()?;
    let agent_id = wait_for_agent(&api)?;
    remote.tunnel.set(Mode::Throttle(3 << 20));
    let silent = remote.tunnel.arm(Trigger::body("/blobs/", 2 << 20).then(Mode::Blackhole(sides.to_vec())));
    let id = end_to_end::remote::send(&api, &agent_id, &[PATH])?.remove(0);
    silent.wait(WORK)?;
    wait_until("the agent to notice", WORK, || Ok(!machine.is_connected()?))?;
    ensure!(agent.is_running()?, "{}", agent.log());
    remote.tunnel.set(Mode::Pass);
    succeeded(&api, &id)?;
    expect_arrived(&machine, PATH, &content)
}

#[test]
fn a_network_that_swallows_everything_is_noticed() -> Result<()> {
    falls_silent(&[Side::Agent, Side::Hub])
}

#[test]
fn a_network_that_swallows_what_the_hub_says_is_noticed() -> Result<()> {
    falls_silent(&[Side::Hub])
}

#[test]
fn a_network_that_swallows_what_the_agent_says_is_noticed_by_the_hub() -> Result<()> {
    if std::env::var_os("STORIES_FULL").is_none() {
        machine::skip("a_network_that_swallows_what_the_agent_says", "takes a minute: --full");
        return Ok(());
    }
    let remote = Remote::new()?;
    let content = noise(5, 200_000);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Blackhole(vec![Side::Agent]));
    wait_until("the hub to miss its agent", WORK, || Ok(!end_to_end::remote::is_online(&up.api, &up.id)?))?;
    let id = up.send_one(PATH)?;
    remote.tunnel.set(Mode::Pass);
    succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)
}

#[test]
fn bytes_that_come_one_by_one_are_still_frames_and_files() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(6, 400_000);
    remote.roots.lake_file(PATH, &content)?;
    remote.tunnel.set(Mode::Slice);
    let up = remote.connected()?;
    let id = up.send_one(PATH)?;
    succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)
}

#[test]
fn a_cancel_stops_a_download_that_crawls() -> Result<()> {
    let remote = Remote::new()?;
    remote.roots.lake_file(PATH, &noise(7, 8 << 20))?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(200_000));
    let id = up.send_one(PATH)?;
    wait_for_state(&up.api, &id, &["running"], WORK)?;
    up.api.post(&format!("/api/remote/jobs/{id}/cancel"), &serde_json::json!({}))?;
    let ended = wait_for_state(&up.api, &id, &["succeeded", "failed", "cancelled"], WORK)?;
    ensure!(text(&ended, "state") == "cancelled", "{ended}");
    ensure!(!up.machine.models().join(PATH).exists());
    Ok(())
}
