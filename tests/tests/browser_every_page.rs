//! Every page, as it looks with something in it: axe finds nothing in either theme, nothing is wider
//! than the view, the console stays empty; and what all pages share: themes, dialogs, the live socket. Pictures of all of it are in `target/screenshots`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Context as _, Result, ensure};
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, Hub, HubSetup};
use serde_json::json;

/// The demo library, scanned.
fn demo(folder: &tempfile::TempDir) -> Result<(HubSetup, Hub)> {
    let setup = HubSetup::new()?.argument("demo").argument("--dir").argument(folder.path().join("demo"));
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    Ok((setup, hub))
}

/// A demo library in which something has happened already.
fn lived_in(folder: &tempfile::TempDir) -> Result<(HubSetup, Hub)> {
    let (setup, hub) = demo(folder)?;
    let api = hub.api()?;
    api.hash("local")?;
    api.hash("lake")?;
    api.complete(&api.copy("lake", "local", &["loras/flux"])?)?;
    let delete = json!({ "operation": "delete", "from": "local", "paths": ["upscale_models"] });
    api.complete(&api.enqueue(&delete)?)?;
    let evicted = api.post("/api/evictions", &json!({ "paths": ["loras/flux"] }))?;
    api.complete(&evicted["batch_id"].to_string())?;
    let roots = json!({ "roots": ["local", "lake"], "min_size": 1 });
    api.post("/api/duplicates/scans", &roots)?;
    wait_until("the duplicates are found", SOON, || Ok(!api.items("/api/duplicates")?.is_empty()))?;
    let models = api.items("/api/files?root=lake&kind=model")?;
    let hash = models.iter().find_map(|model| model["hash"].as_str()).context("no model is hashed")?;
    let page = "https://huggingface.co/models/demo/resolve/0123456789abcdef/weights/demo-of-a-long-name.safetensors";
    let urls = json!({ "urls": [{ "url": page }, { "url": "https://civitai.com/api/download/models/1?type=Model" }] });
    api.try_put(&format!("/api/sources/{hash}"), &urls)?;
    api.post("/api/queue/pause", &json!({}))?;
    api.copy("lake", "local", &["diffusion_models", "text_encoders"])?;
    Ok((setup, hub))
}

#[test]
fn is_accessible_fits_and_is_quiet() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_setup, hub) = lived_in(&folder)?;
    let browser = Browser::open()?;
    let mut wrong = Vec::new();
    for (name, address) in [
        ("home", "/"),
        ("library", "/library?root=lake"),
        ("library-drawer", "/library?root=lake&folder=loras&open=loras%2Fflux%2Fflux-realism.safetensors"),
        ("library-cards", "/library?root=lake&folder=loras&kind=model&view=cards"),
        ("library-no-match", "/library?root=lake&q=nothinglikethis"),
        ("models", "/models"),
        ("models-rows", "/models?view=rows&sort=size&order=desc"),
        ("models-filtered", "/models?kind=lora&base=sdxl"),
        ("models-no-match", "/models?q=nothinglikethis"),
        ("model", "/models/1"),
        ("diff-lake-only", "/diff?status=lake_only"),
        ("diff-different", "/diff?status=different"),
        ("diff-moved", "/diff?status=moved"),
        ("diff-conflict", "/diff?status=conflict"),
        ("diff-unknown", "/diff?status=unknown"),
        ("skipped", "/skipped"),
        ("duplicates", "/duplicates?view=both"),
        ("duplicates-here", "/duplicates?view=local&action=hardlink"),
        ("queue", "/queue"),
        ("queue-done", "/queue?tab=done"),
        ("queue-batches", "/queue?tab=batches"),
        ("batch", "/batches/1"),
        ("hashes", "/hashes"),
        ("remote", "/remote"),
        ("library-evicted", "/library?root=local&folder=loras"),
        ("batch-delete", "/batches/2"),
        ("sources", "/sources"),
        ("space", "/space"),
        ("space-lake", "/space?root=lake"),
        ("evict", "/evict"),
        ("evict-choose", "/evict?free=0.01&by=age"),
        ("evicted", "/evict?tab=evicted"),
        ("trash", "/trash"),
        ("trash-lake", "/trash?root=lake"),
        ("history", "/history"),
        ("logs", "/logs"),
        ("settings", "/settings"),
        ("setup", "/setup"),
    ] {
        browser.goto(&format!("{}{address}", hub.address()))?;
        browser.wait_text("#live-badge", "Live")?;
        if let Err(error) = browser.inspect(name) {
            wrong.push(format!("{address}: {error:#}"));
        }
        browser.forget_console()?;
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_page_that_is_not_there_says_so_and_leads_on() -> Result<()> {
    let hub = HubSetup::new()?.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/no-such-page", hub.address()))?;
    browser.wait_text("h1", "Not Found")?;
    // The browser itself notes the status of the document.
    browser.forget_console()?;
    browser.inspect("not-found")?;
    browser.click_text("main a", "Go to the overview")?;
    browser.wait_text("h1", "Overview")?;
    let asked = hub.api()?.request(reqwest::Method::GET, "/no-such-page").header("accept", "text/html");
    ensure!(end_to_end::Api::send(asked)?.status == 404);
    Ok(())
}

#[test]
fn a_theme_follows_the_system_until_one_is_chosen() -> Result<()> {
    let hub = HubSetup::new()?.start()?;
    let browser = Browser::open()?;
    let background = || -> Result<String> {
        let colour = browser.evaluate("return getComputedStyle(document.body).backgroundColor", &json!([]))?;
        Ok(colour.as_str().context("a colour")?.to_owned())
    };
    browser.goto(&format!("{}/", hub.address()))?;
    browser.prefer_dark(false)?;
    let light = background()?;
    browser.prefer_dark(true)?;
    let dark = background()?;
    ensure!(light == "rgb(251, 251, 252)" && dark == "rgb(20, 23, 27)", "{light} {dark}");

    // The button goes through the choices; a chosen one holds against the system and over pages.
    browser.click("#theme-button")?;
    ensure!(background()? == light, "light was chosen on a dark system");
    browser.reload()?;
    ensure!(background()? == light, "still light after a reload");
    browser.goto(&format!("{}/diff", hub.address()))?;
    ensure!(background()? == light, "and on other pages");
    browser.click("#theme-button")?;
    browser.prefer_dark(false)?;
    ensure!(background()? == dark, "dark was chosen on a light system");
    let label = browser.evaluate("return document.getElementById('theme-button').title", &json!([]))?;
    ensure!(label == "Theme: dark", "{label}");
    browser.click("#theme-button")?;
    ensure!(background()? == light, "the system's choice again");
    browser.expect_quiet()
}

#[test]
fn dialogs_bars_and_toasts_are_sound_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_setup, hub) = demo(&folder)?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/library?root=lake", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    browser.press("?")?;
    browser.wait("#keys-dialog[open]")?;
    browser.inspect("dialog-keys")?;
    browser.click_text("#keys-dialog button", "Close")?;
    browser.wait_gone("#keys-dialog[open]")?;
    browser.click("input[data-tick-page]")?;
    browser.wait_text("#bulk", "36 files")?;
    browser.inspect("library-selected")?;
    browser.click("[data-action=delete]")?;
    browser.wait("#dialog dialog[open]")?;
    let focus = browser.evaluate("return document.activeElement.textContent.trim()", &json!([]))?;
    ensure!(focus == "Cancel", "the focus is on {focus}");
    browser.inspect("dialog-delete")?;
    browser.click_text("#dialog button", "Cancel")?;
    browser.wait_gone("#dialog dialog")?;
    browser.goto(&format!("{}/library?root=lake&folder=vae", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    browser.click_text("button", "Copy folder to Local")?;
    browser.click("#dialog button[type=submit]")?;
    browser.wait("#toasts .toast")?;
    browser.inspect("toast")
}

#[test]
fn a_page_notices_that_the_hub_is_gone_and_comes_back_with_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (setup, hub) = demo(&folder)?;
    let (address, port) = (hub.address().to_owned(), hub.host().rsplit(':').next().unwrap().to_owned());
    let browser = Browser::open()?;
    browser.goto(&format!("{address}/queue"))?;
    browser.wait_text("#live-badge", "Live")?;
    let launch = "return document.querySelector('meta[name=launch]').content";
    let first = browser.evaluate(launch, &json!([]))?;
    hub.kill()?;
    browser.wait_text("#reconnecting", "Reconnecting")?;
    browser.screenshot("reconnecting")?;
    let setup = setup.set("HUB_PORT", port);
    let _hub = setup.start()?;
    // The new run has a new token: the page loads itself again.
    wait_until("the page of the new run", SOON, || {
        Ok(browser.evaluate(launch, &json!([])).is_ok_and(|now| now != first && now.is_string()))
    })?;
    browser.wait_text("#live-badge", "Live")?;
    browser.forget_console()?;
    browser.click("[data-action=pause]")?;
    browser.wait_text("#queue-buttons", "Resume all")?;
    browser.expect_quiet()
}
