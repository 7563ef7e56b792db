//! The tools of the tests themselves: a proxy that fails as told, and a git server that real git
//! can clone from.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic: then it has failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Result, ensure};
use end_to_end::ca::TestCa;
use end_to_end::chaos::{Chaos, Mode, Reply, Side, Trigger};
use end_to_end::git_server::{GitServer, MODEL_FOLDERS, git};
use end_to_end::wait::SOON;

const SIZE: usize = 200_000;

/// Answers every request of every connection with a body of one letter, until the program ends.
fn letters() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = [0; 1024];
                while socket.read(&mut request).is_ok_and(|n| n > 0) {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
                    if socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&vec![b'x'; SIZE])).is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(address)
}

fn client() -> Result<reqwest::blocking::Client> {
    let none = reqwest::redirect::Policy::none();
    Ok(end_to_end::client::builder().redirect(none).timeout(SOON).build()?)
}

#[test]
fn what_passes_is_counted_and_a_cut_comes_after_the_bytes_it_was_told() -> Result<()> {
    let chaos = Chaos::before(letters()?)?;
    let client = client()?;
    let url = format!("{}/blob", chaos.url());
    ensure!(client.get(&url).send()?.bytes()?.len() == SIZE);
    ensure!(chaos.body_bytes("/blob") == SIZE as u64 && chaos.n_requests("GET /blob") == 1);

    let fired = chaos.arm(Trigger::body("/blob", 70_000).cut());
    let mut answer = client.get(&url).send()?;
    let mut got = Vec::new();
    let ended = answer.read_to_end(&mut got);
    ensure!(fired.is_fired() && ended.is_err() && got.len() == 70_000, "{} bytes, {ended:?}", got.len());
    ensure!(client.get(&url).send()?.bytes()?.len() == SIZE, "a trigger fires once");
    Ok(())
}

#[test]
fn a_proxys_own_pages_come_from_it_alone() -> Result<()> {
    let chaos = Chaos::before(letters()?)?;
    let client = client()?;
    let status =
        |path: &str| -> Result<u16> { Ok(client.get(format!("{}{path}", chaos.url())).send()?.status().as_u16()) };
    for (reply, code) in [(Reply::Timeout, 524), (Reply::Forbidden, 403), (Reply::Login, 302)] {
        chaos.set(Mode::Answer(reply, "/remote"));
        ensure!(status("/remote/v1/health")? == code);
        ensure!(status("/other")? == 200);
    }
    chaos.set(Mode::StripUpgrade(426));
    let upgrade = client.get(chaos.url()).header("Upgrade", "websocket").header("Connection", "Upgrade");
    ensure!(upgrade.send()?.status().as_u16() == 426 && status("/")? == 200);
    chaos.set(Mode::Pass);
    let gone = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    chaos.point_at(gone);
    chaos.cut();
    ensure!(status("/")? == 502, "nobody is behind the proxy");
    Ok(())
}

#[test]
fn nothing_is_lost_in_a_blackhole_that_ends_nor_byte_by_byte() -> Result<()> {
    let chaos = Chaos::before(letters()?)?;
    let mut socket = TcpStream::connect(chaos.address())?;
    socket.set_read_timeout(Some(std::time::Duration::from_millis(100)))?;
    chaos.set(Mode::Blackhole(vec![Side::Hub]));
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let mut one = [0];
    ensure!(socket.read(&mut one).is_err(), "the hub's bytes are held");
    ensure!(chaos.n_requests("GET /") == 1, "the agent's are not");
    chaos.set(Mode::Slice);
    socket.set_read_timeout(Some(SOON))?;
    let mut all = vec![0; SIZE];
    socket.read_exact(&mut all)?;
    ensure!(all.starts_with(b"HTTP/1.1 200 OK"));
    Ok(())
}

#[test]
fn real_git_clones_by_tls_and_only_with_the_right_authority() -> Result<()> {
    let ca = TestCa::new()?;
    let server = GitServer::start(&ca)?;
    let folder = tempfile::tempdir()?;
    let trust = format!("http.sslCAInfo={}", ca.authority().display());
    git(folder.path(), &["-c", &trust, "clone", "-q", "--depth", "1", &server.url(), "here"])?;
    for models in MODEL_FOLDERS {
        ensure!(folder.path().join(format!("here/models/{models}/put_{models}_here")).is_file());
    }
    let commit = server.commit(&[("main.py", b"print('newer')\n")])?;
    git(&folder.path().join("here"), &["-c", &trust, "pull", "-q"])?;
    ensure!(git(&folder.path().join("here"), &["rev-parse", "HEAD"])? == commit);
    ensure!(git(folder.path(), &["clone", "-q", &server.url(), "there"]).is_err(), "an authority nobody knows");
    Ok(())
}
