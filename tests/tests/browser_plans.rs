//! Plans in a real browser: made from the differences, read row by row, confirmed in words, carried
//! out and undone; and what a page shows when its plan has become stale.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::api::{WORK, number};
use end_to_end::mirror::{allowed, two_roots};
use end_to_end::roots::{noise, tree};
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Api, Browser, Hub, HubSetup, Roots};

/// Two roots that differ in every way, scanned and hashed.
fn differing() -> Result<(Roots, HubSetup, Hub)> {
    let roots = two_roots()?;
    for i in 0..15 {
        roots.local_file(&format!("loras/old{i:02}.safetensors"), &noise(500 + i, 2_000))?;
    }
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    Ok((roots, setup, hub))
}

/// Makes a plan for Local through the dialog of the differences.
fn make_plan(browser: &Browser, hub: &Hub) -> Result<()> {
    browser.goto(&format!("{}/diff", hub.address()))?;
    browser.click("[data-action=make-plan]")?;
    browser.wait("dialog[open]")?;
    browser.click("dialog input[name=delete]")?;
    browser.click("dialog button[type=submit]")?;
    wait_until("the plan's page", SOON, || Ok(browser.address()?.contains("/plans/")))?;
    browser.wait_text("h1", "Make Local like the Lake")
}

/// Waits until no batch has anything left to do.
fn wait_for_batches(api: &Api) -> Result<()> {
    wait_until("the end of all batches", WORK, || {
        Ok(api.items("/api/batches")?.iter().all(|batch| number(batch, "n_open") == 0))
    })
}

#[test]
fn a_plan_is_made_read_confirmed_and_undone() -> Result<()> {
    let (roots, _setup, hub) = differing()?;
    let (before, wanted) = (tree(&roots.local())?, tree(&roots.lake())?);
    let browser = Browser::open()?;
    make_plan(&browser, &hub)?;
    browser.inspect("plan")?;
    browser.click_text("nav.tabs a", "Delete")?;
    browser.wait_text("#rows", "old14.safetensors")?;
    ensure!(browser.address()?.contains("action=delete"), "{}", browser.address()?);
    ensure!(!browser.texts("#rows")?.join(" ").contains("changed.safetensors"));

    // Neither the words alone nor the tick alone are enough.
    ensure!(browser.count("#apply button[type=submit]:disabled")? == 1, "shut until the words are typed");
    browser.fill("#typed", "DELETE 15")?;
    ensure!(browser.count("#apply button[type=submit]:disabled")? == 1, "another number");
    browser.fill("#typed", "DELETE 16")?;
    browser.click("#apply button[type=submit]")?;
    ensure!(browser.address()?.contains("/plans/") && tree(&roots.local())? == before, "the tick is missing");
    browser.click("#last-copies")?;
    browser.click("#apply button[type=submit]")?;
    wait_until("the batch's page", SOON, || Ok(browser.address()?.contains("/batches/")))?;
    let api = hub.api()?;
    wait_for_batches(&api)?;
    ensure!(tree(&roots.local())? == wanted, "Local is like the Lake");
    browser.wait_text_for("#results", "Undo this batch", WORK)?;
    browser.inspect("plan-batch")?;

    browser.click_text("#results a", "plan")?;
    browser.wait_text("#plan-state", "was carried out by")?;
    browser.click_text("#plan-state a", "batch")?;
    browser.click_text("button", "Undo this batch")?;
    wait_until("the undo to be asked for", SOON, || Ok(number(&api.get("/api/batches")?, "total") == 2))?;
    wait_for_batches(&api)?;
    ensure!(tree(&roots.local())? == before, "the old tree is back");
    browser.expect_quiet()
}

#[test]
fn a_plan_that_became_stale_says_so_by_itself_and_is_made_again() -> Result<()> {
    let (roots, _setup, hub) = differing()?;
    let browser = Browser::open()?;
    make_plan(&browser, &hub)?;
    let address = browser.address()?;
    browser.wait("#apply")?;
    roots.lake_file("loras/later.safetensors", b"later")?;
    hub.api()?.scan_both()?;
    browser.wait_text("#plan-state", "have changed since")?;
    browser.wait_gone("#apply")?;
    browser.inspect("plan-stale")?;
    browser.click_text("button", "Preview again")?;
    wait_until("another plan", SOON, || Ok(browser.address()? != address))?;
    browser.wait_text("#rows", "later.safetensors")?;
    browser.wait("#apply")?;
    browser.expect_quiet()
}

#[test]
fn a_plan_without_anything_to_do_says_so() -> Result<()> {
    let roots = Roots::new()?;
    for root in [roots.local(), roots.lake()] {
        end_to_end::roots::write(&root.join("vae/same.safetensors"), b"same")?;
    }
    let setup = allowed(&roots)?;
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    let browser = Browser::open()?;
    make_plan(&browser, &hub)?;
    browser.wait_text("#plan-state", "Nothing to do")?;
    ensure!(browser.count("#apply")? == 0);
    browser.inspect("plan-empty")?;
    browser.expect_quiet()
}
