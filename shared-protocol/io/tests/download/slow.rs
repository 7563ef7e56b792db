//! Slow lines and lines that break: what came is kept, and is not asked for twice.

use std::sync::Arc;

use crate::bench::{Bench, FakeHub, group_list, has_reason, noise, prepare, public, report, until};
use crate::upstream::{Fault, Upstream};
use anyhow::{Result, ensure};
use rstest::rstest;
use shared_protocol::RelPath;
use shared_protocol::job::{AssetDownload, AssetSource};
use shared_protocol::outcome::{Outcome, Verdict};

const MIB: u64 = 1 << 20;

/// A box on the way cuts every connection, always inside a group.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_cuts_every_connection_costs_nothing(#[values(true, false)] list: bool) -> Result<()> {
    let content = Arc::new(noise(7, 10 * (1 << 20) + 5));
    let hub = FakeHub::start(list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::Truncate(700 << 10)).await?;
    let mut bench = Bench::new(&hub)?;
    bench.tools.connections = 1;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let told = report(&outcome, &source.url("x"))?;
    ensure!(told.bytes == content.len() as u64 && told.wasted_bytes == 0, "{told:?}");
    ensure!(source.seen().len() <= content.len() / (700 << 10) + 2, "asked {} times", source.seen().len());
    Ok(())
}

/// Nobody else has it: then slow is good enough, and nothing is cut off.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_below_the_least_speed_keeps_everything() -> Result<()> {
    let content = Arc::new(noise(8, 3 << 19));
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::Slow(16 << 10, 50)).await?;
    let mut bench = Bench::new(&hub)?;
    bench.policy.min_speed = MIB;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(source.seen().len() == 1, "asked {} times", source.seen().len());
    Ok(())
}

/// Somebody else has it: then it is told and left, and the other goes on inside the group.
#[tokio::test(flavor = "multi_thread")]
async fn a_trickle_is_left_where_somebody_else_is() -> Result<()> {
    let content = Arc::new(noise(8, 3 << 19));
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    hub.serve(&content);
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::Slow(4 << 10, 100)).await?;
    let mut bench = Bench::new(&hub)?;
    bench.policy.min_speed = MIB;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x")), AssetSource::Hub])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let (slow, hub_told) = (report(&outcome, &source.url("x"))?, report(&outcome, "hub")?);
    ensure!(slow.verdict == Verdict::GaveUp && has_reason(slow, "stalled"), "{outcome:?}");
    ensure!(slow.bytes > 0 && slow.bytes + hub_told.bytes == content.len() as u64, "{outcome:?}");
    ensure!(hub.bytes_sent() == hub_told.bytes, "what came was fetched again: {outcome:?}");
    Ok(())
}

/// Many downloads share the line to one site: each is far below the least speed, the line is not.
#[tokio::test(flavor = "multi_thread")]
async fn downloads_that_share_a_line_do_not_cut_each_other_off() -> Result<()> {
    let content = Arc::new(noise(10, 600 << 10));
    let hub = FakeHub::start(None).await?;
    let mut bench = Bench::new(&hub)?;
    bench.policy.min_speed = 400 << 10;
    let site = Upstream::start(Arc::clone(&content), |_, _| Fault::Slow(16 << 10, 100)).await?;
    // With nobody else nothing would be cut off anyway.
    let other = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let mut running = tokio::task::JoinSet::new();
    for i in 0..8 {
        let sources = vec![public(site.url("x")), public(other.url("x"))];
        let dest = RelPath::parse(&format!("loras/{i}"))?;
        let order = AssetDownload { dest, ..bench.order(&content, sources)? };
        let tools = bench.tools.clone();
        running.spawn(async move { prepare(order, &tools).0.run().await });
    }
    while let Some(outcome) = running.join_next().await {
        let outcome = outcome?;
        ensure!(report(&outcome, &site.url("x"))?.bytes == content.len() as u64, "{outcome:?}");
    }
    ensure!(other.seen().is_empty());
    Ok(())
}

/// What came of a group is on the disk when the program ends, and the next one goes on behind it.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_a_group_is_there_after_the_end_of_the_program() -> Result<()> {
    let content = Arc::new(noise(9, 4 << 20));
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    source.hold_from(MIB + MIB / 2);
    let mut bench = Bench::new(&hub)?;
    bench.policy.stall_timeout_s = 600;
    bench.tools.connections = 1;
    let order = || bench.order(&content, vec![public(source.url("x"))]);
    let (download, reports) = prepare(order()?, &bench.tools);
    let cancel = download.cancel.clone();
    let outcome = tokio::spawn(async move { download.run().await });
    until("the first group", || reports.state().bytes_done >= MIB).await?;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    cancel.cancel();
    ensure!(outcome.await? == Outcome::Cancelled {});
    source.hold_from(u64::MAX);
    let outcome = bench.run(order()?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let from = source.seen().last().and_then(|seen| seen.from);
    ensure!(from == Some(MIB + MIB / 2), "asked from {from:?}");
    Ok(())
}
