//! A database of an earlier version is opened by this one: nothing in it is lost, and its work goes on.
//!
//! `fixtures/schema-NN.tar.gz` holds a data folder and both roots as a killed hub of that version left
//! them: scanned, hashed and searched for duplicates, one file deleted, one evicted, one copied, one
//! failed, a plan that is ready, two jobs of a machine that is away, and a queue that was paused with
//! files that are queued, paused and waiting for their next try.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};
use end_to_end::api::{WORK, text};
use end_to_end::machine::skip;
use end_to_end::wait::wait_until;
use end_to_end::{Api, HubSetup};
use serde_json::{Value, json};

fn setup(folder: &Path) -> HubSetup {
    HubSetup::in_folder(&folder.join("data"))
        .set("LOCAL_MODELS_ROOT", folder.join("local"))
        .set("LAKE_MODELS_ROOT", folder.join("lake"))
        .set("LOCAL_ALLOW_DELETE", "true")
        .set("LAKE_ALLOW_DELETE", "true")
        .set("REMOTE_BIND", "127.0.0.1:0")
        .set("REMOTE_BASE_URL", "https://hub.example")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn states(api: &Api) -> Result<Vec<(String, String)>> {
    let mut all: Vec<_> = api
        .items("/api/transfers")?
        .iter()
        .map(|transfer| (text(transfer, "path").to_owned(), text(transfer, "state").to_owned()))
        .collect();
    all.sort();
    Ok(all)
}

/// Unpacks a fixture; none, after [`skip`], where there is no `tar`.
fn unpack(name: &str) -> Result<Option<tempfile::TempDir>> {
    let folder = tempfile::tempdir()?;
    match Command::new("tar").arg("-xzf").arg(fixtures().join(name)).arg("-C").arg(folder.path()).output() {
        Err(error) => {
            skip(&format!("a database of {name} goes on"), &format!("there is no tar here: {error}"));
            Ok(None)
        }
        Ok(output) if !output.status.success() => bail!("tar: {}", String::from_utf8_lossy(&output.stderr)),
        Ok(_) => Ok(Some(folder)),
    }
}

#[test]
fn a_database_of_schema_11_keeps_everything_and_goes_on() -> Result<()> {
    let Some(folder) = unpack("schema-11.tar.gz")? else { return Ok(()) };
    let hub = setup(folder.path()).start()?;
    let api = hub.api()?;
    let kept = fs::read_dir(folder.path().join("data"))?.map_while(Result::ok).map(|entry| entry.file_name());
    let kept: Vec<_> = kept.map(|name| name.to_string_lossy().into_owned()).collect();
    ensure!(!kept.iter().any(|name| name.contains(".broken-")), "it was begun anew: {kept:?}");
    api.scan_both()?;

    // Every hash that was taken counts on, without a read.
    for root in ["local", "lake"] {
        for file in api.items(&format!("/api/files?root={root}"))? {
            let changed = text(&file, "path") == "loras/changes.safetensors";
            ensure!(file["hash"].is_string() || changed, "{root} lost a hash: {file}");
        }
    }
    let history: Vec<_> =
        api.items("/api/history?limit=200")?.iter().map(|line| text(line, "kind").to_owned()).collect();
    for kind in ["scan", "hash", "batch", "duplicates"] {
        ensure!(history.iter().any(|found| found == kind), "history lost {kind}: {history:?}");
    }
    let trash = api.items("/api/trash?root=local")?;
    ensure!(trash.len() == 1 && text(&trash[0], "path") == "loras/deleted.safetensors", "{trash:?}");
    ensure!(trash[0]["batch_id"].is_number() || trash[0]["batch_id"].is_string(), "of a known batch: {trash:?}");
    let evicted = api.items("/api/evictions")?;
    ensure!(evicted.len() == 1 && text(&evicted[0], "path") == "loras/evicted.safetensors", "{evicted:?}");
    let groups = api.items("/api/duplicates")?;
    ensure!(!groups.is_empty(), "the groups of the search are there");
    let plans = api.get("/api/mirrors/1")?;
    ensure!(["ready", "stale"].contains(&text(&plans, "state")), "{plans}");
    let jobs = api.items("/api/remote/jobs")?;
    ensure!(jobs.len() == 2, "{jobs:?}");
    ensure!(api.items("/api/scans")?.len() >= 2 && api.items("/api/hashes")?.len() >= 2);

    let before = states(&api)?;
    let n = |state: &str| before.iter().filter(|(_, found)| found == state).count();
    ensure!((n("queued"), n("paused"), n("waiting"), n("failed"), n("completed")) == (4, 1, 1, 1, 3), "{before:?}");
    ensure!(api.get("/api/queue")?["is_paused"] == true, "what a person paused stays paused");
    go_on(folder.path(), &api, &before)
}

/// The queue, and what was evicted and deleted, go on from where they were.
fn go_on(folder: &Path, api: &Api, before: &[(String, String)]) -> Result<()> {
    for transfer in api.items("/api/transfers")? {
        let action = match text(&transfer, "state") {
            "paused" => "resume",
            "waiting" => "retry",
            _ => continue,
        };
        api.post(&format!("/api/transfers/{}/{action}", transfer["id"]), &json!({}))?;
    }
    api.post("/api/queue/resume", &json!({}))?;
    let open = ["queued", "running", "paused", "waiting"];
    wait_until("the end of the queue", WORK, || {
        Ok(!states(api)?.iter().any(|(_, state)| open.contains(&state.as_str())))
    })?;
    let after: Vec<Value> = api.items("/api/transfers")?;
    ensure!(after.len() == before.len(), "{after:?}");
    for n in 0..7 {
        let path = format!("loras/new{n}.safetensors");
        ensure!(fs::read(folder.join("local").join(&path))? == fs::read(folder.join("lake").join(&path))?, "{path}");
    }
    let back = api.post("/api/evictions/restore", &json!({ "paths": ["loras/evicted.safetensors"] }))?;
    api.complete(&back["batch_id"].to_string())?;
    ensure!(folder.join("local/loras/evicted.safetensors").is_file());
    let id = api.items("/api/trash?root=local")?[0]["id"].clone();
    let back = api.post("/api/trash/restore", &json!({ "ids": [id] }))?;
    api.complete(&back["batch_id"].to_string())?;
    ensure!(folder.join("local/loras/deleted.safetensors").is_file());
    Ok(())
}
