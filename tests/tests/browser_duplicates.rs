//! Finding duplicates and getting rid of them, click by click.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};
use end_to_end::{Browser, Roots};

#[test]
fn duplicates_are_found_ticked_and_removed() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..14 {
        for folder in ["a", "old/copies"] {
            roots.local_file(&format!("loras/{folder}/m{i:02}.safetensors"), &noise(i, 1_200_000))?;
        }
    }
    roots.lake_file("vae/mine.safetensors", b"mine")?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/duplicates", hub.address()))?;
    browser.wait_text("#results", "Not looked for yet")?;
    browser.wait_text("#live-badge", "Live")?;
    browser.click_text("#search-form button", "Look for duplicates")?;
    browser.wait("article.group")?;
    ensure!(browser.count("article.group")? == 14);

    // One group, with the file that stays chosen by hand. A fifth of Local is not touched by it.
    browser.click("article.group [data-action='resolve']")?;
    browser.wait("#dialog dialog[open]")?;
    browser.expect_accessible()?;
    browser.screenshot("duplicates-one")?;
    browser.click("#dialog input[name='stays'][value*='old/copies']")?;
    browser.click("#dialog button[type='submit']")?;
    wait_until("one group is resolved", SOON, || Ok(browser.count("article.group")? == 13))?;

    // All the others: ticked, kept by the hub over a reload, and typed.
    browser.click("input[data-tick-page]")?;
    browser.wait_text("#bulk", "13 groups")?;
    browser.reload()?;
    browser.wait_text("#bulk", "13 groups")?;
    browser.click("#bulk [data-action='plan']")?;
    browser.wait("#dialog dialog[open]")?;
    browser.wait_text("#dialog h2", "Delete 13 copies?")?;
    browser.expect_accessible()?;
    browser.screenshot("duplicates-bulk")?;
    ensure!(browser.count("#dialog button[type='submit'][disabled]")? == 1, "the words come first");
    browser.fill("#confirm-typed", "DELETE 13")?;
    browser.click("#dialog button[type='submit']")?;
    browser.wait_text("#results", "No duplicates here")?;
    let left = end_to_end::roots::tree(&roots.local())?;
    ensure!(left.len() == 14, "one of each: {:?}", left.keys());
    ensure!(left.keys().filter(|path| path.contains("old/copies")).count() == 1, "the one chosen by hand");
    browser.expect_quiet()
}
