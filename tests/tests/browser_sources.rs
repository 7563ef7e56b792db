//! Addresses of contents, click by click: added in a file's details and on the page, looked at, removed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::api::text;
use end_to_end::public_site::{PublicSite, Reply};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, Roots};

#[test]
fn addresses_are_added_checked_and_removed() -> Result<()> {
    let site = PublicSite::start()?;
    let right = site.put("/x.safetensors", Reply::File(5_000));
    let hop = site.put("/download/1", Reply::Redirect("/x.safetensors".into()));
    let other = site.put("/other.safetensors", Reply::File(4_999));
    let roots = Roots::new()?;
    roots.lake_file("loras/x.safetensors", &noise(1, 5_000))?;
    roots.local_file("vae/mine.safetensors", &noise(2, 700))?;
    let hub = roots.hub()?.set("REMOTE_ALLOW_PRIVATE_SOURCES", "true").start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("lake")?;

    // In the details of the file.
    let browser = Browser::open()?;
    browser.goto(&format!("{}/library?root=lake&folder=loras&open=loras%2Fx.safetensors", hub.address()))?;
    browser.wait_text("#drawer-sources", "None is known")?;
    browser.click_text("#drawer-sources button", "Add an address")?;
    browser.wait("#dialog dialog[open]")?;
    browser.expect_accessible()?;
    browser.screenshot("sources-add")?;
    browser.fill("#add-url", "https://civitai.com/api/download/models/1?token=abc")?;
    browser.click("#dialog button[type='submit']")?;
    browser.wait_text("#add-error", "it holds a token")?;
    // The browser itself notes the refusal.
    browser.forget_console()?;
    browser.fill("#add-url", &hop)?;
    browser.click("#dialog button[type='submit']")?;
    browser.wait_text("#drawer-sources", &hop)?;
    wait_until("the dialog is closed", SOON, || Ok(browser.count("#dialog dialog")? == 0))?;

    // On the page: one more, and all of them looked at. What others write appears by itself.
    browser.goto(&format!("{}/sources", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    browser.click("article.group button[aria-label^='Add an address']")?;
    browser.wait("#dialog dialog[open]")?;
    browser.fill("#add-url", &other)?;
    browser.click("#dialog button[type='submit']")?;
    browser.wait_text("#results", &other)?;
    wait_until("the dialog is closed", SOON, || Ok(browser.count("#dialog dialog")? == 0))?;
    browser.click("[data-action='check']")?;
    browser.wait_text("#results", "Another size")?;
    browser.wait_text("#results", "Right")?;
    browser.wait_text("#sources-check", "2 of 2 addresses looked at, 1 right")?;
    browser.expect_accessible()?;
    browser.screenshot("sources")?;
    ensure!(site.asked().iter().all(|head| head.to_lowercase().contains("range: bytes=0-0")), "{:?}", site.asked());

    // Removed, and put back.
    browser.click(&format!("button[aria-label='Remove {other}']"))?;
    wait_until("it is gone", SOON, || Ok(browser.count(".addresses li")? == 1))?;
    browser.click_text("#toasts button", "Undo")?;
    wait_until("it is back", SOON, || Ok(browser.count(".addresses li")? == 2))?;

    let kept = api.items("/api/sources")?;
    ensure!(kept.len() == 1 && kept[0]["names"][0] == "x.safetensors", "{kept:?}");
    ensure!(text(&kept[0]["urls"][0], "url") == hop && text(&kept[0]["urls"][0], "status") == "ok", "{kept:?}");
    let check = api.get("/api/sources/check")?;
    ensure!(text(&check, "state") == "complete", "{check}");
    ensure!(!site.asked().is_empty() && right.ends_with("/x.safetensors"));
    browser.expect_quiet()
}
