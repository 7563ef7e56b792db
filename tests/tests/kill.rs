//! `kill -9` at any moment: no half file under a final name, nothing left over, nothing done twice,
//! and the queue goes on by itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{number, text};
#[cfg(target_os = "linux")]
use end_to_end::bench::process::{bytes_read, bytes_written};
use end_to_end::roots::{Tree, all_files, digest, noise, part_files, tree};
use end_to_end::wait::{SOON, wait_for};
use end_to_end::{Api, HubSetup, Roots};
use rand::RngExt as _;

/// At least so many kills while there is something to copy.
const N_KILLS: usize = 12;

/// A file that only Local has: a root that is all empty would rightly not be believed.
const MINE: &str = "vae/mine.safetensors";

/// What has arrived on Local.
fn arrived(roots: &Roots) -> Result<Tree> {
    let mut found = tree(&roots.local())?;
    found.remove(MINE);
    Ok(found)
}

/// Whatever lies under a final name is whole.
fn expect_no_half_file(roots: &Roots) -> Result<()> {
    for path in all_files(&roots.local())? {
        if path.starts_with(".comfy-hub-")
            || path == MINE
            || Path::new(&path).extension().is_some_and(|ending| ending == "part")
        {
            continue;
        }
        let (copy, original) = (digest(&roots.local().join(&path))?, digest(&roots.lake().join(&path))?);
        ensure!(copy == original, "{path} is not what it should be");
    }
    Ok(())
}

#[test]
fn random_kills_leave_no_half_file_and_no_orphan() -> Result<()> {
    let roots = Roots::new()?;
    let mut random = rand::rng();
    // Big ones to be killed inside of, and many small ones to be killed between.
    for i in 0..5 {
        let size = random.random_range(20 << 20..60 << 20);
        roots.lake_file(&format!("checkpoints/big{i}.safetensors"), &noise(i, size))?;
    }
    for i in 0..150 {
        let size = random.random_range(0..200_000);
        roots.lake_file(&format!("loras/set{}/m{i}.safetensors", i % 7), &noise(1_000 + i, size))?;
    }
    roots.local_file(MINE, b"mine")?;
    let expected = tree(&roots.lake())?;
    let setup = roots.hub()?;
    let mut batches: Vec<String> = Vec::new();
    let mut n_kills = 0;
    while n_kills < N_KILLS {
        let hub = setup.start()?;
        let api = hub.api()?;
        if n_kills == 0 && batches.is_empty() {
            api.scan_both()?;
        }
        let is_busy = match batches.last() {
            None => false,
            Some(batch) => api.transfers(batch)?.iter().any(|t| text(t, "state") != "completed"),
        };
        if !is_busy {
            // Everything has arrived between two kills: once more from the start.
            ensure!(batches.is_empty() || arrived(&roots)? == expected);
            for folder in ["checkpoints", "loras"] {
                drop(fs::remove_dir_all(roots.local().join(folder)));
            }
            api.scan_both()?;
            batches.push(api.copy("lake", "local", &["checkpoints", "loras"])?);
        }
        std::thread::sleep(Duration::from_millis(random.random_range(1..250)));
        hub.kill()?;
        n_kills += 1;
        expect_no_half_file(&roots).with_context(|| format!("after kill {n_kills}"))?;
    }

    let hub = setup.start()?;
    let api = hub.api()?;
    let batch = batches.last().context("there is a batch")?;
    let transfers = api.complete(batch)?;
    ensure!(transfers.len() == expected.len(), "each file once: {} transfers", transfers.len());
    ensure!(arrived(&roots)? == expected);
    ensure!(part_files(&roots.local())?.is_empty(), "{:?}", part_files(&roots.local())?);
    ensure!(api.diff("same")?.len() == expected.len(), "the index knows all of them");
    Ok(())
}

#[test]
fn kills_in_the_middle_of_deletes_and_moves_lose_nothing() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..300 {
        roots.local_file(&format!("loras/set{}/m{i}.safetensors", i % 9), &noise(i, 20_000))?;
    }
    let before = tree(&roots.local())?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let request = serde_json::json!({ "operation": "move", "from": "local", "to": "lake", "paths": ["loras"] });
    let batch = api.enqueue(&request)?;
    let mut random = rand::rng();
    let mut hub = Some(hub);
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(random.random_range(1..120)));
        if let Some(hub) = hub.take() {
            hub.kill()?;
        }
        // Each content is somewhere, whole, at every moment.
        let (local, lake) = (tree(&roots.local())?, tree(&roots.lake())?);
        for (path, file) in &before {
            ensure!(local.get(path) == Some(file) || lake.get(path) == Some(file), "{path} is nowhere whole");
        }
        hub = Some(setup.start()?);
    }
    let api = hub.as_ref().context("it runs")?.api()?;
    api.complete(&batch)?;
    ensure!(tree(&roots.lake())? == before);
    ensure!(tree(&roots.local())?.is_empty());
    Ok(())
}

/// Deletes, their undo, and moves on one disk are done in groups: each folder is synced once, and then
/// all of a group is written down.
#[test]
fn kills_in_the_middle_of_grouped_deletes_and_their_undo_lose_nothing() -> Result<()> {
    let roots = Roots::new()?;
    for i in 0..600 {
        roots.local_file(&format!("loras/set{}/m{i}.safetensors", i % 9), &noise(i, 2_000))?;
    }
    roots.local_file(MINE, b"mine")?;
    let before = tree(&roots.local())?;
    let setup = roots.hub()?.set("LOCAL_ALLOW_DELETE", "true");
    let mut random = rand::rng();
    let mut hub = setup.start()?;
    hub.api()?.scan_both()?;
    let request = serde_json::json!({ "operation": "delete", "from": "local", "paths": ["loras"] });
    let mut batch = hub.api()?.enqueue(&request)?;
    for is_undo in [false, true] {
        if is_undo {
            let back = hub.api()?.post(&format!("/api/batches/{batch}/undo"), &serde_json::json!({}))?;
            batch = back["batch_id"].to_string();
        }
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(random.random_range(1..150)));
            hub.kill()?;
            let names = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            let found: std::collections::BTreeSet<String> =
                all_files(&roots.local())?.iter().map(|p| names(p)).collect();
            for path in before.keys() {
                ensure!(found.contains(&names(path)), "{path} is nowhere");
            }
            hub = setup.start()?;
        }
        let transfers = hub.api()?.complete(&batch)?;
        ensure!(transfers.len() == 600, "each file once: {} transfers", transfers.len());
        let n_trashed = number(&hub.api()?.get("/api/trash?root=local")?, "total");
        ensure!(n_trashed == if is_undo { 0 } else { 600 }, "{n_trashed} in the trash");
    }
    ensure!(tree(&roots.local())? == before);
    ensure!(!roots.local().join(".comfy-hub-trash").exists(), "an empty trash leaves no folder");
    Ok(())
}

/// Size of the large copy: 20 GB if asked for and the disk has room for it twice, else what lets the
/// test end soon.
fn large_size(folder: &Path) -> Result<u64> {
    const SMALL: u64 = 600 << 20;
    if std::env::var_os("STORIES_FULL").is_none() {
        return Ok(SMALL);
    }
    let wanted = std::env::var("STORIES_LARGE_BYTES").ok().map_or(Ok(20_000_000_000), |text| text.parse::<u64>())?;
    #[cfg(unix)]
    {
        let disk = rustix::fs::statvfs(folder)?;
        let room = disk.f_bavail * disk.f_frsize;
        Ok(wanted.min(room.saturating_sub(4 << 30) / 2).max(SMALL))
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        Ok(wanted)
    }
}

/// A file with something of its own in every MiB, written as fast as the disk takes it.
fn write_large(path: &Path, size_bytes: u64) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    let mut file = File::create(path)?;
    let mut block = noise(size_bytes, 1 << 20);
    let mut written = 0;
    while written < size_bytes {
        block[..8].copy_from_slice(&written.to_le_bytes());
        let n = usize::try_from((size_bytes - written).min(1 << 20))?;
        file.write_all(&block[..n])?;
        written += n as u64;
    }
    Ok(())
}

fn done(api: &Api, batch: &str) -> Result<u64> {
    let transfers = api.transfers(batch)?;
    Ok(transfers.first().map_or(0, |t| number(t, "bytes_done")))
}

#[test]
#[cfg(target_os = "linux")]
fn a_large_copy_survives_three_kills_and_goes_on_where_it_was() -> Result<()> {
    /// The journal may lag behind what was written by this much.
    const LAG: u64 = 300 << 20;
    let roots = Roots::new()?;
    let size = large_size(roots.folder())?;
    let source = roots.lake().join("checkpoints/large.safetensors");
    write_large(&source, size)?;
    let setup: HubSetup = roots.hub()?;
    let mut batch = None;
    for kill in 1..=3_u64 {
        let hub = setup.start()?;
        let api = hub.api()?;
        if batch.is_none() {
            api.scan_both()?;
            batch = Some(api.copy("lake", "local", &["checkpoints/large.safetensors"])?);
        }
        let batch = batch.as_ref().context("there is a batch")?;
        let goal = size / 4 * kill;
        let far = wait_for("a part of the copy", Duration::from_mins(20), || {
            let far = done(&api, batch)?;
            Ok((far >= goal).then_some(far))
        })?;
        hub.kill()?;
        ensure!(far < size, "killed in the middle");
        ensure!(!roots.local().join("checkpoints/large.safetensors").exists(), "after kill {kill}");
    }

    let hub = setup.start()?;
    let api = hub.api()?;
    let batch = batch.context("there is a batch")?;
    let transfers = wait_for("the end of the copy", Duration::from_mins(30), || {
        let transfers = api.transfers(&batch)?;
        Ok((text(&transfers[0], "state") != "running" && text(&transfers[0], "state") != "queued").then_some(transfers))
    })?;
    ensure!(text(&transfers[0], "state") == "completed", "{transfers:?}");
    let written = bytes_written(hub.process())?;
    let left = size - size / 4 * 3;
    ensure!(written <= left + LAG, "it went on: {written} bytes written for the last {left} of {size}");
    ensure!(digest(&roots.local().join("checkpoints/large.safetensors"))? == digest(&source)?);
    ensure!(text(&transfers[0], "hash") == digest(&source)?, "{transfers:?}");
    ensure!(part_files(&roots.local())?.is_empty());
    Ok(())
}

#[test]
fn an_end_that_was_asked_for_in_the_middle_of_a_copy_loses_nothing_of_it() -> Result<()> {
    let roots = Roots::new()?;
    let path = "checkpoints/big.safetensors";
    roots.lake_file(path, &noise(1, 400 << 20))?;
    let setup = roots.hub()?;
    let mut hub = setup.start()?;
    let mut api = hub.api()?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &[path])?;
    wait_for("a part of the copy", SOON, || Ok((done(&api, &batch)? >= 64 << 20).then_some(())))?;
    let status = hub.interrupt()?;
    ensure!(status.success(), "{status}");
    ensure!(!roots.local().join(path).exists(), "no half file has the final name");
    hub = setup.start()?;
    api = hub.api()?;
    // How far it was is known at once, and stays so while it is read again.
    ensure!(done(&api, &batch)? >= 32 << 20, "{:?}", api.transfers(&batch)?);
    api.complete(&batch)?;
    ensure!(digest(&roots.local().join(path))? == digest(&roots.lake().join(path))?);
    ensure!(part_files(&roots.local())?.is_empty());
    drop(hub);
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_part_file_that_was_damaged_meanwhile_is_not_trusted() -> Result<()> {
    let roots = Roots::new()?;
    let source = roots.lake().join("checkpoints/large.safetensors");
    let size = 700 << 20;
    write_large(&source, size)?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let batch = api.copy("lake", "local", &["checkpoints/large.safetensors"])?;
    wait_for("a part of the copy", Duration::from_mins(2), || Ok((done(&api, &batch)? > size / 2).then_some(())))?;
    hub.kill()?;
    let part = part_files(&roots.local())?.pop().context("there is a part file")?;
    let mut file = File::options().write(true).open(roots.local().join(part))?;
    file.seek(SeekFrom::Start(5 << 20))?;
    file.write_all(b"damaged")?;
    drop(file);

    let hub = setup.start()?;
    let api = hub.api()?;
    let ended = api.wait_for_batch(&batch)?;
    let copy = roots.local().join("checkpoints/large.safetensors");
    if text(&ended[0], "state") == "completed" {
        ensure!(digest(&copy)? == text(&ended[0], "hash"), "what is recorded is what lies there");
        ensure!(digest(&copy)? == digest(&source)?, "a damaged prefix went through: {ended:?}");
    } else {
        ensure!(!copy.exists(), "{ended:?}");
    }
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn hashing_goes_on_inside_a_big_file() -> Result<()> {
    let roots = Roots::new()?;
    let source = roots.lake().join("checkpoints/large.safetensors");
    let size = 1_400 << 20;
    write_large(&source, size)?;
    let setup = roots.hub()?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    let job = api.post("/api/hashes", &serde_json::json!({ "root": "lake" }))?["id"].to_string();
    wait_for("most of the file", Duration::from_mins(2), || {
        Ok((number(&api.get(&format!("/api/hashes/{job}"))?, "bytes_done") > size / 2).then_some(()))
    })?;
    hub.kill()?;

    let hub = setup.start()?;
    let api = hub.api()?;
    let job = wait_for("the job to end by itself", Duration::from_mins(2), || {
        let job = api.get(&format!("/api/hashes/{job}"))?;
        Ok((!["running", "queued"].contains(&text(&job, "state"))).then_some(job))
    })?;
    ensure!(text(&job, "state") == "complete", "{job}");
    let read = bytes_read(hub.process())?;
    // At least one state was kept in the first half, at a distance of at most 256 MiB.
    ensure!(read < size - (256 << 20), "{read} of {size} bytes were read again");
    let detail = api.get("/api/files/detail?root=lake&path=checkpoints/large.safetensors")?;
    ensure!(text(&detail, "hash") == digest(&source)?, "{detail}");
    Ok(())
}
