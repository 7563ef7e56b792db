//! Public sources that are bad in every way, through hub and agent. The engine itself is tested with the
//! agent; here it is about what a person gets and is told.

mod site;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::{number, text};
use end_to_end::remote::{Connected, Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::{digest, noise};
use serde_json::{Value, json};

use crate::expect_arrived;
use site::Site;

const PATH: &str = "loras/a.safetensors";
const SIZE: usize = (6 << 20) + 123;

/// A hub and an agent that both allow sources on this machine, with a file that is at a site too.
fn with_sources(content: &[u8], faults: &[&str]) -> Result<(Remote, Connected, Site)> {
    let remote = Remote::new()?
        .set("REMOTE_ALLOW_PRIVATE_SOURCES", "true")
        .set("REMOTE_STALL_TIMEOUT_SECONDS", "2")
        .set("REMOTE_RETRY_PER_SOURCE", "2")
        .set("REMOTE_SOURCE_PATIENCE_SECONDS", "2");
    let site = Site::start(content)?;
    let file = remote.roots.lake_file(PATH, content)?;
    let (hub, api) = remote.start()?;
    let urls: Vec<Value> = faults.iter().map(|fault| json!({ "url": site.url(fault) })).collect();
    let answer = api.try_put(&format!("/api/sources/{}", digest(&file)?), &json!({ "urls": urls }))?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?.argument("--allow-private-sources");
    let agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    Ok((remote, Connected { hub, api, session, machine, agent, id }, site))
}

/// What a job tells of a source.
fn source<'a>(job: &'a Value, fault: &str) -> Result<&'a Value> {
    let sources = job["sources"].as_array().context("no sources in the job")?;
    let found = sources.iter().find(|source| text(source, "source").contains(&format!("/{fault}/")));
    found.with_context(|| format!("nothing is told of {fault}: {job}"))
}

#[test]
fn every_bad_source_is_named_and_the_hub_fills_in() -> Result<()> {
    let content = noise(1, SIZE);
    let faults = ["liar", "silent", "page", "gone"];
    let (remote, up, _site) = with_sources(&content, &faults)?;
    let id = send(&up.api, &up.id, &[PATH])?.remove(0);
    let job = succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)?;
    ensure!(text(source(&job, "liar")?, "outcome") == "banned", "{job}");
    for fault in ["silent", "page", "gone"] {
        ensure!(text(source(&job, fault)?, "outcome") == "gave_up", "{fault}: {job}");
        ensure!(source(&job, fault)?["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()), "{job}");
    }
    ensure!(remote.tunnel.n_requests("/blobs/") > 0);
    Ok(())
}

#[test]
fn a_source_that_ignores_ranges_breaks_off_or_wants_patience_is_enough_by_itself() -> Result<()> {
    for fault in ["whole", "busy", "short", "expiring"] {
        let content = noise(2, SIZE);
        let (remote, up, _site) = with_sources(&content, &[fault])?;
        let id = send(&up.api, &up.id, &[PATH])?.remove(0);
        let job = succeeded(&up.api, &id)?;
        expect_arrived(&up.machine, PATH, &content)?;
        let bytes = number(source(&job, fault)?, "bytes");
        ensure!(bytes == SIZE as u64, "{fault} gave {bytes}: {job}");
        let groups = remote.tunnel.body_bytes("/groups");
        ensure!(remote.tunnel.body_bytes("/blobs/") == groups, "{fault}: the home uplink was used: {job}");
    }
    Ok(())
}

#[test]
fn a_source_that_becomes_another_file_is_left() -> Result<()> {
    let content = noise(3, SIZE);
    let (_remote, up, _site) = with_sources(&content, &["fickle"])?;
    let id = send(&up.api, &up.id, &[PATH])?.remove(0);
    let job = succeeded(&up.api, &id)?;
    expect_arrived(&up.machine, PATH, &content)?;
    ensure!(number(source(&job, "fickle")?, "bytes") < SIZE as u64, "{job}");
    Ok(())
}
