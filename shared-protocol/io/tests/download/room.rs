//! Downloads on a disk that fills up: they wait, say why, go on by themselves, and
//! lose nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bench::{Bench, DEST, FakeHub, group_list, noise, prepare, public, report, until};
use crate::small_disk::SmallDisk;
use crate::upstream::{Fault, Upstream};
use anyhow::{Result, ensure};
use shared_io::report::{ProgressState, Reports};
use shared_protocol::RelPath;
use shared_protocol::job::{AssetDownload, JobPhase};
use shared_protocol::outcome::{FailureCode, How, Outcome};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1 << 20;

/// What is left free on every disk.
const SPARE: u64 = 64 * MIB;

fn content(seed: u64) -> Arc<Vec<u8>> {
    Arc::new(noise(seed, 20 * (1 << 20) + 99))
}

/// A download that goes on beside the test.
struct Running {
    outcome: JoinHandle<Outcome>,
    reports: Reports,
    cancel: CancellationToken,
}

impl Running {
    fn start(bench: &Bench, order: AssetDownload) -> Self {
        let (download, reports) = prepare(order, &bench.tools);
        let cancel = download.cancel.clone();
        Self { outcome: tokio::spawn(async move { download.run().await }), reports, cancel }
    }

    async fn until_it_has(&self, n_bytes: u64) -> Result<()> {
        until("bytes", || self.reports.state().bytes_done >= n_bytes).await
    }

    async fn until_it_waits(&self) -> Result<()> {
        let waits = |state: ProgressState| {
            state.phase == JobPhase::Paused
                && state.doing.is_some_and(|text| text.starts_with("waiting for room on the disk"))
        };
        until("the pause", || waits(self.reports.state())).await
    }
}

struct Setup {
    disk: SmallDisk,
    content: Arc<Vec<u8>>,
    upstream: Upstream,
    bench: Bench,
    _hub: FakeHub,
}

impl Setup {
    /// A disk with room for the content; the source sends its first 8 MiB. One connection, so that nothing is
    /// asked for twice.
    async fn begin(name: &str, list: bool) -> Result<Option<Self>> {
        let Some(disk) = SmallDisk::make_for(name, SPARE + 40 * MIB) else { return Ok(None) };
        let content = content(1);
        let hub = FakeHub::start(list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
        let upstream = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
        upstream.hold_from(8 * MIB);
        let mut bench = Bench::below(disk.path(), &hub)?;
        bench.policy.stall_timeout_s = 600;
        bench.tools.connections = 1;
        Ok(Some(Self { disk, content, upstream, bench, _hub: hub }))
    }

    fn order(&self) -> Result<AssetDownload> {
        self.bench.order(&self.content, vec![public(self.upstream.url("x"))])
    }

    /// Someone else takes all the room that there is.
    fn fill(&self) -> Result<PathBuf> {
        let filler = self.disk.path().join("filler");
        let mut file = fs::File::create(&filler)?;
        let full = std::io::copy(&mut std::io::repeat(1), &mut file);
        ensure!(full.is_err_and(|error| error.kind() == std::io::ErrorKind::StorageFull), "it has no end");
        Ok(filler)
    }
}

async fn a_full_disk_is_waited_for(list: bool) -> Result<()> {
    let Some(setup) = Setup::begin("a full disk is waited for", list).await? else { return Ok(()) };
    let running = Running::start(&setup.bench, setup.order()?);
    running.until_it_has(8 * MIB).await?;
    let filler = setup.fill()?;
    setup.upstream.hold_from(u64::MAX);
    running.until_it_waits().await?;
    ensure!(setup.bench.arrived().is_none());
    fs::remove_file(filler)?;
    let outcome = running.outcome.await?;
    ensure!(setup.bench.arrived().as_ref() == Some(&*setup.content), "{outcome:?}");
    let told = report(&outcome, &setup.upstream.url("x"))?;
    ensure!(told.bytes == setup.content.len() as u64 && told.wasted_bytes == 0, "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for_with_a_list() -> Result<()> {
    a_full_disk_is_waited_for(true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for_without_a_list() -> Result<()> {
    a_full_disk_is_waited_for(false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_waits_can_be_cancelled_and_keeps_what_it_has() -> Result<()> {
    let Some(setup) = Setup::begin("a download that waits can be cancelled", true).await? else { return Ok(()) };
    let running = Running::start(&setup.bench, setup.order()?);
    running.until_it_has(8 * MIB).await?;
    // Written down before the disk is full: then it can't be. The journal is there from the start, with nothing in it.
    let journal = setup.bench.models().join("loras/.model.safetensors.part.journal");
    let has_groups = || {
        let journal = fs::read(&journal).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        let verified = journal.as_ref().and_then(|journal| journal["proved"].as_array());
        verified.is_some_and(|groups| groups.iter().any(|bits| bits != 0))
    };
    until("the journal", has_groups).await?;
    let filler = setup.fill()?;
    setup.upstream.hold_from(u64::MAX);
    running.until_it_waits().await?;
    running.cancel.cancel();
    ensure!(running.outcome.await? == Outcome::Cancelled {});
    ensure!(setup.bench.arrived().is_none());
    fs::remove_file(filler)?;
    let n_asked = setup.upstream.seen().len();
    let outcome = setup.bench.run(setup.order()?).await;
    ensure!(setup.bench.arrived().as_ref() == Some(&*setup.content), "{outcome:?}");
    let again = setup.upstream.seen();
    ensure!(again.iter().skip(n_asked).all(|seen| seen.from > Some(0)), "from the beginning: {again:?}");
    ensure!(report(&outcome, &setup.upstream.url("x"))?.bytes == setup.content.len() as u64, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_downloads_that_fit_one_by_one_do_not_fill_the_disk_together() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("two downloads", SPARE + 30 * MIB) else { return Ok(()) };
    let (one, two) = (content(1), content(2));
    let hub = FakeHub::start(Some(&group_list(&one)?)).await?;
    let first = Upstream::start(Arc::clone(&one), |_, _| Fault::None).await?;
    let second = Upstream::start(Arc::clone(&two), |_, _| Fault::None).await?;
    first.hold_from(4 * MIB);
    let mut bench = Bench::below(disk.path(), &hub)?;
    bench.policy.stall_timeout_s = 600;
    let early = Running::start(&bench, bench.order(&one, vec![public(first.url("x"))])?);
    early.until_it_has(4 * MIB).await?;
    let other = "loras/other.safetensors";
    let order = AssetDownload { dest: RelPath::parse(other)?, ..bench.order(&two, vec![public(second.url("x"))])? };
    let late = Running::start(&bench, order);
    late.until_it_waits().await?;
    ensure!(second.seen().is_empty(), "it began without room");
    first.hold_from(u64::MAX);
    let outcome = early.outcome.await?;
    ensure!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    late.until_it_waits().await?;
    disk.resize(SPARE + 60 * MIB)?;
    let outcome = late.outcome.await?;
    ensure!(matches!(outcome, Outcome::Succeeded { how: How::Downloaded, .. }), "{outcome:?}");
    ensure!(fs::read(bench.models().join(other))? == *two && fs::read(bench.models().join(DEST))? == *one);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_fits_is_not_begun() -> Result<()> {
    let Some(disk) = SmallDisk::make_for("what never fits", 16 * MIB) else { return Ok(()) };
    let content = content(1);
    let hub = FakeHub::start(None).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let bench = Bench::below(disk.path(), &hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(matches!(outcome, Outcome::Failed { code: FailureCode::DiskFull, .. }), "{outcome:?}");
    ensure!(source.seen().is_empty() && bench.arrived().is_none());
    Ok(())
}
