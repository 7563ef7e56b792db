//! Finding duplicates.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::process::wait_until_idle;
use super::table::Table;
use super::{BenchPlan, Work, forget_hub, middle, peers, timed};
use crate::api::{Api, WORK, text};
use crate::hub::HubSetup;
use crate::wait::wait_for;

/// Measures on the tree with contents: a first search, and a second one that knows everything.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let tree = plan.content_tree()?;
    forget_hub(&tree)?;
    // All find the same warm cache.
    peers::warm(&[&tree])?;
    let mut seconds = Vec::new();
    let asked = json!({ "roots": ["local"] });
    let mut hub = || {
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
    };
    let mut peers = Vec::new();
    for (name, arguments) in [
        ("jdupes", ["-r", "-q", "-m"].as_slice()),
        ("fclones", &["group", "--min", "1"]),
        ("czkawka_cli", &["dup", "-m", "1", "-H", "-W", "-d"]),
    ] {
        // What is not installed is told; a peer that fails is an error.
        match std::process::Command::new(name).arg("--version").output() {
            Ok(_) => {
                let given = move |tree| arguments.iter().map(std::ffi::OsStr::new).chain([tree]);
                peers.push((name, move |tree| peers::run(name, given(tree))));
            }
            Err(_) => table.tell(name, "not installed: scripts/bench --install-peers".to_owned()),
        }
    }
    ensure!(!peers.is_empty(), "no other tool that finds duplicates is installed");
    let mut runs: Vec<_> = peers.iter().map(|(_, run)| || run(tree.as_os_str())).collect();
    let mut works: Vec<Work<'_>> = vec![&mut hub];
    works.extend(runs.iter_mut().map(|run| -> Work<'_> { run }));
    let times = plan.medians_of(works)?;
    let (first, times) = times.split_first().context("the hub was measured")?;
    let peers: Vec<_> = peers.iter().map(|(name, _)| *name).zip(times.iter().copied()).collect();
    let fastest = peers.iter().map(|peer| peer.1).min();
    let again = middle(seconds);
    let n = plan.n_content_files;
    for (name, time) in peers {
        let goal = (Some(time) == fastest).then_some(0.9);
        table.compare(&format!("duplicates among {n} files, nothing known"), *first, name, time, goal);
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
