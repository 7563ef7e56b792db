//! Comparing the two roots, before and after hashing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, number, text};
#[cfg(target_os = "linux")]
use end_to_end::bench::process::bytes_read;
use end_to_end::roots::{digest, noise, set_time};
use end_to_end::wait::wait_until;
use end_to_end::{HubSetup, Roots};
use serde_json::{Value, json};

#[test]
fn every_status_is_told_with_its_sums() -> Result<()> {
    let roots = Roots::new()?;
    let content = noise(1, 5_000);
    roots.local_file("loras/same.safetensors", &content)?;
    roots.lake_file("loras/same.safetensors", &content)?;
    roots.local_file("loras/mine.safetensors", &noise(2, 1_000))?;
    roots.lake_file("loras/theirs.safetensors", &noise(3, 2_000))?;
    roots.local_file("loras/differs.safetensors", &noise(4, 3_000))?;
    roots.lake_file("loras/differs.safetensors", &noise(5, 3_001))?;
    roots.local_file("loras/unverified.safetensors", &noise(6, 4_000))?;
    let touched = roots.lake_file("loras/unverified.safetensors", &noise(6, 4_000))?;
    set_time(&touched, 1_710_000_000)?;
    let moved = noise(7, 6_000);
    roots.local_file("loras/old-name.safetensors", &moved)?;
    roots.lake_file("loras/sdxl/new-name.safetensors", &moved)?;

    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    ensure!(api.diff("same")? == ["loras/same.safetensors"]);
    ensure!(api.diff("unverified")? == ["loras/unverified.safetensors"], "only a hash can tell");
    ensure!(api.diff("different")? == ["loras/differs.safetensors"]);
    ensure!(api.diff("moved")?.is_empty(), "nobody has looked inside yet");
    ensure!(api.items("/api/hashes")?.is_empty(), "only the demo is hashed by itself");

    api.hash("local")?;
    api.hash("lake")?;
    ensure!(api.diff("same")? == ["loras/same.safetensors", "loras/unverified.safetensors"]);
    ensure!(api.diff("unverified")?.is_empty());
    ensure!(api.diff("local_only")? == ["loras/mine.safetensors"]);
    ensure!(api.diff("lake_only")? == ["loras/theirs.safetensors"]);
    let moved = api.items("/api/diff?status=moved")?;
    ensure!(moved.len() == 1, "{moved:?}");
    ensure!(text(&moved[0], "path") == "loras/sdxl/new-name.safetensors", "{moved:?}");
    ensure!(text(&moved[0]["local"], "path") == "loras/old-name.safetensors", "{moved:?}");

    let summary = api.get("/api/diff")?["summary"].clone();
    ensure!(summary.to_string().contains("2000"), "the Lake's own file has 2,000 bytes: {summary}");
    let in_folder = api.get("/api/diff?folder=loras/sdxl")?;
    ensure!(number(&in_folder, "total") == 1, "{in_folder}");
    Ok(())
}

#[test]
fn hashes_are_right_survive_a_kill_and_are_not_taken_twice() -> Result<()> {
    let roots = Roots::new()?;
    let big = roots.local_file("checkpoints/big.safetensors", &noise(1, (9 << 20) + 17))?;
    let small = roots.local_file("loras/small.safetensors", &noise(2, 100))?;
    let empty = roots.local_file("loras/empty.safetensors", b"")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let done = api.hash("local")?;
    ensure!(number(&done, "n_done") == 3 && number(&done, "bytes_done") == (9 << 20) + 117, "{done}");
    hub.kill()?;

    let hub = setup.start()?;
    let api = hub.api()?;
    let hash = |path: &str| -> Result<String> {
        let detail = api.get(&format!("/api/files/detail?root=local&path={path}"))?;
        Ok(text(&detail, "hash").to_owned())
    };
    ensure!(hash("checkpoints/big.safetensors")? == digest(&big)?);
    ensure!(hash("loras/small.safetensors")? == digest(&small)?);
    ensure!(hash("loras/empty.safetensors")? == digest(&empty)?);
    #[cfg(target_os = "linux")]
    {
        let before = bytes_read(hub.process())?;
        api.hash("local")?;
        let read = bytes_read(hub.process())? - before;
        ensure!(read < 4 << 20, "nothing is read again, but {read} bytes were");
    }

    // A file that changed has no hash any more.
    roots.local_file("loras/small.safetensors", &noise(3, 101))?;
    api.scan(&["local"])?;
    let detail = api.get("/api/files/detail?root=local&path=loras/small.safetensors")?;
    ensure!(detail["hash"].is_null(), "{detail}");
    Ok(())
}

#[test]
fn the_demo_library_shows_every_status_without_a_click() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = HubSetup::new()?.argument("demo").argument("--dir").argument(folder.path().join("demo"));
    let hub = setup.start()?;
    let api = hub.api()?;
    wait_until("the demo is scanned and hashed by itself", WORK, || {
        let coverage = api.get("/api/hashes/coverage")?;
        let whole = |root: &Value| number(root, "n_files") > 0 && number(root, "n_hashed") == number(root, "n_files");
        Ok(whole(&coverage["local"]) && whole(&coverage["lake"]))
    })?;
    for status in ["local_only", "lake_only", "same", "different", "moved"] {
        ensure!(!api.diff(status)?.is_empty(), "{status}");
    }
    let detail = api.get("/api/files/detail?root=lake&path=loras/flux/flux-realism.safetensors")?;
    ensure!(detail.to_string().contains("Realism for Flux"), "the header is read: {detail}");
    ensure!(detail.to_string().contains("flux-realism.civitai.info"), "sidecars are shown: {detail}");
    let setup_page = api.try_get("/setup")?.text;
    ensure!(setup_page.contains("without “demo”") && !setup_page.contains("Save and scan"), "{setup_page}");
    let answer = api.try_post("/api/transfers", &json!({ "operation": "delete", "from": "lake", "paths": ["vae"] }))?;
    ensure!([202, 403].contains(&answer.status), "{answer:?}");
    Ok(())
}
