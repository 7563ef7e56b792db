//! Disks mounted inside a root, two mounts of one disk, and disks that say odd things of themselves.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::machine::skip;
use end_to_end::roots::{all_files, noise, part_files, write};
use end_to_end::wait::{SOON, wait_for};
use end_to_end::{Api, Hub, HubSetup, Roots};
use serde_json::{Value, json};

/// Something mounted, taken away when it goes out of scope.
struct Mounted(PathBuf);

impl Mounted {
    fn make(test: &str, point: &Path, arguments: &[&str]) -> Result<Option<Self>> {
        fs::create_dir_all(point)?;
        let output = Command::new("mount").args(arguments).arg(point).output().context("cannot run mount")?;
        if output.status.success() {
            return Ok(Some(Self(point.to_owned())));
        }
        skip(test, &format!("nothing can be mounted: {}", String::from_utf8_lossy(&output.stderr)));
        Ok(None)
    }

    fn memory(test: &str, point: &Path, size: u64) -> Result<Option<Self>> {
        Self::make(test, point, &["-t", "tmpfs", "-o", &format!("size={size},mode=0777"), "small"])
    }

    fn remount(&self, option: &str) -> Result<()> {
        let status = Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.0).status()?;
        ensure!(status.success(), "cannot remount");
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

fn start(setup: HubSetup) -> Result<(Hub, Api)> {
    let hub = setup.set("LOCAL_ALLOW_DELETE", "true").set("LAKE_ALLOW_DELETE", "true").start()?;
    let api = hub.api()?;
    api.scan_both()?;
    Ok((hub, api))
}

fn delete(api: &Api, from: &str, paths: &[&str]) -> Result<String> {
    api.enqueue(&json!({ "operation": "delete", "from": from, "paths": paths }))
}

fn trash(api: &Api, root: &str) -> Result<Vec<String>> {
    let items = api.items(&format!("/api/trash?root={root}"))?;
    let mut paths: Vec<String> = items.iter().map(|item| text(item, "path").to_owned()).collect();
    paths.sort();
    Ok(paths)
}

#[test]
fn a_disk_inside_a_root_has_a_trash_of_its_own() -> Result<()> {
    let roots = Roots::new()?;
    let disk = roots.lake().join("checkpoints");
    let Some(_disk) = Mounted::memory("a trash for each disk", &disk, 64 << 20)? else { return Ok(()) };
    for name in ["a", "b", "c"] {
        roots.lake_file(&format!("checkpoints/sub/{name}.safetensors"), name.as_bytes())?;
    }
    roots.lake_file("loras/d.safetensors", b"d")?;
    let setup = roots.hub()?;
    let (hub, api) = start(setup)?;
    let batch = delete(&api, "lake", &["checkpoints/sub/a.safetensors", "checkpoints/sub/b.safetensors", "loras"])?;
    api.complete(&batch)?;
    let all = ["checkpoints/sub/a.safetensors", "checkpoints/sub/b.safetensors", "loras/d.safetensors"];
    ensure!(trash(&api, "lake")? == all, "{:?}", trash(&api, "lake")?);
    ensure!(all_files(&disk)?.iter().filter(|path| path.starts_with(".comfy-hub-trash/")).count() == 2);

    // Another database finds them on the disk.
    drop(hub);
    let (_hub, api) = start(roots.hub()?)?;
    let found = wait_for("the trash to be found", SOON, || {
        let found = trash(&api, "lake")?;
        Ok((found.len() == 3).then_some(found))
    })?;
    ensure!(found == all, "{found:?}");

    // One comes back, the others go for good.
    let items = api.items("/api/trash?root=lake")?;
    let id = |path: &str| items.iter().find(|item| text(item, "path") == path).map(|item| item["id"].clone());
    let back = api.post("/api/trash/restore", &json!({ "ids": [id(all[0])] }))?["batch_id"].to_string();
    api.complete(&back)?;
    ensure!(fs::read(disk.join("sub/a.safetensors"))? == b"a");
    let undone = api.post(&format!("/api/batches/{back}/undo"), &json!({}))?["batch_id"].to_string();
    api.complete(&undone)?;
    let emptied = api.post("/api/trash/empty", &json!({ "root": "lake" }))?;
    ensure!(emptied["n"] == 3, "{emptied}");
    ensure!(!disk.join(".comfy-hub-trash").exists() && !roots.lake().join(".comfy-hub-trash").exists());
    Ok(())
}

#[test]
fn two_mounts_of_one_disk_are_moved_between_by_a_copy() -> Result<()> {
    let roots = Roots::new()?;
    let (local, lake) = (roots.folder().join("by_local"), roots.folder().join("by_lake"));
    let bind = |from: &Path, to: &Path| {
        Mounted::make("a move between two mounts of one disk", to, &["--bind", &from.to_string_lossy()])
    };
    let Some(_local) = bind(&roots.local(), &local)? else { return Ok(()) };
    let Some(_lake) = bind(&roots.lake(), &lake)? else { return Ok(()) };
    for (name, size) in [("small", 1000), ("big", 20 << 20)] {
        write(&local.join(format!("loras/{name}.safetensors")), &noise(7, size))?;
    }
    write(&lake.join("vae/x.safetensors"), b"x")?;
    let (_hub, api) = start(HubSetup::on(&local, &lake)?)?;
    let batch = api.enqueue(&json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["loras"] }))?;
    api.complete(&batch)?;
    for (name, size) in [("small", 1000), ("big", 20 << 20)] {
        ensure!(fs::read(lake.join(format!("loras/{name}.safetensors")))? == noise(7, size));
        ensure!(!local.join(format!("loras/{name}.safetensors")).exists());
    }
    ensure!(part_files(&lake)?.is_empty());
    Ok(())
}

#[test]
fn replacing_and_mirroring_reach_onto_a_disk_inside_a_root() -> Result<()> {
    let roots = Roots::new()?;
    let disk = roots.lake().join("checkpoints");
    let Some(_disk) = Mounted::memory("replacing on a disk inside a root", &disk, 64 << 20)? else { return Ok(()) };
    roots.local_file("checkpoints/a.safetensors", b"the new one")?;
    roots.lake_file("checkpoints/a.safetensors", b"old")?;
    roots.lake_file("checkpoints/gone.safetensors", b"only here")?;
    let (_hub, api) = start(roots.hub()?)?;
    let asked = json!({ "from": "local", "to": "lake", "compare": "size_mtime", "delete": true });
    let plan = api.post("/api/mirrors", &asked)?;
    let said = json!({ "confirm": number(&plan["deletes"], "n").to_string(), "confirm_last_copies": true });
    let batch = api.post(&format!("/api/mirrors/{}/apply", plan["id"]), &said)?["batch_id"].to_string();
    api.complete(&batch)?;
    ensure!(fs::read(disk.join("a.safetensors"))? == b"the new one");
    ensure!(!disk.join("gone.safetensors").exists());
    ensure!(trash(&api, "lake")?.len() == 2, "{:?}", trash(&api, "lake")?);
    let undo = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?["batch_id"].to_string();
    api.complete(&undo)?;
    ensure!(fs::read(disk.join("a.safetensors"))? == b"old");
    ensure!(fs::read(disk.join("gone.safetensors"))? == b"only here");
    Ok(())
}

#[test]
fn a_full_disk_inside_a_root_holds_up_only_what_goes_there() -> Result<()> {
    let roots = Roots::new()?;
    let disk = roots.local().join("checkpoints");
    let Some(small) = Mounted::memory("room of the folder", &disk, 20 << 20)? else { return Ok(()) };
    for n in 0..2 {
        roots.lake_file(&format!("checkpoints/big{n}.safetensors"), &noise(n, 30 << 20))?;
    }
    roots.lake_file("loras/a.safetensors", &noise(3, 30 << 20))?;
    roots.local_file("vae/there.safetensors", b"there")?;
    let (_hub, api) = start(roots.hub()?)?;
    let waits = api.copy("lake", "local", &["checkpoints"])?;
    let goes = api.copy("lake", "local", &["loras"])?;
    api.complete(&goes)?;
    let transfers = wait_for("the others to wait", SOON, || {
        let found = api.transfers(&waits)?;
        Ok(found.iter().all(|one| text(one, "state") == "waiting").then_some(found))
    })?;
    for one in &transfers {
        let told = one["error"]["detail"].to_string();
        ensure!(one["error"]["code"] == "disk_full" && told.contains(&*disk.to_string_lossy()), "{one}");
    }
    ensure!(api.get("/api/queue")?["is_paused"] == false);
    small.remount("size=128m")?;
    for one in &transfers {
        api.post(&format!("/api/transfers/{}/retry", one["id"]), &json!({}))?;
    }
    api.complete(&waits)?;
    Ok(())
}

#[test]
fn a_root_that_can_not_be_written_is_refused_before_anything_is_promised() -> Result<()> {
    let roots = Roots::new()?;
    let lake = roots.folder().join("mounted");
    let Some(disk) = Mounted::memory("a root that is read-only", &lake, 64 << 20)? else { return Ok(()) };
    write(&lake.join("loras/a.safetensors"), b"a")?;
    write(&lake.join("loras/b.safetensors"), b"bb")?;
    roots.local_file("loras/a.safetensors", b"the other a")?;
    roots.local_file("vae/x.safetensors", b"x")?;
    let (_hub, api) = start(HubSetup::on(&roots.local(), &lake)?)?;
    let deleted = delete(&api, "lake", &["loras/b.safetensors"])?;
    api.complete(&deleted)?;
    let trashed = api.items("/api/trash?root=lake")?[0]["id"].clone();
    let plan =
        api.post("/api/mirrors", &json!({ "from": "local", "to": "lake", "compare": "size_mtime", "delete": true }))?;
    disk.remount("ro")?;
    wait_for("the hub to notice", SOON, || Ok(refuses(&api)?.then_some(())))?;
    let transfer = |operation: &str, from: &str, to: Option<&str>, on_conflict: &str| json!({ "operation": operation, "from": from, "to": to, "paths": ["loras/a.safetensors"], "on_conflict": on_conflict });
    let asked = [
        ("/api/transfers", transfer("delete", "lake", None, "skip")),
        ("/api/transfers", transfer("move", "lake", Some("local"), "keep_both")),
        ("/api/transfers", transfer("copy", "local", Some("lake"), "replace")),
        ("/api/trash/empty", json!({ "root": "lake" })),
        ("/api/trash/restore", json!({ "ids": [trashed] })),
        ("/api/mirrors", json!({ "from": "local", "to": "lake", "compare": "size_mtime", "delete": true })),
        (&*format!("/api/mirrors/{}/apply", plan["id"]), json!({ "confirm": "1", "confirm_last_copies": true })),
    ];
    for (path, body) in asked {
        let answer = api.try_post(path, &body)?;
        let told = answer.expect_problem(422)?;
        ensure!(told.contains("Lake can't be written"), "{path} {body}: {told}");
    }
    ensure!(fs::read(lake.join("loras/a.safetensors"))? == b"a");
    Ok(())
}

/// Asks by a copy of something that the Lake has not.
fn refuses(api: &Api) -> Result<bool> {
    let asked = json!({ "operation": "copy", "from": "local", "to": "lake", "paths": ["nothing"] });
    Ok(api.try_post("/api/transfers", &asked)?.text.contains("can't be written"))
}

/// What the first thing to fail was is told, not what failed in cleaning up behind it.
#[test]
fn a_disk_inside_a_root_that_is_read_only_is_named() -> Result<()> {
    let roots = Roots::new()?;
    let disk = roots.lake().join("checkpoints");
    let Some(mounted) = Mounted::memory("a disk that is read-only", &disk, 64 << 20)? else { return Ok(()) };
    roots.lake_file("checkpoints/a.safetensors", b"a")?;
    roots.lake_file("loras/b.safetensors", b"b")?;
    let (_hub, api) = start(roots.hub()?)?;
    mounted.remount("ro")?;
    let batch = delete(&api, "lake", &["checkpoints", "loras"])?;
    let ended = api.wait_for_batch(&batch)?;
    let of = |path: &str| ended.iter().find(|one| text(one, "path") == path).cloned().unwrap_or(Value::Null);
    let failed = of("checkpoints/a.safetensors");
    ensure!(text(&failed, "state") == "failed" && failed["error"]["code"] == "read_only", "{failed}");
    ensure!(text(&of("loras/b.safetensors"), "state") == "completed", "the rest goes on");
    Ok(())
}
