//! Finding duplicates.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::table::Table;
use super::{BenchPlan, forget_hub, peers, timed};
use crate::api::{Api, WORK, text};
use crate::hub::HubSetup;
use crate::wait::wait_for;

/// Measures on the tree with contents: a first search, and a second one that knows everything.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let tree = plan.content_tree()?;
    forget_hub(&tree)?;
    // Everything is read once, so that all find the same warm cache.
    peers::b3sum(&tree)?;
    let mut fastest: Option<(&str, Duration)> = None;
    for (name, arguments) in [
        ("jdupes", vec!["-r", "-q", "-m"]),
        ("fclones", vec!["group", "--min", "1"]),
        ("czkawka_cli", vec!["dup", "-m", "1", "-H", "-W", "-d"]),
    ] {
        let run = || {
            let given = arguments.iter().map(std::ffi::OsStr::new).chain([tree.as_os_str()]);
            peers::run(name, given)
        };
        // Only jdupes is installed by the script.
        let Ok(time) = plan.median(run) else { continue };
        if fastest.is_none_or(|(_, best)| time < best) {
            fastest = Some((name, time));
        }
    }
    let (name, peer) = fastest.context("no other tool that finds duplicates is installed")?;
    let mut seconds = Vec::new();
    let first = plan.median(|| {
        let empty = tempfile::tempdir()?;
        let setup = HubSetup::on(&tree, empty.path())?.set("LOCAL_HASH_READERS", "2");
        let hub = setup.start()?;
        let api = hub.api()?;
        api.scan(&["local"])?;
        let (time, ()) = timed(|| search(&api))?;
        seconds.push(timed(|| search(&api))?.0);
        drop(hub);
        forget_hub(Path::new(&tree))?;
        Ok(time)
    })?;
    seconds.sort();
    let again = *seconds.get(seconds.len() / 2).context("a second search")?;
    let n = plan.n_content_files;
    table.compare(&format!("duplicates among {n} files, nothing known"), first, name, peer, Some(0.9));
    table.tell("the second search (goal: 100 ms and a look at each candidate)", format!("{} ms", again.as_millis()));
    Ok(())
}

fn search(api: &Api) -> Result<()> {
    let started = api.post("/api/duplicates/scans", &json!({ "roots": ["local"] }))?;
    let address = format!("/api/duplicates/scans/{}", started["id"]);
    let scan = wait_for("the end of the search", WORK, || {
        let scan = api.get(&address)?;
        Ok((!["queued", "running"].contains(&text(&scan, "state"))).then_some(scan))
    })?;
    ensure!(text(&scan, "state") == "complete", "{scan}");
    Ok(())
}
