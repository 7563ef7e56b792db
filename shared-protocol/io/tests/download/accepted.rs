//! What looks wrong and is right: the digest decides, not the head of an answer.

use std::sync::Arc;

use crate::bench::{Bench, FakeHub, group_list, noise, public, report};
use crate::upstream::{Fault, Upstream};
use anyhow::{Result, ensure};
use rstest::rstest;
use shared_protocol::outcome::Verdict;

fn content() -> Arc<Vec<u8>> {
    Arc::new(noise(12, 5 * (1 << 20) + 9))
}

#[rstest]
#[case::no_name("Content-Encoding:")]
#[case::identity("Content-Encoding: identity")]
#[case::none("Content-Encoding: none")]
#[case::chunks_of_a_store("Content-Encoding: aws-chunked")]
#[case::html("Content-Type: text/html; charset=utf-8")]
#[case::json("Content-Type: application/json")]
#[tokio::test(flavor = "multi_thread")]
async fn right_bytes_are_taken_whatever_they_are_called(
    #[case] line: &'static str,
    #[values(true, false)] list: bool,
) -> Result<()> {
    let content = content();
    let hub = FakeHub::start(list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
    let source = Upstream::start(Arc::clone(&content), move |_, _| Fault::With(line)).await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let told = report(&outcome, &source.url("x"))?;
    ensure!(told.verdict == Verdict::Used && told.reasons.is_empty(), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_in_the_letters_of_any_language_is_followed() -> Result<()> {
    let content = content();
    let hub = FakeHub::start(Some(&group_list(&content)?)).await?;
    let source = Upstream::start(Arc::clone(&content), |_, seen| match seen.target.as_str() {
        "/x" => Fault::Status(302, Some(("Location", "/größe/模型.safetensors?n=1".to_owned()))),
        _ => Fault::None,
    })
    .await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    let asked =
        source.seen().into_iter().any(|seen| seen.target == "/gr%C3%B6%C3%9Fe/%E6%A8%A1%E5%9E%8B.safetensors?n=1");
    ensure!(asked, "{:?}", source.seen());
    Ok(())
}

/// Each signature is good for one request, and stores say so in many ways.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_expires_is_resolved_again(
    #[values(400, 401, 403, 404, 410, 416)] status: u16,
    #[values(true, false)] list: bool,
) -> Result<()> {
    let content = content();
    let hub = FakeHub::start(list.then(|| group_list(&content)).transpose()?.as_ref()).await?;
    let source = Upstream::start(Arc::clone(&content), move |n, seen| match seen.target.as_str() {
        "/x" => Fault::Status(302, Some(("Location", format!("/signed?s={n}")))),
        _ if n % 3 == 2 => Fault::Status(status, None),
        _ => Fault::Truncate(1 << 20),
    })
    .await?;
    let bench = Bench::new(&hub)?;
    let outcome = bench.run(bench.order(&content, vec![public(source.url("x"))])?).await;
    ensure!(bench.arrived().as_ref() == Some(&*content), "{outcome:?}");
    Ok(())
}
