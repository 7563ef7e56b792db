//! From a difference to a finished copy, watched in the browser.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs::{self, File};

use anyhow::{Result, ensure};
use end_to_end::roots::{digest, part_files, set_time, tree};
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, Hub, HubSetup, Roots};
use serde_json::json;

fn open(hub: &Hub, path: &str) -> Result<Browser> {
    let browser = Browser::open()?;
    browser.goto(&format!("{}{path}", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    Ok(browser)
}

fn two_sides() -> Result<(Roots, HubSetup)> {
    let roots = Roots::new()?;
    for n in 0..12 {
        roots.lake_file(&format!("loras/lake {n}.safetensors"), &vec![7; 50_000 + n])?;
    }
    roots.lake_file("vae/both.safetensors", b"equal")?;
    roots.local_file("vae/both.safetensors", b"equal")?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let setup = roots.hub()?;
    Ok((roots, setup))
}

/// A file that takes seconds to copy and little room: mostly holes.
fn large_file(roots: &Roots, path: &str, bytes: u64) -> Result<()> {
    let path = roots.lake_file(path, b"begins")?;
    File::options().write(true).open(&path)?.set_len(bytes)?;
    set_time(&path, 1_700_000_000)
}

#[test]
fn what_only_the_lake_has_is_copied_from_the_differences() -> Result<()> {
    let (roots, setup) = two_sides()?;
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    let browser = open(&hub, "/diff")?;
    browser.wait_text(".tabs [aria-current]", "Only Lake")?;
    browser.wait_text("#results", "12 files")?;
    browser.click_text("button", "Copy all 12 to Local")?;
    browser.wait_text("#dialog h2", "Copy 12 files to Local?")?;
    browser.wait_text("#dialog", "loras/lake 0.safetensors")?;
    browser.wait_text("#dialog", "and 7 more")?;
    browser.inspect("dialog-copy")?;
    browser.click("#dialog button[type=submit]")?;
    browser.wait_text("#toasts", "Copying 12 files")?;
    // The list empties itself as the copies arrive.
    browser.wait_text("#results", "There are no files of this kind")?;
    browser.wait_text("#diff-tabs", "13")?;
    browser.click_text(".toast a", "Show")?;
    browser.wait_text("h1", "copy from Lake to Local, 12 files")?;
    browser.wait_text("#results .counts", "12")?;
    let mut expected = tree(&roots.lake())?;
    expected.insert("vae/mine.safetensors".to_owned(), tree(&roots.local())?["vae/mine.safetensors"].clone());
    ensure!(tree(&roots.local())? == expected, "all of it arrived, and nothing else changed");
    browser.goto(&format!("{}/queue?tab=done", hub.address()))?;
    browser.wait_text("#results", "lake 11.safetensors")?;
    browser.click_text("button", "Clear finished")?;
    browser.wait_text("#results", "Nothing is done yet")?;
    browser.expect_quiet()
}

#[test]
fn a_copy_is_watched_killed_and_watched_to_its_end() -> Result<()> {
    let (roots, setup) = two_sides()?;
    large_file(&roots, "checkpoints/large.safetensors", 1 << 30)?;
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    let port = hub.host().rsplit(':').next().unwrap().to_owned();
    let browser = open(&hub, "/queue")?;
    hub.api()?.copy("lake", "local", &["checkpoints/large.safetensors"])?;
    browser.wait("#queue-running progress")?;
    browser.wait_text("#queue-running", "large.safetensors")?;
    let progress = "const bar = document.querySelector('#queue-running progress'); return bar ? bar.value : 0";
    let bytes = || -> Result<f64> { Ok(browser.evaluate(progress, &json!([]))?.as_f64().unwrap_or(0.0)) };
    wait_until("the bar to move", SOON, || Ok(bytes()? > 2e7))?;
    browser.wait_text("#queue-running", "/s")?;
    browser.screenshot("queue-running")?;
    hub.kill()?;
    browser.wait_text("#reconnecting", "Reconnecting")?;
    ensure!(!roots.local().join("checkpoints/large.safetensors").exists(), "a half file under its final name");
    let setup = setup.set("HUB_PORT", port);
    let _hub = setup.start()?;
    // Nobody does anything: the page comes back, the copy goes on and ends.
    browser.wait_text("#live-badge", "Live")?;
    browser.wait_text_for("#queue-running", "Nothing queued", SOON * 2)?;
    ensure!(
        digest(&roots.local().join("checkpoints/large.safetensors"))?
            == digest(&roots.lake().join("checkpoints/large.safetensors"))?
    );
    ensure!(part_files(&roots.local())?.is_empty());
    Ok(())
}

#[test]
fn transfers_are_paused_ordered_and_cancelled_one_by_one() -> Result<()> {
    let (_roots, setup) = two_sides()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let browser = open(&hub, "/queue")?;
    browser.click_text("button", "Pause all")?;
    browser.wait_text("#queue-figures", "You paused the queue")?;
    api.copy("lake", "local", &["loras"])?;
    browser.wait_text("#queue-tabs", "12")?;
    browser.wait_text("#results", "lake 11.safetensors")?;
    browser.click("[aria-label='Put first: lake 11.safetensors']")?;
    wait_until("the new order", SOON, || Ok(browser.texts("#results .transfer .name")?[0] == "lake 11.safetensors"))?;
    browser.click("[aria-label='Cancel: lake 11.safetensors']")?;
    browser.wait_gone("[aria-label='Cancel: lake 11.safetensors']")?;
    browser.click("[aria-label='Pause: lake 10.safetensors']")?;
    browser.wait_text("#results", "Resume")?;
    browser.inspect("queue-paused")?;
    browser.click_text("#queue-buttons button", "Resume all")?;
    browser.wait_text("#queue-figures", "Left")?;
    wait_until("all but the paused one", SOON, || {
        Ok(browser.texts("#results .transfer .name")? == ["lake 10.safetensors"])
    })?;
    browser.click_text("#results button", "Resume")?;
    browser.wait_text("#results", "Nothing waits")?;
    browser.goto(&format!("{}/queue?tab=cancelled", hub.address()))?;
    browser.click_text("#results button", "Retry")?;
    browser.wait_text("#results", "Nothing was cancelled")?;
    browser.expect_quiet()
}

#[test]
fn what_was_deleted_comes_back_with_one_click() -> Result<()> {
    let (roots, setup) = two_sides()?;
    let hub = setup.set("LOCAL_ALLOW_DELETE", "true").start()?;
    hub.api()?.scan_both()?;
    let browser = open(&hub, "/library?root=local")?;
    browser.click("input[data-tick-page]")?;
    browser.wait_text("#bulk", "2 files selected")?;
    browser.click("[data-action=delete]")?;
    // Everything Local has is more than a fifth: it has to be typed.
    browser.wait_text("#dialog h2", "Delete 2 files from Local?")?;
    ensure!(browser.is_shown("#dialog button[type=submit]:disabled")?);
    browser.fill("#confirm-typed", "DELETE 2")?;
    browser.click("#dialog button[type=submit]")?;
    browser.wait_text("#toasts", "Deleting 2 files")?;
    wait_until("the delete", SOON, || Ok(!roots.local().join("vae/mine.safetensors").exists()))?;
    browser.click_text(".toast button", "Undo")?;
    wait_until("the undo", SOON, || {
        Ok(fs::read(roots.local().join("vae/mine.safetensors")).is_ok_and(|b| b == b"mine"))
    })?;
    browser.wait_text("#rows", "mine.safetensors")?;
    // The Lake allows no delete: the button says why.
    browser.goto(&format!("{}/library?root=lake", hub.address()))?;
    browser.click("[data-row] input[data-tick]")?;
    browser.wait("[data-action=delete]:disabled")?;
    browser.wait_text("#bulk", "LAKE_ALLOW_DELETE")?;
    browser.inspect("delete-forbidden")
}

#[test]
fn what_failed_is_found_read_and_tried_again_together() -> Result<()> {
    let (roots, setup) = two_sides()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.post("/api/queue/pause", &json!({}))?;
    let batch = api.copy("lake", "local", &["loras"])?;
    // Folders stand in the way of three files before their turn comes.
    let names: Vec<String> = (0..3).map(|n| format!("loras/lake {n}.safetensors")).collect();
    for name in &names {
        fs::create_dir_all(roots.local().join(name))?;
    }
    api.post("/api/queue/resume", &json!({}))?;
    wait_until("the end", SOON, || Ok(api.get(&format!("/api/batches/{batch}"))?["n_open"] == 0))?;

    // History tells it once and leads to what failed, and why.
    let browser = open(&hub, "/history?level=error")?;
    browser.wait_text("#results", "Copied 9 of 12 files to Local")?;
    browser.wait_text("#results", "3 failed")?;
    ensure!(browser.count("#results tbody tr")? == 1, "one line for the batch");
    browser.inspect("history-failures")?;
    browser.click("#results tbody a")?;
    browser.wait_text("h1", &format!("Batch {batch}"))?;
    browser.wait_text("#results", "Only what is failed")?;
    wait_until("only those", SOON, || Ok(browser.count("#results .transfer")? == 3))?;
    browser.wait_text("#results .transfer", "lake 0.safetensors")?;
    browser.wait("#results .transfer .error")?;
    browser.inspect("batch-failed")?;
    browser.click_text("#results a", "Done")?;
    wait_until("what is done", SOON, || Ok(browser.count("#results .transfer")? == 9))?;
    browser.click_text("#results a", "Show all")?;
    wait_until("all", SOON, || Ok(browser.count("#results .transfer")? == 12))?;

    // They make way: the person is told how many will be tried, and can still say no.
    for name in &names {
        fs::remove_dir(roots.local().join(name))?;
    }
    browser.goto(&format!("{}/queue?tab=failed", hub.address()))?;
    browser.click_text("#results button", "Retry all 3")?;
    browser.wait_text("#dialog h2", "Try 3 files again?")?;
    browser.inspect("dialog-retry")?;
    browser.click("#dialog [data-close]")?;
    browser.wait_gone("dialog[open]")?;
    ensure!(api.get("/api/queue")?["failed"] == 3, "nothing was tried");
    // What the dialog shows is what is done, or nothing.
    browser.click_text("#results button", "Retry all 3")?;
    browser.wait_text("#dialog h2", "Try 3 files again?")?;
    let one = api.items("/api/transfers?state=failed")?.remove(0);
    api.post(&format!("/api/transfers/{}/retry", one["id"]), &json!({}))?;
    wait_until("one less", SOON, || Ok(api.get("/api/queue")?["failed"] == 2))?;
    browser.click("#dialog button[type=submit]")?;
    browser.wait_text("#confirm-error", "look again")?;
    browser.click("#dialog [data-close]")?;
    browser.click_text("#results button", "Retry all 2")?;
    browser.wait_text("#dialog h2", "Try 2 files again?")?;
    browser.click("#dialog button[type=submit]")?;
    browser.wait_text("#toasts", "Trying 2 files again")?;
    browser.wait_text("#results", "Nothing failed")?;
    api.complete(&batch)?;
    for name in &names {
        ensure!(fs::read(roots.local().join(name))? == fs::read(roots.lake().join(name))?, "{name} arrived");
    }
    browser.goto(&format!("{}/history", hub.address()))?;
    browser.wait_text("#results", "Copied 12 files to Local")?;
    ensure!(
        browser.texts("#results tbody td.break")?.iter().filter(|line| line.contains("Copied 12 files")).count() == 1
    );
    Ok(())
}

#[test]
fn unverified_files_are_told_apart_by_hashing() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("vae/x.safetensors", b"the same")?;
    set_time(&roots.local_file("vae/x.safetensors", b"the same")?, 1_600_000_000)?;
    let hub = roots.hub()?.start()?;
    hub.api()?.scan_both()?;
    let browser = open(&hub, "/diff")?;
    browser.wait_text(".tabs [aria-current]", "Unverified")?;
    browser.click_text("button", "Hash both sides of all 1")?;
    browser.wait_text("#toasts", "Hashing both sides of 1 file")?;
    browser.wait_text("#results", "Both sides match")?;
    browser.goto(&format!("{}/hashes", hub.address()))?;
    browser.wait_text("#hash-coverage", "1 of 1 file")?;
    browser.wait_text("#hash-jobs", "Done")?;
    browser.expect_quiet()
}

#[test]
fn a_queue_that_waits_for_the_lake_says_so_at_every_width() -> Result<()> {
    let (roots, setup) = two_sides()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.post("/api/queue/pause", &json!({}))?;
    api.copy("lake", "local", &["loras"])?;
    fs::rename(roots.lake(), roots.folder().join("away"))?;
    wait_until("the Lake is missed", SOON, || Ok(api.get("/api/health")?["roots"]["lake"]["online"] == false))?;
    api.post("/api/queue/resume", &json!({}))?;
    let browser = open(&hub, "/")?;
    browser.wait_text("#home-queue", "Waits: Lake can't be reached")?;
    browser.inspect("home-offline")?;
    // On a phone the tab that is shown is seen, though there is no room for all.
    browser.resize(390, 844)?;
    for (address, tabs) in [("/queue?tab=batches", "#queue-tabs .tabs"), ("/settings", ".top-bar nav")] {
        browser.goto(&format!("{}{address}", hub.address()))?;
        let script = "const box = document.querySelector(arguments[0]).getBoundingClientRect();
            const tab = document.querySelector(arguments[0] + ' [aria-current]').getBoundingClientRect();
            return tab.left >= box.left - 1 && tab.right <= box.right + 1";
        wait_until("the current tab is seen", SOON, || Ok(browser.evaluate(script, &json!([tabs]))? == true))?;
    }
    browser.resize(1280, 800)?;
    browser.expect_quiet()
}
