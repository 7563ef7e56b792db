//! Folders and roots that are swapped for links while the hub works: nothing of a stranger's is touched,
//! and nothing lands outside of a root.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::machine::{SmallDisk, skip};
use end_to_end::roots::{all_files, noise, part_files, write};
use end_to_end::wait::{SOON, wait_for};
use end_to_end::{Api, Hub, HubSetup, Roots};
use serde_json::{Value, json};

/// Large enough that something can be swapped in the middle of it.
const BIG: usize = 400 << 20;

fn start(setup: HubSetup) -> Result<(Hub, Api)> {
    let hub = setup.set("LOCAL_ALLOW_DELETE", "true").set("LAKE_ALLOW_DELETE", "true").start()?;
    let api = hub.api()?;
    api.scan_both()?;
    Ok((hub, api))
}

fn outside(roots: &Roots) -> PathBuf {
    roots.folder().join("outside")
}

/// Moves a folder away and puts a link to it in its place, as a person does who makes room.
fn swap(folder: &Path, elsewhere: &Path) -> Result<()> {
    fs::rename(folder, elsewhere)?;
    symlink(elsewhere, folder)?;
    Ok(())
}

/// Waits until the transfer of a batch has got somewhere.
fn under_way(api: &Api, batch: &str) -> Result<()> {
    wait_for("the transfer to be under way", SOON, || {
        let transfers = api.transfers(batch)?;
        Ok(transfers.iter().any(|one| text(one, "state") == "running" && number(one, "bytes_done") > 0).then_some(()))
    })
}

/// The one transfer of a batch, once it has failed.
fn refused(api: &Api, batch: &str) -> Result<Value> {
    let one = wait_for("the transfer to be refused", SOON * 4, || {
        let transfers = api.transfers(batch)?;
        Ok(transfers.into_iter().find(|one| !["queued", "running", "waiting"].contains(&text(one, "state"))))
    })?;
    ensure!(text(&one, "state") == "failed", "{one}");
    Ok(one)
}

#[test]
fn a_copy_does_not_land_in_a_folder_that_was_moved_away() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("checkpoints/big.safetensors", &noise(1, BIG))?;
    roots.local_file("checkpoints/there.safetensors", b"there")?;
    let (_hub, api) = start(roots.hub()?)?;
    let batch = api.copy("lake", "local", &["checkpoints/big.safetensors"])?;
    under_way(&api, &batch)?;
    swap(&roots.local().join("checkpoints"), &outside(&roots))?;
    let one = refused(&api, &batch)?;
    ensure!(one["error"]["detail"].to_string().contains("it is a link"), "{one}");
    // What is still being written there is the hub's own, and goes with the copy.
    let mut found = all_files(&outside(&roots))?;
    let parts = part_files(&outside(&roots))?;
    found.retain(|path| !parts.contains(path));
    ensure!(found == ["there.safetensors"], "{found:?}");
    Ok(())
}

#[test]
fn an_eviction_removes_nothing_in_a_folder_that_was_moved_away() -> Result<()> {
    let roots = Roots::new()?;
    roots.local_file("checkpoints/big.safetensors", &noise(1, BIG))?;
    roots.lake_file("vae/other.safetensors", b"other")?;
    let (_hub, api) = start(roots.hub()?)?;
    let asked = api.post("/api/evictions", &json!({ "paths": ["checkpoints/big.safetensors"] }))?;
    let batch = asked["batch_id"].to_string();
    under_way(&api, &batch)?;
    swap(&roots.local().join("checkpoints"), &outside(&roots))?;
    refused(&api, &batch)?;
    ensure!(outside(&roots).join("big.safetensors").is_file());
    Ok(())
}

#[test]
fn a_move_between_disks_removes_nothing_in_a_folder_that_was_moved_away() -> Result<()> {
    let roots = Roots::new()?;
    let Some(disk) = SmallDisk::make_for("a move between disks", 2 * BIG as u64)? else { return Ok(()) };
    roots.local_file("checkpoints/big.safetensors", &noise(1, BIG))?;
    write(&disk.path().join("vae/other.safetensors"), b"other")?;
    let (_hub, api) = start(HubSetup::on(&roots.local(), disk.path())?)?;
    let asked = json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["checkpoints"] });
    let batch = api.enqueue(&asked)?;
    under_way(&api, &batch)?;
    swap(&roots.local().join("checkpoints"), &outside(&roots))?;
    refused(&api, &batch)?;
    ensure!(outside(&roots).join("big.safetensors").is_file());
    Ok(())
}

#[test]
fn a_delete_and_a_restore_ask_whether_the_root_is_still_the_root() -> Result<()> {
    let roots = Roots::new()?;
    for name in ["a", "b"] {
        roots.local_file(&format!("loras/{name}.safetensors"), b"ours")?;
    }
    let (_hub, api) = start(roots.hub()?)?;
    let delete = |name: &str| {
        api.enqueue(&json!({ "operation": "delete", "from": "local", "paths": [format!("loras/{name}.safetensors")] }))
    };
    let first = delete("a")?;
    api.complete(&first)?;
    // A stranger's folder with files of the same names, size and time.
    let stranger = roots.folder().join("stranger");
    for name in ["a", "b"] {
        write(&stranger.join(format!("loras/{name}.safetensors")), b"theirs".get(..4).unwrap_or_default())?;
    }
    fs::remove_file(stranger.join("loras/a.safetensors"))?;
    api.post("/api/queue/pause", &json!({}))?;
    let second = delete("b")?;
    let undo = api.post(&format!("/api/batches/{first}/undo"), &json!({}))?["batch_id"].to_string();
    fs::rename(roots.local(), roots.folder().join("moved"))?;
    symlink(&stranger, roots.local())?;
    api.post("/api/queue/resume", &json!({}))?;
    for batch in [&second, &undo] {
        wait_for("the transfer to wait", SOON, || {
            let transfers = api.transfers(batch)?;
            ensure!(transfers.iter().all(|one| text(one, "state") != "completed"), "{transfers:?}");
            let health = api.get("/api/health")?;
            Ok((health["roots"]["local"]["online"] == false).then_some(()))
        })?;
    }
    ensure!(all_files(&stranger)? == ["loras/b.safetensors"], "{:?}", all_files(&stranger)?);
    // It is back: both go on by themselves.
    fs::remove_file(roots.local())?;
    fs::rename(roots.folder().join("moved"), roots.local())?;
    api.complete(&second)?;
    api.complete(&undo)?;
    ensure!(roots.local().join("loras/a.safetensors").is_file());
    ensure!(!roots.local().join("loras/b.safetensors").exists());
    Ok(())
}

/// What is left of a copy when the hub is killed may be anything when it starts again.
#[test]
fn a_part_file_swapped_for_a_hard_link_grows_nothing() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("checkpoints/big.safetensors", &noise(1, BIG))?;
    roots.local_file("vae/there.safetensors", b"there")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &["checkpoints"])?;
    wait_for(
        "a checkpoint",
        SOON,
        || Ok((number(&api.transfers(&batch)?[0], "bytes_done") > 150 << 20).then_some(())),
    )?;
    hub.kill()?;
    let Some(part) = part_files(&roots.local())?.first().map(|part| roots.local().join(part)) else {
        skip("a part swapped for a hard link", "the copy was done before the hub could be killed");
        return Ok(());
    };
    let victim = roots.folder().join("victim");
    fs::rename(&part, &victim)?;
    fs::hard_link(&victim, &part)?;
    let before = fs::read(&victim)?;
    let hub = setup.start()?;
    hub.api()?.complete(&batch)?;
    ensure!(fs::read(&victim)? == before, "what lies outside was written to");
    ensure!(fs::read(roots.local().join("checkpoints/big.safetensors"))? == noise(1, BIG));
    Ok(())
}
