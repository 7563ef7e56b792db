//! Sources that fail in every way they are known to: the file is right, or the failure is clear. Each of
//! these leaves wrong bytes behind, or nothing, with one of the usual tools.

use std::sync::Arc;

use crate::bench::{Bench, FakeHub, group_list, has_reason, noise, public, report};
use crate::upstream::{Fault, Upstream};
use anyhow::{Result, ensure};
use rstest::rstest;
use shared_protocol::job::Bearer;
use shared_protocol::outcome::{FailureCode, How, Outcome, Verdict};
use shared_protocol::{GroupList, Secret};

const MIB: u64 = 1 << 20;

/// Enough for several runs of groups, and an end inside one.
fn content() -> Arc<Vec<u8>> {
    Arc::new(noise(1, 20 * (1 << 20) + 12_345))
}

/// The first source fails as told, the second is fine.
async fn with_second(
    first: impl Fn(usize) -> Fault + Send + Sync + 'static,
    list: bool,
) -> Result<(Bench, Outcome, String, String)> {
    let content = content();
    let hub = FakeHub::start(list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
    let bad = Upstream::start(Arc::clone(&content), move |n, _| first(n)).await?;
    let good = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let bench = Bench::new(&hub)?;
    let sources = vec![public(bad.url("bad?secret=1")), public(good.url("good"))];
    let outcome = bench.run(bench.order(&content, sources)?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(bench.names()? == ["model.safetensors"], "left behind: {:?}", bench.names()?);
    ensure!(!format!("{outcome:?}").contains("secret"), "a query was told");
    Ok((bench, outcome, bad.url("bad"), good.url("good")))
}

#[rstest]
#[case::a_page(Fault::Page, "not_a_file", Verdict::GaveUp)]
#[case::gone(Fault::Status(404, None), "status", Verdict::GaveUp)]
#[case::forbidden(Fault::Status(403, None), "status", Verdict::GaveUp)]
#[case::broken(Fault::Status(503, None), "status", Verdict::GaveUp)]
#[case::no_range(Fault::Status(416, None), "wrong_range", Verdict::GaveUp)]
#[case::total(Fault::WrongTotal(1), "wrong_size", Verdict::GaveUp)]
#[case::late(Fault::StartLate(4096), "wrong_range", Verdict::GaveUp)]
#[case::gzip(Fault::Gzip, "encoded", Verdict::GaveUp)]
#[case::silence(Fault::Silence, "stalled", Verdict::GaveUp)]
#[case::stall(Fault::Stall(0), "stalled", Verdict::GaveUp)]
#[case::cut(Fault::Truncate(0), "truncated", Verdict::GaveUp)]
#[case::hangs_up(Fault::Hangup, "reset", Verdict::GaveUp)]
#[case::lies(Fault::LieFrom(0), "wrong_bytes", Verdict::Banned)]
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_of_no_use_is_told_and_left(
    #[case] fault: Fault,
    #[case] code: &str,
    #[case] verdict: Verdict,
) -> Result<()> {
    let content = content();
    let list = group_list(&content)?;
    let hub = FakeHub::start(Some(&list)).await?;
    let bad = Upstream::start(Arc::clone(&content), move |_, _| fault.clone()).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(bad.url("bad"))])?).await;
    let Outcome::Failed { code: failure, detail, .. } = &outcome else { panic!("{outcome:?}") };
    ensure!(*failure == FailureCode::NoSource && detail.contains(&bad.url("bad")), "{outcome:?}");
    let told = report(&outcome, &bad.url("bad"))?;
    ensure!(told.verdict == verdict && has_reason(told, code), "{told:?}");
    ensure!(told.bytes == 0 && bench.arrived().is_none());
    Ok(())
}

#[rstest]
#[case::early(Fault::StartEarly(4096))]
#[case::whole(Fault::IgnoreRange)]
#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_a_quirk_is_used(#[case] fault: Fault, #[values(true, false)] list: bool) -> Result<()> {
    let content = content();
    let hub = FakeHub::start(list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
    let source = Upstream::start(Arc::clone(&content), move |_, _| fault.clone()).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(matches!(outcome, Outcome::Succeeded { how: How::Downloaded, .. }), "{outcome:?}");
    ensure!(bench.arrived().as_ref() == Some(&*content));
    ensure!(report(&outcome, &source.url("x"))?.verdict == Verdict::Used);
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_at_first_is_forgiven(
    #[values(Fault::Truncate(3 << 20), Fault::Stall(2 << 20), Fault::Page, Fault::Hangup, Fault::Status(429, Some(("Retry-After", "1".to_owned()))))]
    fault: Fault,
    #[values(true, false)] list: bool,
) -> Result<()> {
    let content = content();
    let hub = FakeHub::start(list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
    let source =
        Upstream::start(Arc::clone(&content), move |n, _| if n == 0 { fault.clone() } else { Fault::None }).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_costs_one_group_is_banned_and_named() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let bad = Upstream::start(Arc::clone(&content), |_, _| Fault::LieFrom(3 * MIB)).await?;
    // Slow, so that the liar gets its turn.
    let good = Upstream::start(Arc::clone(&content), |_, _| Fault::Slow(64 << 10, 20)).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(bad.url("bad")), public(good.url("good"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let (bad, good) = (bad.url("bad"), good.url("good"));
    let liar = report(&outcome, &bad)?;
    ensure!(liar.verdict == Verdict::Banned && has_reason(liar, "wrong_bytes"), "{liar:?}");
    // One in hand and one on the way per connection.
    ensure!(liar.wasted_bytes <= 8 * MIB, "{liar:?}");
    ensure!(report(&outcome, &good)?.bytes + liar.bytes == content.len() as u64, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_is_found_without_a_list_too() -> Result<()> {
    let (_bench, outcome, bad, good) = with_second(|_| Fault::LieFrom(5 * MIB), false).await?;
    ensure!(report(&outcome, &bad)?.verdict == Verdict::Banned, "{outcome:?}");
    ensure!(report(&outcome, &bad)?.bytes == 0);
    ensure!(report(&outcome, &good)?.bytes == content().len() as u64);
    Ok(())
}

#[rstest]
#[case::a_page_later(Fault::Page)]
#[case::forbidden_later(Fault::Status(403, None))]
#[case::changed_later(Fault::Changed)]
#[case::silent_later(Fault::Silence)]
#[tokio::test(flavor = "multi_thread")]
async fn the_next_source_goes_on(#[case] fault: Fault, #[values(true, false)] list: bool) -> Result<()> {
    let first = move |n| match n {
        0 => Fault::Truncate(2 * MIB),
        _ => fault.clone(),
    };
    let (_bench, outcome, bad, good) = with_second(first, list).await?;
    let (bad, good) = (report(&outcome, &bad)?, report(&outcome, &good)?);
    ensure!(bad.bytes + good.bytes == content().len() as u64, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_address_that_expires_is_resolved_again() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |n, seen| match seen.target.as_str() {
        "/x" => Fault::Status(302, Some(("Location", format!("/signed?s={n}")))),
        // Each signature is good for one request.
        _ if n % 3 == 2 => Fault::Status(403, None),
        _ => Fault::Truncate(2 * MIB),
    })
    .await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let n_resolved = source.seen().iter().filter(|seen| seen.target == "/x").count();
    ensure!(n_resolved > 1, "asked again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_lead_nowhere_forbidden_and_carry_no_token() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let good = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let to = good.url("x");
    let source = Upstream::start(Arc::clone(&content), move |_, seen| {
        let location = match seen.target.as_str() {
            "/metadata" => "http://169.254.169.254/latest".to_owned(),
            "/loop" => "/loop".to_owned(),
            _ => to.clone(),
        };
        Fault::Status(307, Some(("Location", location)))
    })
    .await?;
    let bench = Bench::new(&hub)?;
    let bearer = Some(Bearer { host: "127.0.0.1".to_owned(), token: Secret::new("hf_secret".to_owned()) });
    let with_token = |url: String| shared_protocol::job::AssetSource::Public { url, bearer: bearer.clone() };
    let sources = ["metadata", "loop", "other"].map(|path| with_token(source.url(path))).to_vec();
    let outcome = bench.run(bench.order(&content, sources)?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(has_reason(report(&outcome, &source.url("metadata"))?, "private_address"), "{outcome:?}");
    ensure!(has_reason(report(&outcome, &source.url("loop"))?, "redirects"), "{outcome:?}");
    for seen in source.seen().into_iter().chain(good.seen()) {
        ensure!(!seen.headers.iter().any(|line| line.starts_with("authorization")), "{seen:?}");
    }
    Ok(())
}

#[rstest]
#[case(true, false)]
#[case(false, true)]
#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_need_leave_of_both_sides(
    #[case] hub_allows: bool,
    #[case] agent_allows: bool,
) -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |_, _| Fault::None).await?;
    let mut bench = Bench::new(&hub)?;
    bench.tools.allow_private = agent_allows;
    bench.policy.allow_private = hub_allows;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(matches!(outcome, Outcome::Failed { code: FailureCode::NoSource, .. }), "{outcome:?}");
    ensure!(source.seen().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_is_simply_hashed() -> Result<()> {
    let content = Arc::new(noise(3, 70_000));
    let hub = FakeHub::start(None::<&GroupList>).await?;
    let liar = Upstream::start(Arc::clone(&content), |_, _| Fault::LieFrom(100)).await?;
    let slicer = Upstream::start(Arc::clone(&content), |_, _| Fault::Slice).await?;
    let bench = Bench::new(&hub)?;
    let sources = vec![public(liar.url("x")), public(slicer.url("x"))];
    let outcome = bench.run(bench.order(&content, sources)?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    ensure!(report(&outcome, &liar.url("x"))?.verdict == Verdict::Banned);
    Ok(())
}
