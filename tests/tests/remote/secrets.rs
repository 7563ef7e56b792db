//! The key is in one file of the agent, readable by its owner, and nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use end_to_end::events::Events;
use end_to_end::machine;
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::{all_files, noise};
use serde_json::json;

use crate::first_time::Pasted;

const PATH: &str = "loras/a.safetensors";
/// A token for a gated host that no source of the test belongs to.
const TOKEN: &str = "hf_canaryCanaryCanaryCanaryCanary";

/// No file below a folder holds a secret, nor is named after one.
fn expect_no_trace(folder: &Path, secrets: &[&[u8]], except: &Path) -> Result<usize> {
    let mut n_files = 0;
    for path in all_files(folder)? {
        let whole = folder.join(&path);
        // A socket or a lock that is gone by now holds nothing.
        let Ok(bytes) = std::fs::read(&whole) else { continue };
        n_files += 1;
        for secret in secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == *secret);
            ensure!(!is_there || whole == except, "a secret is in {}", whole.display());
        }
    }
    Ok(n_files)
}

/// Nor does a process show one to those who list processes.
fn expect_unseen(secrets: &[&[u8]]) -> Result<usize> {
    let mut n_processes = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(program) = std::fs::read_link(entry.path().join("exe")) else { continue };
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !["agent", "hub"].iter().any(|ours| name.starts_with(ours)) {
            continue;
        }
        n_processes += 1;
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            for secret in secrets {
                let is_there = bytes.windows(secret.len()).any(|window| window == *secret);
                ensure!(!is_there, "{name} shows a secret in its {file}");
            }
        }
    }
    Ok(n_processes)
}

#[test]
fn the_key_is_in_its_file_and_nowhere_else() -> Result<()> {
    if !machine::may_install("the_key_is_in_its_file_and_nowhere_else") {
        return Ok(());
    }
    // The hub takes tokens from its file: an environment would show them.
    let remote = Remote::new()?.set("AGENT_BINARY", &end_to_end::agent::program()?.to_string_lossy());
    std::fs::write(remote.hub()?.data().join("config.toml"), format!("hf_token = \"{TOKEN}\"\n"))?;
    remote.roots.lake_file(PATH, &noise(1, 3 << 20))?;
    let (hub, api) = remote.start()?;
    let events = Events::of(&hub)?;
    let session = begin_session(&api)?;
    let pasted = Pasted::new()?;
    let output = pasted.paste(&session, &[])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let id = wait_for_agent(&api)?;
    let job = send(&api, &id, &[PATH])?.remove(0);
    succeeded(&api, &job)?;
    // What fails is told in more words: a wrong key, an unknown route, a job for nobody.
    let base = format!("http://{}/remote/v1", remote.listener());
    let client = end_to_end::client::builder().build()?;
    for path in ["/nothing", "/blobs/short", "/ws"] {
        drop(client.get(format!("{base}{path}")).bearer_auth(&session.key).send()?);
        drop(client.get(format!("{base}{path}")).bearer_auth(format!("{}0", session.key)).send()?);
    }
    drop(api.try_post("/api/remote/jobs", &json!({ "agent_id": session.key, "kind": "asset_download" }))?);

    let hex = session.key.trim_start_matches("chk_").to_owned();
    let raw = blake3::Hash::from_hex(&hex).context("the key is hexadecimal")?;
    let secrets: [&[u8]; 3] = [hex.as_bytes(), raw.as_bytes(), TOKEN.as_bytes()];
    let key_file = pasted.dir().join("key");
    ensure!(std::fs::read_to_string(&key_file)?.trim() == session.key);
    ensure!(std::fs::metadata(&key_file)?.permissions().mode() & 0o777 == 0o600);
    ensure!(std::fs::metadata(pasted.dir())?.permissions().mode() & 0o077 == 0);
    ensure!(expect_no_trace(pasted.home(), &secrets, &key_file)? > 3);
    let config = remote.hub()?.data().join("config.toml");
    ensure!(expect_no_trace(remote.hub()?.data(), &secrets, &config)? > 3);
    expect_no_trace(remote.roots.folder(), &secrets, &key_file)?;
    ensure!(expect_unseen(&secrets)? >= 2, "hub and agent run");

    let mut told = vec![String::from_utf8_lossy(&output.stderr).into_owned(), hub.errors()];
    told.extend(remote.tunnel.requests());
    told.extend(hub.more_output());
    for path in ["session", "agents", "jobs"] {
        told.push(api.get(&format!("/api/remote/{path}"))?.to_string());
    }
    for path in ["/api/history", "/api/logs?level=debug", "/api/settings", "/remote", "/settings"] {
        told.push(api.try_get(path)?.text);
    }
    told.extend(events.during(std::time::Duration::from_millis(1)).iter().map(ToString::to_string));
    for text in told {
        ensure!(!text.contains(&hex) && !text.contains(TOKEN), "a secret is told: {text}");
    }
    Ok(())
}
