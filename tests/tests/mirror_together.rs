//! Several plans at once: what one of them changes, the others were not made for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::mirror::{all_said, allowed, apply, apply_path, lake_to_local, two_roots};
use end_to_end::roots::tree;
use end_to_end::{Api, Hub, HubSetup, Roots};
use serde_json::{Value, json};

fn start() -> Result<(Roots, HubSetup, Hub)> {
    let roots = two_roots()?;
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    Ok((roots, setup, hub))
}

/// A plan for one folder of Local, with deletes.
fn of_folder(api: &Api, folder: &str) -> Result<Value> {
    let compare = "size_mtime";
    api.post(
        "/api/mirrors",
        &json!({ "from": "lake", "to": "local", "folder": folder, "compare": compare, "delete": true }),
    )
}

fn state(api: &Api, plan: &Value) -> Result<String> {
    Ok(text(&api.get(&format!("/api/mirrors/{}", plan["id"]))?, "state").to_owned())
}

#[test]
fn of_two_previews_of_the_same_only_one_is_carried_out() -> Result<()> {
    let (roots, _setup, hub) = start()?;
    let api = hub.api()?;
    let (first, second) = (lake_to_local(&api)?, lake_to_local(&api)?);
    ensure!(state(&api, &first)? == "ready" && state(&api, &second)? == "ready");
    ensure!(api.items(&format!("/api/mirrors/{}/items", first["id"]))?.len() >= 4, "{first}");

    // While nothing has moved yet, both work on the same files.
    api.post("/api/queue/pause", &json!({}))?;
    let batch = apply(&api, &first)?;
    let refused = api.try_post(&apply_path(&second), &all_said(&second))?;
    refused.expect_problem(409)?;
    ensure!(api.get("/api/batches")?["total"] == 1, "nothing of the second was queued");
    let twice = api.try_post(&apply_path(&first), &all_said(&first))?;
    twice.expect_problem(409)?;

    api.post("/api/queue/resume", &json!({}))?;
    api.complete(&batch)?;
    let after = tree(&roots.local())?;
    ensure!(after == tree(&roots.lake())?);
    ensure!(state(&api, &first)? == "applied" && state(&api, &second)? == "stale");
    let refused = api.try_post(&apply_path(&second), &all_said(&second))?;
    ensure!(refused.expect_problem(409)?.contains("again"), "{refused:?}");
    let page = api.try_get(&format!("/plans/{}", second["id"]))?.text;
    ensure!(page.contains("can't be carried out any more") && page.contains("Preview again"), "a new one is offered");
    ensure!(!page.contains("id=\"apply\""), "and the old one is not");
    ensure!(tree(&roots.local())? == after && api.get("/api/batches")?["total"] == 1);

    let third = lake_to_local(&api)?;
    ensure!(api.items(&format!("/api/mirrors/{}/items", third["id"]))?.is_empty(), "{third}");
    Ok(())
}

#[test]
fn plans_of_different_folders_are_carried_out_one_after_another() -> Result<()> {
    let (roots, _setup, hub) = start()?;
    let api = hub.api()?;
    let local = tree(&roots.local())?;
    let [vae, checkpoints, embeddings] = ["vae", "checkpoints", "embeddings"].map(|folder| of_folder(&api, folder));
    let (vae, checkpoints, embeddings) = (vae?, checkpoints?, embeddings?);
    ensure!(number(&vae["overwrites"], "n") == 1 && number(&checkpoints["copies"], "n") == 2, "{vae} {checkpoints}");

    // Both are queued before either has changed anything: none is in the way of the other.
    api.post("/api/queue/pause", &json!({}))?;
    let batches = [apply(&api, &vae)?, apply(&api, &checkpoints)?];
    api.post("/api/queue/resume", &json!({}))?;
    for batch in &batches {
        api.complete(batch)?;
    }
    let now = tree(&roots.local())?;
    let lake = tree(&roots.lake())?;
    for (path, file) in &lake {
        let is_planned = path.starts_with("vae/") || path.starts_with("checkpoints/");
        ensure!(!is_planned || now.get(path) == Some(file), "{path} is not as on the Lake");
    }
    for path in ["upscale_models/gone.pth", "embeddings/old-name.pt"] {
        ensure!(now.get(path) == local.get(path), "{path} is in no folder of theirs");
    }

    // The third was made before: it is made again, and is the same.
    api.try_post(&apply_path(&embeddings), &all_said(&embeddings))?.expect_problem(409)?;
    let again = of_folder(&api, "embeddings")?;
    ensure!((&again["copies"], &again["deletes"]) == (&embeddings["copies"], &embeddings["deletes"]), "{again}");
    let last = apply(&api, &again)?;
    api.complete(&last)?;

    // Taken back in any order.
    for batch in [&batches[0], &last, &batches[1]] {
        let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
        api.complete(&undone["batch_id"].to_string())?;
    }
    ensure!(tree(&roots.local())? == local && tree(&roots.lake())? == lake);
    Ok(())
}
