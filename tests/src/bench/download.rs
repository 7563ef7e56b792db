//! Downloads by the agent's engine against curl and aria2: from a healthy nginx, and from a source that fails.
//!
//! The program is the engine's example `download`, which `DOWNLOAD_BIN` names. It proves every MiB by the
//! group list that a stand-in for the hub serves; the peers prove nothing.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _};
use shared_protocol::GroupList;
use shared_protocol::groups::{GROUP_BYTES, group_value};

use super::faulty::{Faulty, Kind};
use super::process::memory_mib;
use super::table::Table;
use super::{BenchPlan, made_once};
use crate::nginx::Nginx;

/// Size of the content that is fetched from a healthy source.
pub(super) const BIG_MIB: u64 = 2048;

/// Size of the one that is fetched from a source that fails.
const SMALL_MIB: u64 = 64;

/// After this long a tool that hangs is given up.
const PATIENCE: Duration = Duration::from_secs(40);

/// Measures speed and memory with a healthy source, and what comes of faults.
pub fn measure(plan: &BenchPlan, table: &mut Table) -> Result<()> {
    let program = std::env::var_os("DOWNLOAD_BIN").context("DOWNLOAD_BIN names no program")?;
    let bench = Bench { program: program.into(), memory: tempfile::tempdir_in(&plan.memory)? };
    healthy(plan, &bench, table)?;
    for kind in Kind::ALL {
        faulty(plan, &bench, kind, table)?;
    }
    table.tell("load average after the downloads", load()?);
    Ok(())
}

struct Bench {
    program: PathBuf,
    memory: tempfile::TempDir,
}

/// A content on the disk, with what the hub knows of it.
pub(super) struct Content {
    /// Where it lies.
    pub(super) file: PathBuf,
    /// Its group values, and with them its digest.
    pub(super) list: GroupList,
    /// Its size.
    pub(super) size_bytes: u64,
}

/// How a tool ended.
struct Ended {
    time: Duration,
    memory_mib: f64,
    /// The exit code; none if it was given up.
    code: Option<i32>,
    is_right: bool,
}

fn healthy(plan: &BenchPlan, bench: &Bench, table: &mut Table) -> Result<()> {
    let content = Content::make(plan, BIG_MIB)?;
    table.tell("load average before the downloads", load()?);
    let nginx = Nginx::start(content.file.parent().context("a folder")?, None)?;
    let hub = Faulty::hub(&content.list)?;
    let url = nginx.url("content");
    let mut runs: [Vec<Ended>; 3] = Default::default();
    // In turn, so that all find the same machine.
    for _ in 0..plan.n_runs.max(1) {
        let commands = [bench.ours(&hub, &content, &[&url]), bench.curl(&url), bench.aria2(&url)];
        for (runs, command) in runs.iter_mut().zip(commands) {
            let ended = bench.run(command, &content)?;
            ensure!(ended.is_right, "a tool failed at a healthy source: {:?}", ended.code);
            runs.push(ended);
        }
    }
    let [ours, curl, aria2] = runs.map(|mut runs| {
        runs.sort_by_key(|run| run.time);
        let most = runs.iter().map(|run| run.memory_mib).fold(0.0, f64::max);
        (runs[runs.len() / 2].time, most)
    });
    let work = format!("download {BIG_MIB} MiB, each MiB verified");
    table.compare(&work, ours.0, "curl, unverified", curl.0, Some(1.05));
    table.compare(&work, ours.0, "aria2c -x4, unverified", aria2.0, None);
    table.limit("most memory of that download", ours.1, "MiB", 40.0);
    table.tell("most memory of curl and aria2c", format!("{:.1} MiB, {:.1} MiB", curl.1, aria2.1));
    Ok(())
}

fn faulty(plan: &BenchPlan, bench: &Bench, kind: Kind, table: &mut Table) -> Result<()> {
    let content = Content::make(plan, SMALL_MIB)?;
    let hub = Faulty::hub(&content.list)?;
    let mut told = Vec::new();
    for tool in ["us", "curl", "aria2c"] {
        // Each finds it as it is at first.
        let bad = Faulty::start(&content.file, Some(kind))?;
        let good = Faulty::start(&content.file, None)?;
        let command = match tool {
            "us" => bench.ours(&hub, &content, &[&bad.url("content"), &good.url("content")]),
            "curl" => bench.curl(&bad.url("content")),
            _ => bench.aria2(&bad.url("content")),
        };
        let ended = bench.run(command, &content)?;
        let verdict = match (ended.code, ended.is_right) {
            (Some(0), true) => format!("right, {:.1} s", ended.time.as_secs_f64()),
            (Some(0), false) => "BAD".to_owned(),
            (Some(code), _) => format!("error {code}"),
            (None, _) => format!("over {} s", PATIENCE.as_secs()),
        };
        ensure!(tool != "us" || (ended.code == Some(0) && ended.is_right), "{kind:?}: {verdict}");
        told.push(format!("{tool}: {verdict}"));
    }
    table.tell(&format!("download from a source that {}", kind.name()), told.join("; "));
    Ok(())
}

impl Bench {
    fn ours(&self, hub: &Faulty, content: &Content, urls: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.memory.path()).arg(hub.url("")).arg(content.list.root().to_string());
        command.arg(content.size_bytes.to_string()).arg("content").args(urls);
        command
    }

    fn curl(&self, url: &str) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sf", "--retry", "5", "--retry-all-errors", "-C", "-", "-o"]);
        // Stalls are left after as long as ours are.
        command.arg(self.place()).args(["--speed-limit", "1024", "--speed-time", "5"]).arg(url);
        command
    }

    fn aria2(&self, url: &str) -> Command {
        let mut command = Command::new("aria2c");
        command.args(["-q", "-x4", "-s4", "--file-allocation=none", "--timeout=5", "--retry-wait=1", "-d"]);
        command.arg(self.memory.path().join("models")).args(["-o", "content"]).arg(url);
        command
    }

    fn place(&self) -> PathBuf {
        self.memory.path().join("models/content")
    }

    /// Runs a tool in an empty folder.
    fn run(&self, mut command: Command, content: &Content) -> Result<Ended> {
        for entry in fs::read_dir(self.memory.path())? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        fs::create_dir(self.memory.path().join("models"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut memory = 0.0_f64;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if began.elapsed() >= PATIENCE {
                child.kill()?;
                child.wait()?;
                break None;
            }
            // It only ever grows, so the last look before the end is the one that counts.
            memory = memory.max(memory_mib(child.id(), "VmHWM:").unwrap_or(0.0));
            std::thread::sleep(Duration::from_millis(5));
        };
        let time = began.elapsed();
        let is_right = self.place().is_file() && is_same(&self.place(), &content.file)?;
        Ok(Ended { time, memory_mib: memory, code: status.map(|status| status.code().unwrap_or(-1)), is_right })
    }
}

impl Content {
    /// Makes it once; reading it for the list puts it in the cache.
    pub(super) fn make(plan: &BenchPlan, mib: u64) -> Result<Self> {
        let folder = plan.folder.join(format!("download-{mib}"));
        let step = usize::try_from(GROUP_BYTES)?;
        let mut block = vec![0; step];
        made_once(&folder, |folder| {
            let mut random = rand::rngs::SmallRng::seed_from_u64(mib);
            let mut file = File::create(folder.join("content"))?;
            for _ in 0..mib {
                random.fill(&mut block[..]);
                file.write_all(&block)?;
            }
            Ok(())
        })?;
        let file = folder.join("content");
        let mut reader = File::open(&file)?;
        let mut values = Vec::new();
        for group in 0..mib {
            reader.read_exact(&mut block)?;
            values.push(group_value(group * GROUP_BYTES, &block));
        }
        let size_bytes = mib << 20;
        Ok(Self { file, list: GroupList::new(size_bytes, values)?, size_bytes })
    }
}

fn is_same(one: &Path, two: &Path) -> Result<bool> {
    Ok(Command::new("cmp").arg("-s").arg(one).arg(two).status().context("cannot run cmp")?.success())
}

/// How busy the machine was in the last minutes.
pub(super) fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
