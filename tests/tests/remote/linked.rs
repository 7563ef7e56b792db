//! Folders of models that are links to a volume, as rented machines lay them out.
#![cfg(unix)]

use std::os::unix::fs::symlink;

use anyhow::{Context as _, Result, ensure};
use end_to_end::agent::AgentSetup;
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_for};
use serde_json::{Value, json};

const BEHIND: &str = "checkpoints/sd/x.safetensors";
const BESIDE: &str = "loras/y.safetensors";

fn lay_out(machine: &AgentSetup) -> Result<std::path::PathBuf> {
    let volume = machine.folder().join("volume");
    std::fs::create_dir_all(&volume)?;
    std::fs::create_dir_all(machine.models())?;
    symlink(&volume, machine.models().join("checkpoints"))?;
    symlink("/none/anywhere", machine.models().join("vae"))?;
    Ok(volume)
}

#[test]
fn a_linked_folder_is_told_and_used_where_that_is_allowed() -> Result<()> {
    let remote = Remote::new()?;
    let (behind, beside) = (noise(1, (2 << 20) + 5), noise(2, 70_000));
    remote.roots.lake_file(BEHIND, &behind)?;
    remote.roots.lake_file(BESIDE, &beside)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?;
    let volume = lay_out(&machine)?;
    let linked = |allowed: bool| -> Result<Value> {
        wait_for("the linked folders", SOON, || {
            let agents = api.items("/api/remote/agents")?;
            let agent = agents.iter().find(|agent| agent["online"] == true);
            let told = agent.map(|agent| agent["facts"]["comfyui"]["linked_folders"].clone());
            Ok(told.filter(|told| told[0]["allowed"] == allowed))
        })
    };

    let agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    let told = linked(false)?;
    ensure!(told[0]["path"] == "checkpoints" && told[0]["problem"].is_null(), "{told}");
    ensure!(
        told[1]["path"] == "vae" && told[1]["problem"].as_str().is_some_and(|why| why.contains("nowhere")),
        "{told}"
    );
    let asked = json!({ "agent_id": id, "kind": "asset_download", "root": "lake", "paths": [BEHIND, BESIDE] });
    let answer = api.post("/api/remote/jobs", &asked)?;
    let why = answer["skipped"][0]["why"].as_str().context("it is skipped, and why is told")?;
    ensure!(answer["skipped"][0]["path"] == BEHIND && why.contains("--allow-linked-folders"), "{answer}");
    succeeded(&api, answer["job_ids"][0].as_str().context("the other one is sent")?)?;
    agent.interrupt()?;

    let machine = machine.argument("--allow-linked-folders");
    let _agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    linked(true)?;
    for job in send(&api, &id, &[BEHIND])? {
        succeeded(&api, &job)?;
    }
    ensure!(std::fs::read(volume.join("sd/x.safetensors"))? == behind);
    let inventory = api.get(&format!("/api/remote/agents/{id}/inventory"))?;
    ensure!(inventory["items"].to_string().contains(BEHIND), "{inventory}");
    Ok(())
}
