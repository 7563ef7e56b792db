//! Plans while roots go away, disks fill up and the hub is killed: nothing is deleted on the strength
//! of what could not be seen, and what was begun goes on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::machine::{SmallDisk, is_root, skip};
use end_to_end::mirror::{all_said, allowed, apply, apply_path, code, lake_to_local, two_roots};
use end_to_end::roots::{noise, part_files, tree, write};
use end_to_end::wait::{SOON, wait_for, wait_until};
use end_to_end::{HubSetup, Roots};
use serde_json::{Value, json};

#[test]
fn another_folder_in_the_place_of_a_root_stops_every_plan() -> Result<()> {
    let roots = two_roots()?;
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let plan = lake_to_local(&api)?;
    let before = tree(&roots.local())?;
    // Another disk is mounted where the Lake was, and then none.
    let aside = roots.folder().join("aside");
    fs::rename(roots.lake(), &aside)?;
    for is_empty in [false, true] {
        fs::create_dir_all(roots.lake())?;
        if !is_empty {
            write(&roots.lake().join(".comfy-hub-root.json"), br#"{"version":1,"root_id":"0193d2c0-0000-7000-8000-000000000000","created_at":"2024-01-01T00:00:00Z"}"#)?;
            write(&roots.lake().join("vae/foreign.safetensors"), b"foreign")?;
        }
        let refused = api.try_post(&apply_path(&plan), &all_said(&plan))?;
        ensure!([409, 503].contains(&refused.status), "{refused:?}");
        let body = json!({ "from": "lake", "to": "local", "delete": true });
        let refused = api.try_post("/api/mirrors", &body)?;
        ensure!([409, 503].contains(&refused.status), "{refused:?}");
        fs::remove_dir_all(roots.lake())?;
    }
    ensure!(tree(&roots.local())? == before, "nothing was touched");
    ensure!(api.items("/api/transfers")?.is_empty());
    fs::rename(aside, roots.lake())?;
    let plan = wait_for("the Lake to be back", SOON, || {
        let answer = api.try_post("/api/mirrors", &json!({ "from": "lake", "to": "local", "delete": true }))?;
        Ok((answer.status == 201).then_some(answer.json))
    })?;
    api.complete(&apply(&api, &plan)?)?;
    Ok(())
}

#[test]
fn a_source_that_is_swapped_before_the_deletes_holds_them_back() -> Result<()> {
    let roots = two_roots()?;
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let plan = lake_to_local(&api)?;
    api.post("/api/queue/pause", &json!({}))?;
    let batch = apply(&api, &plan)?;
    // All copies are dropped, so that only deletes are left; the Lake goes away.
    let aside = roots.folder().join("aside");
    fs::rename(roots.lake(), &aside)?;
    fs::create_dir(roots.lake())?;
    api.post("/api/queue/resume", &json!({}))?;
    for transfer in api.transfers(&batch)?.iter().filter(|t| text(t, "operation") != "delete") {
        api.post(&format!("/api/transfers/{}/cancel", transfer["id"]), &json!({}))?;
    }
    let held = |t: &Value| ["failed", "waiting", "queued"].contains(&text(t, "state"));
    wait_until("the deletes to be held back", SOON, || {
        let transfers = api.transfers(&batch)?;
        let deletes: Vec<_> = transfers.iter().filter(|t| text(t, "operation") == "delete").collect();
        Ok(!deletes.is_empty() && deletes.iter().all(|t| held(t) && !code(t).is_empty()))
    })?;
    ensure!(roots.local().join("upscale_models/gone.pth").exists());
    Ok(())
}

#[test]
fn a_lake_that_goes_off_in_the_middle_is_waited_for() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("lake off during a plan", 256 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    for i in 0..30 {
        write(&disk.path().join(format!("loras/m{i}.safetensors")), &noise(i, 3 << 20))?;
    }
    roots.local_file("vae/extra.safetensors", &noise(900, 4_000))?;
    let expected = tree(disk.path())?;
    let setup = HubSetup::on(&roots.local(), disk.path())?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let plan = lake_to_local(&api)?;
    let batch = apply(&api, &plan)?;
    wait_until("some copies", SOON, || {
        Ok(api.transfers(&batch)?.iter().filter(|t| text(t, "state") == "completed").count() >= 2)
    })?;
    // The mount point shows nothing any more.
    disk.mount(1 << 20)?;
    wait_until("the hub to see it", SOON, || Ok(api.get("/api/health")?["roots"]["lake"]["online"] == json!(false)))?;
    ensure!(roots.local().join("vae/extra.safetensors").exists(), "nothing is deleted meanwhile");
    let states = api.transfers(&batch)?;
    ensure!(!states.iter().any(|t| text(t, "state") == "failed"), "{states:?}");

    disk.unmount()?;
    let transfers = api.wait_for_batch(&batch)?;
    ensure!(transfers.iter().all(|t| text(t, "state") == "completed"), "{transfers:?}");
    ensure!(tree(&roots.local())? == expected);
    Ok(())
}

#[test]
fn a_full_disk_holds_the_deletes_back_until_there_is_room() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("full disk during a plan", 24 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    for i in 0..8 {
        roots.lake_file(&format!("checkpoints/m{i}.safetensors"), &noise(i, 4 << 20))?;
    }
    write(&disk.path().join("vae/extra.safetensors"), &noise(900, 4_000))?;
    let setup = HubSetup::on(disk.path(), &roots.lake())?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let plan = lake_to_local(&api)?;
    ensure!(plan["free_bytes_after"].as_i64().context("free")? < 0, "the preview says so: {plan}");
    let batch = apply(&api, &plan)?;
    wait_until("the queue's pause", SOON, || Ok(api.get("/api/queue")?.to_string().contains("full")))?;
    ensure!(disk.path().join("vae/extra.safetensors").exists(), "nothing is deleted meanwhile");
    let states = api.transfers(&batch)?;
    ensure!(states.iter().any(|t| text(t, "operation") == "delete" && text(t, "state") == "queued"), "{states:?}");

    disk.resize(64 << 20)?;
    api.post("/api/queue/resume", &json!({}))?;
    let transfers = api.complete(&batch)?;
    ensure!(transfers.len() == 9, "{transfers:?}");
    ensure!(tree(disk.path())? == tree(&roots.lake())?);
    ensure!(part_files(disk.path())?.is_empty());
    Ok(())
}

#[test]
fn a_kill_between_copies_and_deletes_loses_nothing_and_goes_on() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..60 {
        roots.lake_file(&format!("loras/new{i}.safetensors"), &noise(i, 400_000))?;
        roots.local_file(&format!("old/gone{i}.safetensors"), &noise(1_000 + i, 2_000))?;
        roots.local_file(&format!("renamed/from{i}.pt"), &noise(2_000 + i, 3_000))?;
        roots.lake_file(&format!("renamed/to{i}.pt"), &noise(2_000 + i, 3_000))?;
    }
    let (old, expected) = (tree(&roots.local())?, tree(&roots.lake())?);
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    let plan = lake_to_local(&api)?;
    ensure!(number(&plan["moves"], "n") == 60 && number(&plan["deletes"], "n") == 60, "{plan}");
    let batch = apply(&api, &plan)?;
    let mut hub = Some(hub);
    let mut api = api;
    // Killed while it renames, copies and deletes; checked each time.
    for goal in [20, 70, 100, 121, 150] {
        wait_until(&format!("{goal} transfers done"), SOON, || {
            Ok(number(&api.get(&format!("/api/batches/{batch}"))?, "n_completed") >= goal)
        })?;
        if let Some(hub) = hub.take() {
            hub.kill()?;
        }
        let mut now = tree(&roots.local())?;
        for part in part_files(&roots.local())? {
            now.remove(&part);
        }
        let arrived = expected.keys().filter(|path| now.contains_key(*path)).count();
        let gone = old.keys().filter(|path| path.starts_with("old/") && !now.contains_key(*path)).count();
        ensure!(gone == 0 || arrived == expected.len(), "{gone} were deleted with {arrived} there");
        for (path, file) in &now {
            let is_whole = old.get(path) == Some(file) || expected.get(path) == Some(file);
            ensure!(is_whole, "{path} is not whole after {goal}");
        }
        let next = setup.start()?;
        api = next.api()?;
        hub = Some(next);
    }
    let transfers = api.complete(&batch)?;
    ensure!(transfers.len() == 180, "each once");
    ensure!(tree(&roots.local())? == expected);
    ensure!(part_files(&roots.local())?.is_empty());

    let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
    api.complete(&undone["batch_id"].to_string())?;
    ensure!(tree(&roots.local())? == old);
    Ok(())
}

#[test]
fn a_scan_that_did_not_see_everything_proves_no_delete() -> Result<()> {
    if !is_root() {
        skip("a partial scan and plans", "needs root, to take a folder's permissions from another user");
        return Ok(());
    }
    let roots = two_roots()?;
    end_to_end::machine::give_to(roots.folder(), end_to_end::machine::NOBODY_IN_PARTICULAR)?;
    let setup = allowed(&roots)?.as_user(end_to_end::machine::NOBODY_IN_PARTICULAR)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let plan = lake_to_local(&api)?;
    let closed = roots.lake().join("loras");
    let status = Command::new("chmod").args(["000".as_ref(), closed.as_os_str()]).status()?;
    ensure!(status.success());
    let scan = api.scan(&["lake"])?;
    let opened = Command::new("chmod").args(["755".as_ref(), closed.as_os_str()]).status()?;
    ensure!(opened.success() && text(&scan, "state") == "partial", "{scan}");
    let refused = api.try_post(&apply_path(&plan), &all_said(&plan))?;
    ensure!(refused.expect_problem(409)?.contains("Make the plan again"), "{refused:?}");
    // Only what lies in the folder that was not read stays as it is, and the plan says so.
    let plan = api.post("/api/mirrors", &json!({ "from": "lake", "to": "local", "delete": true }))?;
    let items = api.items(&format!("/api/mirrors/{}/items", plan["id"]))?;
    let unread: Vec<_> = items.iter().filter(|item| text(item, "path").starts_with("loras/")).collect();
    ensure!(!unread.is_empty() && unread.iter().all(|item| text(item, "action") == "left_out"), "{items:?}");
    ensure!(unread.iter().all(|item| text(item, "why").contains("could not be listed")), "{unread:?}");
    // What only adds needs no such proof.
    let adds = api.post("/api/mirrors", &json!({ "from": "lake", "to": "local", "delete": false }))?;
    ensure!(number(&adds["deletes"], "n") == 0 && number(&adds["copies"], "n") >= 2, "{adds}");
    Ok(())
}
