//! Copying, moving and deleting through the queue, and everything that may come in between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::hub::hub_path;
use end_to_end::machine::SmallDisk;
use end_to_end::roots::{digest, noise, part_files, tree, write};
use end_to_end::wait::{SOON, wait_for, wait_until};
use end_to_end::{Api, HubSetup, Roots};
use serde_json::{Value, json};

/// Waits until the only transfer of a batch is so.
fn wait_for_transfer(api: &Api, batch: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    wait_for(what, SOON, || Ok(api.transfers(batch)?.into_iter().next().filter(&is_so)))
}

#[test]
fn a_folder_arrives_with_its_bytes_times_and_sidecars() -> Result<()> {
    let roots = Roots::new()?;
    for (i, path) in
        ["a.safetensors", "a.preview.png", "a.civitai.info", "deeper/b.safetensors", "empty.txt"].iter().enumerate()
    {
        roots.lake_file(&format!("loras/{path}"), &noise(i as u64, i * 300_000 % 1_300_001))?;
    }
    roots.lake_file("vae/other.safetensors", b"stays where it is")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &["loras"])?;
    let transfers = api.complete(&batch)?;
    ensure!(transfers.len() == 5, "{transfers:?}");
    let mut expected = tree(&roots.lake())?;
    expected.remove("vae/other.safetensors");
    ensure!(tree(&roots.local())? == expected);
    for transfer in &transfers {
        let path = roots.lake().join(text(transfer, "path"));
        ensure!(text(transfer, "hash") == digest(&path)?, "{transfer}");
    }
    // The index knows without another scan.
    ensure!(api.diff("same")?.len() == 5);

    // One model brings what belongs to it. (A root that is all empty would not be believed.)
    roots.local_file("vae/mine.safetensors", b"mine")?;
    fs::remove_dir_all(roots.local().join("loras"))?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &["loras/a.safetensors"])?;
    api.complete(&batch)?;
    let names: Vec<_> = tree(&roots.local())?.into_keys().filter(|path| path.starts_with("loras")).collect();
    ensure!(names == ["loras/a.civitai.info", "loras/a.preview.png", "loras/a.safetensors"], "{names:?}");
    Ok(())
}

#[test]
fn an_occupied_name_is_skipped_replaced_or_kept_beside() -> Result<()> {
    let roots = Roots::new()?;
    roots.local_file("vae/x.safetensors", b"mine")?;
    roots.lake_file("vae/x.safetensors", b"theirs, longer")?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let copy = |on_conflict: &str| json!({ "operation": "copy", "from": "lake", "to": "local", "paths": ["vae/x.safetensors"], "on_conflict": on_conflict });
    let mine = roots.local().join("vae/x.safetensors");

    let answer = api.post("/api/transfers", &copy("skip"))?;
    ensure!(number(&answer, "n_transfers") == 0 && answer["skipped"].as_array().unwrap().len() == 1, "{answer}");
    ensure!(fs::read(&mine)? == b"mine");

    api.complete(&api.enqueue(&copy("keep_both"))?)?;
    let names: Vec<_> = tree(&roots.local())?.into_keys().collect();
    ensure!(names.len() == 2 && fs::read(&mine)? == b"mine", "{names:?}");

    let batch = api.enqueue(&copy("replace"))?;
    api.complete(&batch)?;
    ensure!(fs::read(&mine)? == b"theirs, longer");
    let trashed = end_to_end::roots::all_files(&roots.local().join(".comfy-hub-trash"))?;
    ensure!(trashed.iter().any(|path| path.ends_with("vae/x.safetensors")), "the old one is in the trash: {trashed:?}");
    Ok(())
}

#[test]
fn nothing_goes_away_where_it_is_not_allowed() -> Result<()> {
    let roots = Roots::new()?;
    roots.local_file("vae/x.safetensors", b"mine")?;
    roots.lake_file("vae/x.safetensors", b"theirs, longer")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let paths = ["vae/x.safetensors"];
    for request in [
        json!({ "operation": "delete", "from": "local", "paths": paths }),
        json!({ "operation": "move", "from": "local", "to": "lake", "paths": paths }),
        json!({ "operation": "copy", "from": "lake", "to": "local", "paths": paths, "on_conflict": "replace" }),
    ] {
        let answer = api.try_post("/api/transfers", &request)?;
        let detail = answer.expect_problem(403)?;
        ensure!(detail.contains("LOCAL_ALLOW_DELETE"), "the reader is told what to do: {detail}");
    }
    ensure!(fs::read(roots.local().join("vae/x.safetensors"))? == b"mine");
    Ok(())
}

#[test]
fn a_delete_can_be_undone_and_a_move_leaves_nothing_behind() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..4 {
        roots.local_file(&format!("loras/m{i}.safetensors"), &noise(i, 2_000))?;
    }
    let before = tree(&roots.local())?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;

    let batch = api.enqueue(&json!({ "operation": "delete", "from": "local", "paths": ["loras"] }))?;
    api.complete(&batch)?;
    ensure!(tree(&roots.local())?.is_empty());
    ensure!(api.paths("local")?.is_empty());
    let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
    api.complete(&undone["batch_id"].to_string().replace('"', ""))?;
    ensure!(tree(&roots.local())? == before, "every byte and time is back");
    ensure!(api.paths("local")?.len() == 4);

    let batch = api.enqueue(&json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["loras"] }))?;
    api.complete(&batch)?;
    ensure!(tree(&roots.lake())? == before);
    ensure!(tree(&roots.local())?.is_empty(), "{:?}", tree(&roots.local())?.keys());
    Ok(())
}

/// Git and some download programs leave files so. On Windows the system itself then refuses to remove or
/// replace them.
#[test]
fn read_only_files_are_copied_replaced_moved_and_deleted_like_others() -> Result<()> {
    let roots = Roots::new()?;
    let read_only = |path: PathBuf| -> Result<PathBuf> {
        let mut permissions = fs::metadata(&path)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions)?;
        Ok(path)
    };
    read_only(roots.lake_file("loras/copied.safetensors", &noise(1, 2_000))?)?;
    read_only(roots.lake_file("loras/replaced.safetensors", &noise(2, 2_000))?)?;
    read_only(roots.local_file("loras/replaced.safetensors", b"old")?)?;
    let moved = read_only(roots.local_file("loras/moved.safetensors", &noise(3, 2_000))?)?;
    let deleted = read_only(roots.local_file("loras/deleted.safetensors", &noise(4, 2_000))?)?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true").set("LAKE_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let replaced = json!({
        "operation": "copy", "from": "lake", "to": "local", "paths": ["loras"], "on_conflict": "replace",
    });
    api.complete(&api.enqueue(&replaced)?)?;
    for name in ["copied", "replaced"] {
        let path = format!("loras/{name}.safetensors");
        ensure!(fs::read(roots.local().join(&path))? == fs::read(roots.lake().join(&path))?, "{path}");
    }
    let move_one = json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["loras/moved.safetensors"] });
    api.complete(&api.enqueue(&move_one)?)?;
    ensure!(!moved.exists() && fs::read(roots.lake().join("loras/moved.safetensors"))? == noise(3, 2_000));
    let delete = json!({ "operation": "delete", "from": "local", "paths": ["loras/deleted.safetensors"] });
    let batch = api.enqueue(&delete)?;
    api.complete(&batch)?;
    ensure!(!deleted.exists());
    let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
    api.complete(&number(&undone, "batch_id").to_string())?;
    ensure!(fs::read(&deleted)? == noise(4, 2_000), "and it comes back");
    Ok(())
}

#[test]
fn a_source_that_changes_meanwhile_never_arrives_as_a_mixture() -> Result<()> {
    let roots = Roots::new()?;
    let source = roots.lake_file("checkpoints/big.safetensors", &noise(1, 160 << 20))?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &["checkpoints/big.safetensors"])?;
    let transfer = wait_for_transfer(&api, &batch, "the copy's begin", |t| number(t, "bytes_done") > 0)?;
    api.post(&format!("/api/transfers/{}/pause", transfer["id"].to_string().replace('"', "")), &json!({}))?;
    let paused = wait_for_transfer(&api, &batch, "the pause", |t| text(t, "state") != "running")?;
    ensure!(text(&paused, "state") == "paused", "paused in the middle: {paused}");

    fs::File::options().write(true).open(&source)?.write_all(b"changed")?;
    api.post(&format!("/api/transfers/{}/resume", transfer["id"].to_string().replace('"', "")), &json!({}))?;
    let ended =
        wait_for_transfer(&api, &batch, "the end", |t| !["running", "queued", "paused"].contains(&text(t, "state")))?;
    ensure!(text(&ended, "state") == "failed" && text(&ended["error"], "code") == "changed", "{ended}");
    ensure!(!roots.local().join("checkpoints/big.safetensors").exists());
    wait_until("the part file is gone", SOON, || Ok(part_files(&roots.local())?.is_empty()))?;
    Ok(())
}

#[test]
fn a_full_disk_pauses_the_queue_and_the_copy_goes_on_when_there_is_room() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("full disk", 48 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    let content = noise(1, 40 << 20);
    roots.lake_file("checkpoints/big.safetensors", &content)?;
    let setup = HubSetup::on(disk.path(), &roots.lake())?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    // Someone else needs the room meanwhile.
    let hog = write(&disk.path().join("hog.bin"), &noise(2, 20 << 20))?;
    let answer = api.try_post(
        "/api/transfers",
        &json!({ "operation": "copy", "from": "lake", "to": "local", "paths": ["checkpoints/big.safetensors"] }),
    )?;
    if answer.status == 422 {
        ensure!(answer.expect_problem(422)?.contains("free"), "{answer:?}");
        return Ok(());
    }
    ensure!(answer.status == 202, "{answer:?}");
    let batch = answer.json["batch_id"].to_string().replace('"', "");
    let queue = wait_for("the queue's pause", SOON, || {
        let queue = api.get("/api/queue")?;
        Ok(queue.to_string().contains("full").then_some(queue))
    })?;
    let why = text(&queue, "paused");
    let disk_name = hub_path(disk.path());
    for part in ["Local", &disk_name, "big.safetensors", "missing", "then resume"] {
        ensure!(why.contains(part), "people are told {part}: {why}");
    }
    // So many bytes that the hog's are enough, and not a tenth of them would be.
    let digits: String = why.split_once(" bytes)").unwrap().0.rsplit_once('(').unwrap().1.replace(',', "");
    let missing: u64 = digits.parse()?;
    ensure!((2 << 20..20 << 20).contains(&missing), "{why}");
    ensure!(text(&api.transfers(&batch)?[0]["error"], "detail") == why, "and the same beside the file");
    ensure!(!disk.path().join("checkpoints/big.safetensors").exists(), "{queue}");

    fs::remove_file(hog)?;
    api.post("/api/queue/resume", &json!({}))?;
    api.complete(&batch)?;
    ensure!(fs::read(disk.path().join("checkpoints/big.safetensors"))? == content);
    ensure!(part_files(disk.path())?.is_empty());
    Ok(())
}

#[test]
fn the_queue_can_be_paused_reordered_cancelled_and_cleared() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..4 {
        roots.lake_file(&format!("vae/m{i}.safetensors"), &noise(i, 1_000))?;
    }
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.post("/api/queue/pause", &json!({}))?;
    let batch = api.copy("lake", "local", &["vae"])?;
    let transfers = api.transfers(&batch)?;
    ensure!(transfers.iter().all(|t| text(t, "state") == "queued"), "{transfers:?}");
    let id = |path: &str| {
        let transfer = transfers.iter().find(|t| text(t, "path").ends_with(path)).unwrap();
        transfer["id"].to_string().replace('"', "")
    };
    api.post(&format!("/api/transfers/{}/first", id("m3.safetensors")), &json!({}))?;
    api.post(&format!("/api/transfers/{}/cancel", id("m1.safetensors")), &json!({}))?;

    let turn = || -> Result<Vec<String>> {
        let queued = api.items("/api/transfers?state=queued")?;
        Ok(queued.iter().map(|transfer| text(transfer, "path").to_owned()).collect())
    };
    ensure!(turn()? == ["vae/m3.safetensors", "vae/m0.safetensors", "vae/m2.safetensors"], "{:?}", turn()?);
    api.post(&format!("/api/transfers/{}/last", id("m3.safetensors")), &json!({}))?;
    api.post(&format!("/api/transfers/{}/up", id("m2.safetensors")), &json!({}))?;
    ensure!(turn()? == ["vae/m2.safetensors", "vae/m0.safetensors", "vae/m3.safetensors"], "{:?}", turn()?);

    // A kill forgets neither the pause nor the order.
    hub.kill()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    ensure!(tree(&roots.local())?.is_empty());
    api.post("/api/queue/resume", &json!({}))?;
    let ended = api.wait_for_batch(&batch)?;
    let states: Vec<_> = ended.iter().map(|t| text(t, "state")).collect();
    ensure!(states.iter().filter(|state| **state == "completed").count() == 3, "{ended:?}");
    ensure!(states.iter().filter(|state| **state == "cancelled").count() == 1, "{ended:?}");
    ensure!(!roots.local().join("vae/m1.safetensors").exists());

    let retried = api.post(&format!("/api/transfers/{}/retry", id("m1.safetensors")), &json!({}));
    ensure!(retried.is_ok(), "a cancelled transfer can be tried again: {retried:?}");
    api.complete(&batch)?;
    Api::send(api.request(reqwest::Method::DELETE, "/api/queue/finished"))?;
    ensure!(api.items("/api/transfers?state=completed")?.is_empty());
    Ok(())
}
