//! The list of groups: however it comes, late or in pieces, no byte that came meanwhile is lost.

use std::sync::Arc;

use crate::bench::{Bench, FakeHub, group_list, noise, prepare, public, report, until};
use crate::upstream::{Fault, Upstream};
use anyhow::{Result, ensure};
use shared_protocol::outcome::{Outcome, Verdict};

const MIB: u64 = 1 << 20;

fn content() -> Arc<Vec<u8>> {
    Arc::new(noise(11, 20 * (1 << 20) + 99))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_is_gone_on_from() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    hub.break_list_every(100);
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(hub.n_lists() == (21 * 32_usize).div_ceil(100), "asked {} times", hub.n_lists());
    Ok(())
}

/// The hub is out of reach, and a public source is not: what comes is kept when the program ends, and the
/// list verifies it when it is there.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_the_list_is_kept_and_verified_by_it() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    hub.be_without_list(true);
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    source.hold_from(6 * MIB + 5);
    let mut bench = Bench::new(&hub)?;
    bench.policy.stall_timeout_s = 600;
    bench.tools.connections = 1;
    let order = || bench.order(&content, vec![public(source.url("x"))]);
    let (download, reports) = prepare(order()?, &bench.tools);
    let cancel = download.cancel.clone();
    let outcome = tokio::spawn(async move { download.run().await });
    until("bytes", || reports.state().bytes_done >= 5 * MIB).await?;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    cancel.cancel();
    ensure!(outcome.await? == Outcome::Cancelled {});
    // Still no list: the next run goes on from the same byte.
    let (download, reports) = prepare(order()?, &bench.tools);
    let outcome = tokio::spawn(async move { download.run().await });
    until("a request", || source.seen().len() == 2).await?;
    ensure!(source.seen()[1].from == Some(6 * MIB + 5), "{:?}", source.seen());
    source.hold_from(9 * MIB + 7);
    until("more bytes", || reports.state().bytes_done >= 9 * MIB).await?;
    // The list comes in the middle of it.
    hub.be_without_list(false);
    until("a request with the list", || source.seen().len() == 3).await?;
    source.hold_from(u64::MAX);
    let outcome = outcome.await?;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let told = report(&outcome, &source.url("x"))?;
    ensure!(told.bytes == content.len() as u64 && told.wasted_bytes == 0, "what both runs brought: {told:?}");
    ensure!(bench.names()? == ["model.safetensors"], "left behind: {:?}", bench.names()?);
    Ok(())
}

/// Bytes that came before the list and are wrong are fetched again, and who sent them is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_found_when_the_list_comes() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    hub.be_without_list(true);
    let liar = Upstream::start(Arc::clone(&content), |_, _| Fault::LieFrom(3 * MIB)).await?;
    liar.hold_from(6 * MIB);
    let good = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let mut bench = Bench::new(&hub)?;
    bench.policy.stall_timeout_s = 600;
    let order = bench.order(&content, vec![public(liar.url("x")), public(good.url("x"))])?;
    let (download, reports) = prepare(order, &bench.tools);
    let outcome = tokio::spawn(async move { download.run().await });
    until("bytes", || reports.state().bytes_done >= 6 * MIB).await?;
    hub.be_without_list(false);
    let outcome = outcome.await?;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let told = report(&outcome, &liar.url("x"))?;
    ensure!(told.verdict == Verdict::Banned && told.bytes == 3 * MIB && told.wasted_bytes >= 3 * MIB, "{told:?}");
    Ok(())
}
