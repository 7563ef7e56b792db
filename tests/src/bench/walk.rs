//! Scanning, scanning again, comparing.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::json;

use super::process::{bytes_written, wait_until_idle};
use super::table::Table;
use super::{BenchPlan, forget_hub, peers, timed};
use crate::api::{Api, text};
use crate::hub::HubSetup;

/// Measures on the two walked trees.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let (local, lake) = plan.walked_trees()?;
    let n = plan.n_files;
    // Once before, so that everything measured finds the same warm cache.
    peers::walkdir(&local)?;
    let find = plan.median(|| peers::find(&local))?;
    let walkdir = plan.median(|| peers::walkdir(&local))?;
    let rclone = plan.median(|| peers::rclone_list(&local))?;

    let mut rescans = Vec::new();
    let mut written = Vec::new();
    let first = plan.median(|| {
        forget_hub(&local)?;
        let empty = tempfile::tempdir()?;
        let setup = HubSetup::on(&local, empty.path())?;
        let hub = setup.start()?;
        let api = hub.api()?;
        let time = first_scan(&api)?;
        // The search index is filled after the scan; the next scan is measured on its own.
        wait_until_idle(hub.process())?;
        let before = bytes_written(hub.process())?;
        rescans.push(timed(|| api.scan(&["local"]))?.0);
        written.push(bytes_written(hub.process())?.saturating_sub(before));
        Ok(time)
    })?;
    rescans.sort();
    let rescan = rescans[rescans.len() / 2];
    written.sort_unstable();

    table.compare(&format!("first scan of {n} files, index written"), first, "walkdir", walkdir, Some(1.5));
    table.compare("the same", first, "find", find, None);
    table.compare("rescan, nothing changed", rescan, "rclone lsf", rclone, Some(0.5));
    table.tell("written by such a rescan", format!("{} bytes", written[written.len() / 2]));
    measure_compare(plan, &local, &lake, table)
}

fn measure_compare(plan: &BenchPlan, local: &Path, lake: &Path, table: &mut Table) -> Result<()> {
    forget_hub(local)?;
    forget_hub(lake)?;
    let setup = HubSetup::on(local, lake)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    let both = first_scan(&api)?;
    wait_until_idle(hub.process())?;
    let (first, _) = timed(|| api.get("/api/diff?status=different&limit=200"))?;
    let again = plan.median(|| Ok(timed(|| api.get("/api/diff?status=different&limit=200"))?.0))?;
    table.tell("first scan of both roots at once", format!("{:.2} s", both.as_secs_f64()));
    table.tell("first comparison of both roots", format!("{:.3} s", first.as_secs_f64()));
    table.limit("a page of the comparison", millis(again), "ms", 50.0);
    super::pages::measure(&hub, table)?;
    drop(hub);
    forget_hub(local)?;
    forget_hub(lake)
}

/// How long the scan took that a hub begins by itself where it never scanned. By the hub's own clock:
/// it is under way before anyone can ask.
fn first_scan(api: &Api) -> Result<Duration> {
    let scan = api.wait_while_running("/api/scans", &json!({ "id": 1 }))?;
    ensure!(text(&scan, "state") == "complete", "the first scan is not complete: {scan}");
    let at = |name| text(&scan, name).parse::<Timestamp>().with_context(|| format!("no {name}: {scan}"));
    Ok(Duration::try_from(at("finished_at")?.duration_since(at("started_at")?))?)
}

/// A time as milliseconds.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
