//! Files leave Local only for a copy on the Lake that was verified: through kills, damage, a Lake that
//! goes away, and people who change things meanwhile. No content is ever nowhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{WORK, number, text};
use end_to_end::machine::SmallDisk;
use end_to_end::roots::{digest, noise, part_files, tree};
use end_to_end::wait::{SOON, wait_for, wait_until};
use end_to_end::{Api, Hub, HubSetup, Roots};
use rand::RngExt as _;
use serde_json::{Value, json};

/// A file that only stays: a root that is all empty would rightly not be believed.
const MINE: &str = "vae/mine.safetensors";

fn setup(roots: &Roots) -> Result<HubSetup> {
    roots.local_file(MINE, b"mine")?;
    Ok(roots.hub()?.set("LOCAL_ALLOW_DELETE", "true"))
}

fn evict(api: &Api, paths: &[&str]) -> Result<String> {
    let answer = api.post("/api/evictions", &json!({ "paths": paths }))?;
    ensure!(answer["refused"] == json!([]), "{answer}");
    Ok(answer["batch_id"].to_string())
}

fn code(transfer: &Value) -> &str {
    transfer["error"]["code"].as_str().unwrap_or_default()
}

/// One file on both sides, and the hub on it.
fn one_file(content: &[u8]) -> Result<(Roots, HubSetup, Hub, Api)> {
    let roots = Roots::new()?;
    roots.local_file("loras/a.safetensors", content)?;
    roots.lake_file("loras/a.safetensors", content)?;
    roots.lake_file("vae/other.safetensors", b"other")?;
    let setup = setup(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    Ok((roots, setup, hub, api))
}

#[test]
fn random_kills_never_lose_the_last_copy() -> Result<()> {
    let roots = Roots::new()?;
    let mut random = rand::rng();
    for i in 0..8 {
        let content = noise(i, random.random_range(10 << 20..30 << 20));
        roots.local_file(&format!("checkpoints/big{i}.safetensors"), &content)?;
        if i % 2 == 0 {
            roots.lake_file(&format!("checkpoints/big{i}.safetensors"), &content)?;
        }
    }
    for i in 0..120 {
        let content = noise(1_000 + i, random.random_range(1..200_000));
        roots.local_file(&format!("loras/set{}/m{i}.safetensors", i % 7), &content)?;
        if i % 3 == 0 {
            roots.lake_file(&format!("loras/set{}/m{i}.safetensors", i % 7), &content)?;
        }
    }
    roots.lake_file("vae/other.safetensors", b"other")?;
    let mut before = tree(&roots.local())?;
    let setup = setup(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = evict(&api, &["checkpoints", "loras"])?;
    let mut hub = Some(hub);
    for kill in 1..=14 {
        std::thread::sleep(Duration::from_millis(random.random_range(1..260)));
        if let Some(hub) = hub.take() {
            hub.kill()?;
        }
        let (local, lake) = (tree(&roots.local())?, tree(&roots.lake())?);
        for (path, file) in &before {
            let is_somewhere = local.get(path) == Some(file) || lake.get(path).is_some_and(|copy| copy.0 == file.0);
            ensure!(is_somewhere, "after kill {kill} {path} is nowhere whole");
        }
        hub = Some(setup.start()?);
    }
    let api = hub.as_ref().context("it runs")?.api()?;
    api.complete(&batch)?;
    ensure!(tree(&roots.local())?.into_keys().collect::<Vec<_>>() == [MINE]);
    let lake = tree(&roots.lake())?;
    before.remove(MINE);
    for (path, file) in &before {
        ensure!(lake.get(path).is_some_and(|copy| copy.0 == file.0), "{path}");
    }
    ensure!(part_files(&roots.lake())?.is_empty());
    ensure!(number(&api.get("/api/evictions?limit=1")?, "total") == before.len() as u64, "each is listed as evicted");
    Ok(())
}

/// Kills the hub as soon as something is so on the disk.
fn kill_when(hub: Hub, what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let end = std::time::Instant::now() + WORK;
    while !is_so() {
        ensure!(std::time::Instant::now() < end, "{what}: never");
        std::hint::spin_loop();
    }
    hub.kill()
}

#[test]
fn a_kill_after_each_step_goes_on_where_it_was() -> Result<()> {
    let roots = Roots::new()?;
    let content = noise(5, 90 << 20);
    let (here, there) = (roots.local().join("loras/a.safetensors"), roots.lake().join("loras/a.safetensors"));
    roots.local_file("loras/a.safetensors", &content)?;
    roots.lake_file("vae/other.safetensors", b"other")?;
    let setup = setup(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = evict(&api, &["loras/a.safetensors"])?;
    kill_when(hub, "the copy has its name", || there.exists())?;
    ensure!(here.exists(), "a copy that was not read again is no proof");
    let hub = setup.start()?;
    kill_when(hub, "the file has left", || !here.exists())?;
    ensure!(digest(&there)? == format!("blake3:{}", blake3::hash(&content).to_hex()));
    let hub = setup.start()?;
    let api = hub.api()?;
    api.complete(&batch)?;
    let evicted = api.get("/api/evictions")?;
    ensure!(evicted["items"][0]["path"] == "loras/a.safetensors", "{evicted}");
    ensure!(api.paths("local")? == [MINE]);

    let back = api.post("/api/evictions/restore", &json!({ "paths": ["loras/a.safetensors"] }))?;
    ensure!(back["refused"] == json!([]), "{back}");
    api.complete(&back["batch_id"].to_string())?;
    ensure!(fs::read(&here)? == content);
    ensure!(number(&api.get("/api/evictions")?, "total") == 0);
    Ok(())
}

#[test]
fn a_damaged_copy_of_the_same_size_and_time_is_no_copy() -> Result<()> {
    let content = noise(1, 3 << 20);
    let (roots, _setup, _hub, api) = one_file(&content)?;
    api.hash("local")?;
    api.hash("lake")?;
    let copy = roots.lake().join("loras/a.safetensors");
    let time = fs::metadata(&copy)?.modified()?;
    let mut damaged = content.clone();
    damaged[2 << 20] ^= 1;
    fs::write(&copy, damaged)?;
    File::options().write(true).open(&copy)?.set_modified(time)?;
    ensure!(api.diff("same")? == ["loras/a.safetensors"], "nothing shows it yet");
    let ended = api.wait_for_batch(&evict(&api, &["loras"])?)?;
    ensure!(text(&ended[0], "state") == "failed" && code(&ended[0]) == "differs", "{}", ended[0]);
    ensure!(fs::read(roots.local().join("loras/a.safetensors"))? == content);
    ensure!(number(&api.get("/api/evictions")?, "total") == 0);
    Ok(())
}

#[test]
fn a_lake_that_goes_away_or_comes_back_as_another_keeps_everything() -> Result<()> {
    let content = noise(2, 2 << 20);
    let (roots, _setup, _hub, api) = one_file(&content)?;
    api.post("/api/queue/pause", &json!({}))?;
    let batch = evict(&api, &["loras/a.safetensors"])?;
    let away = roots.folder().join("away");
    fs::rename(roots.lake(), &away)?;
    // An empty mount point, and then a folder of the same names that is not the Lake.
    fs::create_dir(roots.lake())?;
    api.post("/api/queue/resume", &json!({}))?;
    let here = roots.local().join("loras/a.safetensors");
    let open = |transfer: &Value| ["waiting", "queued", "running"].contains(&text(transfer, "state"));
    wait_for("the Lake is missed", WORK, || {
        let health = api.get("/api/health")?;
        Ok((health["roots"]["lake"]["online"] == json!(false)).then_some(()))
    })?;
    ensure!(open(&api.transfers(&batch)?[0]), "{:?}", api.transfers(&batch)?);
    ensure!(fs::read(&here)? == content);
    roots.lake_file("loras/a.safetensors", &content)?;
    ensure!(open(&api.transfers(&batch)?[0]) && here.exists(), "the same bytes in another folder prove nothing");
    fs::remove_dir_all(roots.lake())?;
    fs::rename(&away, roots.lake())?;
    api.complete(&batch)?;
    ensure!(!here.exists());
    Ok(())
}

#[test]
fn leave_that_was_taken_back_counts_when_the_turn_comes() -> Result<()> {
    let content = noise(3, 100_000);
    let (roots, setup, hub, api) = one_file(&content)?;
    api.post("/api/queue/pause", &json!({}))?;
    let batch = evict(&api, &["loras"])?;
    hub.kill()?;
    let setup = setup.unset("LOCAL_ALLOW_DELETE");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.try_post("/api/evictions", &json!({ "paths": ["loras"] }))?.expect_problem(403)?;
    api.post("/api/queue/resume", &json!({}))?;
    let ended = api.wait_for_batch(&batch)?;
    ensure!(code(&ended[0]) == "not_allowed", "{}", ended[0]);
    ensure!(fs::read(roots.local().join("loras/a.safetensors"))? == content);
    Ok(())
}

#[test]
fn what_changed_meanwhile_stays_and_what_took_its_place_is_not_overwritten() -> Result<()> {
    let content = noise(4, 100_000);
    let (roots, _setup, _hub, api) = one_file(&content)?;
    let here = roots.local().join("loras/a.safetensors");
    api.post("/api/queue/pause", &json!({}))?;
    let batch = evict(&api, &["loras"])?;
    fs::write(&here, b"trained on")?;
    api.post("/api/queue/resume", &json!({}))?;
    let ended = api.wait_for_batch(&batch)?;
    ensure!(code(&ended[0]) == "changed" && fs::read(&here)? == b"trained on", "{}", ended[0]);

    roots.local_file("loras/a.safetensors", &content)?;
    api.scan_both()?;
    let batch = evict(&api, &["loras"])?;
    api.complete(&batch)?;
    // Someone puts another file there before it is asked back, and no scan has seen it.
    fs::create_dir_all(roots.local().join("loras"))?;
    fs::write(&here, b"taken")?;
    let asked = [
        ("/api/evictions/restore".to_owned(), json!({ "paths": ["loras/a.safetensors"] })),
        (format!("/api/batches/{batch}/undo"), json!({})),
    ];
    for (path, body) in asked {
        let back = api.post(&path, &body)?;
        let ended = api.wait_for_batch(&back["batch_id"].to_string())?;
        ensure!(code(&ended[0]) == "exists" && fs::read(&here)? == b"taken", "{path}: {}", ended[0]);
    }
    Ok(())
}

#[test]
fn a_full_lake_keeps_the_file_and_says_so() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("evict to a full Lake", 24 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    let content = noise(6, 30 << 20);
    let here = roots.local_file("loras/a.safetensors", &content)?;
    roots.local_file(MINE, b"mine")?;
    fs::write(disk.path().join("other.safetensors"), b"other")?;
    let setup = HubSetup::on(&roots.local(), disk.path())?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = evict(&api, &["loras/a.safetensors"])?;
    wait_until("the queue is held", SOON, || Ok(api.get("/api/queue")?["is_paused"] == json!(true)))?;
    ensure!(fs::read(&here)? == content && !disk.path().join("loras/a.safetensors").exists());
    disk.resize(80 << 20)?;
    api.post("/api/queue/resume", &json!({}))?;
    api.complete(&batch)?;
    ensure!(!here.exists() && fs::read(disk.path().join("loras/a.safetensors"))? == content);
    ensure!(part_files(Path::new(disk.path()))?.is_empty());
    Ok(())
}
