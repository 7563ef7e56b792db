//! A root that goes away, comes back empty, or comes back as another: the index stays what it was.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, text};
use end_to_end::machine::SmallDisk;
use end_to_end::wait::wait_until;
use end_to_end::{Api, HubSetup, Roots};
use serde_json::{Value, json};

/// Longest time in which a hub notices by itself that a root went or came.
const NOTICE: Duration = Duration::from_secs(45);

fn is_online(api: &Api, root: &str) -> Result<bool> {
    Ok(api.get("/api/health")?["roots"][root]["online"] == json!(true))
}

/// Starting a scan of a root that isn't there is refused, or the scan fails; it never succeeds.
fn scan_fails(api: &Api, root: &str) -> Result<()> {
    let answer = api.try_post("/api/scans", &json!({ "roots": [root] }))?;
    if answer.status == 503 {
        answer.expect_problem(503)?;
        return Ok(());
    }
    let address = format!("/api/scans/{}", answer.json["id"]);
    let mut scan = Value::Null;
    wait_until("the end of the scan", WORK, || {
        scan = api.get(&address)?;
        Ok(text(&scan, "state") != "running")
    })?;
    ensure!(text(&scan, "state") == "failed", "{scan}");
    Ok(())
}

#[test]
fn a_root_that_is_gone_is_offline_and_comes_back_by_itself() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("vae/a.safetensors", b"a")?;
    roots.local_file("vae/b.safetensors", b"b")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;

    let away = roots.folder().join("away");
    fs::rename(roots.lake(), &away)?;
    wait_until("the Lake is offline", NOTICE, || Ok(!is_online(&api, "lake")?))?;
    ensure!(is_online(&api, "local")?);
    ensure!(api.paths("lake")? == ["vae/a.safetensors"], "its last index is shown");
    ensure!(api.diff("lake_only")? == ["vae/a.safetensors"]);
    scan_fails(&api, "lake")?;
    ensure!(api.paths("lake")? == ["vae/a.safetensors"], "and stays as it was");

    // A start without it works, too.
    hub.kill()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    ensure!(!is_online(&api, "lake")?);
    ensure!(api.paths("lake")? == ["vae/a.safetensors"]);

    fs::rename(&away, roots.lake())?;
    wait_until("the Lake is back", NOTICE, || is_online(&api, "lake"))?;
    api.scan_both()?;
    ensure!(api.paths("lake")? == ["vae/a.safetensors"]);
    Ok(())
}

#[test]
fn a_root_that_goes_while_it_is_hashed_is_waited_for() -> Result<()> {
    const FILES: u64 = 20;
    let roots = Roots::new()?;
    for n in 0..FILES {
        // Zeros that take no room, and long enough to be caught reading.
        roots.lake_file(&format!("vae/{n}.safetensors"), b"")?;
        fs::File::options()
            .write(true)
            .open(roots.lake().join(format!("vae/{n}.safetensors")))?
            .set_len((64 << 20) + n)?;
    }
    let setup = roots.hub()?.set("HASH_SHA256", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;

    let address = format!("/api/hashes/{}", api.post("/api/hashes", &json!({ "root": "lake" }))?["id"]);
    let away = roots.folder().join("away");
    wait_until("a file to be read", WORK, || Ok(api.get(&address)?["files"] != json!([])))?;
    fs::rename(roots.lake(), &away)?;
    wait_until("the job waits", NOTICE, || {
        let job = api.get(&address)?;
        ensure!(text(&job, "state") == "running", "it did not wait: {job}");
        Ok(!job["waiting"].is_null())
    })?;
    wait_until("what waits to be no longer read", NOTICE, || {
        let job = api.get(&address)?;
        ensure!(text(&job, "state") == "running" && job["n_failed"] == json!(0), "it did not wait: {job}");
        Ok(job["files"] == json!([]))
    })?;
    fs::rename(&away, roots.lake())?;
    let mut job = Value::Null;
    wait_until("the end of the job", WORK, || {
        job = api.get(&address)?;
        Ok(text(&job, "state") != "running")
    })?;
    ensure!(text(&job, "state") == "complete" && job["n_done"] == json!(FILES) && job["n_failed"] == json!(0), "{job}");
    Ok(())
}

#[test]
fn an_empty_mount_point_is_not_an_empty_library() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("empty mount point", 16 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    end_to_end::roots::write(&disk.path().join("vae/a.safetensors"), b"a")?;
    let setup = HubSetup::on(&roots.local(), disk.path())?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;

    disk.unmount()?;
    ensure!(fs::read_dir(disk.path())?.next().is_none(), "what is left is an empty folder");
    scan_fails(&api, "lake")?;
    ensure!(api.paths("lake")? == ["vae/a.safetensors"]);
    ensure!(fs::read_dir(disk.path())?.next().is_none(), "no marker is made anew");
    Ok(())
}

#[test]
fn another_folder_under_the_same_name_is_not_the_root() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("vae/a.safetensors", b"a")?;
    roots.lake_file("vae/b.safetensors", b"b")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;

    let marker = roots.lake().join(".comfy-hub-root.json");
    let original = fs::read_to_string(&marker)?;
    let mut other: Value = serde_json::from_str(&original)?;
    other["root_id"] = json!("00000000-0000-4000-8000-000000000000");
    fs::write(&marker, other.to_string())?;
    fs::remove_file(roots.lake().join("vae/a.safetensors"))?;
    scan_fails(&api, "lake")?;
    ensure!(api.paths("lake")? == ["vae/a.safetensors", "vae/b.safetensors"]);

    fs::write(&marker, original)?;
    wait_until("the Lake is itself again", NOTICE, || is_online(&api, "lake"))?;
    api.scan_both()?;
    ensure!(api.paths("lake")? == ["vae/b.safetensors"], "now its being gone is verified");
    Ok(())
}
