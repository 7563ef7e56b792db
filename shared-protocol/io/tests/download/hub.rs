//! The hub as a source, and what a download that is stopped leaves.

use std::sync::Arc;

use crate::bench::{Bench, FakeHub, group_list, has_reason, noise, prepare, public, report};
use crate::upstream::{Fault, Upstream};
use anyhow::{Result, ensure};
use shared_protocol::job::AssetSource;
use shared_protocol::outcome::{Outcome, Verdict};

fn content() -> Arc<Vec<u8>> {
    Arc::new(noise(2, 12 * (1 << 20) + 77))
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
async fn what_was_verified_before_a_cancel_is_not_fetched_again() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let stuck =
        Upstream::start(Arc::clone(&content), |n, _| if n == 0 { Fault::Stall(6 << 20) } else { Fault::Silence })
            .await?;
    let mut bench = Bench::new(&hub)?;
    bench.policy.stall_timeout_s = 60;
    let (download, reports) = prepare(bench.order(&content, vec![public(stuck.url("x"))])?, &bench.tools);
    let cancel = download.cancel.clone();
    let outcome = tokio::spawn(async move { download.run().await });
    while reports.state().bytes_done < 5 << 20 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    cancel.cancel();
    ensure!(outcome.await? == Outcome::Cancelled {});
    ensure!(bench.arrived().is_none());
    let fine = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let outcome = bench.run(bench.order(&content, vec![public(fine.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(report(&outcome, &fine.url("x"))?.bytes <= 8 << 20, "{outcome:?}");
    Ok(())
}
