//! Every page, as it looks with something in it: axe finds nothing in either theme, nothing is wider
//! than the view, the console stays empty. Pictures of all of it are in `target/screenshots`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a story may panic: then it has failed")]

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stories::{Browser, Hub, HubSetup};

/// A demo library in which something has happened already.
fn lived_in(folder: &tempfile::TempDir) -> Result<(HubSetup, Hub)> {
    let setup = HubSetup::new()?
        .set("LOCAL_ALLOW_DELETE", "true")
        .argument("demo")
        .argument("--dir")
        .argument(folder.path().join("demo"));
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    api.complete(&api.copy("lake", "local", &["loras/flux"])?)?;
    let delete = json!({ "operation": "delete", "from": "local", "paths": ["upscale_models"] });
    api.complete(&api.enqueue(&delete)?)?;
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
        ("library-cards", "/library?root=lake&folder=loras&view=cards"),
        ("library-no-match", "/library?root=lake&q=nothinglikethis"),
        ("diff-lake-only", "/diff?status=lake_only"),
        ("diff-different", "/diff?status=different"),
        ("diff-moved", "/diff?status=moved"),
        ("queue", "/queue"),
        ("queue-done", "/queue?tab=done"),
        ("queue-batches", "/queue?tab=batches"),
        ("batch", "/batches/1"),
        ("hashes", "/hashes"),
        ("history", "/history"),
        ("logs", "/logs"),
        ("settings", "/settings"),
        ("setup", "/setup"),
    ] {
        browser.goto(&format!("{}{address}", hub.address()))?;
        browser.wait("main")?;
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
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/no-such-page", hub.address()))?;
    browser.wait("main")?;
    // The browser itself notes the status of the document.
    browser.forget_console()?;
    browser.expect_accessible()?;
    browser.expect_no_overflow()?;
    let links = browser.count("a[href='/']")?;
    ensure!(links > 0, "a way home");
    let asked = hub.api()?.request(reqwest::Method::GET, "/no-such-page").header("accept", "text/html");
    ensure!(stories::Api::send(asked)?.status == 404);
    Ok(())
}

#[test]
fn a_theme_follows_the_system_until_one_is_chosen() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_setup, hub) = lived_in(&folder)?;
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
    ensure!(light != dark, "the system's choice counts: {light}");

    // The button goes through the choices; a chosen one holds against the system and over pages.
    for _ in 0..3 {
        browser.click("#theme-button")?;
        if background()? == light {
            break;
        }
    }
    ensure!(background()? == light, "light was chosen on a dark system");
    browser.goto(&format!("{}/diff", hub.address()))?;
    ensure!(background()? == light, "and stays chosen");
    browser.expect_quiet()
}
