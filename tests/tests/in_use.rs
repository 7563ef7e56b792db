//! Files that another program holds. Only on Windows does the system keep others off them; under Wine
//! these tests are told by `./scripts/test --full`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::text;
use end_to_end::hub::{hub_path, wine};
use end_to_end::roots::{noise, part_files};
use end_to_end::wait::{SOON, wait_for};
use end_to_end::{Api, Roots};
use serde_json::Value;

/// A file is tried again after a minute.
const SECOND_TRY: Duration = Duration::from_secs(100);

/// Another program that has a file open to write at its end.
struct Holder(Child);

impl Holder {
    fn of(file: &Path) -> Result<Self> {
        let mut command = wine().map_or_else(
            || Command::new("cmd"),
            |wine| {
                let mut command = Command::new(wine);
                command.arg("cmd");
                command
            },
        );
        // It waits for a key that never comes, with its output open.
        command.args(["/c", "pause", ">>", &hub_path(file)]).stdin(Stdio::piped());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start cmd")?;
        let size = || fs::metadata(file).map(|found| found.len());
        let before = size()?;
        // What it asks for is written into the file: then it holds it.
        wait_for("the other program to hold the file", SOON, || Ok((size()? > before).then_some(())))?;
        Ok(Self(child))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if self.0.kill().and_then(|()| self.0.wait()).is_err() {
            // It has ended by itself.
        }
    }
}

fn parked(api: &Api, batch: &str) -> Result<Value> {
    wait_for("the transfer to be put off", SOON * 2, || {
        let transfers = api.transfers(batch)?;
        let waits = transfers.iter().find(|transfer| text(transfer, "state") == "waiting");
        ensure!(transfers.iter().all(|transfer| text(transfer, "state") != "failed"), "{transfers:?}");
        Ok(waits.cloned())
    })
}

fn completed(api: &Api, batch: &str) -> Result<()> {
    wait_for("the second try", SECOND_TRY, || {
        let transfers = api.transfers(batch)?;
        Ok(transfers.iter().all(|transfer| text(transfer, "state") == "completed").then_some(()))
    })
}

#[test]
#[ignore = "only Windows keeps programs off each other's files"]
fn a_file_that_is_being_written_is_put_off_and_copied_when_it_is_let_go() -> Result<()> {
    let roots = Roots::new()?;
    let held = roots.lake_file("checkpoints/being written.safetensors", &noise(1, 300_000))?;
    roots.lake_file("checkpoints/other.safetensors", &noise(2, 300_000))?;
    let holder = Holder::of(&held)?;
    let hub = roots.hub()?.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &["checkpoints"])?;
    let waits = parked(&api, &batch)?;
    ensure!(text(&waits, "path") == "checkpoints/being written.safetensors", "{waits}");
    ensure!(text(&waits["error"], "code") == "in_use", "{waits}");
    wait_for("the other file, which nobody holds", SOON, || {
        Ok(roots.local().join("checkpoints/other.safetensors").is_file().then_some(()))
    })?;
    ensure!(!roots.local().join("checkpoints/being written.safetensors").exists());
    drop(holder);
    completed(&api, &batch)?;
    let arrived = roots.local().join("checkpoints/being written.safetensors");
    ensure!(fs::read(arrived)? == fs::read(held)?, "with all that the other program wrote");
    ensure!(part_files(&roots.local())?.is_empty());
    Ok(())
}
