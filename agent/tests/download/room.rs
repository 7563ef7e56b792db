//! Downloads on a disk that fills up, and between two disks: they wait, say why, go on by themselves, and
//! lose nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bench::{Bench, DEST, FakeHub, context, group_list, noise, public, report, until};
use crate::small_disk::SmallDisk;
use crate::upstream::{Fault, Upstream};
use agent::jobs::asset_download::asset_download;
use agent::jobs::report::Reports;
use anyhow::{Result, ensure};
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

/// A download that goes on beside the story.
struct Running {
    outcome: JoinHandle<Outcome>,
    reports: Reports,
    cancel: CancellationToken,
}

impl Running {
    fn start(bench: &Bench, order: AssetDownload) -> Self {
        let (context, reports) = context();
        let (cancel, tools) = (context.cancel.clone(), bench.tools.clone());
        Self { outcome: tokio::spawn(async move { asset_download(order, context, &tools).await }), reports, cancel }
    }

    async fn until_it_has(&self, n_bytes: u64) -> Result<()> {
        until("bytes", || self.reports.state().bytes_done >= n_bytes).await
    }

    async fn until_it_waits(&self) -> Result<()> {
        let waits = |state: agent::jobs::report::State| {
            state.phase == JobPhase::Paused
                && state.doing.is_some_and(|text| text.starts_with("waiting for room on the disk"))
        };
        until("the pause", || waits(self.reports.state())).await
    }
}

struct Story {
    disk: SmallDisk,
    content: Arc<Vec<u8>>,
    upstream: Upstream,
    bench: Bench,
    _hub: FakeHub,
}

impl Story {
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
    let Some(story) = Story::begin("a full disk is waited for", list).await? else { return Ok(()) };
    let running = Running::start(&story.bench, story.order()?);
    running.until_it_has(8 * MIB).await?;
    let filler = story.fill()?;
    story.upstream.hold_from(u64::MAX);
    running.until_it_waits().await?;
    ensure!(story.bench.arrived().is_none());
    fs::remove_file(filler)?;
    let outcome = running.outcome.await?;
    ensure!(story.bench.arrived().as_ref() == Some(&*story.content), "{outcome:?}");
    let told = report(&outcome, &story.upstream.url("x"))?;
    ensure!(told.bytes == story.content.len() as u64 && told.wasted_bytes == 0, "{told:?}");
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
    let Some(story) = Story::begin("a download that waits can be cancelled", true).await? else { return Ok(()) };
    let running = Running::start(&story.bench, story.order()?);
    running.until_it_has(8 * MIB).await?;
    // Written down before the disk is full: then it can't be.
    until("the journal", || story.bench.models().join("loras/.model.safetensors.part.journal").exists()).await?;
    let filler = story.fill()?;
    story.upstream.hold_from(u64::MAX);
    running.until_it_waits().await?;
    running.cancel.cancel();
    ensure!(running.outcome.await? == Outcome::Cancelled {});
    ensure!(story.bench.arrived().is_none());
    fs::remove_file(filler)?;
    let outcome = story.bench.run(story.order()?).await;
    ensure!(story.bench.arrived().as_ref() == Some(&*story.content), "{outcome:?}");
    ensure!(report(&outcome, &story.upstream.url("x"))?.bytes < story.content.len() as u64 - MIB, "{outcome:?}");
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

/// A folder of models that is partly on another disk, as `vae` on a volume of its own, and the content is there.
/// What is done to the twin is done after its digest was noted.
async fn twin_on_another_disk(name: &str, spoil: impl FnOnce(&fs::File) -> Result<()>) -> Result<Option<How>> {
    let content = content(3);
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let bench = Bench::new(&hub)?;
    let vae = bench.models().join("vae");
    fs::create_dir(&vae)?;
    let Some(_disk) = SmallDisk::make_at(name, vae.clone(), 40 * MIB) else { return Ok(None) };
    fs::write(vae.join("twin"), &*content)?;
    bench.tools.library.content_of(&RelPath::parse("vae/twin")?, &|| false)?;
    let twin = fs::File::options().write(true).open(vae.join("twin"))?;
    let noted = twin.metadata()?.modified()?;
    spoil(&twin)?;
    twin.set_modified(noted)?;
    let before = fs::read(vae.join("twin"))?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(bench.names()? == ["model.safetensors"], "left behind: {:?}", bench.names()?);
    ensure!(fs::read(vae.join("twin"))? == before, "the twin was touched");
    match outcome {
        Outcome::Succeeded { how, .. } => Ok(Some(how)),
        other => anyhow::bail!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_on_another_disk_is_copied() -> Result<()> {
    let how = twin_on_another_disk("a twin on another disk is copied", |_| Ok(())).await?;
    ensure!(how.is_none_or(|how| how == How::Copied), "{how:?}");
    Ok(())
}

/// Its disk rots: size and time are the noted ones, the bytes are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_is_no_more_is_not_copied() -> Result<()> {
    let rot = |twin: &fs::File| Ok(std::os::unix::fs::FileExt::write_all_at(twin, b"rot", 7 * MIB)?);
    let how = twin_on_another_disk("a twin that is no more is not copied", rot).await?;
    ensure!(how.is_none_or(|how| how == How::Downloaded), "{how:?}");
    Ok(())
}
