//! Hashing and copying.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::process::{memory_mib, wait_until_idle};
use super::table::Table;
use super::{BenchPlan, forget_hub, peers, timed};
use crate::hub::HubSetup;

/// Measures on the tree with contents.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let tree = plan.content_tree()?;
    forget_hub(&tree)?;
    // All find the same warm cache.
    peers::warm(&[&tree])?;
    measure_hashing(plan, &tree, table)?;
    measure_copying(plan, &tree, table)
}

fn measure_hashing(plan: &BenchPlan, tree: &Path, table: &mut Table) -> Result<()> {
    let n = plan.n_content_files;
    let memory = Cell::new(0.0_f64);
    let hash = |sha256: &str| -> Result<Duration> {
        let empty = tempfile::tempdir()?;
        let setup = HubSetup::on(tree, empty.path())?.set("HASH_SHA256", sha256).set("LOCAL_HASH_READERS", "2");
        let hub = setup.start()?;
        let api = hub.api()?;
        api.scan(&["local"])?;
        // What a first scan leaves to be done afterwards is not hashing.
        wait_until_idle(hub.process())?;
        let (time, _) = timed(|| api.hash("local"))?;
        memory.set(memory.get().max(memory_mib(hub.process(), "VmHWM:")?));
        drop(hub);
        forget_hub(tree)?;
        Ok(time)
    };
    let [b3sum, blake3, both] =
        plan.medians([&mut || peers::b3sum(tree), &mut || hash("false"), &mut || hash("true")])?;
    table.compare(&format!("full hash of {n} files"), blake3, "b3sum", b3sum, Some(0.6));
    table.compare("the same with SHA-256", both, "b3sum", b3sum, None);
    table.tell("most memory of the hub meanwhile", format!("{:.0} MiB", memory.get()));
    Ok(())
}

fn measure_copying(plan: &BenchPlan, tree: &Path, table: &mut Table) -> Result<()> {
    let memory = tempfile::tempdir_in(&plan.memory)?;
    let to = memory.path().join("copy");
    let hub = |concurrency: &str| -> Result<Duration> {
        std::fs::create_dir(&to)?;
        let setup = HubSetup::on(&to, tree)?.set("QUEUE_CONCURRENCY", concurrency).set("HASH_SHA256", "false");
        let hub = setup.start()?;
        let api = hub.api()?;
        api.scan_both()?;
        let folders: Vec<String> = std::fs::read_dir(tree)?
            .map_while(Result::ok)
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let request = json!({ "operation": "copy", "from": "lake", "to": "local", "paths": folders });
        let (time, ()) = timed(|| {
            api.enqueue(&request)?;
            // Asked through the queue's own counts: listing every transfer would be measured, too.
            crate::wait::wait_for("the end of the queue", Duration::from_mins(20), || {
                let queue = api.get("/api/queue")?;
                let busy = ["running", "queued", "waiting"].iter().any(|state| {
                    queue.get(*state).or_else(|| queue["counts"].get(*state)).and_then(serde_json::Value::as_u64)
                        != Some(0)
                });
                Ok((!busy).then_some(()))
            })
        })?;
        drop(hub);
        std::fs::remove_dir_all(&to)?;
        forget_hub(tree)?;
        Ok(time)
    };
    let copy = |tool| peers::copy(tool, tree, &to);
    let [cp, one, four, rsync, rclone] =
        plan.medians([&mut || copy("cp"), &mut || hub("1"), &mut || hub("4"), &mut || copy("rsync"), &mut || {
            let time = copy("rclone")?;
            peers::warm(&[tree]).map(|()| time)
        }])?;
    table.compare("verified copy of the tree to memory", one, "cp -a", cp, Some(1.15));
    table.compare("the same, 4 at once", four, "cp -a", cp, Some(0.7));
    table.compare("the same, one at a time", one, "rsync -a", rsync, None);
    table.compare("the same, one at a time", one, "rclone copy", rclone, None);
    Ok(())
}
