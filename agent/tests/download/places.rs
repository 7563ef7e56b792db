//! What the job does with what is there already, at its place and elsewhere.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use crate::bench::{Bench, DEST, FakeHub, group_list, noise, public};
use crate::small_disk::SmallDisk;
use crate::upstream::{Fault, Upstream};
use agent::dispatcher::work::JobContext;
use agent::jobs::asset_download::asset_download;
use agent::library::Library;
use anyhow::{Result, ensure};
use shared_io::report::channel;
use shared_protocol::hub_to_agent::JobRef;
use shared_protocol::job::AssetDownload;
use shared_protocol::outcome::{FailureCode, How, Outcome};
use shared_protocol::{JobId, RelPath};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn content() -> Arc<Vec<u8>> {
    Arc::new(noise(2, 12 * (1 << 20) + 77))
}

fn library(bench: &Bench) -> Library {
    Library::open(bench.tools.models.clone(), bench.folder.path().join("contents.json"))
}

/// Does the job.
async fn run(bench: &Bench, order: AssetDownload) -> Outcome {
    let (report, _reports) = channel(Arc::new(Notify::new()));
    let job = JobRef { job: JobId::new(), attempt: 1 };
    let context = JobContext { job, cancel: CancellationToken::new(), report };
    asset_download(order, context, bench.tools.clone(), library(bench)).await
}

fn how(outcome: &Outcome) -> Option<How> {
    match outcome {
        Outcome::Succeeded { how, .. } => Some(*how),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_fetched() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(None).await?;
    let bench = Bench::new(&hub)?;
    fs::create_dir_all(bench.models().join("loras"))?;
    fs::create_dir_all(bench.models().join("vae"))?;
    fs::write(bench.models().join("vae/twin"), &*content)?;
    let order = || bench.order(&content, Vec::new());
    ensure!(how(&run(&bench, order()?).await) == Some(How::Linked));
    ensure!(bench.arrived().as_ref() == Some(&*content));
    ensure!(fs::metadata(bench.models().join(DEST))?.ino() == fs::metadata(bench.models().join("vae/twin"))?.ino());
    ensure!(how(&run(&bench, order()?).await) == Some(How::AlreadyThere));
    ensure!(bench.names()? == ["model.safetensors"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_in_the_way_is_touched() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let bench = Bench::new(&hub)?;
    fs::create_dir_all(bench.models().join("loras"))?;
    fs::write(bench.models().join(DEST), "someone's own")?;
    let outcome = run(&bench, bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(matches!(outcome, Outcome::Failed { code: FailureCode::InTheWay, .. }), "{outcome:?}");
    ensure!(bench.arrived().as_deref() == Some(b"someone's own".as_slice()));
    ensure!(source.seen().is_empty());
    Ok(())
}

/// A folder of models that is partly on another disk, as `vae` on a volume of its own, and the content is there.
/// What is done to the twin is done after its digest was noted.
async fn twin_on_another_disk(name: &str, spoil: impl FnOnce(&fs::File) -> Result<()>) -> Result<Option<How>> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let bench = Bench::new(&hub)?;
    let vae = bench.models().join("vae");
    fs::create_dir(&vae)?;
    let Some(_disk) = SmallDisk::make_at(name, vae.clone(), 40 << 20) else { return Ok(None) };
    fs::write(vae.join("twin"), &*content)?;
    library(&bench).content_of(&RelPath::parse("vae/twin")?, &|| false)?;
    let twin = fs::File::options().write(true).open(vae.join("twin"))?;
    let noted = twin.metadata()?.modified()?;
    spoil(&twin)?;
    twin.set_modified(noted)?;
    let before = fs::read(vae.join("twin"))?;
    let outcome = run(&bench, bench.order(&content, vec![public(source.url("x"))])?).await;
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
    let rot = |twin: &fs::File| Ok(std::os::unix::fs::FileExt::write_all_at(twin, b"rot", 7 << 20)?);
    let how = twin_on_another_disk("a twin that is no more is not copied", rot).await?;
    ensure!(how.is_none_or(|how| how == How::Downloaded), "{how:?}");
    Ok(())
}
