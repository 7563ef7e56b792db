//! Making one of files that hold the same, whatever comes in between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{WORK, text};
use end_to_end::machine::SmallDisk;
use end_to_end::roots::{all_files, digest, noise, part_files};
use end_to_end::wait::wait_for;
use end_to_end::{Api, HubSetup, Roots};
use rand::RngExt as _;
use serde_json::{Value, json};

/// Searches a root and waits for the end.
fn search(api: &Api, root: &str) -> Result<Value> {
    let started = api.post("/api/duplicates/scans", &json!({ "roots": [root] }))?;
    let address = format!("/api/duplicates/scans/{}", started["id"]);
    let scan = wait_for("the end of the search", WORK, || {
        let scan = api.get(&address)?;
        Ok((!["queued", "running"].contains(&text(&scan, "state"))).then_some(scan))
    })?;
    ensure!(text(&scan, "state") == "complete", "{scan}");
    Ok(scan)
}

/// The first file of each group stays.
fn resolve(api: &Api, action: &str) -> Result<Vec<String>> {
    let groups = api.items("/api/duplicates?limit=100")?;
    ensure!(!groups.is_empty(), "there is something to resolve");
    let named = |file: &Value| json!({ "root": file["root"], "path": file["path"] });
    groups
        .iter()
        .map(|group| {
            let files = group["files"].as_array().context("files")?;
            let others: Vec<Value> = files[1..].iter().map(named).collect();
            let body = json!({ "hash": group["hash"], "keep": named(&files[0]), "others": others, "action": action });
            Ok(api.post("/api/duplicates/resolve", &body)?["batch_id"].to_string())
        })
        .collect()
}

/// Groups of three on Local, big enough to be killed inside of.
fn copies(roots: &Roots, n_groups: u64, size: usize) -> Result<()> {
    for i in 0..n_groups {
        for folder in ["a", "b/deeper", "c"] {
            roots.local_file(&format!("loras/{folder}/m{i:02}.safetensors"), &noise(i, size))?;
        }
    }
    roots.lake_file("vae/mine.safetensors", b"mine")?;
    Ok(())
}

/// Every content is there whole under the name that stays.
fn expect_contents(roots: &Roots, n_groups: u64, size: usize) -> Result<()> {
    for i in 0..n_groups {
        let expected = format!("blake3:{}", blake3::hash(&noise(i, size)).to_hex());
        let found = digest(&roots.local().join(format!("loras/a/m{i:02}.safetensors")))?;
        ensure!(found == expected, "content {i} is lost");
    }
    Ok(())
}

fn start(roots: &Roots) -> Result<(HubSetup, end_to_end::Hub)> {
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    hub.api()?.scan_both()?;
    Ok((setup, hub))
}

#[test]
fn kills_in_the_middle_of_removing_lose_nothing_and_leave_nothing() -> Result<()> {
    const N: u64 = 10;
    const SIZE: usize = 6 << 20;
    let roots = Roots::new()?;
    copies(&roots, N, SIZE)?;
    let (setup, hub) = start(&roots)?;
    search(&hub.api()?, "local")?;
    let batches = resolve(&hub.api()?, "delete")?;
    let mut hub = Some(hub);
    let mut random = rand::rng();
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(random.random_range(1..200)));
        hub.take().context("it runs")?.kill()?;
        expect_contents(&roots, N, SIZE)?;
        hub = Some(setup.start()?);
    }
    let api = hub.as_ref().context("it runs")?.api()?;
    for batch in &batches {
        api.complete(batch)?;
    }
    expect_contents(&roots, N, SIZE)?;
    let left: Vec<_> = all_files(&roots.local())?.into_iter().filter(|path| !path.starts_with(".comfy")).collect();
    ensure!(left.len() == usize::try_from(N)?, "one of each stays, and nothing else: {left:?}");
    api.scan_both()?;
    ensure!(api.items("/api/duplicates")?.is_empty());

    // All of it comes back.
    let undone = api.post(&format!("/api/batches/{}/undo", batches[0]), &json!({}))?;
    api.complete(&undone["batch_id"].to_string())?;
    let back = all_files(&roots.local())?.into_iter().filter(|path| !path.starts_with(".comfy")).count();
    ensure!(back == usize::try_from(N)? + 2, "both copies of one group are back: {back}");
    Ok(())
}

#[cfg(unix)]
#[test]
fn kills_in_the_middle_of_linking_leave_whole_files_or_links() -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    const N: u64 = 8;
    const SIZE: usize = 6 << 20;
    let roots = Roots::new()?;
    copies(&roots, N, SIZE)?;
    let (setup, hub) = start(&roots)?;
    search(&hub.api()?, "local")?;
    let batches = resolve(&hub.api()?, "hardlink")?;
    let mut hub = Some(hub);
    let mut random = rand::rng();
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(random.random_range(1..200)));
        hub.take().context("it runs")?.kill()?;
        for path in all_files(&roots.local())?.iter().filter(|path| path.ends_with(".safetensors")) {
            let size = fs::metadata(roots.local().join(path))?.len();
            ensure!(size == SIZE as u64, "{path} has {size} bytes");
        }
        expect_contents(&roots, N, SIZE)?;
        hub = Some(setup.start()?);
    }
    let api = hub.as_ref().context("it runs")?.api()?;
    for batch in &batches {
        api.complete(batch)?;
    }
    let inode = |path: String| -> Result<u64> { Ok(fs::metadata(roots.local().join(path))?.ino()) };
    for i in 0..N {
        let of = |folder: &str| inode(format!("loras/{folder}/m{i:02}.safetensors"));
        ensure!(of("a")? == of("b/deeper")? && of("a")? == of("c")?, "group {i} is one file");
    }
    ensure!(part_files(&roots.local())?.is_empty(), "{:?}", part_files(&roots.local())?);
    Ok(())
}

/// What happens between the request and its turn.
fn with_a_change(action: &str, change: impl Fn(&Path) -> Result<()>) -> Result<(Roots, Value)> {
    let roots = Roots::new()?;
    copies(&roots, 1, 300_000)?;
    let (_setup, hub) = start(&roots)?;
    let api = hub.api()?;
    search(&api, "local")?;
    api.post("/api/queue/pause", &json!({}))?;
    let batches = resolve(&api, action)?;
    change(&roots.local().join("loras"))?;
    api.post("/api/queue/resume", &json!({}))?;
    let transfers = api.wait_for_batch(&batches[0])?;
    let of_c = transfers.into_iter().find(|t| text(t, "path").starts_with("loras/c/")).context("the file in c")?;
    Ok((roots, of_c))
}

#[test]
fn a_file_that_changed_before_its_turn_is_left_alone() -> Result<()> {
    for action in ["delete", "hardlink"] {
        let changed = |loras: &Path| Ok(fs::write(loras.join("c/m00.safetensors"), b"someone's work")?);
        let (roots, transfer) = with_a_change(action, changed)?;
        ensure!((text(&transfer, "state"), text(&transfer["error"], "code")) == ("failed", "changed"), "{transfer}");
        ensure!(fs::read(roots.local().join("loras/c/m00.safetensors"))? == b"someone's work");
    }
    Ok(())
}

#[test]
fn nothing_goes_when_the_file_that_stays_changed_or_vanished() -> Result<()> {
    let content = noise(0, 300_000);
    let vanished = |loras: &Path| Ok(fs::remove_file(loras.join("a/m00.safetensors"))?);
    let mut other = content.clone();
    other[150_000] ^= 1;
    let changed = |loras: &Path| end_to_end::roots::write(&loras.join("a/m00.safetensors"), &other).map(|_| ());
    for action in ["delete", "hardlink"] {
        for change in [&vanished as &dyn Fn(&Path) -> Result<()>, &changed] {
            let (roots, transfer) = with_a_change(action, change)?;
            ensure!(
                (text(&transfer, "state"), text(&transfer["error"], "code")) == ("failed", "changed"),
                "{transfer}"
            );
            for folder in ["b/deeper", "c"] {
                let path = roots.local().join(format!("loras/{folder}/m00.safetensors"));
                ensure!(fs::read(&path)? == content, "{} stays", path.display());
            }
            ensure!(part_files(&roots.local())?.is_empty());
        }
    }
    Ok(())
}

#[test]
fn without_leave_nothing_is_queued() -> Result<()> {
    let roots = Roots::new()?;
    copies(&roots, 1, 1_000)?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    search(&api, "local")?;
    let group = api.items("/api/duplicates")?.remove(0);
    for action in ["delete", "hardlink", "reflink"] {
        let body = json!({
            "hash": group["hash"], "action": action,
            "keep": { "root": "local", "path": "loras/a/m00.safetensors" },
            "others": [{ "root": "local", "path": "loras/c/m00.safetensors" }],
        });
        api.try_post("/api/duplicates/resolve", &body)?.expect_problem(403)?;
    }
    ensure!(all_files(&roots.local())?.iter().filter(|path| path.ends_with("m00.safetensors")).count() == 3);
    Ok(())
}

#[test]
fn no_link_leads_to_another_volume() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("no link leads to another volume", 16 << 20)? else { return Ok(()) };
    let roots = Roots::new()?;
    roots.lake_file("vae/mine.safetensors", b"mine")?;
    // Local is the small disk; the Lake lies elsewhere.
    let content = noise(1, 100_000);
    for path in ["x.safetensors", "y.safetensors"] {
        end_to_end::roots::write(&disk.path().join("loras").join(path), &content)?;
    }
    roots.lake_file("loras/x.safetensors", &content)?;
    let setup =
        HubSetup::on(disk.path(), &roots.lake())?.set("LOCAL_ALLOW_DELETE", "true").set("LAKE_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("local")?;
    api.hash("lake")?;
    let hash = format!("blake3:{}", blake3::hash(&content).to_hex());
    let ask = |action: &str, keep: [&str; 2], other: [&str; 2]| {
        let file = |[root, path]: [&str; 2]| json!({ "root": root, "path": path });
        let body = json!({ "hash": hash, "keep": file(keep), "others": [file(other)], "action": action });
        api.try_post("/api/duplicates/resolve", &body)
    };
    for action in ["hardlink", "reflink"] {
        let answer = ask(action, ["lake", "loras/x.safetensors"], ["local", "loras/x.safetensors"])?;
        let detail = answer.expect_problem(422)?;
        ensure!(detail.contains("one volume"), "{detail}");
    }
    // Memory has hard links, but its files can't share their bytes.
    let answer = ask("reflink", ["local", "loras/x.safetensors"], ["local", "loras/y.safetensors"])?;
    let detail = answer.expect_problem(422)?;
    ensure!(detail.contains("share their bytes"), "{detail}");
    let linked = ask("hardlink", ["local", "loras/x.safetensors"], ["local", "loras/y.safetensors"])?;
    ensure!(linked.status == 202, "{}", linked.text);
    api.complete(&linked.json["batch_id"].to_string())?;
    // A copy may go across.
    let gone = ask("delete", ["local", "loras/x.safetensors"], ["lake", "loras/x.safetensors"])?;
    ensure!(gone.status == 202, "{}", gone.text);
    api.complete(&gone.json["batch_id"].to_string())?;
    ensure!(!roots.lake().join("loras/x.safetensors").exists());
    Ok(())
}
