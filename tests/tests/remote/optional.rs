//! Guarantees that a file system may or may not give: without them the agent works all the same, and says so.

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::text;
use end_to_end::optional_disk::OptionalDisk;
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};
use serde_json::Value;

const SMALL: &str = "loras/small.safetensors";
const LARGE: &str = "checkpoints/large.safetensors";

/// What the agent told of the disk of its models.
fn lacks(api: &end_to_end::api::Api) -> Result<Vec<String>> {
    let agents = api.items("/api/remote/agents")?;
    let agent = agents.iter().find(|agent| agent["online"] == true).context("no agent")?;
    let told = agent["facts"]["roots"][0]["lacks"].as_array().cloned().unwrap_or_default();
    Ok(told.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[test]
fn files_arrive_on_a_disk_that_offers_less_and_what_is_missing_is_told() -> Result<()> {
    let test = "files_arrive_on_a_disk_that_offers_less_and_what_is_missing_is_told";
    let Some(disk) = OptionalDisk::make_for(test)? else { return Ok(()) };
    let remote = Remote::new()?;
    let (small, large) = (noise(1, 3_000), noise(2, (5 << 20) + 7));
    remote.roots.lake_file(SMALL, &small)?;
    remote.roots.lake_file(LARGE, &large)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    for (what, told) in [
        ("flock=ENOSYS", "locks"),
        ("flock=ENOLCK", "locks"),
        ("flock=nothing", "locks"),
        ("folders=EINVAL", "folder_sync"),
        ("folders=ENOTSUP", "folder_sync"),
        ("links", "hard_links"),
    ] {
        let machine = disk.lacking(remote.machine(&session)?, what);
        let agent = machine.start()?;
        let id = wait_for_agent(&api).with_context(|| format!("{what}: {}", agent.log()))?;
        wait_until("`agent status` to say so", SOON, || machine.is_connected()).with_context(|| what.to_owned())?;
        ensure!(lacks(&api)? == [told], "{what}: {:?}", lacks(&api)?);
        for job in send(&api, &id, &[SMALL, LARGE])? {
            succeeded(&api, &job).with_context(|| what.to_owned())?;
        }
        super::expect_arrived(&machine, SMALL, &small)?;
        super::expect_arrived(&machine, LARGE, &large)?;
        // It is not started twice, however little its disk says about that.
        let second = machine.start()?;
        let code = second.wait_for_end(std::time::Duration::from_secs(30))?.code();
        ensure!(code == Some(1), "{what}: a second agent ended with {code:?}");
        agent.kill()?;
        ensure!(!machine.is_connected()?, "{what}: a dead agent is not connected");
        let again = machine.start()?;
        wait_for_agent(&api).with_context(|| format!("{what}, started again: {}", again.log()))?;
        again.interrupt()?;
    }
    Ok(())
}

#[test]
fn an_ordinary_disk_lacks_nothing() -> Result<()> {
    let remote = Remote::new()?;
    let up = remote.connected()?;
    ensure!(lacks(&up.api)?.is_empty(), "{:?}", lacks(&up.api)?);
    ensure!(!text(&up.api.items("/api/remote/agents")?[0], "id").is_empty());
    Ok(())
}
