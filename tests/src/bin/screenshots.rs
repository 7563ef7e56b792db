//! Takes the pictures of the README from the real page, on the demo library.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use end_to_end::{Browser, HubSetup};

fn main() -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let folder = tempfile::tempdir()?;
    let setup = HubSetup::new()?.argument("demo").argument("--dir").argument(folder.path().join("demo"));
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    let batch = api.copy("lake", "local", &["loras/flux"])?;
    api.complete(&batch)?;

    let browser = Browser::open()?;
    let address = "/library?root=lake&folder=loras&open=loras%2Fflux%2Fflux-realism.safetensors";
    browser.goto(&format!("{}{address}", hub.address()))?;
    browser.wait("main")?;
    for (dark, name) in [(false, "screenshot"), (true, "screenshot-dark")] {
        browser.prefer_dark(dark)?;
        let taken = browser.screenshot(&format!("docs-{name}"))?;
        let kept = docs.join(format!("{name}.png"));
        fs::copy(&taken, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
        writeln!(std::io::stdout(), "{}", kept.display())?;
    }
    Ok(())
}
