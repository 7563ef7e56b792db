//! The agent for Arm, run by an emulator: it connects by a name, brings models and tells what it is.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use end_to_end::agent::AgentSetup;
use end_to_end::api::text;
use end_to_end::machine::skip;
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;

use crate::expect_arrived;

const EMULATOR: &str = "qemu-aarch64-static";

#[test]
fn an_arm_machine_is_served_its_agent_and_gets_its_models() -> Result<()> {
    let test = "an_arm_machine_is_served_its_agent_and_gets_its_models";
    let Some(program) = std::env::var_os("AGENT_AARCH64") else {
        skip(test, "AGENT_AARCH64 names no agent for Arm: --full builds one");
        return Ok(());
    };
    if Command::new(EMULATOR).arg("--version").output().is_err() {
        skip(test, "there is no qemu-aarch64-static (Debian: qemu-user-static)");
        return Ok(());
    }
    let remote = Remote::new()?.set("AGENT_BINARY_AARCH64", &program.to_string_lossy());
    let files = [("checkpoints/big.safetensors", noise(1, (9 << 20) + 77)), ("loras/small.pt", noise(2, 3_000))];
    for (path, content) in &files {
        remote.roots.lake_file(path, content)?;
    }
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;

    // What the hub hands out is what runs.
    let folder = tempfile::tempdir()?;
    let served = folder.path().join("served");
    let address = format!("{}/remote/v1/agent/aarch64-linux", remote.tunnel.url());
    let answer = end_to_end::client::builder().build()?.get(address).bearer_auth(&session.key).send()?;
    std::fs::write(&served, answer.error_for_status()?.bytes()?)?;
    let started = folder.path().join("agent");
    let script = format!("#!/bin/sh\nexec {EMULATOR} '{}' \"$@\"\n", served.display());
    std::fs::write(&started, script)?;
    for file in [&served, &started] {
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    let by_name = remote.tunnel.url().replace("127.0.0.1", "localhost");
    let machine = AgentSetup::new(&by_name, &session.key)?;
    let agent = machine.start_program(&started)?;
    let id = wait_for_agent(&api).with_context(|| agent.log())?;
    let told = api.items("/api/remote/agents")?.into_iter().next().context("no agent")?;
    ensure!(text(&told["facts"], "arch") == "aarch64", "{told}");
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    for job in send(&api, &id, &paths)? {
        succeeded(&api, &job).with_context(|| agent.log())?;
    }
    for (path, content) in &files {
        expect_arrived(&machine, path, content)?;
    }
    ensure!(agent.interrupt()?.success());
    Ok(())
}
