//! What the remote listener gives to whom, and what it does when a file is no longer what it was.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::Client;
use stories::api::WORK;
use stories::chaos::{Mode, Trigger};
use stories::remote::{Remote, begin_session, ended, succeeded};
use stories::roots::{digest, noise};
use stories::wait::SOON;

const WANTED: &str = "loras/wanted.safetensors";
const PRIVATE: &str = "loras/private.safetensors";

fn client() -> Result<Client> {
    Ok(Client::builder().no_proxy().timeout(SOON).build()?)
}

#[test]
fn only_what_a_job_names_is_handed_out_and_only_with_the_key() -> Result<()> {
    let remote = Remote::new()?;
    remote.roots.lake_file(WANTED, &noise(1, 3 << 20))?;
    let private = remote.roots.lake_file(PRIVATE, &noise(2, 3 << 20))?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(300_000));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", 200_000));
    let id = up.send_one(WANTED)?;
    at.wait(WORK)?;

    // Past the tunnel, which is slow.
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
    let (private, key) = (bare(&private)?, up.session.key.as_str());
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

    remote.tunnel.set(Mode::Pass);
    succeeded(&up.api, &id)?;
    Ok(())
}

#[test]
fn without_a_session_nothing_listens() -> Result<()> {
    let remote = Remote::new()?;
    let (_hub, api) = remote.start()?;
    ensure!(std::net::TcpStream::connect(remote.listener()).is_err(), "no session was begun");
    begin_session(&api)?;
    ensure!(client()?.get(format!("http://{}/remote/v1/health", remote.listener())).send()?.status().is_success());
    Ok(())
}

#[test]
fn a_file_that_changes_while_it_is_sent_never_arrives_as_what_it_was() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(1, 8 << 20);
    let on_lake = remote.roots.lake_file(WANTED, &content)?;
    let up = remote.connected()?;
    remote.tunnel.set(Mode::Throttle(1 << 20));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", 3 << 20));
    let id = up.send_one(WANTED)?;
    at.wait(WORK)?;
    fs::write(&on_lake, noise(9, 8 << 20))?;
    remote.tunnel.set(Mode::Pass);
    let job = ended(&up.api, &id)?;
    let arrived = up.machine.models().join(WANTED);
    match fs::read(&arrived) {
        Ok(bytes) => ensure!(bytes == content, "wrong bytes under the final name: {job}"),
        Err(_) => ensure!(job["state"] == "failed", "neither a file nor a failure: {job}"),
    }
    Ok(())
}
