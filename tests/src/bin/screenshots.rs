//! Takes the pictures of the README from the real page, on the demo library.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use end_to_end::api::WORK;
use end_to_end::wait::wait_until;
use end_to_end::{Browser, HubSetup};
use serde_json::json;

fn main() -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    let folder = tempfile::tempdir()?;
    let setup = HubSetup::new()?.argument("demo").argument("--dir").argument(folder.path().join("demo"));
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    let batch = api.copy("lake", "local", &["loras/flux"])?;
    api.complete(&batch)?;

    wait_until("all headers are read", WORK, || Ok(api.get("/api/models/facets")?.get("unread") == Some(&json!(0))))?;
    let found = api.get("/api/models?q=flux-realism")?;
    let model = format!("/models/{}", found.pointer("/items/0/id").context("the demo has no such model")?);
    let library = "/library?root=lake&folder=loras&open=loras%2Fflux%2Fflux-realism.safetensors";

    let browser = Browser::open()?;
    for (name, address) in [
        ("models", "/models"),
        ("models-rows", "/models?view=rows"),
        ("model", model.as_str()),
        ("overview", "/"),
        ("library", library),
    ] {
        browser.goto(&format!("{}{address}", hub.address()))?;
        browser.wait("main")?;
        browser.wait_text("#live-badge", "Live")?;
        // Where this run lies says nothing to a reader.
        let shorten = "document.querySelectorAll('.path').forEach((path) => {
            path.textContent = path.textContent.replace(arguments[0], '~');
        })";
        browser.evaluate(shorten, &json!([folder.path()]))?;
        for (dark, theme) in [(false, ""), (true, "-dark")] {
            browser.prefer_dark(dark)?;
            let taken = browser.screenshot(&format!("docs-{name}{theme}"))?;
            let kept = docs.join(format!("{name}{theme}.png"));
            fs::copy(&taken, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
            writeln!(std::io::stdout(), "{}", kept.display())?;
        }
    }
    Ok(())
}
