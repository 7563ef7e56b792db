//! Where the file system shares bytes: copies and duplicates that take no room, and stay apart.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, text};
use end_to_end::loop_disk::{CLONING, LoopDisk, extents};
use end_to_end::roots::{noise, part_files, write};
use end_to_end::wait::wait_for;
use end_to_end::{Api, Hub, HubSetup};
use serde_json::{Value, json};

const SIZE: usize = 5 << 20;

/// Both roots on one disk.
fn on_disk(disk: &LoopDisk) -> Result<(HubSetup, Hub)> {
    let setup = HubSetup::on(&disk.path().join("local"), &disk.path().join("lake"))?
        .set("LOCAL_ALLOW_DELETE", "true")
        .set("LAKE_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    Ok((setup, hub))
}

fn groups(api: &Api) -> Result<Vec<Value>> {
    let started = api.post("/api/duplicates/scans", &json!({ "roots": ["local", "lake"] }))?;
    let address = format!("/api/duplicates/scans/{}", started["id"]);
    let scan = wait_for("the end of the search", WORK, || {
        let scan = api.get(&address)?;
        Ok((!["queued", "running"].contains(&text(&scan, "state"))).then_some(scan))
    })?;
    ensure!(text(&scan, "state") == "complete", "{scan}");
    api.items("/api/duplicates")
}

#[test]
fn a_copy_on_one_volume_shares_its_bytes() -> Result<()> {
    for kind in CLONING {
        let Some(disk) = LoopDisk::make_for("a copy on one volume shares its bytes", kind) else { continue };
        let content = noise(1, 20 << 20);
        let on_lake = write(&disk.path().join("lake/checkpoints/m.safetensors"), &content)?;
        fs::create_dir(disk.path().join("local"))?;
        let (_setup, hub) = on_disk(&disk)?;
        let api = hub.api()?;
        api.complete(&api.copy("lake", "local", &["checkpoints"])?)?;
        let on_local = disk.path().join("local/checkpoints/m.safetensors");
        ensure!(fs::read(&on_local)? == content, "{}: the copy is whole", kind.0);
        let (of_lake, of_local) = (extents(&on_lake)?, extents(&on_local)?);
        ensure!(of_lake == of_local && of_local.1, "{}: {of_lake:?} {of_local:?}", kind.0);
        ensure!(part_files(&disk.path().join("local"))?.is_empty());
    }
    Ok(())
}

#[test]
fn duplicates_share_their_bytes_until_one_of_them_changes() -> Result<()> {
    for kind in CLONING {
        let Some(disk) = LoopDisk::make_for("duplicates share their bytes", kind) else { continue };
        let content = noise(2, SIZE);
        let kept = write(&disk.path().join("local/loras/kept.safetensors"), &content)?;
        let other = write(&disk.path().join("local/loras/b/other.safetensors"), &content)?;
        let far = write(&disk.path().join("local/vae/far.safetensors"), &content)?;
        fs::create_dir(disk.path().join("lake"))?;
        let before = [extents(&kept)?, extents(&other)?, extents(&far)?];
        ensure!(before.iter().all(|(_, shared)| !shared), "{}: each has its own: {before:?}", kind.0);
        let times: Vec<_> = [&kept, &other, &far].iter().map(|path| fs::metadata(path)?.modified()).collect();
        let (_setup, hub) = on_disk(&disk)?;
        let api = hub.api()?;
        let group = groups(&api)?.remove(0);
        ensure!(group["n_files"] == 3, "{group}");
        let body = json!({
            "hash": group["hash"], "action": "reflink",
            "keep": { "root": "local", "path": "loras/kept.safetensors" },
            "others": [
                { "root": "local", "path": "loras/b/other.safetensors" },
                { "root": "local", "path": "vae/far.safetensors" },
            ],
        });
        let batch = api.post("/api/duplicates/resolve", &body)?["batch_id"].to_string();
        api.complete(&batch)?;

        let all = [&kept, &other, &far];
        for (path, time) in all.iter().zip(&times) {
            ensure!(fs::read(path)? == content, "{}: {} is whole", kind.0, path.display());
            ensure!(Some(fs::metadata(path)?.modified()?) == time.as_ref().ok().copied(), "with its time");
        }
        let after = [extents(&kept)?, extents(&other)?, extents(&far)?];
        ensure!(after.iter().all(|found| found.1 && found.0 == after[0].0), "{}: one place: {after:?}", kind.0);
        api.scan_both()?;
        ensure!(api.paths("local")?.len() == 3, "all names are there");

        // They are files of their own: what is written to one is not seen in the others.
        let mut file = fs::File::options().write(true).open(&far)?;
        file.seek(SeekFrom::Start(1 << 20))?;
        file.write_all(b"changed")?;
        file.sync_all()?;
        ensure!(fs::read(&kept)? == content && fs::read(&other)? == content, "{}: both are as before", kind.0);

        // Taken back, the one that did not change has its own bytes again; the other is left alone.
        let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
        let transfers = api.wait_for_batch(&undone["batch_id"].to_string())?;
        let states: Vec<_> = transfers.iter().map(|t| (text(t, "path"), text(t, "state"))).collect();
        ensure!(states.contains(&("loras/b/other.safetensors", "completed")), "{states:?}");
        ensure!(states.contains(&("vae/far.safetensors", "failed")), "{states:?}");
        let apart = (extents(&kept)?, extents(&other)?);
        ensure!(apart.0.0.is_disjoint(&apart.1.0), "{}: {apart:?}", kind.0);
        ensure!(fs::read(&kept)? == content && fs::read(&other)? == content);
        ensure!(fs::read(&far)?[1 << 20..].starts_with(b"changed"));
        ensure!(part_files(&disk.path().join("local"))?.is_empty());
    }
    Ok(())
}
