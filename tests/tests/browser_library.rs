//! Browsing the library: folders, search, details, ticks, keys.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, Hub, HubSetup, Roots};
use serde_json::json;
use thirtyfour::Key;

fn library() -> Result<(Roots, HubSetup, Hub)> {
    let roots = Roots::new()?;
    for n in 0..450 {
        roots.lake_file(&format!("loras/sdxl/style {n:04}.safetensors"), format!("{n}").as_bytes())?;
    }
    roots.lake_file("loras/sdxl/style 0001.preview.png", PICTURE)?;
    roots.lake_file("checkpoints/<b>odd & name</b>.safetensors".replace(['<', '>', '/'], "_").as_str(), b"odd")?;
    roots.lake_file("vae/ae.safetensors", b"vae")?;
    roots.local_file("vae/ae.safetensors", b"vae")?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    Ok((roots, setup, hub))
}

/// One transparent pixel.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82";

fn open(hub: &Hub, path: &str) -> Result<Browser> {
    let browser = Browser::open()?;
    browser.goto(&format!("{}{path}", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    Ok(browser)
}

fn n_checked(browser: &Browser) -> Result<usize> {
    browser.count("input[data-tick]:checked")
}

#[test]
fn folders_search_and_sorting_stay_in_the_address() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = open(&hub, "/library?root=lake")?;
    browser.wait_text(".tree", "451")?;
    browser.click(".tree-toggle[aria-label='Unfold loras']")?;
    browser.click_text(".tree-link", "sdxl")?;
    browser.wait_text(".crumbs", "sdxl")?;
    browser.fill("#q", "style 0044")?;
    wait_until("one row", SOON, || Ok(browser.texts("#rows .name")? == ["style 0044.safetensors"]))?;
    browser.wait_text("#results", "· 1 file")?;
    ensure!(browser.address()?.contains("q=style%200044"), "{}", browser.address()?);
    let focus = browser.evaluate("return document.activeElement.id", &json!([]))?;
    ensure!(focus == "q", "the focus left the search box for {focus}");
    browser.reload()?;
    browser.wait_text("#results", "· 1 file")?;
    browser.fill("#q", "there is no such name")?;
    browser.wait_text("#results", "No match")?;
    browser.click_text("#results a", "Clear the filters")?;
    browser.wait_text("#results", "453 files")?;
    browser.click_text("th a", "Size")?;
    browser.wait("th[aria-sort=descending]")?;
    browser.back()?;
    browser.wait("th[aria-sort=ascending]")?;
    browser.expect_quiet()
}

#[test]
fn every_search_box_searches_while_one_types() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/diff?status=lake_only", hub.address()))?;
    browser.wait_text("#rows .name", "style 0001.safetensors")?;
    browser.fill("#q", "style 0044")?;
    wait_until("one row of the diff", SOON, || Ok(browser.texts("#rows .name")? == ["style 0044.safetensors"]))?;
    browser.goto(&format!("{}/logs", hub.address()))?;
    browser.wait_text("#results", "listening")?;
    browser.fill("#q", "nothing like this")?;
    wait_until("no line of the log", SOON, || Ok(!browser.texts("#results")?.join(" ").contains("listening")))?;
    browser.expect_quiet()
}

#[test]
fn long_lists_grow_as_one_scrolls() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = open(&hub, "/library?root=lake&folder=loras")?;
    ensure!(browser.count("[data-row]")? == 200);
    for expected in [400, 451] {
        wait_until(&format!("{expected} rows"), SOON, || {
            browser.evaluate("window.scrollTo(0, document.body.scrollHeight)", &json!([]))?;
            Ok(browser.count("[data-row]")? >= expected)
        })?;
    }
    ensure!(browser.count("[data-row]")? == 451 && !browser.is_shown("#pager")?);
    let ids = browser
        .evaluate("return new Set([...document.querySelectorAll('[data-row]')].map(r => r.id)).size", &json!([]))?;
    ensure!(ids == 451, "a row is there twice: {ids}");
    browser.expect_quiet()
}

#[test]
fn a_list_that_changes_keeps_its_length_and_its_ticks() -> Result<()> {
    let (roots, _setup, hub) = library()?;
    let browser = open(&hub, "/library?root=lake&folder=loras")?;
    browser.click("[data-row]:nth-child(3) input[data-tick]")?;
    browser.wait_text("#bulk", "1 file selected")?;
    wait_until("400 rows", SOON, || {
        browser.evaluate("window.scrollTo(0, document.body.scrollHeight)", &json!([]))?;
        Ok(browser.count("[data-row]")? >= 400)
    })?;
    roots.lake_file("loras/a new one.safetensors", b"new")?;
    hub.api()?.scan(&["lake"])?;
    browser.wait_text("#rows", "a new one")?;
    ensure!(browser.count("[data-row]")? >= 400, "{} rows", browser.count("[data-row]")?);
    ensure!(n_checked(&browser)? == 1);
    browser.wait_text("#bulk", "1 file selected")?;
    browser.expect_quiet()
}

#[test]
fn ticks_are_kept_by_the_hub() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = open(&hub, "/library?root=lake&folder=loras")?;
    browser.click("[data-row]:nth-child(2) input[data-tick]")?;
    browser.wait_text("#bulk", "1 file selected")?;
    browser.evaluate(
        "document.querySelector('[data-row]:nth-child(6) input[data-tick]')
            .dispatchEvent(new MouseEvent('click', { bubbles: true, shiftKey: true }))",
        &json!([]),
    )?;
    browser.wait_text("#bulk", "5 files selected")?;
    browser.reload()?;
    browser.wait_text("#bulk", "5 files selected")?;
    ensure!(n_checked(&browser)? == 5);
    browser.fill("#q", "0300")?;
    browser.wait_text("#results", "· 1 file")?;
    browser.wait_text("#bulk", "5 files selected")?;
    browser.click_text("#bulk button", "Clear")?;
    browser.wait_gone("#bulk .bulk-bar")?;
    browser.fill("#q", "style")?;
    browser.wait_text("#results", "451 files")?;
    browser.click("input[data-tick-page]")?;
    browser.wait_text("#bulk", "200 files selected")?;
    browser.click_text("#bulk button", "Select all 451 that match")?;
    browser.wait_text("#bulk", "451 files selected")?;
    browser.click("[data-row]:nth-child(1) input[data-tick]")?;
    browser.wait_text("#bulk", "450 files selected")?;
    // Another search is another "all".
    browser.fill("#q", "0300")?;
    browser.wait_gone("#bulk .bulk-bar")?;
    browser.expect_quiet()
}

#[test]
fn details_open_beside_the_list_and_in_the_address() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = open(&hub, "/library?root=lake&q=style+0001")?;
    browser.click_text("a[data-details]", "style 0001.safetensors")?;
    browser.wait_text("#drawer", "style 0001.preview.png")?;
    browser.wait("#drawer img")?;
    let picture = "const image = document.querySelector('#drawer img'); return image.complete && image.naturalWidth";
    wait_until("the picture", SOON, || Ok(browser.evaluate(picture, &json!([]))? == 1))?;
    ensure!(browser.address()?.contains("open=loras/sdxl/style%200001.safetensors"), "{}", browser.address()?);
    browser.reload()?;
    browser.wait_text("#drawer", "Not hashed yet")?;
    browser.click_text("#drawer button", "Hash this file")?;
    browser.wait_text("#toasts", "Hashing has begun")?;
    browser.press(Key::Escape)?;
    browser.wait_gone("#drawer")?;
    ensure!(!browser.address()?.contains("open="), "{}", browser.address()?);
    browser.expect_quiet()
}

#[test]
fn the_keyboard_reaches_everything() -> Result<()> {
    let (roots, _setup, hub) = library()?;
    let browser = open(&hub, "/library?root=lake&folder=loras")?;
    browser.press("/")?;
    browser.press("style 02")?;
    // Each word is looked for by itself: 0002, 0102 and 0402 have them too.
    browser.wait_text("#results", "114 files")?;
    browser.press(Key::Escape)?;
    // Faster than the hub answers: no tick is lost.
    browser.press("jjxjxjxjxjxx")?;
    browser.wait_text("#bulk", "4 files selected")?;
    ensure!(n_checked(&browser)? == 4);
    browser.press("kxkx")?;
    browser.wait_text("#bulk", "2 files selected")?;
    browser.press("kk")?;
    browser.press(Key::Enter)?;
    browser.wait_text("#drawer", "style 0020")?;

    browser.press("c")?;
    browser.wait_text("#dialog h2", "Copy 2 files to Local?")?;
    let focus = browser.evaluate("return document.activeElement.textContent.trim()", &json!([]))?;
    ensure!(focus == "Cancel", "nothing happens by one Enter too many: {focus}");
    browser.press(Key::Escape)?;
    browser.wait_gone("#dialog dialog")?;
    browser.press("c")?;
    browser.wait("#dialog dialog[open]")?;
    browser.press(Key::Tab)?;
    browser.press(Key::Enter)?;
    browser.wait_gone("#dialog dialog")?;
    for name in ["style 0020", "style 0021"] {
        let copy = roots.local().join(format!("loras/sdxl/{name}.safetensors"));
        wait_until("the ticked files are copied", SOON, || Ok(copy.is_file()))?;
    }

    // Keys of a word that is typed into a field do nothing else.
    browser.press("/")?;
    browser.press("jjj")?;
    browser.wait_text("#results", "No match")?;
    browser.press(Key::Escape)?;
    browser.press("gd")?;
    browser.wait_text("h1", "Differences")?;
    browser.press("gq")?;
    browser.wait_text("h1", "Queue")?;
    browser.press("p")?;
    browser.wait_text("#queue-buttons", "Resume all")?;
    browser.press("go")?;
    browser.wait_text("h1", "Overview")?;
    browser.expect_quiet()
}

#[test]
fn what_is_stepped_to_or_ticked_is_never_hidden() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = open(&hub, "/library?root=lake&folder=loras")?;
    let on_top = "const row = document.querySelector('.is-focused'), box = row.getBoundingClientRect();
        const at = y => row.contains(document.elementFromPoint(box.left + box.width / 2, y));
        return at(box.top + 2) && at(box.bottom - 3)";
    for width in [1280, 390] {
        browser.resize(width, 800)?;
        browser.click("[data-row]:nth-child(40) input[data-tick]")?;
        // The bar with what can be done is in sight wherever in the list one is.
        browser.wait_text("#bulk", "1 file selected")?;
        let bar = "const box = document.querySelector('.bulk-bar').getBoundingClientRect();
            return box.top > 0 && box.bottom <= innerHeight";
        wait_until("the bar is seen", SOON, || Ok(browser.evaluate(bar, &json!([]))? == true))?;
        for (key, n) in [("j", 45), ("k", 70)] {
            for step in 0..n {
                browser.press(key)?;
                ensure!(browser.evaluate(on_top, &json!([]))? == true, "{key} {step} at {width}: the row is covered");
            }
        }
        browser.click_text("#bulk button", "Clear")?;
        browser.wait_gone(".bulk-bar")?;
    }
    browser.expect_quiet()
}

#[test]
fn what_is_typed_goes_along_to_the_other_side() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/library?root=local&sort=size", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    browser.fill("#q", "style 0044")?;
    browser.wait_text("#results", "On the Lake:")?;
    // The links around the list know what was typed, though only the list was fetched again.
    browser.click_text(".segments a", "Lake")?;
    browser.wait_text("#results .name", "style 0044")?;
    let address = browser.address()?;
    ensure!(address.contains("root=lake") && address.contains("0044") && address.contains("sort=size"), "{address}");
    browser.click(".segments a[title=Cards]")?;
    browser.wait_text("#results .tile-name", "style 0044")?;
    ensure!(browser.address()?.contains("0044"), "{}", browser.address()?);
    browser.expect_quiet()
}

#[test]
fn back_closes_the_details_and_stays_in_the_list() -> Result<()> {
    let (_roots, _setup, hub) = library()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/", hub.address()))?;
    for (width, height) in [(390, 844), (1440, 900)] {
        browser.resize(width, height)?;
        browser.goto(&format!("{}/library?root=lake&q=0044", hub.address()))?;
        browser.wait("#rows a[data-details]")?;
        let list = browser.address()?;
        browser.evaluate("window.sameDocument = true", &json!([]))?;
        let is_same =
            || Ok::<_, anyhow::Error>(browser.evaluate("return window.sameDocument === true", &json!([]))? == true);
        browser.click("#rows a[data-details]")?;
        browser.wait("#drawer .drawer-head")?;
        ensure!(browser.address()?.contains("open="), "{}", browser.address()?);
        browser.back()?;
        browser.wait_gone("#drawer .drawer-head")?;
        ensure!(browser.address()? == list && is_same()?, "{} at {width} px", browser.address()?);
        // Closing takes the same step back: the next Back leaves the list and opens nothing again.
        browser.click("#rows a[data-details]")?;
        browser.wait("#drawer .drawer-head")?;
        browser.click("[data-action=close-drawer]")?;
        browser.wait_gone("#drawer .drawer-head")?;
        wait_until("the address of the list", SOON, || Ok(browser.address()? == list))?;
        browser.back()?;
        wait_until("another page", SOON, || Ok(!browser.address()?.contains("/library?root=lake&q=0044&open")))?;
        ensure!(browser.count("#drawer .drawer-head")? == 0, "{}", browser.address()?);
    }
    browser.expect_quiet()
}
