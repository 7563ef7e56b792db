//! A disk that loses what it was to keep, and says so in time: that is fetched again.

use anyhow::{Context as _, Result, ensure};
use end_to_end::chaos::Mode;
use end_to_end::losing_disk::{LosingDisk, Loss};
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;

use crate::expect_arrived;

const LARGE: &str = "checkpoints/large.safetensors";

#[test]
fn what_a_disk_has_lost_is_fetched_again() -> Result<()> {
    let Some(disk) = LosingDisk::make_for("what_a_disk_has_lost_is_fetched_again")? else { return Ok(()) };
    let remote = Remote::new()?;
    let content = noise(1, (12 << 20) + 7);
    remote.roots.lake_file(LARGE, &content)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    for (loss, n_times) in [(Loss::Bytes, 1), (Loss::Bytes, 2), (Loss::Name, 1)] {
        let machine = disk.losing(remote.machine(&session)?, loss, n_times);
        let agent = machine.start()?;
        let id = wait_for_agent(&api)?;
        // Slow enough that the journal is written, and with it synced, in the middle of it.
        remote.tunnel.set(Mode::Throttle(4 << 20));
        let before = remote.tunnel.body_bytes("/blobs/");
        let job = send(&api, &id, &[LARGE])?.remove(0);
        let told = succeeded(&api, &job).with_context(|| format!("{loss:?} {n_times}: {}", agent.log()))?;
        expect_arrived(&machine, LARGE, &content).with_context(|| format!("{loss:?} {n_times}: {told}"))?;
        let sent = remote.tunnel.body_bytes("/blobs/") - before;
        ensure!(sent > content.len() as u64, "{loss:?}: nothing was lost, {sent} bytes were sent");
        agent.interrupt()?;
    }
    Ok(())
}
