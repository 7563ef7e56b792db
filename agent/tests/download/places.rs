//! What a download does with what is there already, with the hub as a source, and when it is stopped.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use crate::bench::{Bench, DEST, FakeHub, context, group_list, has_reason, noise, public, report};
use crate::upstream::{Fault, Upstream};
use agent::jobs::asset_download::asset_download;
use anyhow::{Result, ensure};
use shared_protocol::job::AssetSource;
use shared_protocol::outcome::{FailureCode, How, Outcome, Verdict};

fn content() -> Arc<Vec<u8>> {
    Arc::new(noise(2, 12 * (1 << 20) + 77))
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
    ensure!(how(&bench.run(order()?).await) == Some(How::Linked));
    ensure!(bench.arrived().as_ref() == Some(&*content));
    ensure!(fs::metadata(bench.models().join(DEST))?.ino() == fs::metadata(bench.models().join("vae/twin"))?.ino());
    ensure!(how(&bench.run(order()?).await) == Some(How::AlreadyThere));
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
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(matches!(outcome, Outcome::Failed { code: FailureCode::InTheWay, .. }), "{outcome:?}");
    ensure!(bench.arrived().as_deref() == Some(b"someone's own".as_slice()));
    ensure!(source.seen().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_comes_last_and_is_waited_for() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    hub.serve(&content);
    hub.be_down(6);
    let gone = Upstream::start(Arc::clone(&content), |_, _| Fault::Status(404, None)).await?;
    let bench = Bench::new(&hub)?;
    let sources = vec![AssetSource::Hub, public(gone.url("x"))];
    let outcome = bench.run(bench.order(&content, sources)?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let told = report(&outcome, "hub")?;
    ensure!(told.verdict == Verdict::Used && has_reason(told, "unavailable"), "{told:?}");
    ensure!(gone.seen().len() == 1, "the public source was asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_is_not_asked_while_a_public_source_is_fine() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let fine = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(fine.url("x")), AssetSource::Hub])?).await;
    ensure!(report(&outcome, "hub")?.verdict == Verdict::NotTried, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_session_is_told() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(None).await?;
    hub.refuse("revoked");
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![AssetSource::Hub])?).await;
    let Outcome::Failed { detail, .. } = &outcome else { panic!("{outcome:?}") };
    ensure!(detail.contains("The session ended."), "{detail}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_proved_before_a_cancel_is_not_fetched_again() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let stuck =
        Upstream::start(Arc::clone(&content), |n, _| if n == 0 { Fault::Stall(6 << 20) } else { Fault::Silence })
            .await?;
    let mut bench = Bench::new(&hub)?;
    bench.policy.stall_timeout_s = 60;
    let (context, reports) = context();
    let order = bench.order(&content, vec![public(stuck.url("x"))])?;
    let (cancel, tools) = (context.cancel.clone(), bench.tools.clone());
    let job = tokio::spawn(async move { asset_download(order, context, &tools).await });
    while reports.state().bytes_done < 5 << 20 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    cancel.cancel();
    ensure!(job.await? == Outcome::Cancelled {});
    ensure!(bench.arrived().is_none());
    let fine = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let outcome = bench.run(bench.order(&content, vec![public(fine.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(report(&outcome, &fine.url("x"))?.bytes <= 8 << 20, "{outcome:?}");
    Ok(())
}
