//! A process that downloads is killed with -9, and another one goes on: what was verified and written down is
//! not fetched again, the bytes are right in the end, nothing half done ever has the final name, and what each source
//! brought is the sum over all processes.
//!
//! The process is this program itself, started with an order to carry out.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::bench::{Bench, FakeHub, group_list, noise, prepare, public, report, tools, until};
use crate::upstream::{Fault, Upstream};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use shared_protocol::job::AssetDownload;
use shared_protocol::outcome::Outcome;

const MIB: u64 = 1 << 20;
const N_MIB: u64 = 48;
const TASK: &str = "DOWNLOAD_TEST_TASK";

/// What the process is to do.
#[derive(Serialize, Deserialize)]
struct Task {
    folder: PathBuf,
    hub_port: u16,
    order: AssetDownload,
}

/// Not a test: what the process does.
#[test]
fn the_process_that_downloads() -> Result<()> {
    let Some(task) = std::env::var_os(TASK) else { return Ok(()) };
    let task: Task = serde_json::from_slice(&std::fs::read(&task)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (download, _reports) = prepare(task.order, &tools(&task.folder, task.hub_port)?);
    let outcome = runtime.block_on(download.run());
    Ok(std::fs::write(task.folder.join("outcome.json"), serde_json::to_vec(&outcome)?)?)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

struct Setup {
    content: Arc<Vec<u8>>,
    upstream: Upstream,
    bench: Bench,
    hub: FakeHub,
}

impl Setup {
    async fn begin() -> Result<Self> {
        let content = Arc::new(noise(7, usize::try_from(N_MIB * MIB)? - 4321));
        let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
        let upstream = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
        let mut bench = Bench::new(&hub)?;
        bench.policy.stall_timeout_s = 600;
        Ok(Self { content, upstream, bench, hub })
    }

    fn start(&self) -> Result<Killed> {
        let folder = self.bench.folder.path().to_owned();
        let order = self.bench.order(&self.content, vec![public(self.upstream.url("x"))])?;
        let file = folder.join("task.json");
        let task = Task { folder, hub_port: self.hub.port(), order };
        std::fs::write(&file, serde_json::to_vec(&task)?)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", "killed::the_process_that_downloads"])
            .env(TASK, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Ok(Killed(child?))
    }

    /// Lets a fresh process come so far that so many groups are written down as verified, and kills it.
    async fn kill_when_written_down(&self, n_groups: u64) -> Result<()> {
        self.upstream.hold_from(n_groups * MIB);
        let process = self.start()?;
        until("the journal", || self.n_written_down() >= n_groups).await?;
        // SIGKILL.
        drop(process);
        ensure!(self.bench.arrived().is_none(), "half a file under the final name");
        Ok(())
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.bench.models().join(format!("loras/.model.safetensors.part{ending}"))
    }

    fn n_written_down(&self) -> u64 {
        n_verified(&self.beside(".journal")).unwrap_or(0)
    }

    /// Lets a process come to the end.
    async fn finish(&self) -> Result<Outcome> {
        self.upstream.hold_from(u64::MAX);
        let mut process = self.start()?;
        let status = tokio::task::spawn_blocking(move || process.0.wait()).await??;
        ensure!(status.success(), "{status}");
        let outcome = std::fs::read(self.bench.folder.path().join("outcome.json"))?;
        let outcome = serde_json::from_slice(&outcome)?;
        ensure!(self.bench.arrived().as_ref() == Some(&*self.content), "{outcome:?}");
        ensure!(self.bench.names()? == ["model.safetensors"], "left behind: {:?}", self.bench.names()?);
        Ok(outcome)
    }

    /// The bytes that came from the source, and those of them that were thrown away, by all processes.
    fn fetched(&self, outcome: &Outcome) -> Result<(u64, u64)> {
        let report = report(outcome, &self.upstream.url("x"))?;
        Ok((report.bytes, report.wasted_bytes))
    }

    /// What is asked for from the place on that `n_asked` says, except groups that were lost.
    fn asks_from(&self, n_asked: usize, place: u64, lost: &[u64]) -> Result<()> {
        for seen in self.upstream.seen().iter().skip(n_asked) {
            let from = seen.from.context("no range")?;
            ensure!(from >= place || lost.contains(&(from / MIB)), "asked for what was there: {seen:?}");
        }
        Ok(())
    }
}

fn n_verified(journal: &Path) -> Option<u64> {
    let journal: serde_json::Value = serde_json::from_slice(&std::fs::read(journal).ok()?).ok()?;
    let ones = |byte: &serde_json::Value| byte.as_u64().map(|byte| u64::from(byte.count_ones()));
    journal.get("proved")?.as_array()?.iter().map(ones).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_verified_before_a_kill_is_not_fetched_again() -> Result<()> {
    let setup = Setup::begin().await?;
    let n_groups = N_MIB * 37 / 100;
    setup.kill_when_written_down(n_groups).await?;
    let n_asked = setup.upstream.seen().len();
    let outcome = setup.finish().await?;
    ensure!(setup.fetched(&outcome)? == (setup.content.len() as u64, 0), "{outcome:?}");
    setup.asks_from(n_asked, n_groups * MIB, &[])
}

/// Each process has another source: both are told in the end, with what they brought.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_named_any_more_is_told_with_what_it_brought() -> Result<()> {
    let mut setup = Setup::begin().await?;
    setup.kill_when_written_down(17).await?;
    let other = Upstream::start(Arc::clone(&setup.content), |_, _| Fault::None).await?;
    let first = std::mem::replace(&mut setup.upstream, other);
    let outcome = setup.finish().await?;
    let rest = setup.content.len() as u64 - 17 * MIB;
    ensure!(setup.fetched(&outcome)? == (rest, 0), "{outcome:?}");
    ensure!(report(&outcome, &first.url("x"))?.bytes == 17 * MIB, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_still_comes_to_the_end() -> Result<()> {
    let setup = Setup::begin().await?;
    for n_groups in [3, 17, 18, 40] {
        setup.kill_when_written_down(n_groups).await?;
    }
    let n_asked = setup.upstream.seen().len();
    let outcome = setup.finish().await?;
    ensure!(setup.fetched(&outcome)? == (setup.content.len() as u64, 0), "{outcome:?}");
    let attempts = report(&outcome, &setup.upstream.url("x"))?.attempts;
    ensure!(attempts >= 5, "one at least by each process, not {attempts}");
    setup.asks_from(n_asked, 40 * MIB, &[])
}

/// What a power cut leaves: groups that the journal claims, and that are not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_down_is_verified_again_after_a_kill() -> Result<()> {
    let setup = Setup::begin().await?;
    setup.kill_when_written_down(17).await?;
    let part = std::fs::OpenOptions::new().write(true).open(setup.beside(""))?;
    part.write_all_at(&[0; 4096], 5 * MIB + 512)?;
    part.write_all_at(&[0; 1], 16 * MIB)?;
    drop(part);
    let n_asked = setup.upstream.seen().len();
    let outcome = setup.finish().await?;
    ensure!(setup.fetched(&outcome)? == (setup.content.len() as u64, 2 * MIB), "{outcome:?}");
    setup.asks_from(n_asked, 17 * MIB, &[5, 16])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_gone_or_broken_costs_only_time() -> Result<()> {
    let setup = Setup::begin().await?;
    setup.kill_when_written_down(17).await?;
    std::fs::write(setup.beside(".journal"), "{\"version\":1,")?;
    std::fs::write(setup.beside(".journal~"), "a replacement that was not finished")?;
    let outcome = setup.finish().await?;
    ensure!(setup.fetched(&outcome)? == (setup.content.len() as u64, 0), "{outcome:?}");
    Ok(())
}
