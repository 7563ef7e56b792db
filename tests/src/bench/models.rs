//! Reading headers: 20,000 sparse files with the headers of real models, beside a bare loop that reads the same bytes,
//! and how fast lists of models answer.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::pages::first_bytes;
use super::process::{bytes_read, memory_mib, wait_until_idle};
use super::table::Table;
use super::walk::millis;
use super::{BenchPlan, forget_hub, made_once, timed};
use crate::api::{Api, WORK, text};
use crate::hub::HubSetup;
use crate::wait::wait_until;

const N_FILES: usize = 20_000;

/// Larger headers are rare, and would decide alone.
const LARGEST: usize = 1 << 20;

/// Measures a hub on such a tree, and its lists on a large index.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let tree = tree(plan)?;
    let bare = plan.median(|| Ok(timed(|| bare_loop(&tree))?.0))?;
    let (mut memory, mut stored) = (0.0_f64, 0);
    let ours = plan.median(|| {
        forget_hub(&tree)?;
        let empty = tempfile::tempdir()?;
        let setup = HubSetup::on(&tree, empty.path())?;
        let hub = setup.start()?;
        let api = hub.api()?;
        let time = described(&api)?;
        memory = memory.max(memory_mib(hub.process(), "VmHWM:")?);
        stored = fs::metadata(setup.data().join("hub.db"))?.len();
        Ok(time)
    })?;
    table.compare(&format!("headers of {N_FILES} models described and stored"), ours, "bare loop", bare, Some(1.5));
    table.limit("most memory meanwhile", memory, "MiB", 80.0);
    table.tell("the database after it", format!("{} MiB", stored >> 20));

    forget_hub(&tree)?;
    let empty = tempfile::tempdir()?;
    let setup = HubSetup::on(&tree, empty.path())?;
    let hub = setup.start()?;
    let api = hub.api()?;
    described(&api)?;
    wait_until_idle(hub.process())?;
    let n_jobs = api.items("/api/models/reads")?.len();
    let before = bytes_read(hub.process())?;
    api.scan(&["local"])?;
    wait_until_idle(hub.process())?;
    let n_jobs_now = api.items("/api/models/reads")?.len();
    ensure!(n_jobs_now == n_jobs, "a scan that found nothing began to read headers");
    table.tell("read by a rescan", format!("{} bytes", bytes_read(hub.process())?.saturating_sub(before)));
    drop(hub);
    forget_hub(&tree)?;
    lists(plan, table)
}

/// Lists on the large index.
fn lists(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let (local, lake) = plan.walked_trees()?;
    for root in [&local, &lake] {
        forget_hub(root)?;
    }
    let setup = HubSetup::on(&local, &lake)?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.wait_while_running("/api/scans", &json!({ "id": 1 }))?;
    wait_until("all headers are read", WORK, || Ok(api.get("/api/models/facets")?["unread"] == 0))?;
    wait_until_idle(hub.process())?;
    let n = api.get("/api/models?limit=1")?["total"].as_u64().unwrap_or_default();
    for (name, address) in [
        ("the page of models", "/models"),
        ("the same, by size", "/models?sort=size&order=desc"),
        ("the same, a kind", "/models?kind=none&view=rows"),
        ("the same, a search", "/models?q=m0001"),
        ("models, 200 of them", "/api/models?limit=200"),
        ("their counts", "/api/models/facets"),
        ("the overview page", "/"),
    ] {
        let mut times = first_bytes(&api, address)?;
        times.sort();
        let p99 = times[times.len() * 99 / 100];
        table.limit(&format!("{name}, p99, of {n} models"), millis(p99), "ms", 50.0);
    }
    drop(hub);
    for root in [&local, &lake] {
        forget_hub(root)?;
    }
    Ok(())
}

/// How long it took to read all headers, by the hub's own clock.
fn described(api: &Api) -> Result<Duration> {
    wait_until("all headers are read", WORK, || {
        let facets = api.get("/api/models/facets")?;
        let n: u64 = facets["state"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        Ok(n >= N_FILES as u64 && facets["unread"] == 0)
    })?;
    // The reading begins before the scan has ended, and once more for what came behind it.
    let jobs = api.items("/api/models/reads")?;
    let (first, last) = (jobs.last().context("no job")?, jobs.first().context("no job")?);
    let last = api.wait_while_running("/api/models/reads", last)?;
    ensure!(text(&last, "state") == "complete", "{last}");
    let at = |job: &Value, name| text(job, name).parse::<Timestamp>().with_context(|| format!("no {name}: {job}"));
    Ok(Duration::try_from(at(&last, "finished_at")?.duration_since(at(first, "created_at")?))?)
}

/// Opens each file and reads its length and its header.
fn bare_loop(tree: &Path) -> Result<()> {
    for entry in fs::read_dir(tree.join("models"))? {
        let mut file = File::open(entry?.path())?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = vec![0; usize::try_from(u64::from_le_bytes(length))?];
        file.read_exact(&mut header)?;
    }
    Ok(())
}

/// Sparse files as large as the real ones, with their headers, again and again under other names.
fn tree(plan: &BenchPlan) -> Result<PathBuf> {
    let folder = plan.folder.join(format!("headers-{N_FILES}"));
    made_once(&folder, |folder| {
        let (samples, models) = (folder.join("samples"), folder.join("tree/models"));
        fs::create_dir_all(&samples)?;
        fs::create_dir_all(&models)?;
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/model-header/tests/data/headers.tar.xz");
        let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&samples).status()?;
        ensure!(unpacked.success(), "tar could not unpack {}", archive.display());
        let mut headers = Vec::new();
        for entry in fs::read_dir(&samples)? {
            let path = entry?.path();
            let is_safetensors = path.extension().is_some_and(|ending| ending == "safetensors");
            headers.extend(is_safetensors.then(|| header(&path)).transpose()?.flatten());
        }
        ensure!(headers.len() > 50, "{} headers", headers.len());
        for n in 0..N_FILES {
            let (header, size_bytes) = &headers[n % headers.len()];
            let mut file = File::create(models.join(format!("{n:05}.safetensors")))?;
            file.write_all(header)?;
            file.set_len(*size_bytes)?;
        }
        Ok(())
    })?;
    Ok(folder.join("tree"))
}

/// The length and header of a sound file with its size; none where they are not whole, or large.
fn header(path: &Path) -> Result<Option<(Vec<u8>, u64)>> {
    let size_bytes = fs::metadata(path)?.len();
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    if size_bytes < 8 || file.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let n = u64::from_le_bytes(length);
    if n > LARGEST as u64 || n + 8 > size_bytes {
        return Ok(None);
    }
    let mut header = vec![0; usize::try_from(n)?];
    file.read_exact(&mut header)?;
    Ok(Some(([&length[..], &header].concat(), size_bytes)))
}
