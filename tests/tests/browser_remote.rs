//! A machine outside, click by click: access enabled, an agent that comes, models sent and followed,
//! access ended.
#![allow(clippy::unwrap_used, reason = "a test may panic: then it has failed")]

use anyhow::{Result, ensure};
use end_to_end::agent::{AgentSetup, FOR_GOOD};
use end_to_end::remote::Remote;
use end_to_end::roots::noise;
use end_to_end::wait::SOON;
use end_to_end::{Browser, HubSetup};

#[test]
fn access_is_enabled_models_are_sent_and_access_is_ended() -> Result<()> {
    let remote = Remote::new()?
        .set("REMOTE_ALLOW_PRIVATE_SOURCES", "true")
        .set("AGENT_BINARY", &end_to_end::agent::program()?.to_string_lossy());
    let content = noise(7, (2 << 20) + 5);
    remote.roots.lake_file("loras/style/mine.safetensors", &content)?;
    let (hub, api) = remote.start()?;
    let browser = Browser::open()?;

    // Off: what it is. Enabled: the address is tried, and the key is shown this once.
    browser.goto(&format!("{}/remote", hub.address()))?;
    browser.wait_text("#live-badge", "Live")?;
    browser.wait_text("#remote-agents", "No machine yet")?;
    browser.inspect("remote-off")?;
    browser.click("[data-action='enable']")?;
    browser.wait_text("#remote-command", "The public address leads here")?;
    browser.wait_text("#remote-session", "Waiting for a machine")?;
    let line = browser.text("#install-line")?;
    ensure!(line.starts_with("curl -fsSL ") && line.ends_with("/remote/install.sh | bash"), "{line}");
    let key = browser.text("#install-key")?;
    browser.click("[data-copy='install-key']")?;
    browser.inspect("remote-enabled")?;

    // A machine comes; the page tells by itself.
    let base = line.trim_start_matches("curl -fsSL ").trim_end_matches("/remote/install.sh | bash").to_owned();
    let setup = AgentSetup::new(&base, &key)?.hasty();
    let agent = setup.start()?;
    browser.wait_text("#remote-session", "Connected:")?;
    browser.wait_text("#remote-agents", "Online")?;
    browser.reload()?;
    ensure!(!browser.text("#main")?.contains(&key), "the key is shown a second time");

    // Sent from the file's details, after a look at what it means.
    let details = "/library?root=lake&folder=loras&open=loras%2Fstyle%2Fmine.safetensors";
    browser.goto(&format!("{}{details}", hub.address()))?;
    browser.click_text("#drawer button", "Send to ")?;
    browser.wait_text("#dialog dialog", "Over your own line")?;
    browser.expect_accessible()?;
    browser.screenshot("remote-send")?;
    browser.click_text("#dialog button", "Send 1 file")?;
    browser.wait_text("#toasts", "1 file queued")?;
    browser.goto(&format!("{}/remote?tab=done", hub.address()))?;
    browser.wait_text("#results", "Downloaded and verified")?;
    browser.inspect("remote-done")?;
    let arrived = std::fs::read(setup.models().join("loras/style/mine.safetensors"))?;
    ensure!(arrived == content, "the file there is another");

    // The job, and the machine with what lies there.
    browser.click("#results .path-link")?;
    browser.wait_text("h1", "Send loras/style/mine.safetensors")?;
    browser.wait_text("#results", "hub")?;
    browser.inspect("remote-job")?;
    browser.click("#results .page-head a")?;
    browser.click_text("main button", "Look what is there")?;
    browser.wait_text("#inventory", "mine.safetensors")?;
    browser.wait_text("#inventory", "In the library")?;
    browser.inspect("remote-machine")?;

    // Ended: the agent goes for good, and its key with it.
    browser.goto(&format!("{}/remote", hub.address()))?;
    browser.click_text("#remote-session button", "End it")?;
    browser.click_text("#revoke-dialog button[type='submit']", "End remote access")?;
    browser.wait_text("#remote-session", "Remote access is off")?;
    ensure!(agent.wait_for_end(SOON)?.code() == Some(FOR_GOOD));
    ensure!(!setup.key_file().exists(), "the key is still there");
    ensure!(api.get("/api/remote/session")?.get("active") == Some(&false.into()));
    browser.expect_quiet()
}

#[test]
fn without_a_public_address_the_page_says_what_is_needed() -> Result<()> {
    let hub = HubSetup::new()?.start()?;
    let browser = Browser::open()?;
    browser.goto(&format!("{}/remote", hub.address()))?;
    browser.wait_text("#remote-session", "REMOTE_BASE_URL")?;
    browser.inspect("remote-none")?;
    browser.click_text("#remote-session a", "Set the public address")?;
    browser.fill("#set-REMOTE_BASE_URL", "ftp://nowhere")?;
    browser.click_text("button", "Save the settings")?;
    browser.wait_text("#problem-REMOTE_BASE_URL", "Expected")?;
    // The browser itself notes the refusal.
    browser.forget_console()?;
    browser.fill("#set-REMOTE_BASE_URL", "https://models.example.com")?;
    browser.click_text("button", "Save the settings")?;
    browser.wait_text("#settings-body", "Settings saved")?;
    browser.goto(&format!("{}/remote", hub.address()))?;
    browser.wait_text("#remote-session", "models.example.com")?;
    browser.expect_quiet()
}
