//! A disk that fails at one place: what can be read is copied, what can't fails with the place, and nothing
//! waits for a root that is there. Where a folder can't be synced nothing counts as done.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::faulty_disk::FaultyDisk;
use end_to_end::machine::{SmallDisk, skip};
use end_to_end::roots::{noise, write};
use end_to_end::wait::wait_for;
use end_to_end::{Api, HubSetup, Roots};
use serde_json::{Value, json};

/// Two more tries, after 2 and 6 seconds.
const TRIES: Duration = Duration::from_secs(90);

fn ended(api: &Api, batch: &str) -> Result<Vec<Value>> {
    wait_for("the batch to end", TRIES, || {
        let transfers = api.transfers(batch)?;
        let open = transfers.iter().any(|one| ["queued", "running", "waiting"].contains(&text(one, "state")));
        Ok((!open).then_some(transfers))
    })
}

#[test]
fn a_file_that_can_not_be_read_fails_with_the_place_and_the_rest_goes_on() -> Result<()> {
    let Some(faulty) = FaultyDisk::make_for("a file with a bad spot")? else { return Ok(()) };
    let roots = Roots::new()?;
    for (name, size) in [("bad.safetensors", 20 << 20), ("big.safetensors", 20 << 20), ("small.safetensors", 1000)] {
        roots.lake_file(&format!("loras/{name}"), &noise(1, size))?;
    }
    roots.lake_file("vae/bad.safetensors", &noise(2, 900))?;
    roots.local_file("vae/there.safetensors", b"there")?;
    for (name, offset, folder) in [("loras/bad.safetensors", 10 << 20, "loras"), ("vae/bad.safetensors", 500, "vae")] {
        let setup = roots.hub()?.set("QUEUE_RETRY_COUNT", "2");
        let hub = faulty.reading(setup, name, offset).start()?;
        let api = hub.api()?;
        api.scan_both()?;
        let batch = api.copy("lake", "local", &[folder])?;
        for one in ended(&api, &batch)? {
            if text(&one, "path") != name {
                ensure!(text(&one, "state") == "completed", "{one}");
                continue;
            }
            ensure!(text(&one, "state") == "failed" && number(&one, "attempts") == 2, "{one}");
            let told = text(&one["error"], "detail");
            ensure!(one["error"]["code"] == "io" && told.contains(&format!("at byte {offset}")), "{told}");
            ensure!(told.contains("bad.safetensors"), "{told}");
        }
        ensure!(api.get("/api/health")?["roots"]["lake"]["online"] == true);
        ensure!(!roots.local().join(name).exists());
    }
    Ok(())
}

#[test]
fn a_move_takes_no_source_away_while_the_destination_can_not_be_synced() -> Result<()> {
    let Some(faulty) = FaultyDisk::make_for("a folder that can't be synced")? else { return Ok(()) };
    for size in [1000, 20 << 20] {
        let roots = Roots::new()?;
        let Some(disk) = SmallDisk::make_for("a move between disks", 64 << 20)? else { return Ok(()) };
        roots.local_file("loras/x.safetensors", &noise(1, size))?;
        write(&disk.path().join("loras/other.safetensors"), b"other")?;
        let setup = HubSetup::on(&roots.local(), disk.path())?.set("LOCAL_ALLOW_DELETE", "true");
        let setup = setup.set("QUEUE_RETRY_COUNT", "0");
        let hub = faulty.syncing(setup, &disk.path().join("loras").to_string_lossy()).start()?;
        let api = hub.api()?;
        api.scan_both()?;
        let asked = json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["loras/x.safetensors"] });
        let batch = api.enqueue(&asked)?;
        let one = ended(&api, &batch)?[0].clone();
        ensure!(text(&one, "state") == "failed" && text(&one["error"], "detail").contains("sync"), "{size}: {one}");
        ensure!(roots.local().join("loras/x.safetensors").is_file(), "{size}: the source went");
        faulty.heal()?;
        api.post(&format!("/api/transfers/{}/retry", one["id"]), &json!({}))?;
        api.complete(&batch)?;
        ensure!(!roots.local().join("loras/x.safetensors").exists());
        ensure!(fs::read(disk.path().join("loras/x.safetensors"))? == noise(1, size));
        faulty.break_again()?;
    }
    Ok(())
}

#[test]
fn a_delete_does_not_count_while_the_trash_can_not_be_synced() -> Result<()> {
    let Some(faulty) = FaultyDisk::make_for("a trash that can't be synced")? else { return Ok(()) };
    let roots = Roots::new()?;
    roots.local_file("loras/x.safetensors", b"x")?;
    roots.local_file("vae/y.safetensors", b"y")?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true").set("QUEUE_RETRY_COUNT", "0");
    // The folder in the trash, and not the one that the file comes from.
    let hub = faulty.syncing(setup, "/1/loras").start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = api.enqueue(&json!({ "operation": "delete", "from": "local", "paths": ["loras", "vae"] }))?;
    let all = ended(&api, &batch)?;
    let of = |path: &str| all.iter().find(|one| text(one, "path") == path).cloned().context("a transfer");
    let one = of("loras/x.safetensors")?;
    ensure!(text(&one, "state") == "failed" && text(&one["error"], "detail").contains("sync"), "{one}");
    ensure!(text(&of("vae/y.safetensors")?, "state") == "completed", "the others go on");
    faulty.heal()?;
    api.post(&format!("/api/transfers/{}/retry", one["id"]), &json!({}))?;
    api.complete(&batch)?;
    ensure!(number(&api.get("/api/trash?root=local")?, "total") == 2);
    Ok(())
}

/// `ramfs` says 0 of 0, as some network and FUSE file systems do.
#[test]
fn a_disk_that_does_not_tell_its_room_is_not_full() -> Result<()> {
    let roots = Roots::new()?;
    let mounted = Command::new("mount").args(["-t", "ramfs", "ramfs"]).arg(roots.local()).output()?;
    if !mounted.status.success() {
        skip("a disk that does not tell its room", &String::from_utf8_lossy(&mounted.stderr));
        return Ok(());
    }
    let told = (|| {
        roots.local_file("vae/there.safetensors", b"there")?;
        roots.lake_file("loras/x.safetensors", &noise(1, 50_000))?;
        roots.lake_file("loras/big.safetensors", &noise(2, 20 << 20))?;
        let hub = roots.hub()?.start()?;
        let api = hub.api()?;
        api.scan_both()?;
        let local = api.get("/api/health")?["roots"]["local"].clone();
        ensure!(local["free_bytes"].is_null() && local["total_bytes"].is_null(), "{local}");
        let batch = api.copy("lake", "local", &["loras"])?;
        api.complete(&batch)?;
        ensure!(api.get("/api/queue")?["is_paused"] == false);
        let page = api.try_get("/")?;
        ensure!(page.status == 200 && page.text.contains("unknown"), "the overview says that it is not known");
        Ok(())
    })();
    drop(Command::new("umount").arg("-l").arg(roots.local()).output());
    told
}
