//! What ends in the middle: a session by hand or by time, a file that becomes another; and what does not:
//! a session whose hub ends, and an agent whose disk was cloned.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use end_to_end::agent::FOR_GOOD;
use end_to_end::api::{Api, WORK};
use end_to_end::chaos::{Mode, Trigger};
use end_to_end::machine;
use end_to_end::remote::{Connected, Remote, ended, is_online, send, succeeded};
use end_to_end::roots::noise;
use end_to_end::wait::wait_until;
use reqwest::Method;
use serde_json::json;

use crate::expect_arrived;

const PATH: &str = "checkpoints/a.safetensors";
const SIZE: usize = 8 << 20;

/// A download that is in the middle of its file, slowly.
fn in_the_middle(remote: &Remote) -> Result<(Connected, String)> {
    remote.roots.lake_file(PATH, &noise(1, SIZE))?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(400_000));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", 1 << 20));
    let id = up.send_one(PATH)?;
    at.wait(WORK)?;
    Ok((up, id))
}

/// The agent has ended for good, and nothing it leaves opens anything or looks like a model.
fn expect_gone(remote: &Remote, up: Connected) -> Result<()> {
    let machine = up.machine.clone();
    let log = up.agent.log();
    let status = up.agent.wait_for_end(WORK)?;
    ensure!(status.code() == Some(FOR_GOOD), "{status:?}: {log}");
    ensure!(!machine.key_file().exists(), "the key is still there");
    ensure!(!machine.models().join(PATH).exists());
    let sent = remote.tunnel.body_bytes("/blobs/");
    ensure!(sent < SIZE as u64, "the stream went on to its end");
    Ok(())
}

#[test]
fn a_revoked_session_cuts_its_streams_and_ends_its_agents_for_good() -> Result<()> {
    let remote = Remote::new()?;
    let (up, _) = in_the_middle(&remote)?;
    let answer = Api::send(up.api.request(Method::DELETE, "/api/remote/session"))?;
    ensure!((200..300).contains(&answer.status), "{}", answer.text);
    expect_gone(&remote, up)
}

#[test]
fn a_removed_agent_ends_for_good_and_the_session_goes_on() -> Result<()> {
    let remote = Remote::new()?;
    remote.roots.lake_file(PATH, &noise(1, SIZE))?;
    let up = remote.connected()?;
    let answer = Api::send(up.api.request(Method::DELETE, &format!("/api/remote/agents/{}", up.id)))?;
    ensure!((200..300).contains(&answer.status), "{}", answer.text);
    let status = up.agent.wait_for_end(WORK)?;
    ensure!(status.code() == Some(FOR_GOOD), "{status:?}");
    ensure!(up.api.get("/api/remote/session")?["active"] == true);
    Ok(())
}

#[test]
fn a_session_whose_time_is_over_in_the_middle_of_a_file_ends_the_same_way() -> Result<()> {
    // The shortest session that can be had lasts a minute.
    if std::env::var_os("STORIES_FULL").is_none() {
        machine::skip("a_session_whose_time_is_over_in_the_middle_of_a_file", "takes a minute: --full");
        return Ok(());
    }
    let remote = Remote::new()?.set("REMOTE_SESSION_TTL_MINUTES", "1");
    let (up, _) = in_the_middle(&remote)?;
    remote.tunnel.set(Mode::Throttle(60_000));
    expect_gone(&remote, up)
}

#[test]
fn a_session_outlives_its_hub_and_can_be_given_more_time() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(3, 200_000);
    remote.roots.lake_file(PATH, &content)?;
    let mut up = remote.connected()?;
    let before = up.api.get("/api/remote/session")?;
    let status = up.hub.interrupt()?;
    ensure!(status.success(), "{status:?}");
    up.hub = remote.hub()?.start()?;
    up.api = up.hub.api()?;
    let after = up.api.get("/api/remote/session")?;
    ensure!(before["id"] == after["id"] && before["expires_at"] == after["expires_at"], "{before} {after}");
    ensure!(!after.to_string().contains(&up.session.key));
    let extended = up.api.post("/api/remote/session/extend", &json!({ "ttl_minutes": 60 }))?;
    ensure!(extended["expires_at"].as_str() > after["expires_at"].as_str(), "{extended}");
    wait_until("the agent to be back", WORK, || is_online(&up.api, &up.id))?;
    let id = up.send_one(PATH)?;
    succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)
}

#[test]
fn a_cloned_disk_becomes_an_agent_of_its_own() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(4, 2 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    let twin = remote.machine(&up.session)?;
    let copied = Command::new("cp").arg("-a").arg(up.machine.state()).arg(twin.state()).status()?;
    ensure!(copied.success());
    let mut second = twin.start()?;
    let mut ids = Vec::new();
    wait_until("two agents that are online", WORK, || {
        let agents = up.api.items("/api/remote/agents")?;
        ids = agents.iter().filter(|agent| agent["online"] == true).map(|agent| agent["id"].clone()).collect();
        Ok(ids.len() == 2)
    })?;
    let other = ids.iter().filter_map(|id| id.as_str()).find(|id| *id != up.id).unwrap_or_default().to_owned();
    // Both work, and neither does the other's job.
    let mine = up.send_one(PATH)?;
    succeeded(&up.api, &mine)?;
    let theirs = send(&up.api, &other, &[PATH])?.remove(0);
    succeeded(&up.api, &theirs)?;
    expect_arrived(&up.machine, PATH, &content)?;
    expect_arrived(&twin, PATH, &content)?;
    ensure!(second.is_running()?);
    Ok(())
}

#[test]
fn a_file_that_changes_while_it_is_sent_never_arrives_as_what_it_was() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(1, 8 << 20);
    let on_lake = remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(1 << 20));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", 3 << 20));
    let id = up.send_one(PATH)?;
    at.wait(WORK)?;
    fs::write(&on_lake, noise(9, 8 << 20))?;
    remote.tunnel.set(Mode::Pass);
    let job = ended(&up.api, &id)?;
    let arrived = up.machine.models().join(PATH);
    match fs::read(&arrived) {
        Ok(bytes) => ensure!(bytes == content, "wrong bytes under the final name: {job}"),
        Err(_) => ensure!(job["state"] == "failed", "neither a file nor a failure: {job}"),
    }
    Ok(())
}
