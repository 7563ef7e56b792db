//! Work on names only: deletes, their undo, and moves on one disk, against bare renames of the same files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::process::wait_until_idle;
use super::table::Table;
use super::{BenchPlan, Work, timed};
use crate::api::{Api, WORK};
use crate::hub::HubSetup;
use crate::wait::wait_for;

/// Enough to tell what each one costs.
const N_FILES: usize = 3_000;

/// Files of a folder, as libraries have them.
const IN_A_FOLDER: usize = 100;

/// What a hub may take that writes down what it did so that a power cut loses nothing.
const GOAL: f64 = 10.0;

/// Measures on the disk that trees are kept on: in memory nothing would have to be synced.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    fs::create_dir_all(&plan.folder)?;
    let folder = tempfile::tempdir_in(&plan.folder)?;
    let [local, lake, bare] = ["local", "lake", "bare"].map(|name| folder.path().join(name));
    for root in [&local, &bare] {
        fill(&root.join("loras"))?;
    }
    fs::create_dir_all(lake.join("vae"))?;
    fs::write(lake.join("vae/other.safetensors"), b"other")?;
    fs::write(local.join("stays.safetensors"), b"stays")?;
    let setup = HubSetup::on(&local, &lake)?.set("LOCAL_ALLOW_DELETE", "true").set("LAKE_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    wait_until_idle(hub.process())?;
    let (mut undone, mut moved, mut moved_back) = (Vec::new(), Vec::new(), Vec::new());
    let mut deleted = || {
        let (time, batch) = run(&api, &json!({ "operation": "delete", "from": "local", "paths": ["loras"] }))?;
        undone.push(undo(&api, &batch)?);
        let asked = json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["loras"] });
        let (there, batch) = run(&api, &asked)?;
        moved.push(there);
        moved_back.push(undo(&api, &batch)?);
        Ok(time)
    };
    let mut renamed = || {
        let (time, ()) = timed(|| rename_all(&bare.join("loras"), &bare.join("elsewhere")))?;
        rename_all(&bare.join("elsewhere"), &bare.join("loras"))?;
        Ok(time)
    };
    let works: [Work<'_>; 2] = [&mut deleted, &mut renamed];
    let [deletes, renames] = plan.medians(works)?;
    for (what, time) in [
        ("deletes", deletes),
        ("deletes undone", super::middle(undone)),
        ("moves on one disk", super::middle(moved)),
        ("moves undone", super::middle(moved_back)),
    ] {
        table.compare(&format!("{N_FILES} {what}"), time, "bare renames", renames, Some(GOAL));
    }
    Ok(())
}

fn fill(folder: &Path) -> Result<()> {
    for n in 0..N_FILES {
        let folder = folder.join(format!("set{}", n / IN_A_FOLDER));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("m{n}.safetensors")), n.to_string())?;
    }
    Ok(())
}

fn rename_all(from: &Path, to: &Path) -> Result<()> {
    for n in 0..N_FILES {
        let below = format!("set{}", n / IN_A_FOLDER);
        if n % IN_A_FOLDER == 0 {
            fs::create_dir_all(to.join(&below))?;
        }
        let name = format!("m{n}.safetensors");
        fs::rename(from.join(&below).join(&name), to.join(&below).join(&name))?;
    }
    Ok(())
}

/// From the request to the end of its batch.
fn run(api: &Api, asked: &serde_json::Value) -> Result<(Duration, String)> {
    timed(|| {
        let batch = api.enqueue(asked)?;
        done(api, &batch)?;
        Ok(batch)
    })
}

fn undo(api: &Api, batch: &str) -> Result<Duration> {
    let (time, ()) = timed(|| {
        let back = api.post(&format!("/api/batches/{batch}/undo"), &json!({}))?["batch_id"].to_string();
        done(api, &back)
    })?;
    Ok(time)
}

fn done(api: &Api, batch: &str) -> Result<()> {
    let address = format!("/api/batches/{batch}");
    let ended = wait_for("the batch", WORK, || {
        let found = api.get(&address)?;
        Ok((found["n_open"] == 0).then_some(found))
    })?;
    ensure!(ended["n_completed"] == N_FILES, "{ended}");
    Ok(())
}
