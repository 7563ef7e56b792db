//! The hub's own data: a disk that is full, an end that hangs, files that are nobody else's, and a
//! data folder that is lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, number, text};
use end_to_end::machine::{self, SmallDisk};
use end_to_end::remote::{Remote, begin_session};
use end_to_end::roots::noise;
use end_to_end::shim::Shim;
use end_to_end::wait::{SOON, wait_for, wait_until};
use end_to_end::{Api, HubSetup, Roots};
use reqwest::Method;
use serde_json::json;

/// Fills a disk to its last byte.
fn fill(folder: &Path) -> Result<()> {
    let mut ballast = File::create(folder.join("ballast"))?;
    let block = vec![1_u8; 64 << 10];
    while ballast.write_all(&block).is_ok() {}
    let mut rest = File::create(folder.join("ballast2"))?;
    while rest.write_all(&[1]).is_ok() {}
    Ok(())
}

fn states(api: &Api, batch: &str, state: &str) -> Result<u64> {
    Ok(number(&api.get(&format!("/api/transfers?batch={batch}&state={state}&limit=1"))?, "total"))
}

#[test]
fn a_full_data_disk_is_told_and_every_end_is_stored_when_there_is_room_again() -> Result<()> {
    const N: usize = 3_000;
    let Some(disk) = SmallDisk::make_for("a full data disk", 80 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    for i in 0..N {
        roots.lake_file(&format!("loras/set{}/m{i}.safetensors", i % 30), &noise(i as u64, 300))?;
    }
    roots.lake_file("vae/stays.safetensors", b"stays")?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let data = disk.path().join("data");
    let setup = HubSetup::in_folder(&data)
        .set("LOCAL_MODELS_ROOT", roots.local())
        .set("LAKE_MODELS_ROOT", roots.lake())
        .set("LAKE_ALLOW_DELETE", "true");
    fs::create_dir_all(&data)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let moves = json!({ "operation": "move", "from": "lake", "to": "local", "paths": ["loras"] });
    let batch = api.enqueue(&moves)?;
    wait_until("the moves to be under way", WORK, || Ok(states(&api, &batch, "completed")? > 0))?;
    fill(disk.path())?;
    let health = wait_for("health to tell", SOON, || {
        let health = api.get("/api/health")?;
        Ok((text(&health, "database") == "failed").then_some(health))
    })?;
    let state = &health["database_state"];
    ensure!(text(&health, "status") == "degraded" && state["writable"] == false, "{health}");
    ensure!(text(state, "why").contains("full") && text(state, "todo").contains("room"), "{health}");
    ensure!(state["since"].is_string(), "{health}");
    let overview = api.try_get("/")?.text;
    ensure!(overview.replace("&#39;", "'").contains("The database can't be written since"), "{overview}");
    // Nothing new begins.
    let refused = api.try_post("/api/scans", &json!({ "roots": ["local"] }))?;
    ensure!(refused.expect_problem(503)?.contains("can't be written"), "{}", refused.text);

    // What was under way ends as far as it can; the rest waits. A cancel that can't be written down is no 200.
    let running = wait_for("what runs to stand still", SOON, || {
        let before = states(&api, &batch, "running")?;
        std::thread::sleep(Duration::from_secs(2));
        Ok((states(&api, &batch, "running")? == before).then_some(before))
    })?;
    if let Some(transfer) = api.get(&format!("/api/transfers?batch={batch}&state=running&limit=1"))?["items"].get(0) {
        let answer = api.try_post(&format!("/api/transfers/{}/cancel", transfer["id"]), &json!({}))?;
        ensure!([200, 204, 503].contains(&answer.status), "{} {}", answer.status, answer.text);
        if answer.status == 503 {
            ensure!(answer.expect_problem(503)?.contains("Make room"), "{}", answer.text);
        }
    }
    machine::measured("transfers whose end waited for the data disk", &running.to_string());

    for name in ["ballast", "ballast2"] {
        fs::remove_file(disk.path().join(name))?;
    }
    wait_until("every end to be stored", WORK, || {
        let open = ["running", "queued", "waiting", "paused"];
        Ok(open.iter().map(|state| states(&api, &batch, state)).sum::<Result<u64>>()? == 0)
    })?;
    let (completed, cancelled) = (states(&api, &batch, "completed")?, states(&api, &batch, "cancelled")?);
    ensure!(completed + cancelled == N as u64 && cancelled <= 1, "{completed} completed, {cancelled} cancelled");
    ensure!(text(&api.get("/api/health")?, "database") == "ok");
    api.scan_both()?;
    Ok(())
}

/// The hub on a copy of the database's file alone.
fn on_copy_of(data: &Path, roots: &Roots) -> Result<HubSetup> {
    let setup = roots.hub()?;
    fs::copy(data.join("hub.db"), setup.data().join("hub.db"))?;
    Ok(setup)
}

#[test]
fn after_ctrl_c_a_copy_of_the_database_file_alone_holds_everything() -> Result<()> {
    let roots = Roots::new()?;
    roots.local_file("vae/a.safetensors", b"a")?;
    roots.lake_file("vae/b.safetensors", b"b")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.post("/api/queue/pause", &json!({}))?;
    api.copy("lake", "local", &["vae/b.safetensors"])?;
    ensure!(hub.interrupt()?.success());
    ensure!(!setup.data().join("hub.db-wal").exists(), "the log is gone with the last connection");
    let copy = on_copy_of(setup.data(), &roots)?;
    let hub = copy.start()?;
    let api = hub.api()?;
    ensure!(api.paths("local")? == ["vae/a.safetensors"]);
    ensure!(api.items("/api/files?root=local")?[0]["hash"].is_string());
    ensure!(api.items("/api/transfers?state=queued")?.len() == 1);
    Ok(())
}

#[test]
fn ctrl_c_ends_the_hub_also_while_a_file_hangs_in_the_system() -> Result<()> {
    let Some(shim) = Shim::make_for("Ctrl-C while a NAS hangs")? else { return Ok(()) };
    let roots = Roots::new()?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    roots.lake_file("vae/HANGS.safetensors", &noise(1, 12 << 20))?;
    let setup = roots.hub()?.set("LD_PRELOAD", shim.path()).set("HANG_AT", "HANGS.safetensors");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &["vae/HANGS.safetensors"])?;
    wait_until("the copy to hang", SOON, || Ok(states(&api, &batch, "running")? == 1))?;
    // The page's own sockets and requests hold nothing up either.
    let began = Instant::now();
    ensure!(hub.interrupt()?.success());
    ensure!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    let copy = on_copy_of(setup.data(), &roots)?;
    let hub = copy.start()?;
    hub.api()?.complete(&batch)?;
    Ok(())
}

#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() -> Result<()> {
    let Some(shim) = Shim::make_for("nohup hub &")? else { return Ok(()) };
    let setup = HubSetup::new()?.set("LD_PRELOAD", shim.path());
    let kept = setup.start()?;
    let setup = HubSetup::new()?.set("LD_PRELOAD", shim.path()).set("IGNORE_HANGUP", "1");
    let ignoring = setup.start()?;
    for hub in [&kept, &ignoring] {
        machine::hang_up(hub.process())?;
    }
    wait_until("the end of the one that heard it", SOON, || Ok(kept.api()?.try_get("/api/health").is_err()))?;
    ensure!(ignoring.api()?.get("/api/health").is_ok(), "the other goes on");
    Ok(())
}

#[cfg(unix)]
#[test]
fn what_the_hub_keeps_is_for_its_user_alone_also_what_was_open_before() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = HubSetup::new()?;
    let data = setup.data();
    fs::create_dir_all(data.join("logs"))?;
    fs::write(data.join("config.toml"), "hf_token = \"secret\"\n")?;
    fs::write(data.join("logs/hub.2020-01-01.jsonl"), "")?;
    for name in ["", "config.toml", "logs", "logs/hub.2020-01-01.jsonl"] {
        let mode = if data.join(name).is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(mode))?;
    }
    let hub = setup.start()?;
    let api = hub.api()?;
    let check = |when: &str| -> Result<()> {
        let mut folders = vec![data.to_owned()];
        let mut n = 0;
        while let Some(folder) = folders.pop() {
            let mode = fs::metadata(&folder)?.permissions().mode() & 0o777;
            ensure!(mode == 0o700, "{when}: {} is {mode:o}", folder.display());
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("stderr.txt") {
                    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
                    ensure!(mode == 0o600, "{when}: {} is {mode:o}", path.display());
                    n += 1;
                }
            }
        }
        ensure!(n >= 6, "{when}: only {n} files were looked at");
        Ok(())
    };
    wait_until("the log of today to be closed to others", SOON, || Ok(check("at the start").is_ok()))
        .or_else(|_| check("at the start"))?;
    ensure!(api.try_put("/api/settings", &json!({ "CIVITAI_TOKEN": "another" }))?.status == 200);
    check("after a change of the settings")
}

#[test]
fn what_was_evicted_comes_back_from_the_list_on_local_when_the_data_folder_is_lost() -> Result<()> {
    let roots = Roots::new()?;
    let content = noise(7, 50_000);
    roots.local_file("loras/a.safetensors", &content)?;
    roots.lake_file("loras/a.safetensors", &content)?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let list = roots.local().join(".comfy-hub-evictions.json");
    let first = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = first.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    ensure!(api.get("/api/database")?["lost"]["asked"] == false, "these folders are new");
    let evict = api.post("/api/evictions", &json!({ "paths": ["loras/a.safetensors"] }))?;
    api.complete(&evict["batch_id"].to_string())?;
    wait_until("the list to be written", SOON, || Ok(list.is_file()))?;
    hub.kill()?;

    // Another, empty data folder: the first one is lost.
    let second = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = second.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let lost = wait_for("the question whether it was lost", SOON, || {
        let lost = api.get("/api/database")?["lost"].clone();
        Ok((lost["asked"] == true && number(&lost["evictions"], "n_files") == 1).then_some(lost))
    })?;
    ensure!(number(&lost["evictions"], "size_bytes") == 50_000, "{lost}");
    ensure!(api.try_get("/")?.text.contains("Was the database lost?"));
    ensure!(api.paths("local")? == ["vae/mine.safetensors"], "the list is no model");
    let taken = api.post("/api/database/lost", &json!({ "action": "take_evictions" }))?;
    ensure!(number(&taken, "n_files") == 1, "{taken}");
    ensure!(!api.try_get("/")?.text.contains("Was the database lost?"));
    // A content is brought back from where it was verified.
    api.hash("lake")?;
    let back = api.post("/api/evictions/restore", &json!({ "paths": ["loras/a.safetensors"] }))?;
    ensure!(number(&back, "n_transfers") == 1, "{back}");
    api.complete(&back["batch_id"].to_string())?;
    ensure!(fs::read(roots.local().join("loras/a.safetensors"))? == content);
    // Without an eviction there is no list.
    wait_until("the list to follow", SOON, || {
        Ok(!list.exists() || !fs::read_to_string(&list)?.contains("loras/a.safetensors"))
    })
}

#[test]
fn the_remote_listener_never_takes_its_own_old_one_for_another_program() -> Result<()> {
    let remote = Remote::new()?;
    let hub = remote.hub()?.start()?;
    let api = hub.api()?;
    for round in 0..60 {
        begin_session(&api)?;
        wait_until("the listener", SOON, || {
            let session = api.get("/api/remote/session")?;
            ensure!(session["listening_error"].is_null(), "round {round}: {session}");
            Ok(session["listening_at"].is_string())
        })?;
        let revoked = Api::send(api.request(Method::DELETE, "/api/remote/session"))?;
        ensure!((200..300).contains(&revoked.status), "{}", revoked.text);
    }
    Ok(())
}

#[test]
fn a_database_that_is_gone_or_broken_comes_back_from_its_copy() -> Result<()> {
    let roots = Roots::new()?;
    roots.local_file("vae/a.safetensors", b"a")?;
    roots.lake_file("vae/b.safetensors", b"b")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    ensure!(hub.interrupt()?.success());
    // The copy that would have been made in the second minute.
    fs::create_dir_all(setup.data().join("backups"))?;
    fs::copy(setup.data().join("hub.db"), setup.data().join("backups/hub-20260101T000000Z-schema-11.db"))?;
    fs::write(setup.data().join("hub.db"), vec![0x5a; 9_000])?;
    let hub = setup.start()?;
    let api = hub.api()?;
    wait_until("both roots to be scanned again", WORK, || {
        Ok(api.items("/api/scans")?.len() >= 2 && api.paths("local")? == ["vae/a.safetensors"])
    })?;
    ensure!(api.items("/api/files?root=local")?[0]["hash"].is_string(), "the hash came back");
    let history = api.items("/api/history?limit=50")?;
    ensure!(history.iter().any(|line| text(line, "summary").contains("its copy of 2026-01-01")), "{history:?}");
    Ok(())
}
