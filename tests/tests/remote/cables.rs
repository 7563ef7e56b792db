//! A big file, and a cable that is pulled three times.

use anyhow::{Result, ensure};
use end_to_end::api::WORK;
use end_to_end::bench::process::memory_mib;
use end_to_end::chaos::{Mode, Trigger};
use end_to_end::machine::measured;
use end_to_end::remote::Remote;
use end_to_end::remote::{job, wait_for_state};
use end_to_end::roots::digest;
use end_to_end::wait::wait_until;

const PATH: &str = "diffusion_models/huge.safetensors";

#[test]
fn three_cuts_cost_little_of_a_big_file() -> Result<()> {
    let is_full = std::env::var_os("STORIES_FULL").is_some();
    let size: u64 = if is_full { 6 << 30 } else { 192 << 20 };
    let remote = Remote::new()?;
    let on_lake = remote.roots.lake_file(PATH, &[])?;
    write_noise(&on_lake, size)?;
    let up = remote.connected()?;
    if !is_full {
        remote.tunnel.set(Mode::Throttle(48 << 20));
    }
    let id = up.send_one(PATH)?;
    for _ in 0..3 {
        let at = remote.tunnel.arm(Trigger::body("/blobs/", size / 5).then(Mode::blackhole()));
        wait_until("the next cut", WORK * 4, || Ok(at.is_fired() || job(&up.api, &id)?["state"] == "succeeded"))?;
        ensure!(at.is_fired(), "it was over before the cut");
        // The cable hangs in the air, then somebody notices and plugs it in again.
        remote.tunnel.cut();
        remote.tunnel.set(if is_full { Mode::Pass } else { Mode::Throttle(48 << 20) });
    }
    wait_until("the file", WORK * 4, || {
        Ok(["succeeded", "failed"].contains(&job(&up.api, &id)?["state"].as_str().unwrap_or_default()))
    })?;
    wait_for_state(&up.api, &id, &["succeeded"], WORK)?;
    ensure!(digest(&up.machine.models().join(PATH))? == digest(&on_lake)?);
    let sent = remote.tunnel.body_bytes("/blobs/");
    measured("three cuts: bytes sent beyond the file", &format!("{} of {size}", sent.saturating_sub(size)));
    measured("three cuts: agent resident at most", &format!("{:.1} MiB", memory_mib(up.agent.process(), "VmHWM:")?));
    ensure!(sent < size + size / 5, "{sent} bytes were sent for {size}");
    Ok(())
}

fn write_noise(path: &std::path::Path, size: u64) -> Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut noise = blake3::Hasher::new().update(b"huge").finalize_xof();
    std::io::copy(&mut std::io::Read::take(&mut noise, size), &mut file)?;
    Ok(())
}
