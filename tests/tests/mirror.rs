//! Plans that make one root like the other: what they come to, and what they refuse.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::machine::skip;
use end_to_end::mirror::{all_said, allowed, apply, apply_path, code, lake_to_local, two_roots};
use end_to_end::roots::{noise, set_time, tree};
use end_to_end::{HubSetup, Roots};
use serde_json::json;

/// What rsync would still do to make `to` like `from`: nothing if they are alike.
fn rsync_finds(from: &Path, to: &Path) -> Result<Vec<String>> {
    let arguments = ["-rn", "--times", "--checksum", "--delete", "--itemize-changes", "--omit-dir-times"];
    let hidden = ["--exclude=.comfy-hub-*", "--exclude=.model_sources.json*"];
    let output = Command::new("rsync").args(arguments).args(hidden).arg(from.join("")).arg(to.join("")).output();
    let output = output.context("cannot run rsync")?;
    ensure!(output.status.success(), "rsync failed: {}", String::from_utf8_lossy(&output.stderr));
    // Folders that stand for a type of model stay, also empty.
    let found = String::from_utf8(output.stdout)?;
    Ok(found.lines().filter(|line| !line.ends_with('/')).map(str::to_owned).collect())
}

fn has_rsync() -> bool {
    let found = Command::new("rsync").arg("--version").output().is_ok();
    if !found {
        skip("mirrored like rsync", "rsync is not installed");
    }
    found
}

#[test]
fn a_mirrored_tree_is_what_rsync_would_make_and_undo_brings_the_old_one_back() -> Result<()> {
    let roots = two_roots()?;
    let (local, lake) = (tree(&roots.local())?, tree(&roots.lake())?);
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    let plan = lake_to_local(&api)?;
    let counts: Vec<_> =
        ["moves", "copies", "overwrites", "deletes"].iter().map(|name| number(&plan[*name], "n")).collect();
    ensure!(counts == [1, 2, 1, 1], "{plan}");
    let items = api.items(&format!("/api/mirrors/{}/items?limit=2", plan["id"]))?;
    ensure!(items.len() == 5, "{items:?}");

    let batch = apply(&api, &plan)?;
    let transfers = api.complete(&batch)?;
    ensure!(transfers.len() == 5, "{transfers:?}");
    ensure!(tree(&roots.local())? == lake && tree(&roots.lake())? == lake, "bytes and times");
    if has_rsync() {
        let left = rsync_finds(&roots.lake(), &roots.local())?;
        ensure!(left.is_empty(), "rsync would still do: {left:?}");
    }
    ensure!(number(&lake_to_local(&api)?["copies"], "n") == 0, "the index knows without a scan");
    api.scan_both()?;
    let nothing = lake_to_local(&api)?;
    ensure!(api.items(&format!("/api/mirrors/{}/items", nothing["id"]))?.is_empty(), "{nothing}");

    let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
    api.complete(&undone["batch_id"].to_string())?;
    ensure!(tree(&roots.local())? == local, "undo brings back every byte and time");
    ensure!(tree(&roots.lake())? == lake);
    Ok(())
}

#[test]
fn renames_in_a_line_and_in_a_circle_need_next_to_no_copy() -> Result<()> {
    let roots = Roots::new()?;
    let put = |root: &str, name: &str, seed: u64| -> Result<()> {
        let (content, path) = (noise(seed, 1 << 20), format!("loras/{name}.safetensors"));
        drop(if root == "lake" { roots.lake_file(&path, &content)? } else { roots.local_file(&path, &content)? });
        Ok(())
    };
    // The Lake's names moved on by one; two others were swapped.
    for i in 0..6 {
        put("local", &format!("v{i}"), i)?;
        put("lake", &format!("v{}", i + 1), i)?;
    }
    for (local, lake, seed) in [("left", "right", 50), ("right", "left", 51)] {
        put("local", local, seed)?;
        put("lake", lake, seed)?;
    }
    let before = tree(&roots.local())?;
    let setup = allowed(&roots)?.set("QUEUE_CONCURRENCY", "4");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    let plan = lake_to_local(&api)?;
    ensure!(number(&plan["moves"], "n") == 7 && number(&plan["overwrites"], "n") == 1, "{plan}");
    ensure!(number(&plan["copies"], "n") + number(&plan["deletes"], "n") == 0, "{plan}");
    let batch = apply(&api, &plan)?;
    api.complete(&batch)?;
    ensure!(tree(&roots.local())? == tree(&roots.lake())?);
    let undone = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?;
    api.complete(&undone["batch_id"].to_string())?;
    ensure!(tree(&roots.local())? == before);
    Ok(())
}

#[test]
fn a_file_that_changed_after_the_preview_is_left_and_nothing_is_deleted() -> Result<()> {
    let roots = two_roots()?;
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let plan = lake_to_local(&api)?;
    // Someone works on the file that would be replaced, and on one that would be deleted.
    let mine = roots.local_file("vae/changed.safetensors", b"saved a moment ago")?;
    let kept = roots.local_file("upscale_models/gone.pth", b"needed again")?;
    let transfers = api.wait_for_batch(&apply(&api, &plan)?)?;
    let of = |path: &str| transfers.iter().find(|t| text(t, "path").ends_with(path)).cloned().unwrap_or_default();
    ensure!(text(&of("changed.safetensors"), "state") == "failed" && code(&of("changed.safetensors")) == "changed");
    ensure!(code(&of("gone.pth")) == "copies_failed", "{transfers:?}");
    ensure!(fs::read(mine)? == b"saved a moment ago" && fs::read(&kept)? == b"needed again");
    ensure!(text(&of("new.safetensors"), "state") == "completed", "{transfers:?}");

    // After a scan the old plan is stale; a new one does the rest, but for a file that changes again.
    api.scan_both()?;
    let stale = api.try_post(&apply_path(&lake_to_local(&api)?), &json!({}))?;
    ensure!(stale.status == 422, "{stale:?}");
    let plan = lake_to_local(&api)?;
    set_time(&kept, 1_700_000_777)?;
    let transfers = api.wait_for_batch(&apply(&api, &plan)?)?;
    let of = |path: &str| transfers.iter().find(|t| text(t, "path").ends_with(path)).cloned().unwrap_or_default();
    ensure!(code(&of("gone.pth")) == "changed", "{transfers:?}");
    ensure!(fs::read(&kept)? == b"needed again");
    Ok(())
}

#[test]
fn a_plan_of_yesterday_is_not_carried_out() -> Result<()> {
    let roots = two_roots()?;
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let plan = lake_to_local(&api)?;
    roots.lake_file("loras/later.safetensors", b"later")?;
    api.scan_both()?;
    let before = tree(&roots.local())?;
    let refused = api.try_post(&apply_path(&plan), &all_said(&plan))?;
    ensure!(refused.expect_problem(409)?.contains("again"), "{refused:?}");
    ensure!(text(&api.get(&format!("/api/mirrors/{}", plan["id"]))?, "state") == "stale");
    ensure!(tree(&roots.local())? == before && api.items("/api/transfers")?.is_empty());
    Ok(())
}

#[test]
fn without_leave_to_delete_a_plan_is_refused_when_made_applied_and_run() -> Result<()> {
    let roots = two_roots()?;
    let free = allowed(&roots)?;
    let hub = free.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let (plan, queued) = (lake_to_local(&api)?, lake_to_local(&api)?);
    api.post("/api/queue/pause", &json!({}))?;
    let batch = apply(&api, &queued)?;
    hub.kill()?;

    let guarded =
        HubSetup::in_folder(free.data()).set("LOCAL_MODELS_ROOT", roots.local()).set("LAKE_MODELS_ROOT", roots.lake());
    let hub = guarded.start()?;
    let api = hub.api()?;
    let refused = api.try_post("/api/mirrors", &json!({ "from": "lake", "to": "local", "delete": true }))?;
    ensure!(refused.expect_problem(403)?.contains("LOCAL_ALLOW_DELETE"), "{refused:?}");
    ensure!(api.try_post(&apply_path(&plan), &all_said(&plan))?.status == 403);
    api.post("/api/queue/resume", &json!({}))?;
    let transfers = api.wait_for_batch(&batch)?;
    for transfer in &transfers {
        let is_right = match (text(transfer, "operation"), text(transfer, "path")) {
            ("copy", "vae/changed.safetensors") => code(transfer) == "not_allowed",
            ("copy", _) => text(transfer, "state") == "completed",
            _ => ["not_allowed", "copies_failed"].contains(&code(transfer)),
        };
        ensure!(is_right, "{transfer}");
    }
    ensure!(roots.local().join("upscale_models/gone.pth").exists());
    ensure!(fs::read(roots.local().join("vae/changed.safetensors"))? == noise(103, 4_000));
    Ok(())
}
