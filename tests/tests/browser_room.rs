//! What people do to get room, click by click: put back and empty the trash, evict what the Lake
//! has and bring it back, and see what takes space.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::api::WORK;
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, Hub, HubSetup, Roots};
use serde_json::json;

/// Twelve models on Local, two of them on the Lake too; deleting is allowed on Local.
fn library() -> Result<(Roots, HubSetup, Hub)> {
    let roots = Roots::new()?;
    for i in 0..12 {
        let content = noise(i, 40_000 + usize::try_from(i)? * 1_000);
        roots.local_file(&format!("loras/sdxl/model-{i:02}.safetensors"), &content)?;
        if i < 2 {
            roots.lake_file(&format!("loras/sdxl/model-{i:02}.safetensors"), &content)?;
        }
    }
    roots.local_file("checkpoints/flux/big.safetensors", &noise(99, 3 << 20))?;
    roots.lake_file("vae/other.safetensors", b"other")?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    Ok((roots, setup, hub))
}

#[test]
fn the_trash_gives_back_one_file_and_is_emptied_of_the_others() -> Result<()> {
    let (roots, _setup, hub) = library()?;
    let api = hub.api()?;
    let delete = json!({ "operation": "delete", "from": "local", "paths": ["loras"] });
    let batch = api.enqueue(&delete)?;
    api.complete(&batch)?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/batches/{batch}", hub.address()))?;
    browser.wait_text("main", "frees nothing until it is emptied")?;
    browser.click("main .callout a[href^='/trash']")?;
    browser.wait_text("#results .name", "model-07.safetensors")?;
    browser.wait_text("#results", "12 deleted files still take")?;

    browser.fill("#q", "model-07")?;
    wait_until("one row is left", SOON, || Ok(browser.texts("#results .name")? == ["model-07.safetensors"]))?;
    browser.click("#results [data-row] button")?;
    wait_until("it is back", WORK, || Ok(roots.local().join("loras/sdxl/model-07.safetensors").exists()))?;
    browser.wait_text("#toasts", "Putting back 1 file")?;
    browser.wait_text("#results", "No match")?;

    browser.goto(&format!("{}/trash?root=local", hub.address()))?;
    browser.wait_text("#results", "11 deleted files")?;
    browser.click("[data-action=empty]")?;
    browser.wait_text("dialog[open]", "Type “REMOVE 11” to go on")?;
    browser.expect_accessible()?;
    browser.screenshot("flow-empty-trash")?;
    browser.fill("#confirm-typed", "REMOVE 1")?;
    ensure!(browser.count("dialog[open] button[type=submit]:disabled")? == 1, "not yet as asked for");
    browser.fill("#confirm-typed", "REMOVE 11")?;
    browser.click("dialog[open] button[type=submit]")?;
    browser.wait_text("#toasts", "Removed 11 files")?;
    browser.wait_text("#results", "The trash of Local is empty")?;
    ensure!(!roots.local().join(".comfy-hub-trash").exists());
    browser.expect_quiet()
}

#[test]
fn ticked_files_of_the_trash_come_back_together() -> Result<()> {
    let (roots, _setup, hub) = library()?;
    let api = hub.api()?;
    let delete = json!({ "operation": "delete", "from": "local", "paths": ["loras"] });
    api.complete(&api.enqueue(&delete)?)?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/trash", hub.address()))?;
    browser.wait_text("#results .name", "model-07.safetensors")?;
    browser.click("[data-action=restore]")?;
    browser.wait_text("#toasts", "Tick the files first")?;
    browser.click("#results input[data-tick-page]")?;
    browser.click("[data-action=restore]")?;
    browser.wait_text("#toasts", "Putting back 12 files")?;
    wait_until("all are back", WORK, || {
        Ok(std::fs::read_dir(roots.local().join("loras/sdxl")).is_ok_and(|e| e.count() == 12))
    })?;
    browser.wait_text("#results", "The trash of Local is empty")?;
    browser.expect_quiet()
}

#[test]
fn room_is_made_on_local_and_a_file_comes_back() -> Result<()> {
    let (roots, _setup, hub) = library()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/evict", hub.address()))?;
    browser.wait_text("#results .name", "big.safetensors")?;
    browser.fill("#free", "0.00305")?;
    browser.click("#filter button[type=submit]")?;
    browser.wait_text("#results", " free ")?;
    let shown = browser.texts("#results .name")?;
    ensure!(shown.first().is_some_and(|name| name == "big.safetensors") && shown.len() < 13, "{shown:?}");
    ensure!(!browser.address()?.contains("free="), "what is asked for once is in no address: {}", browser.address()?);
    let n_ticked = || browser.count("#results [data-tick]:checked");
    ensure!(n_ticked()? == shown.len(), "what was chosen is ticked");
    browser.expect_accessible()?;
    browser.screenshot("flow-evict")?;
    browser.click("[data-action=evict]")?;
    browser.wait_text("dialog[open]", "Removed from Local once the Lake copy is verified")?;
    browser.expect_accessible()?;
    browser.fill("#confirm-typed", &format!("EVICT {}", shown.len()))?;
    browser.click("dialog[open] button[type=submit]")?;
    let big = roots.local().join("checkpoints/flux/big.safetensors");
    wait_until("it has left", WORK, || Ok(!big.exists()))?;
    // The list goes on with the next files, and none of them is ticked: now, reloaded, or gone back to.
    wait_until("the list without it", SOON, || {
        Ok(!browser.texts("#results .name")?.contains(&"big.safetensors".to_owned()))
    })?;
    browser.wait_text("#results .name", "model-")?;
    ensure!(n_ticked()? == 0, "nothing is ticked by itself");
    browser.reload()?;
    browser.wait_text("#live-badge", "Live")?;
    ensure!(n_ticked()? == 0, "nor after a reload");
    browser.goto(&format!("{}/queue", hub.address()))?;
    browser.wait("#queue-tabs")?;
    browser.back()?;
    browser.wait_text("#results .name", "model-")?;
    ensure!(n_ticked()? == 0, "nor gone back to");

    browser.goto(&format!("{}/library?root=local", hub.address()))?;
    browser.wait_text("#evicted", "big.safetensors")?;
    browser.goto(&format!("{}/evict?tab=evicted", hub.address()))?;
    browser.wait_text("#results .name", "big.safetensors")?;
    browser.click("#results [data-row] button[aria-label='Bring back big.safetensors']")?;
    wait_until("it is back", WORK, || Ok(big.exists()))?;
    wait_until("and no longer listed", SOON, || {
        Ok(!browser.texts("#results .name")?.contains(&"big.safetensors".to_owned()))
    })?;
    browser.expect_quiet()
}

#[test]
fn a_forbidden_eviction_is_a_dead_button_with_its_reason() -> Result<()> {
    let (_roots, setup, hub) = library()?;
    hub.kill()?;
    let hub = setup.unset("LOCAL_ALLOW_DELETE").start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/evict?free=1", hub.address()))?;
    browser.wait_text("#results", "Nothing may be deleted in Local")?;
    ensure!(browser.count("[data-action=evict]:disabled")? == 1);
    browser.expect_quiet()
}

#[test]
fn what_takes_space_is_seen_and_leads_on() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/space", hub.address()))?;
    browser.wait_text("main", "By base folder")?;
    for text in ["checkpoints", "loras", "flux", "sdxl", "Over 2 years", "Free space over time"] {
        browser.wait_text("main", text)?;
    }
    browser.click_text("main a", "flux")?;
    browser.wait_text("#rows .name", "big.safetensors")?;
    browser.back()?;
    browser.wait_text("main", "By base folder")?;
    browser.expect_quiet()
}
