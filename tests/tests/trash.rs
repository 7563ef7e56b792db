//! The trash promises only what it can keep: through kills, lost databases, and people who empty it
//! while others take things out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, number, text};
use end_to_end::roots::{all_files, noise, tree};
use end_to_end::wait::wait_until;
use end_to_end::{Api, Hub, HubSetup, Roots};
use rand::RngExt as _;
use serde_json::{Value, json};

/// A library with so many files of Local in its trash, and what they were.
fn deleted(n: u64) -> Result<(Roots, HubSetup, Hub, end_to_end::roots::Tree)> {
    let roots = Roots::new()?;
    for i in 0..n {
        roots.local_file(&format!("loras/set{}/m{i}.safetensors", i % 11), &noise(i, 500))?;
    }
    let before = tree(&roots.local())?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let delete = json!({ "operation": "delete", "from": "local", "paths": ["loras"] });
    api.complete(&api.enqueue(&delete)?)?;
    Ok((roots, setup, hub, before))
}

fn listed(api: &Api) -> Result<Vec<Value>> {
    api.items("/api/trash?root=local&limit=1000")
}

fn restore(api: &Api, items: &[Value]) -> Result<Vec<Value>> {
    let ids: Vec<&Value> = items.iter().map(|item| &item["id"]).collect();
    let answer = api.post("/api/trash/restore", &json!({ "ids": ids }))?;
    api.wait_for_batch(&answer["batch_id"].to_string())
}

#[test]
fn a_lost_database_takes_nothing_with_it() -> Result<()> {
    let (roots, setup, hub, before) = deleted(40)?;
    hub.kill()?;
    for ending in ["", "-wal", "-shm"] {
        let file = setup.data().join(format!("hub.db{ending}"));
        if file.exists() {
            fs::remove_file(file)?;
        }
    }
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    wait_until("the trash is found again", WORK, || Ok(listed(&api)?.len() == 40))?;
    let items = listed(&api)?;
    ensure!(items.iter().all(|item| item["batch_id"] == Value::Null), "nobody knows which batch it was: {}", items[0]);
    let ended = restore(&api, &items)?;
    ensure!(ended.iter().all(|transfer| text(transfer, "state") == "completed"), "{ended:?}");
    let mut now = tree(&roots.local())?;
    now.remove("vae/mine.safetensors");
    ensure!(now == before, "every byte and time is back");
    ensure!(!roots.local().join(".comfy-hub-trash").exists());
    Ok(())
}

#[test]
fn kills_while_emptying_leave_no_promise_that_cannot_be_kept() -> Result<()> {
    let (roots, setup, hub, before) = deleted(1_500)?;
    let trash = roots.local().join(".comfy-hub-trash");
    let mut random = rand::rng();
    let mut hub = Some(hub);
    let mut n_interrupted = 0;
    for _ in 0..6 {
        let api = hub.as_ref().unwrap().api()?;
        let emptying = std::thread::spawn(move || api.try_post("/api/trash/empty", &json!({ "root": "local" })));
        std::thread::sleep(Duration::from_millis(random.random_range(1..80)));
        hub.take().unwrap().kill()?;
        drop(emptying.join());
        let started = setup.start()?;
        let api = started.api()?;
        let on_disk = || -> Result<BTreeSet<String>> {
            if !trash.exists() {
                return Ok(BTreeSet::new());
            }
            Ok(all_files(&trash)?.into_iter().map(|path| path.splitn(3, '/').nth(2).unwrap().to_owned()).collect())
        };
        let left = on_disk()?;
        n_interrupted += usize::from(!left.is_empty() && left.len() < before.len());
        wait_until("what is listed is what lies there", WORK, || {
            let listed: BTreeSet<String> = listed(&api)?.iter().map(|item| text(item, "path").to_owned()).collect();
            ensure!(listed.is_subset(&left), "a file is offered that is gone");
            Ok(listed == left)
        })?;
        hub = Some(started);
        if left.len() < 300 {
            break;
        }
    }
    let api = hub.as_ref().unwrap().api()?;
    let items = listed(&api)?;
    let n = items.len();
    if n > 0 {
        let ended = restore(&api, &items)?;
        ensure!(ended.iter().all(|transfer| text(transfer, "state") == "completed"), "all of {n} come back");
    }
    let now = tree(&roots.local())?;
    for (path, file) in now.iter().filter(|(path, _)| path.starts_with("loras/")) {
        ensure!(before.get(path) == Some(file), "{path} came back as another");
    }
    ensure!(now.len() == n + 1, "{n} were left ({n_interrupted} kills came in the middle)");
    Ok(())
}

#[test]
fn emptying_while_files_come_back_takes_each_once() -> Result<()> {
    let (roots, _setup, hub, before) = deleted(900)?;
    let api = hub.api()?;
    let items = listed(&api)?;
    let half: Vec<&Value> = items.iter().map(|item| &item["id"]).take(450).collect();
    let answer = api.post("/api/trash/restore", &json!({ "ids": half }))?;
    let emptied = api.post("/api/trash/empty", &json!({ "root": "local" }))?;
    let ended = api.wait_for_batch(&answer["batch_id"].to_string())?;
    ensure!(ended.iter().all(|transfer| text(transfer, "state") == "completed"), "{:?}", ended.first());
    ensure!(number(&emptied, "n") == 450 && emptied["kept"] == json!([]), "{emptied}");
    let now = tree(&roots.local())?;
    ensure!(now.len() == 451, "{}", now.len());
    ensure!(now.iter().all(|(path, file)| path == "vae/mine.safetensors" || before.get(path) == Some(file)));
    ensure!(!roots.local().join(".comfy-hub-trash").exists(), "nothing is left of it");
    ensure!(number(&api.get("/api/trash")?, "total") == 0);
    // Undoing the delete afterwards tells that nothing is there any more.
    let undo = api.try_post("/api/batches/1/undo", &json!({}))?;
    undo.expect_problem(409)?;
    Ok(())
}

#[test]
fn leave_to_delete_is_asked_of_the_root_itself() -> Result<()> {
    let (roots, setup, hub, _) = deleted(3)?;
    hub.kill()?;
    let hub = setup.unset("LOCAL_ALLOW_DELETE").start()?;
    let api = hub.api()?;
    api.try_post("/api/trash/empty", &json!({ "root": "local" }))?.expect_problem(403)?;
    ensure!(all_files(&roots.local().join(".comfy-hub-trash"))?.len() == 3);
    // Putting back takes nothing away, so it needs no leave.
    let ended = restore(&api, &listed(&api)?)?;
    ensure!(ended.len() == 3 && ended.iter().all(|transfer| text(transfer, "state") == "completed"), "{ended:?}");
    Ok(())
}
