//! The agent with a hub on loopback: many small files and one large one, against rclone and curl from nginx.
//!
//! The agent is the one that `AGENT_BIN` names, else the one beside this program; `BENCH_AGENTS` names several,
//! separated by ':', which are measured in turn. The peers sync nothing and prove nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::download::{BIG_MIB, Content, load};
use super::process::{bytes_written, processor_time, wait_until_idle};
use super::table::Table;
use super::{BenchPlan, made_once};
use crate::agent::program;
use crate::hub::HubSetup;
use crate::nginx::Nginx;
use crate::remote::{begin_session, free_address, send, wait_for_agent};
use crate::roots::{noise, write};
use crate::wait::wait_until;

/// Size of a small file.
const SMALL: usize = 3_000;

/// Folders that small files lie in.
const FOLDERS: usize = 20;

/// Small files a second that an agent has to bring.
const LEAST_RATE: f64 = 300.0;

/// How long one run may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// What a run cost.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Cost {
    time: Duration,
    /// Processor time of who receives.
    processor: Duration,
    /// Processor time of who sends.
    sender: Duration,
    written: u64,
}

/// Measures every agent and the peers in turn.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let agents: Vec<PathBuf> = match std::env::var_os("BENCH_AGENTS") {
        Some(list) => std::env::split_paths(&list).collect(),
        None => vec![program()?],
    };
    table.tell("load average before the agents", load()?);
    small(plan, &agents, table)?;
    large(plan, &agents, table)?;
    table.tell("load average after the agents", load()?);
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts and sizes of a run are far below 2^52")]
fn small(plan: &BenchPlan, agents: &[PathBuf], table: &mut Table) -> Result<()> {
    let n = plan.n_small_files;
    let tree = plan.folder.join(format!("small-{n}"));
    made_once(&tree, |tree| {
        for i in 0..n {
            write(&tree.join(format!("lake/loras/{}/{i}.safetensors", i % FOLDERS)), &noise(i as u64, SMALL))?;
        }
        Ok(())
    })?;
    let lake = tree.join("lake");
    let bytes = (n * SMALL) as u64;
    let mut costs = vec![Vec::new(); agents.len()];
    let mut peer = Vec::new();
    for _ in 0..plan.n_runs.max(1) {
        for (agent, costs) in agents.iter().zip(&mut costs) {
            costs.push(bring(plan, agent, &lake, "loras", bytes)?);
        }
        peer.push(rclone(plan, &lake, bytes)?);
    }
    let peer = middle(peer);
    let rate = |cost: &Cost| n as f64 / cost.time.as_secs_f64().max(1e-9);
    for (agent, costs) in agents.iter().zip(costs) {
        let (cost, name) = (middle(costs), name_of(agent));
        table.compare(&format!("{n} files of {SMALL} bytes, {name}"), cost.time, "rclone copy", peer.time, None);
        table.least(&format!("their rate, {name}"), rate(&cost), "a second", LEAST_RATE);
        let (limit, each) = ((3 * SMALL + 1_000) as f64, |cost: &Cost| (cost.written / n as u64) as f64);
        table.limit(&format!("bytes written for each, {name}"), each(&cost), "bytes", limit);
        table.tell(&format!("processor time of {name} and hub with it"), told(&cost));
    }
    table.tell("rate and bytes written for each, rclone copy", {
        format!("{:.0} a second, {} bytes", rate(&peer), peer.written / n as u64)
    });
    table.tell("processor time of rclone and nginx with it", told(&peer));
    Ok(())
}

fn large(plan: &BenchPlan, agents: &[PathBuf], table: &mut Table) -> Result<()> {
    let content = Content::make(plan, BIG_MIB)?;
    let lake = tempfile::tempdir_in(&plan.folder)?;
    let path = lake.path().join("checkpoints/content.safetensors");
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::hard_link(&content.file, &path).context("cannot link the content")?;
    let mut costs = vec![Vec::new(); agents.len()];
    let mut peer = Vec::new();
    for _ in 0..plan.n_runs.max(1) {
        for (agent, costs) in agents.iter().zip(&mut costs) {
            costs.push(bring(plan, agent, lake.path(), "checkpoints", content.size_bytes)?);
        }
        peer.push(curl(plan, &content)?);
    }
    let peer = middle(peer);
    for (agent, costs) in agents.iter().zip(costs) {
        let (cost, name) = (middle(costs), name_of(agent));
        let work = format!("bring {BIG_MIB} MiB, each MiB verified, {name}");
        table.speed(&work, content.size_bytes, cost.time, ("curl, unverified", peer.time), None);
        table.tell(&format!("processor time of {name} and hub with it"), told(&cost));
    }
    table.tell("processor time of curl and nginx with it", told(&peer));
    Ok(())
}

/// Has an agent with an empty disk bring a folder of the Lake.
fn bring(plan: &BenchPlan, agent: &Path, lake: &Path, folder: &str, bytes: u64) -> Result<Cost> {
    let disk = tempfile::tempdir_in(&plan.folder)?;
    super::forget_hub(lake)?;
    let local = disk.path().join("local");
    write(&local.join("vae/mine.safetensors"), b"mine")?;
    let listener = free_address()?;
    let base = format!("http://{listener}");
    let setup = HubSetup::on(&local, lake)?.set("REMOTE_BIND", listener.to_string()).set("REMOTE_BASE_URL", &base);
    let hub = setup.start()?;
    let api = hub.api()?;
    api.scan_both()?;
    api.hash("lake")?;
    let session = begin_session(&api)?;
    let machine = crate::agent::AgentSetup::new(&base, &session.key)?.comfy_at(&disk.path().join("ComfyUI"));
    let running = machine.start_program(agent)?;
    let id = wait_for_agent(&api)?;
    wait_until_idle(hub.process())?;
    let spent = || Ok::<_, anyhow::Error>((processor_time(running.process())?, processor_time(hub.process())?));
    let (before, written) = (spent()?, bytes_written(running.process())?);
    let began = Instant::now();
    send(&api, &id, &[folder])?;
    wait_until("the files", PATIENCE, || Ok(total(&machine.models())? >= bytes))?;
    let time = began.elapsed();
    let after = spent()?;
    let written = bytes_written(running.process())? - written;
    let same = Command::new("diff").args(["-rq"]).arg(lake.join(folder)).arg(machine.models().join(folder)).status()?;
    ensure!(same.success(), "what the agent brought differs");
    let (processor, sender) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    Ok(Cost { time, processor, sender, written })
}

/// Bytes below a folder of models that have their names.
fn total(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        if entry.file_type().is_file() && entry.file_name().to_string_lossy().ends_with(".safetensors") {
            bytes += entry.metadata()?.len();
        }
    }
    // A look at ten thousand files takes time of the machine that is measured.
    std::thread::sleep(Duration::from_millis(100));
    Ok(bytes)
}

fn rclone(plan: &BenchPlan, lake: &Path, bytes: u64) -> Result<Cost> {
    let nginx = Nginx::start(lake, None)?;
    let disk = tempfile::tempdir_in(&plan.folder)?;
    let mut command = Command::new("rclone");
    command.args(["copy", "--config", "/dev/null", "--http-url", &nginx.url(""), ":http:loras"]).arg(disk.path());
    let cost = run(command, &nginx)?;
    ensure!(total(disk.path())? == bytes, "rclone has not brought all");
    Ok(cost)
}

fn curl(plan: &BenchPlan, content: &Content) -> Result<Cost> {
    let nginx = Nginx::start(content.file.parent().context("a folder")?, None)?;
    let disk = tempfile::tempdir_in(&plan.folder)?;
    let mut command = Command::new("curl");
    command.args(["-sf", "--noproxy", "*", "-o"]).arg(disk.path().join("content")).arg(nginx.url("content"));
    run(command, &nginx)
}

/// Runs a peer to its end; what it cost is looked at until then.
fn run(mut command: Command, nginx: &Nginx) -> Result<Cost> {
    let sender = nginx.processor_time()?;
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot run a peer")?;
    let (mut processor, mut written) = (Duration::ZERO, 0);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        processor = processor_time(child.id()).unwrap_or(processor);
        written = bytes_written(child.id()).unwrap_or(written);
        std::thread::sleep(Duration::from_millis(5));
    };
    ensure!(status.success(), "a peer ended with {status}");
    Ok(Cost { time: began.elapsed(), processor, sender: nginx.processor_time()?.saturating_sub(sender), written })
}

/// The run of the median time, with the least processor time of all: what others do on the machine only adds to it.
fn middle(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by_key(|cost| cost.time);
    let least = |of: fn(&Cost) -> Duration| costs.iter().map(of).min().unwrap_or_default();
    let (processor, sender) = (least(|cost| cost.processor), least(|cost| cost.sender));
    Cost { processor, sender, ..costs[costs.len() / 2] }
}

fn told(cost: &Cost) -> String {
    format!("{:.2} s, {:.2} s", cost.processor.as_secs_f64(), cost.sender.as_secs_f64())
}

fn name_of(agent: &Path) -> String {
    agent.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
