//! The first minutes with a hub that knows no folders.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::roots::write;
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, HubSetup, Roots};

fn folders() -> Result<Roots> {
    let roots = Roots::new()?;
    roots.local_file("vae/ae.safetensors", b"vae")?;
    roots.lake_file("loras/style.safetensors", b"lora")?;
    Ok(roots)
}

#[test]
fn two_folders_are_all_it_takes() -> Result<()> {
    let roots = folders()?;
    let setup = HubSetup::new()?;
    let hub = setup.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/", hub.address()))?;
    browser.wait_text("main", "Getting started")?;
    browser.inspect("home-bare")?;
    browser.click_text("main a", "Set up the folders")?;
    browser.wait_text("h1", "Set up the two folders")?;
    browser.inspect("setup-bare")?;

    // No folder at all: nothing is saved.
    browser.fill("#LOCAL_MODELS_ROOT", "not/absolute")?;
    browser.fill("#LAKE_MODELS_ROOT", &roots.lake().display().to_string())?;
    browser.click("#setup button[type=submit]")?;
    browser.wait("#LOCAL_MODELS_ROOT-problem")?;
    ensure!(!setup.data().join("config.toml").exists());

    // The same folder twice: told beside the field, with what was typed still there.
    let local = roots.local().display().to_string();
    browser.fill("#LOCAL_MODELS_ROOT", &local)?;
    browser.fill("#LAKE_MODELS_ROOT", &local)?;
    browser.click("#setup button[type=submit]")?;
    browser.wait("#LAKE_MODELS_ROOT-problem")?;
    browser.wait("#LAKE_MODELS_ROOT[aria-invalid=true]")?;
    // The browser itself notes the refusal of the request.
    browser.forget_console()?;
    browser.inspect("setup-wrong")?;

    browser.fill("#LAKE_MODELS_ROOT", &roots.lake().display().to_string())?;
    browser.click("#setup button[type=submit]")?;
    browser.wait_text("h1", "Overview")?;
    browser.wait_text("#root-lake", "Online")?;
    browser.wait_text("#root-lake .root-figures", "1")?;
    browser.wait_text("#diff-counts", "Only Lake")?;
    browser.wait_gone("#notices .notice-bar")?;
    browser.expect_quiet()?;

    // What was saved is there after a restart.
    let file = std::fs::read_to_string(setup.data().join("config.toml"))?;
    ensure!(file.contains("local_models_root") && file.contains("lake_models_root"), "{file}");
    hub.kill()?;
    let hub = setup.start()?;
    browser.goto(&format!("{}/library?root=lake", hub.address()))?;
    browser.wait_text("#rows", "style.safetensors")
}

#[test]
fn a_folder_can_be_chosen_step_by_step() -> Result<()> {
    let roots = folders()?;
    write(&roots.folder().join("lake/deeper/x.safetensors"), b"x")?;
    let hub = HubSetup::new()?.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/setup", hub.address()))?;
    browser.fill("#LAKE_MODELS_ROOT", &roots.folder().display().to_string())?;
    browser.click(".field:nth-of-type(2) button")?;
    browser.wait_text("#choose", "lake")?;
    browser.inspect("dialog-choose")?;
    browser.click_text("#choose .choice", "lake")?;
    browser.wait_text("#choose", "deeper")?;
    browser.click_text("#choose button", "Take this folder")?;
    browser.wait_gone("#dialog dialog")?;
    let script = "return document.getElementById('LAKE_MODELS_ROOT').value";
    let chosen = browser.evaluate(script, &serde_json::json!([]))?;
    ensure!(chosen == roots.lake().display().to_string(), "{chosen}");
    browser.expect_quiet()
}

#[test]
fn the_demo_library_is_one_click_away_and_so_is_the_way_back() -> Result<()> {
    let roots = folders()?;
    let hub = HubSetup::new()?.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/setup", hub.address()))?;
    browser.click_text("button", "Try the demo library")?;
    browser.wait_text("h1", "Overview")?;
    browser.wait_text(".notice-bar", "demo library")?;
    browser.wait_text("#diff-counts", "Only Lake")?;
    // It is hashed by itself, which is how moved files are found.
    wait_until("a moved file", SOON, || Ok(!browser.text("#diff-counts a[href*=moved] b")?.starts_with('0')))?;
    browser.click_text(".notice-bar a", "Use your own folders")?;
    browser.fill("#LOCAL_MODELS_ROOT", &roots.local().display().to_string())?;
    browser.fill("#LAKE_MODELS_ROOT", &roots.lake().display().to_string())?;
    browser.click("#setup button[type=submit]")?;
    browser.wait_text("h1", "Overview")?;
    browser.wait_text("#root-lake .path", &roots.lake().display().to_string())?;
    ensure!(!browser.texts("body")?.concat().contains("demo library"));
    browser.expect_quiet()
}

#[test]
fn a_wrong_setting_is_told_beside_its_field_and_a_right_one_is_saved() -> Result<()> {
    let roots = folders()?;
    let hub = roots.hub()?.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/settings", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    browser.wait_text(".settings-group", "Set by the environment variable LOCAL_MODELS_ROOT")?;
    browser.fill("#set-QUEUE_CONCURRENCY", "many")?;
    browser.click_text("button", "Save the settings")?;
    browser.wait("#problem-QUEUE_CONCURRENCY")?;
    browser.wait_text("#settings-body", "Nothing was saved")?;
    browser.forget_console()?;
    browser.inspect("settings-wrong")?;
    browser.fill("#set-QUEUE_CONCURRENCY", "2")?;
    browser.click_text("button", "Save the settings")?;
    browser.wait_text("#settings-body", "Settings saved")?;
    browser.wait_text(".settings-group", "From config.toml")?;
    let settings = hub.api()?.get("/api/settings")?;
    let items = settings["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["key"] == "QUEUE_CONCURRENCY").unwrap();
    ensure!(found["value"] == "2", "{found}");
    browser.expect_quiet()
}
