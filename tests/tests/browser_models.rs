//! Models in the browser: filters, cards and rows, a model's page, its picture and notes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::api::WORK;
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, Hub, HubSetup};
use serde_json::{Value, json};

/// The demo library, scanned and hashed, with its headers read.
fn demo(folder: &tempfile::TempDir) -> Result<(HubSetup, Hub)> {
    let setup = HubSetup::new()?.argument("demo").argument("--dir").argument(folder.path().join("demo"));
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    wait_until("all headers are read", WORK, || {
        let facets = api.get("/api/models/facets")?;
        Ok(facets["unread"] == 0 && facets["kind"]["lora"].as_u64().is_some_and(|n| n > 5))
    })?;
    Ok((setup, hub))
}

fn open(hub: &Hub, path: &str) -> Result<Browser> {
    let browser = Browser::open()?;
    browser.goto(&format!("{}{path}", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    Ok(browser)
}

/// Chooses an option as a person does: htmx hears of it.
fn choose(browser: &Browser, select: &str, value: &str) -> Result<()> {
    let script = "const select = document.querySelector(arguments[0]);
                  select.value = arguments[1];
                  select.dispatchEvent(new Event('change', { bubbles: true }));";
    browser.evaluate(script, &json!([select, value])).map(drop)
}

/// Pastes a file that holds these bytes.
fn paste(browser: &Browser, bytes: &[u8]) -> Result<()> {
    let script = "const data = new DataTransfer();
                  data.items.add(new File([new Uint8Array(arguments[0])], 'x.png', { type: 'image/png' }));
                  document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));";
    browser.evaluate(script, &json!([bytes])).map(drop)
}

/// One grey pixel.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81\x77\xcd\x72\xb6\0\0\0\0IEND\xaeB`\x82";

fn names(browser: &Browser) -> Result<Vec<String>> {
    browser.texts("#rows .tile-name, #rows .name")
}

#[test]
fn filters_narrow_the_list_and_are_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_setup, hub) = demo(&folder)?;
    let browser = open(&hub, "/models")?;
    browser.wait("#rows .tile img")?;
    choose(&browser, "select[name=kind]", "lora")?;
    choose(&browser, "select[name=base]", "flux1")?;
    wait_until("the adapters of Flux", SOON, || Ok(names(&browser)?.len() == 2))?;
    ensure!(browser.address()?.contains("kind=lora&base=flux1"), "{}", browser.address()?);
    browser.fill("#q", "café")?;
    wait_until("one of them", SOON, || Ok(names(&browser)?.len() == 1))?;
    browser.click_text("#saved-filters button", "Save these filters…")?;
    browser.fill("#save-name", "coffee")?;
    browser.click("#dialog button[type=submit]")?;
    browser.wait_text("#toasts", "Filter saved as coffee")?;
    browser.wait_text("#saved-filters", "coffee")?;
    browser.goto(&format!("{}/models?view=rows", hub.address()))?;
    browser.wait("#rows tr")?;
    let n = names(&browser)?.len();
    ensure!(n > 15, "{n} models");
    browser.click_text("#saved-filters a", "coffee")?;
    wait_until("the kept filter", SOON, || Ok(names(&browser)?.len() == 1))?;
    ensure!(browser.count("#rows .tile")? == 1, "as cards, as it was kept");
    browser.click_text("#saved-filters button", "Remove “coffee” from the saved filters")?;
    browser.wait_text("#toasts", "Filter coffee removed")?;
    browser.wait_text("#saved-filters", "Save these filters…")?;
    browser.fill("#q", "nothing like this")?;
    browser.wait_text("#results", "No match")?;
    browser.expect_quiet()
}

#[test]
fn a_model_shows_what_it_is_and_keeps_what_people_write() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_setup, hub) = demo(&folder)?;
    let browser = open(&hub, "/models?q=pixel")?;
    browser.click_text("#rows a", "pixel-art-xl.safetensors")?;
    browser.wait_text("h1", "Pixel Art XL")?;
    let text = browser.text("#main")?;
    for wanted in ["LoRA", "SDXL", "pixel art", "fp16", "Files that travel along"] {
        ensure!(text.to_lowercase().contains(&wanted.to_lowercase()), "{wanted} is missing in {text}");
    }
    browser.click("[data-copy=trigger-words]")?;
    wait_until("it says what it did", SOON, || {
        let word = browser.text("[data-copy=trigger-words]")?;
        Ok(word.contains("Copied") || word.contains("Ctrl+C"))
    })?;
    browser.fill("#notes", "good at 0.7")?;
    browser.click_text("form button", "Save")?;
    browser.wait_text("#toasts", "Notes saved")?;
    browser.reload()?;
    let notes = browser.evaluate("return document.querySelector('#notes').value", &json!([]))?;
    ensure!(notes == "good at 0.7", "{notes}");
    browser.inspect("model")
}

#[test]
fn a_picture_is_pasted_and_a_bomb_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_setup, hub) = demo(&folder)?;
    let api = hub.api()?;
    let found = api.get("/api/models?q=ae.safetensors")?;
    let model = &found["items"][0];
    ensure!(model["preview"] == Value::Null, "{found}");
    let browser = open(&hub, &format!("/models/{}", model["id"]))?;
    browser.wait("[data-picture]")?;
    // 60,000 pixels on each side.
    let mut bomb = PICTURE.to_vec();
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    paste(&browser, &bomb)?;
    browser.wait_text("#toasts", "This picture can't be used")?;
    ensure!(browser.count("[data-picture] img")? == 0);
    paste(&browser, b"<svg onload=alert(1)>")?;
    browser.wait_text("#toasts", "This is no picture")?;
    browser.forget_console()?;
    paste(&browser, PICTURE)?;
    browser.wait("[data-picture] img")?;
    ensure!(folder.path().join("demo/lake/vae/ae.preview.png").exists());
    browser.expect_quiet()
}
