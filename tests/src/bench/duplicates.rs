//! Finding duplicates.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::process::wait_until_idle;
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
    let mut peers: Vec<(&str, Duration)> = Vec::new();
    for (name, arguments) in [
        ("jdupes", vec!["-r", "-q", "-m"]),
        ("fclones", vec!["group", "--min", "1"]),
        ("czkawka_cli", vec!["dup", "-m", "1", "-H", "-W", "-d"]),
    ] {
        let given = || arguments.iter().map(std::ffi::OsStr::new).chain([tree.as_os_str()]);
        // What is not installed is told; a peer that fails is an error.
        match std::process::Command::new(name).arg("--version").output() {
            Ok(_) => peers.push((name, plan.median(|| peers::run(name, given()))?)),
            Err(_) => table.tell(name, "not installed: scripts/bench --install-peers".to_owned()),
        }
    }
    ensure!(!peers.is_empty(), "no other tool that finds duplicates is installed");
    let fastest = peers.iter().map(|peer| peer.1).min();
    let mut seconds = Vec::new();
    let asked = json!({ "roots": ["local"] });
    let first = plan.median(|| {
        let empty = tempfile::tempdir()?;
        let setup = HubSetup::on(&tree, empty.path())?.set("LOCAL_HASH_READERS", "2");
        let hub = setup.start()?;
        let api = hub.api()?;
        api.scan(&["local"])?;
        // What a first scan leaves to be done afterwards is no search.
        wait_until_idle(hub.process())?;
        let (time, ()) = timed(|| search(&api, &asked))?;
        seconds.push(timed(|| search(&api, &asked))?.0);
        drop(hub);
        forget_hub(Path::new(&tree))?;
        Ok(time)
    })?;
    seconds.sort();
    let again = *seconds.get(seconds.len() / 2).context("a second search")?;
    let n = plan.n_content_files;
    for (name, time) in peers {
        let goal = (Some(time) == fastest).then_some(0.9);
        table.compare(&format!("duplicates among {n} files, nothing known"), first, name, time, goal);
    }
    table.tell("the second search (goal: 100 ms and a look at each candidate)", format!("{} ms", again.as_millis()));
    Ok(())
}

/// A search for duplicates from its beginning to its end.
pub(super) fn search(api: &Api, asked: &Value) -> Result<()> {
    let started = api.post("/api/duplicates/scans", asked)?;
    let address = format!("/api/duplicates/scans/{}", started["id"]);
    let scan = wait_for("the end of the search", WORK, || {
        let scan = api.get(&address)?;
        Ok((!["queued", "running"].contains(&text(&scan, "state"))).then_some(scan))
    })?;
    ensure!(text(&scan, "state") == "complete", "{scan}");
    Ok(())
}
