//! Connections without a key, as many as anyone likes: agents find a place all the same.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Result, ensure};
use end_to_end::remote::{Remote, begin_session, is_online, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::SOON;

#[test]
fn whoever_has_no_key_locks_nobody_out() -> Result<()> {
    let remote = Remote::new()?;
    let (path, content) = ("loras/x.safetensors", noise(1, 3 << 20));
    remote.roots.lake_file(path, &content)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let mut strangers = Vec::new();
    for _ in 0..300 {
        let mut stranger = TcpStream::connect(remote.listener())?;
        stranger.write_all(b"GET /remote/v1/nothing HTTP/1.1\r\nHost: hub.example\r\n\r\n")?;
        stranger.set_read_timeout(Some(SOON))?;
        stranger.read_exact(&mut [0; 12])?;
        strangers.push(stranger);
    }
    let machine = remote.machine(&session)?;
    let _agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    for _ in 0..300 {
        strangers.push(TcpStream::connect(remote.listener())?);
    }
    for job in send(&api, &id, &[path])? {
        succeeded(&api, &job)?;
    }
    super::expect_arrived(&machine, path, &content)?;
    ensure!(is_online(&api, &id)?, "who has shown a key is not put out");
    Ok(())
}

#[test]
fn who_only_asks_for_health_is_answered_and_let_go() -> Result<()> {
    let remote = Remote::new()?;
    let (_hub, api) = remote.start()?;
    begin_session(&api)?;
    let mut asking = TcpStream::connect(remote.listener())?;
    asking.set_read_timeout(Some(SOON))?;
    asking.write_all(b"GET /remote/v1/health HTTP/1.1\r\nHost: hub.example\r\n\r\n")?;
    let mut answer = String::new();
    asking.read_to_string(&mut answer)?;
    let head = answer.to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{answer}");
    ensure!(head.contains("x-accel-buffering: no"), "{answer}");
    Ok(())
}

#[test]
fn an_address_that_is_asked_in_the_wrong_way_says_so() -> Result<()> {
    let remote = Remote::new()?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let client = end_to_end::client::builder().timeout(SOON).build()?;
    let base = format!("http://{}/remote", remote.listener());
    for (method, path) in [
        ("POST", "/v1/health"),
        ("DELETE", "/install.sh"),
        ("GET", "/v1/poll"),
        ("PUT", "/v1/blobs/00"),
        ("POST", "/v1/ws"),
    ] {
        let request = client.request(method.parse()?, format!("{base}{path}")).bearer_auth(&session.key);
        let answer = request.send()?;
        let status = answer.status().as_u16();
        ensure!(status == 405 && answer.headers().contains_key("allow"), "{method} {path}: {status}");
        ensure!(answer.text()?.contains("comfy-hub"), "{method} {path}");
    }
    let unknown = client.post(format!("{base}/v1/blobs/00")).send()?;
    ensure!(unknown.status().as_u16() == 401, "the key is judged before the method");
    Ok(())
}
