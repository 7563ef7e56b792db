//! What the remote listener gives to whom.

use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::Api;
use end_to_end::fake_agent::FakeAgent;
use end_to_end::remote::{Remote, begin_session, send};
use end_to_end::roots::{digest, noise};
use end_to_end::wait::{SOON, wait_until};
use reqwest::Method;
use reqwest::blocking::Client;
use shared_protocol::hub_to_agent::HubToAgent;

const WANTED: &str = "loras/wanted.safetensors";
const PRIVATE: &str = "loras/private.safetensors";

fn client() -> Result<Client> {
    Ok(end_to_end::client::builder().timeout(SOON).build()?)
}

#[test]
fn only_what_a_job_names_is_handed_out_and_only_with_the_key() -> Result<()> {
    let remote = Remote::new()?;
    remote.roots.lake_file(WANTED, &noise(1, 3 << 20))?;
    let private = remote.roots.lake_file(PRIVATE, &noise(2, 3 << 20))?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let mut agent = FakeAgent::connect(remote.listener(), &session.key)?;
    send(&api, &agent.id().to_string(), &[WANTED])?;
    agent.wait_for("the job", |said| matches!(said, HubToAgent::JobAssign(_)).then_some(()))?;

    let base = format!("http://{}/remote/v1", remote.listener());
    let client = client()?;
    let get = |path: &str, key: Option<&str>| -> Result<(u16, String)> {
        let mut request = client.get(format!("{base}{path}"));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().with_context(|| format!("nothing answers at {path}"))?;
        Ok((answer.status().as_u16(), String::from_utf8_lossy(&answer.bytes()?).into_owned()))
    };
    let bare =
        |path: &std::path::Path| -> Result<String> { Ok(digest(path)?.trim_start_matches("blake3:").to_owned()) };
    let wanted = bare(&remote.roots.lake().join(WANTED))?;
    let (private, key) = (bare(&private)?, session.key.as_str());
    let other_key = format!("chk_{}", "0".repeat(64));

    ensure!(get(&format!("/blobs/{wanted}"), Some(key))?.0 == 200);
    for path in [format!("/blobs/{private}"), format!("/blobs/{private}/groups"), format!("/blobs/{}", "0".repeat(64))]
    {
        let (status, body) = get(&path, Some(key))?;
        ensure!(status == 404 && body.contains("\"not_found\""), "{path}: {status} {body}");
    }
    for path in ["/ws", "/agent/x86_64-linux", "/nothing", &format!("/blobs/{wanted}"), &format!("/blobs/{private}")] {
        for wrong in [None, Some(other_key.as_str()), Some("")] {
            let (status, body) = get(path, wrong)?;
            ensure!(status == 401 && body.contains("\"unauthorized\""), "{path}: {status} {body}");
        }
    }
    ensure!(get("/health", None)?.0 == 200);
    // The pages are not to be had from outside.
    let outside = client.get(format!("http://{}/api/health", remote.listener())).bearer_auth(key).send()?;
    ensure!(outside.status().as_u16() == 404, "{}", outside.status());

    // Nothing of it is left when the session is over.
    let ended = Api::send(api.request(Method::DELETE, "/api/remote/session"))?;
    ensure!(ended.status == 200, "{}", ended.text);
    wait_until("the listener to be gone", SOON, || Ok(TcpStream::connect(remote.listener()).is_err()))?;
    Ok(())
}

#[test]
fn without_a_session_nothing_listens() -> Result<()> {
    let remote = Remote::new()?;
    let (_hub, api) = remote.start()?;
    ensure!(TcpStream::connect(remote.listener()).is_err(), "no session was begun");
    begin_session(&api)?;
    ensure!(client()?.get(format!("http://{}/remote/v1/health", remote.listener())).send()?.status().is_success());
    Ok(())
}
