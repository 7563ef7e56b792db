//! What stands between hub and agent answers in the hub's place.

use anyhow::{Result, ensure};
use end_to_end::api::WORK;
use end_to_end::chaos::{Mode, Reply, Side};
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::wait_until;

use crate::expect_arrived;

const PATH: &str = "loras/a.safetensors";
const PAGES: [Reply; 6] =
    [Reply::Timeout, Reply::Forbidden, Reply::Unauthorized, Reply::Login, Reply::Unavailable, Reply::BadGateway];

#[test]
fn pages_of_a_proxy_are_never_taken_for_the_hubs_word() -> Result<()> {
    let remote = Remote::new()?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?.hasty();
    let mut agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    for page in PAGES {
        let hellos = remote.tunnel.n_frames(Side::Agent, "hello");
        let before = remote.tunnel.n_requests("/remote/");
        remote.tunnel.set(Mode::Answer(page, "/remote/"));
        remote.tunnel.cut();
        wait_until(
            &format!("tries against {page:?}"),
            WORK,
            || Ok(remote.tunnel.n_requests("/remote/") >= before + 4),
        )?;
        ensure!(agent.is_running()?, "{page:?} made it end: {}", agent.log());
        ensure!(machine.key_file().exists(), "{page:?} made it throw its key away");
        remote.tunnel.set(Mode::Pass);
        remote.tunnel.wait_for_frames(Side::Agent, "hello", hellos + 1, WORK)?;
        ensure!(wait_for_agent(&api)? == id);
    }
    Ok(())
}

#[test]
fn pages_in_place_of_a_file_cost_tries_and_no_wrong_byte() -> Result<()> {
    let remote = Remote::new()?;
    let content = noise(1, 3 << 20);
    for i in 0..PAGES.len() as u64 {
        remote.roots.lake_file(&format!("loras/{i}.safetensors"), &noise(i, 2 << 20))?;
    }
    remote.roots.lake_file(PATH, &content)?;
    let up = remote.connected()?;
    for (i, page) in PAGES.into_iter().enumerate() {
        let before = remote.tunnel.n_requests("/blobs/");
        remote.tunnel.set(Mode::Answer(page, "/blobs/"));
        let path = format!("loras/{i}.safetensors");
        let id = up.send_one(&path)?;
        wait_until(&format!("a try against {page:?}"), WORK, || Ok(remote.tunnel.n_requests("/blobs/") > before))?;
        remote.tunnel.set(Mode::Pass);
        succeeded(&up.api, &id)?;
        expect_arrived(&up.machine, &path, &noise(i as u64, 2 << 20))?;
    }
    Ok(())
}

#[test]
fn without_websockets_it_polls_and_it_comes_back_to_them() -> Result<()> {
    let remote = Remote::new()?;
    let (first, second) = (noise(1, 3 << 20), noise(2, 500_000));
    remote.roots.lake_file("loras/a.safetensors", &first)?;
    remote.roots.lake_file("loras/b.safetensors", &second)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?.hasty();
    remote.tunnel.set(Mode::StripUpgrade(426));
    let _agent = machine.start()?;
    let id = wait_for_agent(&api)?;
    ensure!(remote.tunnel.n_requests("GET /remote/v1/ws") >= 3, "{:?}", remote.tunnel.requests());
    ensure!(remote.tunnel.n_requests("POST /remote/v1/poll") >= 1);
    let job = send(&api, &id, &["loras/a.safetensors"])?.remove(0);
    succeeded(&api, &job)?;
    expect_arrived(&machine, "loras/a.safetensors", &first)?;

    let hellos = remote.tunnel.n_frames(Side::Agent, "hello");
    remote.tunnel.set(Mode::Pass);
    remote.tunnel.wait_for_frames(Side::Agent, "hello", hellos + 1, WORK)?;
    remote.tunnel.wait_for_frames(Side::Hub, "welcome", hellos + 1, WORK)?;
    let polls = remote.tunnel.n_requests("POST /remote/v1/poll");
    let job = send(&api, &id, &["loras/b.safetensors"])?.remove(0);
    succeeded(&api, &job)?;
    expect_arrived(&machine, "loras/b.safetensors", &second)?;
    ensure!(remote.tunnel.n_requests("POST /remote/v1/poll") == polls, "it polls on");
    Ok(())
}
