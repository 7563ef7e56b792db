//! Random faults of several sources at once. Whatever they do: the file is right or the failure is clear, never
//! are bytes wrong, a source that is fine is enough, and no source is asked more often than its budget says.

use std::sync::Arc;

use crate::bench::{Bench, FakeHub, group_list, noise, public, report};
use crate::upstream::{Fault, Upstream};
use anyhow::{Context as _, Result, ensure};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use shared_protocol::outcome::{FailureCode, Outcome, Verdict};
use tokio::task::JoinSet;

const MIB: u64 = 1 << 20;
/// More than one run of groups, so that there is something for a second connection.
const SIZE: u64 = 18 * MIB + 777;

/// As in the policy and the tools of every [`Bench`].
const RETRIES: usize = 3;
const CONNECTIONS: usize = 4;

/// Rests that grow from 5 ms fit so often into the time after which a download without a byte is given up, and into
/// the time in which others are at work.
const RESTS: usize = 20;

/// What a source does: some faults, one after the other, and then the same for ever.
#[derive(Debug, Clone)]
struct Temper {
    first: Vec<Fault>,
    then: Fault,
}

impl Temper {
    /// Whether it gives everything that it is asked for, in a way that has to be understood.
    fn is_fine(&self) -> bool {
        let is_fine = |fault: &Fault| matches!(fault, Fault::None | Fault::IgnoreRange | Fault::StartEarly(_));
        is_fine(&self.then) && self.first.iter().all(is_fine)
    }

    fn may_lie(&self) -> bool {
        let lies = |fault: &Fault| matches!(fault, Fault::LieFrom(_) | Fault::Changed);
        lies(&self.then) || self.first.iter().any(lies)
    }
}

#[derive(Debug, Clone)]
struct Scenario {
    list: bool,
    sources: Vec<Temper>,
}

fn fault() -> impl Strategy<Value = Fault> {
    let status = prop::sample::select(vec![403, 404, 416, 429, 500, 503]);
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::IgnoreRange),
        1 => (1_u64..9_000).prop_map(Fault::StartEarly),
        1 => (1_u64..9_000).prop_map(Fault::StartLate),
        // With less at a time it comes to its end, too, but not today.
        3 => (MIB / 4..SIZE).prop_map(Fault::Truncate),
        1 => (2 * MIB..SIZE).prop_map(Fault::Stall),
        1 => Just(Fault::Silence),
        2 => Just(Fault::Hangup),
        2 => (0..SIZE).prop_map(Fault::LieFrom),
        1 => Just(Fault::WrongTotal(1)),
        2 => status.prop_map(|status| Fault::Status(status, None)),
        1 => Just(Fault::Status(429, Some(("Retry-After", "0".to_owned())))),
        1 => Just(Fault::Page),
        1 => Just(Fault::Gzip),
        1 => Just(Fault::Changed),
    ]
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let temper = (prop::collection::vec(fault(), 0..6), fault()).prop_map(|(first, then)| Temper { first, then });
    (any::<bool>(), prop::collection::vec(temper, 1..4)).prop_map(|(list, sources)| Scenario { list, sources })
}

/// Whether bytes come.
fn is_fruitful(fault: &Fault) -> bool {
    !matches!(
        fault,
        Fault::StartLate(_)
            | Fault::Silence
            | Fault::Hangup
            | Fault::WrongTotal(_)
            | Fault::Status(..)
            | Fault::Page
            | Fault::Gzip
    )
}

async fn tell(scenario: Scenario) -> Result<()> {
    let content = Arc::new(noise(9, usize::try_from(SIZE)?));
    let hub = FakeHub::start(scenario.list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
    let mut upstreams = Vec::new();
    for Temper { first, then } in scenario.sources.clone() {
        let script = move |n: usize, _: &_| first.get(n).unwrap_or(&then).clone();
        upstreams.push(Upstream::start(Arc::clone(&content), script).await?);
    }
    let bench = Bench::new(&hub)?;
    let sources = upstreams.iter().map(|upstream| public(upstream.url("x"))).collect();
    let outcome = bench.run(bench.order(&content, sources)?).await;
    match (&outcome, bench.arrived()) {
        (Outcome::Succeeded { .. }, Some(bytes)) => {
            ensure!(bytes == *content, "wrong bytes: {outcome:?}");
            ensure!(bench.names()? == ["model.safetensors"], "left behind: {:?}", bench.names()?);
        }
        (Outcome::Failed { code: FailureCode::NoSource, .. }, None) => {
            ensure!(!scenario.sources.iter().any(Temper::is_fine), "one was fine: {outcome:?}");
        }
        (_, arrived) => anyhow::bail!("{outcome:?} with a file: {}", arrived.is_some()),
    }
    for (upstream, temper) in upstreams.iter().zip(&scenario.sources) {
        let told = report(&outcome, &upstream.url("x"))?;
        ensure!(told.verdict != Verdict::Banned || temper.may_lie(), "banned without a lie: {told:?}");
        // Whatever comes may start the budget anew, and who has brought something has twice the tries.
        let fault = |n: usize| temper.first.get(n).unwrap_or(&temper.then);
        let (fruitful, fruitless): (Vec<usize>, _) = (0..upstream.seen().len()).partition(|n| is_fruitful(fault(*n)));
        let budget = (2 * RETRIES + CONNECTIONS) * (fruitful.len() + 1) + RESTS;
        ensure!(fruitless.len() <= budget, "asked {} times of {budget} in vain: {outcome:?}", fruitless.len());
    }
    Ok(())
}

async fn tell_together(scenarios: Vec<Scenario>) -> Result<()> {
    let mut tests = JoinSet::new();
    for scenario in scenarios {
        tests.spawn(async move { tell(scenario.clone()).await.with_context(|| format!("{scenario:?}")) });
    }
    while let Some(told) = tests.join_next().await {
        told??;
    }
    Ok(())
}

/// Most of the time is spent waiting for what stalls, so several are told at once.
#[test]
fn the_file_is_right_or_the_failure_is_clear() {
    let cases = std::env::var("DOWNLOAD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let config = Config { cases, max_shrink_iters: 10, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let scenarios = prop::collection::vec(scenario(), 12);
    let result = TestRunner::new(config).run(&scenarios, |scenarios| {
        runtime.block_on(tell_together(scenarios)).map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// What is kept of a group is of no use to a source that sends all of it again, and no reason to blame it.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_breaks_off_inside_a_group_may_send_the_whole_the_next_time() -> Result<()> {
    for broken_off_at in [MIB / 2, 8 * MIB + 908_076] {
        let temper = Temper { first: vec![Fault::Truncate(broken_off_at)], then: Fault::IgnoreRange };
        tell_together(vec![Scenario { list: true, sources: vec![temper] }; 4]).await?;
    }
    Ok(())
}

/// While one connection hangs, the others must not be made anew as fast as they are refused.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_refused_while_one_hangs_are_not_hammered() -> Result<()> {
    let content = Arc::new(noise(9, usize::try_from(SIZE)?));
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |n, _| match n {
        0 => Fault::Stall(2 * MIB),
        1.. => Fault::Status(503, None),
    })
    .await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(matches!(outcome, Outcome::Failed { code: FailureCode::NoSource, .. }), "{outcome:?}");
    let n_asked = source.seen().len();
    ensure!(n_asked <= 1 + CONNECTIONS + 2 * RETRIES + RESTS, "asked {n_asked} times");
    Ok(())
}
