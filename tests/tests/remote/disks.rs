//! The agent's disk is full: before, and in the middle. The hub's Lake goes away meanwhile.

use anyhow::{Result, ensure};
use end_to_end::api::WORK;
use end_to_end::chaos::{Mode, Trigger};
use end_to_end::machine::SmallDisk;
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent, wait_for_state};
use end_to_end::roots::noise;
use end_to_end::wait::wait_until;

use crate::expect_arrived;

const PATH: &str = "checkpoints/big.safetensors";
const MIB: u64 = 1 << 20;
/// What the agent leaves free on any disk.
const SPARE: u64 = 64 * MIB;

#[test]
fn a_disk_that_fills_up_pauses_the_download_until_there_is_room() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("a_disk_that_fills_up_pauses_the_download", SPARE + 40 * MIB)? else {
        return Ok(());
    };
    let remote = Remote::new()?;
    let content = noise(1, 24 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?.comfy_at(&disk.path().join("ComfyUI"));
    let mut agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    remote.tunnel.set(Mode::Throttle(4 << 20));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", 6 << 20));
    let job = send(&api, &id, &[PATH])?.remove(0);
    at.wait(WORK)?;
    // Someone else takes the room that is left, and that was reserved if the disk reserves at all.
    let hog = disk.path().join("hog");
    drop(std::fs::write(&hog, noise(2, 110 << 20)));
    remote.tunnel.set(Mode::Pass);
    let paused = wait_for_state(&api, &job, &["paused", "succeeded", "failed"], WORK)?;
    ensure!(agent.is_running()?, "{}", agent.log());
    ensure!(paused["state"] != "failed", "{paused}");
    std::fs::remove_file(&hog)?;
    succeeded(&api, &job)?;
    expect_arrived(&machine, PATH, &content)
}

#[test]
fn a_file_that_can_never_fit_is_refused_or_waits_and_leaves_nothing() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("a_file_that_can_never_fit", 16 * MIB)? else {
        return Ok(());
    };
    let remote = Remote::new()?;
    let content = noise(1, 24 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?.comfy_at(&disk.path().join("ComfyUI"));
    let _agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    let job = send(&api, &id, &[PATH])?.remove(0);
    let told = wait_for_state(&api, &job, &["paused", "failed"], WORK)?;
    ensure!(!machine.models().join(PATH).exists());
    ensure!(remote.tunnel.body_bytes("/blobs/") < 2 * MIB, "it was fetched in vain: {told}");

    // A bigger disk, and it goes on, by itself or when asked to.
    disk.resize(SPARE + 40 * MIB)?;
    if told["state"] == "failed" {
        api.post(&format!("/api/remote/jobs/{job}/retry"), &serde_json::json!({}))?;
    }
    succeeded(&api, &job)?;
    expect_arrived(&machine, PATH, &content)
}

#[test]
fn a_lake_that_goes_away_in_the_middle_is_waited_for() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(4, 24 << 20);
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(4 << 20));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", 6 << 20));
    let id = up.send_one(PATH)?;
    at.wait(WORK)?;
    let away = remote.roots.folder().join("away");
    std::fs::rename(remote.roots.lake(), &away)?;
    // Every range has to be asked for again, of a Lake that is not there.
    remote.tunnel.cut();
    remote.tunnel.set(Mode::Pass);
    let before = remote.tunnel.body_bytes("/blobs/");
    wait_until("the hub to say no", WORK, || Ok(remote.tunnel.body_bytes("/blobs/") > before))?;
    std::fs::rename(&away, remote.roots.lake())?;
    succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)
}
