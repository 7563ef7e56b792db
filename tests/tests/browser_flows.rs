//! What people do, click by click, in a real browser: setting up, finding a file, comparing and
//! copying with the queue in sight, and all of it by keyboard.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a story may panic: then it has failed")]

use anyhow::{Result, ensure};
use serde_json::json;
use stories::api::WORK;
use stories::roots::{noise, tree};
use stories::wait::{SOON, wait_until};
use stories::{Browser, Hub, HubSetup, Roots};
use thirtyfour::Key;

/// Two roots with something to copy, scanned.
fn two_roots() -> Result<(Roots, HubSetup, Hub)> {
    let roots = Roots::new()?;
    for i in 0..12 {
        roots.lake_file(&format!("loras/sdxl/model-{i:02}.safetensors"), &noise(i, 40_000))?;
    }
    roots.lake_file("checkpoints/big.safetensors", &noise(99, 80 << 20))?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    Ok((roots, setup, hub))
}

#[test]
fn a_newcomer_sets_up_two_folders_and_sees_their_files() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("loras/first.safetensors", b"first")?;
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/", hub.address()))?;
    browser.click("a[href='/setup']")?;
    browser.wait("#setup")?;

    // A mistake is told beside its field, and nothing is saved.
    browser.fill("#setup input[type=text]", "not/absolute")?;
    browser.fill("#setup .field:nth-of-type(2) input[type=text]", roots.lake().to_str().unwrap())?;
    browser.click("#setup button[type=submit]")?;
    browser.wait("#setup .error")?;
    // The browser notes that the form was answered with 422.
    browser.forget_console()?;
    browser.expect_accessible()?;
    ensure!(!setup.data().join("config.toml").exists());

    browser.fill("#setup input[type=text]", roots.local().to_str().unwrap())?;
    browser.click("#setup button[type=submit]")?;
    wait_until("the settings are saved", SOON, || Ok(setup.data().join("config.toml").exists()))?;
    let api = hub.api()?;
    wait_until("the Lake's file is found", SOON, || Ok(api.paths("lake")? == ["loras/first.safetensors"]))?;
    browser.goto(&format!("{}/library?root=lake", hub.address()))?;
    browser.wait_text("#rows .name", "first.safetensors")?;
    browser.expect_quiet()
}

#[test]
fn the_library_is_searched_walked_and_looked_into() -> Result<()> {
    let (_roots, _setup, hub) = two_roots()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/library?root=lake", hub.address()))?;
    browser.wait_text("#rows .name", "big.safetensors")?;

    browser.fill("#q", "model-07")?;
    wait_until("one row is left", SOON, || Ok(browser.texts("#rows .name")? == ["model-07.safetensors"]))?;
    ensure!(browser.address()?.contains("q=model-07"), "the search is in the address: {}", browser.address()?);
    browser.reload()?;
    wait_until("the same after a reload", SOON, || Ok(browser.texts("#rows .name")? == ["model-07.safetensors"]))?;
    browser.fill("#q", "nothing like this")?;
    browser.wait_text("#results", "No match")?;

    browser.goto(&format!("{}/library?root=lake", hub.address()))?;
    browser.click_text(".tree-link", "loras")?;
    browser.wait_text("#rows .name", "model-00.safetensors")?;
    ensure!(!browser.texts("#rows .name")?.contains(&"big.safetensors".to_owned()));
    browser.click_text("#rows a[data-details]", "model-03")?;
    browser.wait_text("#drawer", "model-03.safetensors")?;
    browser.expect_accessible()?;
    browser.back()?;
    browser.wait("#rows")?;
    browser.expect_quiet()
}

#[test]
fn every_search_box_searches_while_one_types() -> Result<()> {
    let (_roots, _setup, hub) = two_roots()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/diff?status=lake_only", hub.address()))?;
    browser.wait_text("#rows .name", "big.safetensors")?;
    browser.fill("#q", "model-07")?;
    wait_until("one row of the diff", SOON, || Ok(browser.texts("#rows .name")? == ["model-07.safetensors"]))?;
    browser.goto(&format!("{}/logs", hub.address()))?;
    browser.wait_text("#results", "listening")?;
    browser.fill("#q", "nothing like this")?;
    wait_until("no line of the log", SOON, || Ok(!browser.texts("#results")?.join(" ").contains("listening")))?;
    browser.expect_quiet()
}

#[test]
fn what_the_diff_shows_is_copied_while_the_queue_is_watched() -> Result<()> {
    let (roots, _setup, hub) = two_roots()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/diff?status=lake_only", hub.address()))?;
    browser.wait_text("#rows .name", "big.safetensors")?;
    browser.click("[data-action=copy-all]")?;
    browser.wait_text("dialog[open]", "13 files")?;
    browser.expect_accessible()?;
    browser.screenshot("flow-confirm-copy")?;
    browser.click("dialog[open] button[type=submit]")?;

    // The page that is open learns of it by itself.
    wait_until("nothing is left that only the Lake has", WORK, || {
        Ok(browser.texts("#rows .name")?.is_empty() && browser.count("#list .empty")? > 0)
    })?;
    browser.goto(&format!("{}/queue?tab=done", hub.address()))?;
    browser.wait_text("#results", "big.safetensors")?;
    browser.expect_accessible()?;
    let mut expected = tree(&roots.lake())?;
    expected.extend(tree(&roots.local())?.into_iter().filter(|(path, _)| path.starts_with("vae/")));
    ensure!(tree(&roots.local())? == expected, "all of it arrived");
    browser.expect_quiet()
}

#[test]
fn the_queue_page_follows_a_copy_live_and_pauses_it() -> Result<()> {
    let (_roots, _setup, hub) = two_roots()?;
    let api = hub.api()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/queue", hub.address()))?;
    browser.wait_text("body", "Live")?;
    api.post("/api/queue/pause", &json!({}))?;
    browser.wait_text("#queue-buttons", "Resume")?;
    let batch = api.copy("lake", "local", &["loras"])?;
    browser.wait_text("#results", "model-00.safetensors")?;
    browser.click_text("#queue-buttons button", "Resume")?;
    api.complete(&batch)?;
    wait_until("the queue is seen to be empty", SOON, || {
        Ok(!browser.texts("#results")?.join(" ").contains("model-00.safetensors"))
    })?;
    browser.expect_quiet()
}

#[test]
fn a_page_reconnects_by_itself_when_the_hub_was_away() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("vae/a.safetensors", b"a")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let port = hub.host().rsplit(':').next().unwrap().to_owned();
    let browser = Browser::open()?;
    browser.goto(&format!("{}/queue", hub.address()))?;
    browser.wait_text("body", "Live")?;
    hub.kill()?;
    browser.wait_text("body", "Reconnecting")?;
    let setup = HubSetup::in_folder(setup.data())
        .set("LOCAL_MODELS_ROOT", roots.local())
        .set("LAKE_MODELS_ROOT", roots.lake())
        .set("HUB_PORT", port);
    let _hub = setup.start()?;
    wait_until("live again", WORK, || Ok(!browser.texts("body")?.join(" ").contains("Reconnecting")))?;
    Ok(())
}

#[test]
fn everything_can_be_reached_by_keyboard() -> Result<()> {
    let (roots, _setup, hub) = two_roots()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/", hub.address()))?;
    browser.wait("main")?;
    browser.press("g")?;
    browser.press("l")?;
    wait_until("the library", SOON, || Ok(browser.address()?.contains("/library")))?;
    browser.goto(&format!("{}/library?root=lake&folder=loras", hub.address()))?;
    browser.wait_text("#rows .name", "model-00.safetensors")?;

    browser.press("j")?;
    browser.press("j")?;
    browser.press("x")?;
    browser.wait_text("#bulk", "1 file selected")?;
    browser.press("c")?;
    browser.wait("dialog[open]")?;
    let focused = browser.evaluate("return document.activeElement.textContent.trim()", &json!([]))?;
    ensure!(focused == "Cancel", "nothing happens by one Enter too many: {focused}");
    browser.press(Key::Tab)?;
    browser.press(Key::Enter)?;
    let second = roots.local().join("loras/sdxl/model-01.safetensors");
    wait_until("the second row's file arrived", SOON, || Ok(second.is_file()))?;

    browser.press("/")?;
    let focused = browser.evaluate("return document.activeElement.id", &json!([]))?;
    ensure!(focused == "q", "{focused}");
    browser.press("jjj")?;
    browser.wait_text("#results", "No match")?;
    browser.press(Key::Escape)?;
    browser.press("?")?;
    browser.wait("dialog[open]")?;
    browser.expect_accessible()?;
    browser.expect_quiet()
}
