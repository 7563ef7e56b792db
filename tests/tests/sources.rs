//! The Lake's file of addresses against a hub that is killed, and a Lake that can't be written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
#[cfg(unix)]
use end_to_end::machine::{NOBODY_IN_PARTICULAR, give_to, is_root, skip};
use end_to_end::wait::SOON;
use end_to_end::{Hub, Roots};
use rand::RngExt as _;
use serde_json::{Value, json};

const FILE: &str = ".model_sources.json";

fn urls(n: usize) -> Value {
    let urls: Vec<_> = (0..n).map(|i| json!({ "url": format!("https://h{i}.example/{}", "x".repeat(900)) })).collect();
    json!({ "urls": urls })
}

/// The address of the one content of the Lake.
fn address_of_the_model(hub: &Hub) -> Result<String> {
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("lake")?;
    let files = api.items("/api/files?root=lake")?;
    let hash = files.iter().find_map(|file| file["hash"].as_str()).context("the model has no hash")?;
    Ok(format!("/api/sources/{hash}"))
}

#[test]
fn a_hub_that_is_killed_leaves_a_whole_file() -> Result<()> {
    let roots = Roots::new()?;
    roots.lake_file("loras/x.safetensors", b"model")?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let setup = roots.hub()?;
    let mut hub = setup.start()?;
    let address = address_of_the_model(&hub)?;
    let mut random = rand::rng();
    for _ in 0..5 {
        let api = hub.api()?;
        let path = address.clone();
        let (wrote, has_written) = mpsc::channel();
        // Ends with the hub: a request without an answer is an error.
        let writer = std::thread::spawn(move || {
            for n in 1.. {
                if api.try_put(&path, &urls(1 + n % 90)).is_err() || wrote.send(()).is_err() {
                    break;
                }
            }
        });
        has_written.recv_timeout(SOON).context("nothing was written")?;
        std::thread::sleep(Duration::from_millis(random.random_range(1..160)));
        hub.kill()?;
        ensure!(writer.join().is_ok(), "the writer panicked");
        let file: Value = serde_json::from_slice(&fs::read(roots.lake().join(FILE))?)?;
        ensure!(file["version"] == 1 && file["models"].as_object().is_some_and(|models| models.len() == 1), "{file}");
        if let Ok(before) = fs::read(roots.lake().join(format!("{FILE}.bak"))) {
            let _: Value = serde_json::from_slice(&before)?;
        }
        hub = setup.start()?;
        let n = hub.api()?.get(&address)?["urls"].as_array().map(Vec::len);
        ensure!(n.is_some_and(|n| n > 0), "the hub reads what it wrote");
    }
    Ok(())
}

#[test]
#[cfg(unix)]
fn a_lake_that_can_not_be_written_keeps_its_file() -> Result<()> {
    if !is_root() {
        skip("a Lake that can't be written", "needs root, to be someone else");
        return Ok(());
    }
    let roots = Roots::new()?;
    roots.lake_file("loras/x.safetensors", b"model")?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let known = json!({ "version": 1, "models": {} }).to_string();
    roots.lake_file(FILE, known.as_bytes())?;
    give_to(roots.folder(), NOBODY_IN_PARTICULAR)?;
    fs::set_permissions(roots.lake(), std::os::unix::fs::PermissionsExt::from_mode(0o555))?;
    let hub = roots.hub()?.as_user(NOBODY_IN_PARTICULAR)?.start()?;
    let address = address_of_the_model(&hub)?;
    let api = hub.api()?;
    let refused = api.try_put(&address, &urls(1))?;
    ensure!(refused.expect_problem(422)?.contains("may not write to the Lake"), "{refused:?}");
    ensure!(api.items("/api/sources")?.is_empty(), "reading is fine");
    ensure!(fs::read_to_string(roots.lake().join(FILE))? == known);
    Ok(())
}
