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
const LARGEST: u64 = 1 << 20;

/// Models whose lists are measured, each with three files beside it.
const N_MODELS: usize = 50_000;
const MODELS_A_FOLDER: usize = 500;

/// Their headers: what lists show of a model does not grow with its header.
const SMALL: u64 = 48 << 10;

/// The smallest whole PNG.
const PICTURE: &[u8] = include_bytes!("pixel.png");

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

/// Lists on a large library.
fn lists(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let library = library(plan)?;
    forget_hub(&library)?;
    let empty = tempfile::tempdir()?;
    let setup = HubSetup::on(&library, empty.path())?;
    let hub = setup.start()?;
    let api = hub.api()?;
    api.wait_while_running("/api/scans", &json!({ "id": 1 }))?;
    wait_until("all headers are read", WORK, || Ok(api.get("/api/models/facets")?["unread"] == 0))?;
    wait_until_idle(hub.process())?;
    let n = api.get("/api/models?limit=1")?["total"].as_u64().unwrap_or_default();
    ensure!(n >= N_MODELS as u64, "{n} models");
    for (name, address) in [
        ("the page of models", "/models"),
        ("the same, by size", "/models?sort=size&order=desc"),
        ("the same, a kind", "/models?kind=lora&view=rows"),
        ("the same, a kind and a base", "/models?kind=lora&base=sdxl"),
        ("the same, a search", "/models?q=dragon"),
        ("the same, a rare search", "/models?q=m00017"),
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
    forget_hub(&library)
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
        let headers = headers(&folder.join("samples"), LARGEST)?;
        let models = folder.join("tree/models");
        fs::create_dir_all(&models)?;
        for n in 0..N_FILES {
            headers[n % headers.len()].write(&models.join(format!("{n:05}.safetensors")))?;
        }
        Ok(())
    })?;
    Ok(folder.join("tree"))
}

/// A library of many models, each with the three files beside it that download managers leave.
fn library(plan: &BenchPlan) -> Result<PathBuf> {
    const NAMES: [&str; 8] = ["dragon", "portrait", "anime", "photo", "ink", "castle", "neon", "film"];
    let folder = plan.folder.join(format!("library-{N_MODELS}"));
    made_once(&folder, |folder| {
        let headers = headers(&folder.join("samples"), SMALL)?;
        for n in 0..N_MODELS {
            let models = folder.join(format!("tree/loras/{:03}", n / MODELS_A_FOLDER));
            if n % MODELS_A_FOLDER == 0 {
                fs::create_dir_all(&models)?;
            }
            let name = format!("{}_{}_m{n:05}", NAMES[n % NAMES.len()], NAMES[n / 7 % NAMES.len()]);
            headers[n % headers.len()].write(&models.join(format!("{name}.safetensors")))?;
            let told = json!({ "model": { "name": format!("Style {n}") }, "trainedWords": [format!("word{n}")] });
            fs::write(models.join(format!("{name}.civitai.info")), told.to_string())?;
            fs::write(models.join(format!("{name}.txt")), format!("what it is good for, {n}"))?;
            fs::write(models.join(format!("{name}.preview.png")), PICTURE)?;
        }
        Ok(())
    })?;
    Ok(folder.join("tree"))
}

/// What begins a sparse file that is as large as a real one.
struct Header {
    length_and_json: Vec<u8>,
    size_bytes: u64,
}

impl Header {
    fn write(&self, path: &Path) -> Result<()> {
        let mut file = File::create(path)?;
        file.write_all(&self.length_and_json)?;
        Ok(file.set_len(self.size_bytes)?)
    }
}

/// The headers of real files, of at most so many bytes each.
fn headers(samples: &Path, largest: u64) -> Result<Vec<Header>> {
    fs::create_dir_all(samples)?;
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/model-header/tests/data/headers.tar.xz");
    let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(samples).status()?;
    ensure!(unpacked.success(), "tar could not unpack {}", archive.display());
    let mut headers = Vec::new();
    for entry in fs::read_dir(samples)? {
        let path = entry?.path();
        let is_safetensors = path.extension().is_some_and(|ending| ending == "safetensors");
        headers.extend(is_safetensors.then(|| header(&path, largest)).transpose()?.flatten());
    }
    ensure!(headers.len() > 30, "{} headers", headers.len());
    Ok(headers)
}

/// The length and header of a sound file with its size; none where they are not whole, or large.
fn header(path: &Path, largest: u64) -> Result<Option<Header>> {
    let size_bytes = fs::metadata(path)?.len();
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    if size_bytes < 8 || file.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let n = u64::from_le_bytes(length);
    if n > largest || n + 8 > size_bytes {
        return Ok(None);
    }
    let mut header = vec![0; usize::try_from(n)?];
    file.read_exact(&mut header)?;
    Ok(Some(Header { length_and_json: [&length[..], &header].concat(), size_bytes }))
}
