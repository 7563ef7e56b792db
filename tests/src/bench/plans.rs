//! Making plans from an index that is up to date.

use anyhow::{Result, ensure};
use serde_json::json;

use super::peers;
use super::process::{memory_mib, wait_until_idle};
use super::table::Table;
use super::{BenchPlan, forget_hub, timed};
use crate::hub::HubSetup;

/// Files of the smaller trees: what is done once for each plan weighs most there.
const FEW: usize = 20_000;

/// Measures at two sizes.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    if plan.n_files > FEW {
        measure_at(&BenchPlan { n_files: FEW, ..plan.clone() }, table)?;
    }
    measure_at(plan, table)
}

/// Measures a plan between two equal trees, and one between two that differ here and there.
fn measure_at(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let (local, lake) = plan.walked_trees()?;
    let twin = plan.twin_tree()?;
    let n = plan.n_files;
    for (other, work, goal, is_equal) in [
        (&twin, "a mirror plan with nothing to do", Some(0.5), true),
        (&lake, "a mirror plan where one file in 30 differs", None, false),
    ] {
        forget_hub(&local)?;
        forget_hub(other)?;
        peers::rsync_dry(&local, other)?;
        let rsync = plan.median(|| peers::rsync_dry(&local, other))?;
        let rclone = plan.median(|| peers::rclone_sync_dry(&local, other))?;
        let setup = HubSetup::on(&local, other)?.set("LAKE_ALLOW_DELETE", "true");
        let hub = setup.start()?;
        let api = hub.api()?;
        api.scan_both()?;
        wait_until_idle(hub.process())?;
        let asked = json!({ "from": "local", "to": "lake", "compare": "size_mtime", "delete": true });
        let ours = plan.median(|| {
            let (time, made) = timed(|| api.post("/api/mirrors", &asked))?;
            let page = api.get(&format!("/api/mirrors/{}/items", made["id"]))?;
            ensure!((page["total"] == json!(0)) == is_equal, "{made}");
            Ok(time)
        })?;
        table.compare(&format!("{work}, {n} files"), ours, "rsync -an --delete", rsync, goal);
        table.compare(&format!("{work}, {n} files"), ours, "rclone sync --dry-run", rclone, goal);
        table.tell("memory of the hub with it", format!("{:.0} MiB", memory_mib(hub.process(), "VmRSS:")?));
        drop(hub);
        forget_hub(&local)?;
        forget_hub(other)?;
    }
    Ok(())
}
