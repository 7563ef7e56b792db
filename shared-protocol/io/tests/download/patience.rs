//! Patience is time: what passes is waited for, and the line at home is the last resort.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::bench::{Bench, FakeHub, group_list, has_reason, noise, prepare, public, report, until};
use crate::upstream::{Fault, Upstream};
use anyhow::{Result, ensure};
use rstest::rstest;
use shared_protocol::job::AssetSource;
use shared_protocol::outcome::{Outcome, Verdict};

const MIB: u64 = 1 << 20;

fn content() -> Arc<Vec<u8>> {
    Arc::new(noise(5, 12 * (1 << 20) + 77))
}

/// A hub that has the content and its list, and a public source whose faults last until the switch is turned.
struct Setup {
    content: Arc<Vec<u8>>,
    hub: FakeHub,
    source: Upstream,
    is_down: Arc<AtomicBool>,
    bench: Bench,
}

impl Setup {
    async fn begin(is_down: bool, fault: Fault) -> Result<Self> {
        let content = content();
        let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
        hub.serve(&content);
        let is_down = Arc::new(AtomicBool::new(is_down));
        let switch = Arc::clone(&is_down);
        let script = move |_: usize, _: &_| if switch.load(Ordering::SeqCst) { fault.clone() } else { Fault::None };
        let source = Upstream::start(Arc::clone(&content), script).await?;
        let bench = Bench::new(&hub)?;
        Ok(Self { content, hub, source, is_down, bench })
    }

    fn sources(&self) -> Vec<AssetSource> {
        vec![public(self.source.url("x")), AssetSource::Hub]
    }

    /// All of it came from the public source.
    fn expect_no_line_used(&self, outcome: &Outcome) -> Result<()> {
        ensure!(self.bench.arrived().as_ref() == Some(&*self.content), "{outcome:?}");
        ensure!(self.hub.bytes_sent() == 0, "{} bytes over the line at home: {outcome:?}", self.hub.bytes_sent());
        ensure!(report(outcome, &self.source.url("x"))?.verdict == Verdict::Used, "{outcome:?}");
        Ok(())
    }
}

/// Everything is silent: the source, and the hub, which is what tells that it is this machine.
#[rstest]
#[case::hangs_up(Fault::Hangup)]
#[case::silence(Fault::Silence)]
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_machine_itself_blames_nobody(#[case] fault: Fault) -> Result<()> {
    let setup = Setup::begin(false, fault).await?;
    setup.source.hold_from(4 * MIB);
    let (download, reports) = prepare(setup.bench.order(&setup.content, setup.sources())?, &setup.bench.tools);
    let outcome = tokio::spawn(async move { download.run().await });
    until("bytes", || reports.state().bytes_done >= 3 * MIB).await?;
    setup.is_down.store(true, Ordering::SeqCst);
    setup.hub.be_off(true);
    // Far more tries than a source has.
    let n_before = setup.source.seen().len();
    until("tries", || setup.source.seen().len() > n_before + 5).await?;
    setup.hub.be_off(false);
    setup.is_down.store(false, Ordering::SeqCst);
    setup.source.hold_from(u64::MAX);
    setup.expect_no_line_used(&outcome.await?)
}

#[rstest]
#[case::busy(Fault::Status(503, None))]
#[case::gateway(Fault::Status(502, None))]
#[case::too_many(Fault::Status(429, None))]
#[case::page(Fault::Page)]
#[case::hangs_up(Fault::Hangup)]
#[tokio::test(flavor = "multi_thread")]
async fn what_passes_within_its_time_costs_nothing_at_home(#[case] fault: Fault) -> Result<()> {
    let mut setup = Setup::begin(true, fault).await?;
    setup.bench.policy.source_patience_s = 2;
    let is_down = Arc::clone(&setup.is_down);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        is_down.store(false, Ordering::SeqCst);
    });
    let outcome = setup.bench.run(setup.bench.order(&setup.content, setup.sources())?).await;
    ensure!(setup.source.seen().len() < 20, "asked {} times", setup.source.seen().len());
    setup.expect_no_line_used(&outcome)
}

#[rstest]
#[case::seconds("Retry-After", "1")]
#[case::a_fraction("Retry-After", "1.0")]
#[case::hugging_face("RateLimit", "\"api\";r=0;t=1")]
#[case::reset("X-RateLimit-Reset", "1")]
#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_left_alone_for_as_long_as_it_asks(#[case] name: &'static str, #[case] value: &str) -> Result<()> {
    let wait = Fault::Status(429, Some((name, value.to_owned())));
    let mut setup = Setup::begin(true, wait).await?;
    setup.bench.policy.source_patience_s = 2;
    let (began, is_down) = (Instant::now(), Arc::clone(&setup.is_down));
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        is_down.store(false, Ordering::SeqCst);
    });
    let outcome = setup.bench.run(setup.bench.order(&setup.content, setup.sources())?).await;
    ensure!(began.elapsed() >= Duration::from_secs(1), "asked again after {:?}", began.elapsed());
    ensure!(has_reason(report(&outcome, &setup.source.url("x"))?, "rate_limited"), "{outcome:?}");
    setup.expect_no_line_used(&outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_rests_is_asked_again() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let script = |n: usize, _: &_| if n < 8 { Fault::Status(503, None) } else { Fault::None };
    let source = Upstream::start(Arc::clone(&content), script).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    Ok(())
}

/// The hub takes over from a source that is down for long, and no longer than until that is back.
#[tokio::test(flavor = "multi_thread")]
async fn the_hub_gives_way_to_a_source_that_is_back() -> Result<()> {
    let content = Arc::new(noise(6, 24 * (1 << 20)));
    let slow_hub = Upstream::start(Arc::clone(&content), |_, _| Fault::Slow(64 << 10, 60)).await?;
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let is_down = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&is_down);
    let script = move |_: usize, _: &_| {
        if switch.load(Ordering::SeqCst) { Fault::Status(503, None) } else { Fault::None }
    };
    let source = Upstream::start(Arc::clone(&content), script).await?;
    let mut bench = Bench::new(&hub)?;
    // The list is known already, then a hub that is slow takes the place of the other.
    let stuck = Upstream::start(Arc::clone(&content), |_, _| Fault::Silence).await?;
    let (download, _reports) = prepare(bench.order(&content, vec![public(stuck.url("x"))])?, &bench.tools);
    let cancel = download.cancel.clone();
    let waiting = tokio::spawn(async move { download.run().await });
    until("a request", || !stuck.seen().is_empty()).await?;
    cancel.cancel();
    waiting.await?;
    bench.tools.hub = crate::bench::tools(bench.folder.path(), slow_hub.port())?.hub;
    bench.tools.patience.longest_rest = Duration::from_millis(200);
    let order = bench.order(&content, vec![public(source.url("x")), AssetSource::Hub])?;
    let (download, reports) = prepare(order, &bench.tools);
    let outcome = tokio::spawn(async move { download.run().await });
    until("bytes of the hub", || reports.state().bytes_done >= 2 * MIB).await?;
    is_down.store(false, Ordering::SeqCst);
    let outcome = outcome.await?;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let (hub, public) = (report(&outcome, "hub")?, report(&outcome, &source.url("x"))?);
    ensure!(hub.bytes > 0 && hub.bytes < 16 * MIB, "{outcome:?}");
    ensure!(public.bytes > 8 * MIB && public.verdict == Verdict::Used, "{outcome:?}");
    Ok(())
}

/// Longer than anything else is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_hub_as_the_only_source_is_waited_for() -> Result<()> {
    let setup = Setup::begin(false, Fault::None).await?;
    setup.hub.be_off(true);
    let give_up = setup.bench.tools.patience.give_up;
    let (download, _reports) = prepare(setup.bench.order(&setup.content, vec![AssetSource::Hub])?, &setup.bench.tools);
    let outcome = tokio::spawn(async move { download.run().await });
    tokio::time::sleep(give_up + Duration::from_secs(1)).await;
    ensure!(!outcome.is_finished(), "{:?}", outcome.await?);
    setup.hub.be_off(false);
    let outcome = outcome.await?;
    ensure!(setup.bench.arrived().as_ref() == Some(&*setup.content), "{outcome:?}");
    Ok(())
}
