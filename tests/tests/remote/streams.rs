//! Contents on their way out of the hub, when something happens to the file or to the session.

use std::fs;
use std::io::Read as _;
use std::thread::JoinHandle;

use anyhow::{Result, bail, ensure};
use end_to_end::api::{Api, WORK};
use end_to_end::chaos::{Mode, Trigger};
use end_to_end::fake_agent::FakeAgent;
use end_to_end::remote::{Remote, begin_session, send};
use end_to_end::roots::{digest, noise};
use reqwest::Method;
use shared_protocol::hub_to_agent::HubToAgent;
use shared_protocol::refusal::RefusalCode;

const PATH: &str = "checkpoints/big.safetensors";
/// More than all sockets on the way hold: what the hub has not read yet can still become something else.
const SIZE: usize = 48 << 20;
/// What has arrived when it happens.
const THERE: u64 = 3 << 20;

struct Stream {
    remote: Remote,
    _hub: end_to_end::Hub,
    api: Api,
    agent: FakeAgent,
    content: Vec<u8>,
    got: JoinHandle<Result<Vec<u8>>>,
}

impl Stream {
    /// Begins to read a content slowly, and stops where some of it is there.
    fn begin() -> Result<Self> {
        let remote = Remote::new()?;
        let content = noise(1, SIZE);
        let file = remote.roots.lake_file(PATH, &content)?;
        let (hub, api) = remote.start()?;
        let session = begin_session(&api)?;
        let mut agent = FakeAgent::connect(remote.listener(), &session.key)?;
        send(&api, &agent.id().to_string(), &[PATH])?;
        agent.wait_for("the job", |said| matches!(said, HubToAgent::JobAssign(_)).then_some(()))?;

        let at = remote.tunnel.arm(Trigger::body("/blobs/", THERE).then(Mode::Throttle(64 << 10)));
        let url = format!("{}/remote/v1/blobs/{}", remote.tunnel.url(), digest(&file)?.trim_start_matches("blake3:"));
        let got = std::thread::spawn(move || {
            let client = end_to_end::client::builder().timeout(WORK).build()?;
            let mut answer = client.get(url).bearer_auth(session.key).send()?;
            ensure!(answer.status().as_u16() == 200, "{}", answer.status());
            let mut got = Vec::new();
            // How it ends is judged by what came.
            drop(answer.read_to_end(&mut got));
            Ok(got)
        });
        at.wait(WORK)?;
        Ok(Self { remote, _hub: hub, api, agent, content, got })
    }

    /// What arrived of it in all.
    fn end(self) -> Result<Vec<u8>> {
        self.remote.tunnel.set(Mode::Pass);
        match self.got.join() {
            Ok(got) => got,
            Err(_) => bail!("the reader panicked"),
        }
    }
}

#[test]
fn a_stream_that_nothing_happens_to_is_the_file() -> Result<()> {
    let stream = Stream::begin()?;
    let content = stream.content.clone();
    ensure!(stream.end()? == content);
    Ok(())
}

#[test]
fn a_file_that_changes_is_not_sent_to_its_end() -> Result<()> {
    let stream = Stream::begin()?;
    fs::write(stream.remote.roots.lake().join(PATH), noise(2, SIZE))?;
    let got = stream.end()?;
    ensure!(got.len() < SIZE, "the other file was sent to its end");
    Ok(())
}

#[test]
fn a_file_that_is_cut_short_is_not_made_up_for() -> Result<()> {
    let stream = Stream::begin()?;
    fs::File::options().write(true).open(stream.remote.roots.lake().join(PATH))?.set_len(THERE + 4096)?;
    let content = stream.content.clone();
    let got = stream.end()?;
    ensure!(got.len() < SIZE && content.starts_with(got.get(..usize::try_from(THERE)?).unwrap_or_default()));
    Ok(())
}

#[test]
fn a_revoked_session_cuts_what_it_sends_and_says_why() -> Result<()> {
    let mut stream = Stream::begin()?;
    let answer = Api::send(stream.api.request(Method::DELETE, "/api/remote/session"))?;
    ensure!(answer.status == 200, "{}", answer.text);
    let why = stream.agent.wait_for("a refusal", |said| match said {
        HubToAgent::Refuse(refusal) => Some(refusal),
        _ => None,
    })?;
    ensure!(why.code == RefusalCode::Revoked && !why.retry, "{why:?}");
    ensure!(stream.end()?.len() < SIZE, "the stream went on to its end");
    Ok(())
}

/// On a slow line a long list breaks off, and is gone on from.
#[test]
fn a_list_of_parts_is_sent_in_ranges_too() -> Result<()> {
    let remote = Remote::new()?;
    let file = remote.roots.lake_file(PATH, &noise(1, 3 << 20))?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let mut agent = FakeAgent::connect(remote.listener(), &session.key)?;
    send(&api, &agent.id().to_string(), &[PATH])?;
    agent.wait_for("the job", |said| matches!(said, HubToAgent::JobAssign(_)).then_some(()))?;
    let digits = digest(&file)?.trim_start_matches("blake3:").to_owned();
    let url = format!("{}/remote/v1/blobs/{digits}/groups", remote.tunnel.url());
    let client = end_to_end::client::builder().timeout(WORK).build()?;
    let ask = |range: Option<&str>| -> Result<_> {
        let request = client.get(&url).bearer_auth(&session.key);
        let answer = range.map_or(request.try_clone(), |range| Some(request.header("Range", range)));
        let answer = answer.map(reqwest::blocking::RequestBuilder::send).transpose()?;
        let Some(answer) = answer else { bail!("no request") };
        let range = answer.headers().get("Content-Range").and_then(|text| text.to_str().ok()).map(str::to_owned);
        Ok((answer.status().as_u16(), range, answer.bytes()?.to_vec()))
    };
    let (status, _, all) = ask(None)?;
    ensure!(status == 200 && all.len() == 96, "{status}, {} bytes", all.len());
    let rest = (206, Some("bytes 40-95/96".to_owned()), all.get(40..).unwrap_or_default().to_vec());
    ensure!(ask(Some("bytes=40-"))? == rest);
    ensure!(ask(Some("bytes=96-"))?.0 == 416);
    Ok(())
}
