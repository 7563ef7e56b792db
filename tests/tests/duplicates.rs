//! Finding files that hold the same, and making one of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{WORK, number, text};
#[cfg(target_os = "linux")]
use end_to_end::bench::process::bytes_read;
use end_to_end::corpus::{CorpusPlan, generate};
use end_to_end::machine::skip;
use end_to_end::roots::noise;
use end_to_end::wait::wait_for;
use end_to_end::{Api, HubSetup, Roots};
use rand::RngExt as _;
use serde_json::{Value, json};

/// Groups, each a set of paths.
type Groups = BTreeSet<BTreeSet<String>>;

/// Searches these roots and waits for the end.
fn search(api: &Api, roots: &[&str], min_size: u64) -> Result<Value> {
    let started = api.post("/api/duplicates/scans", &json!({ "roots": roots, "min_size": min_size }))?;
    let address = format!("/api/duplicates/scans/{}", started["id"]);
    wait_for("the end of the search", WORK, || {
        let scan = api.get(&address)?;
        Ok((!["queued", "running"].contains(&text(&scan, "state"))).then_some(scan))
    })
}

/// The groups that the hub shows, by the paths on disk.
fn groups(api: &Api, roots: &Roots) -> Result<Groups> {
    let found = api.items("/api/duplicates?limit=100")?;
    let path = |file: &Value| {
        let root = if text(file, "root") == "local" { roots.local() } else { roots.lake() };
        root.join(text(file, "path")).to_string_lossy().into_owned()
    };
    Ok(found.iter().map(|group| group["files"].as_array().unwrap().iter().map(path).collect()).collect())
}

/// The groups that jdupes finds; none if it is not installed.
fn jdupes(folders: &[&Path]) -> Result<Option<Groups>> {
    let mut command = Command::new("jdupes");
    command.args(["-r", "-q", "-X", "nostr:.comfy-hub-"]).args(folders);
    let Ok(output) = command.output() else { return Ok(None) };
    ensure!(output.status.success(), "jdupes: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let group = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    Ok(Some(said.split("\n\n").map(group).filter(|group| group.len() > 1).collect()))
}

fn corpus(roots: &Roots) -> Result<()> {
    fs::remove_dir(roots.lake())?;
    let plan = CorpusPlan { n_files: 3_000, big_bytes: 6 << 20, seed: 11, contents: true };
    generate(&roots.lake(), &plan)?;
    for folder in ["models/loras", "models/vae"] {
        copy_folder(&roots.lake().join(folder), &roots.local().join(folder))?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for path in end_to_end::roots::all_files(from)? {
        let dest = to.join(&path);
        fs::create_dir_all(dest.parent().context("a file lies in a folder")?)?;
        fs::copy(from.join(&path), dest)?;
    }
    Ok(())
}

#[test]
fn groups_are_those_that_jdupes_finds() -> Result<()> {
    let roots = Roots::new()?;
    corpus(&roots)?;
    let Some(expected) = jdupes(&[&roots.local(), &roots.lake()])? else {
        skip("groups are those that jdupes finds", "jdupes is not installed");
        return Ok(());
    };
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let scan = search(&api, &["local", "lake"], 0)?;
    ensure!(text(&scan, "state") == "complete", "{scan}");
    let found = groups(&api, &roots)?;
    ensure!(expected.len() > 300, "the corpus has many: {}", expected.len());
    let (missed, made_up): (Vec<_>, Vec<_>) =
        (expected.difference(&found).collect(), found.difference(&expected).collect());
    ensure!(missed.is_empty() && made_up.is_empty(), "missed {missed:?}, made up {made_up:?}");
    ensure!(number(&scan, "n_groups") == found.len() as u64, "{scan}");

    // Within one root alone.
    let in_lake = jdupes(&[&roots.lake()])?.context("jdupes was there just now")?;
    search(&api, &["lake"], 0)?;
    ensure!(groups(&api, &roots)? == in_lake);
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn hard_links_collapse_and_the_second_search_reads_nothing() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..20 {
        roots.lake_file(&format!("loras/a{i}.safetensors"), &noise(i, 2 << 20))?;
        fs::hard_link(
            roots.lake().join(format!("loras/a{i}.safetensors")),
            roots.lake().join(format!("loras/link{i}.safetensors")),
        )?;
    }
    let copy = roots.lake_file("old/copy of a3.safetensors", &noise(3, 2 << 20))?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    roots.local_file("vae/mine.safetensors", b"mine")?;
    api.scan_both()?;
    let scan = search(&api, &["lake"], 0)?;
    ensure!((text(&scan, "state"), number(&scan, "n_groups")) == ("complete", 1), "{scan}");
    let items = api.items("/api/duplicates")?;
    let group = &items[0];
    let names: Vec<_> = group["files"].as_array().unwrap().iter().map(|file| text(file, "path")).collect();
    ensure!(names == ["loras/a3.safetensors", "loras/link3.safetensors", "old/copy of a3.safetensors"], "{names:?}");
    ensure!((number(group, "n_files"), number(group, "reclaimable_bytes")) == (2, 2 << 20), "{group}");
    ensure!(group["files"][1]["link_of"] == "loras/a3.safetensors", "{group}");
    ensure!(copy.exists());

    let before = bytes_read(hub.process())?;
    let again = search(&api, &["lake"], 0)?;
    let read = bytes_read(hub.process())? - before;
    ensure!(text(&again, "state") == "complete" && number(&again, "n_groups") == 1, "{again}");
    ensure!(read < 2 << 20, "nothing is read twice: {read} bytes");
    Ok(())
}

#[test]
fn a_search_that_is_killed_goes_on_and_one_that_is_stopped_changes_nothing() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..12 {
        // Equal at both ends, so that all of them have to be read whole.
        let mut bytes = noise(7, 30 << 20);
        bytes[15 << 20] = u8::try_from(i / 2)?;
        roots.lake_file(&format!("checkpoints/m{i:02}.safetensors"), &bytes)?;
    }
    roots.local_file("vae/mine.safetensors", b"mine")?;
    let setup: HubSetup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let started = api.post("/api/duplicates/scans", &json!({ "roots": ["lake"] }))?;
    let address = format!("/api/duplicates/scans/{}", started["id"]);
    let mut random = rand::rng();
    std::thread::sleep(Duration::from_millis(random.random_range(1..150)));
    hub.kill()?;

    let hub = setup.start()?;
    let api = hub.api()?;
    let scan = wait_for("the end of the search", WORK, || {
        let scan = api.get(&address)?;
        Ok((!["queued", "running"].contains(&text(&scan, "state"))).then_some(scan))
    })?;
    ensure!((text(&scan, "state"), number(&scan, "n_groups")) == ("complete", 6), "{scan}");

    // A search that is stopped leaves what the one before has found.
    roots.lake_file("checkpoints/new1.safetensors", &noise(70, 40 << 20))?;
    roots.lake_file("checkpoints/new2.safetensors", &noise(70, 40 << 20))?;
    api.scan_both()?;
    let started = api.post("/api/duplicates/scans", &json!({ "roots": ["lake"] }))?;
    let stopped = api.try_post(&format!("/api/duplicates/scans/{}/cancel", started["id"]), &json!({}))?;
    // It may have ended before it was stopped.
    if stopped.status == 202 {
        let scan = wait_for("the end of the search", WORK, || {
            let scan = api.get(&format!("/api/duplicates/scans/{}", started["id"]))?;
            Ok((!["queued", "running"].contains(&text(&scan, "state"))).then_some(scan))
        })?;
        ensure!(["cancelled", "complete"].contains(&text(&scan, "state")), "{scan}");
        let n_shown = api.items("/api/duplicates")?.len();
        ensure!(n_shown == if text(&scan, "state") == "cancelled" { 6 } else { 7 }, "{n_shown} after {scan}");
    }
    Ok(())
}
