//! A hub that speaks no version of the agent's: the key stays, and the agent becomes what the hub has.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::WORK;
use end_to_end::bootstrap::{Answers, StandIn, refusal};
use end_to_end::chaos::{Mode, Reply, Trigger};
use end_to_end::remote::{Remote, begin_session, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_until};

use crate::expect_arrived;

const KEY: &str = "chk_0000000000000000000000000000000000000000000000000000000000000001";

/// The program that the hub has: it writes down how it was started.
const NEWER: &str = "#!/bin/sh\n[ \"$1\" != --version ] || { echo agent 9.9.9; exit 0; }\necho \"$*\" > \"$0.started\"\nexec sleep 600\n";

/// Where the program for this kind of machine is.
fn own_program() -> String {
    shared_protocol::routes::agent_binary(shared_protocol::Target::OWN)
}

/// A hub that refuses whoever comes because of the version.
fn refusing(program: Option<&[u8]>) -> Result<StandIn> {
    let refused = refusal("version", "This hub speaks version 9 of the protocol.");
    let answers = Answers::default()
        .answer("/remote/v1/health", 200, br#"{"app":"comfy-hub","version":"9.9.9"}"#)
        .answer("/remote/v1/ws", 400, &refused)
        .answer("/remote/v1/poll", 400, &refused);
    StandIn::start(match program {
        Some(program) => answers.answer(&own_program(), 200, program),
        None => answers,
    })
}

struct Running {
    child: std::process::Child,
    folder: tempfile::TempDir,
}

impl Running {
    fn start(hub: &StandIn) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::copy(end_to_end::agent::program()?, folder.path().join("agent"))?;
        std::fs::write(folder.path().join("key"), KEY)?;
        let child = Command::new(folder.path().join("agent"))
            .args(["--hub", &hub.address, "--comfy-dir"])
            .arg(folder.path().join("ComfyUI"))
            .env("COMFY_HUB_KEY_FILE", folder.path().join("key"))
            .env("COMFY_AGENT_HASTE", "15")
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the agent")?;
        Ok(Self { child, folder })
    }

    fn has(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

#[test]
fn the_hubs_program_takes_over_with_the_same_key_and_options() -> Result<()> {
    let hub = refusing(Some(NEWER.as_bytes()))?;
    let running = Running::start(&hub)?;
    wait_until("the newer program", SOON, || Ok(running.has("agent.started")))?;
    wait_until("its words", SOON, || {
        Ok(std::fs::read_to_string(running.folder.path().join("agent.started"))?.contains(&hub.address))
    })?;
    ensure!(running.has("key"), "the session lives, and so does its key");
    ensure!(std::fs::read(running.folder.path().join("agent"))? == NEWER.as_bytes());
    Ok(())
}

#[test]
fn without_another_program_it_keeps_its_key_and_goes_on_trying() -> Result<()> {
    let own = std::fs::read(end_to_end::agent::program()?)?;
    for program in [None, Some(own.as_slice()), Some(b"#!/bin/sh\nexit 1\n".as_slice())] {
        let hub = refusing(program)?;
        let mut running = Running::start(&hub)?;
        let n_asked = |path: &str| hub.requests.lock().unwrap().iter().filter(|(asked, _)| asked == path).count();
        wait_until("several tries", SOON, || Ok(n_asked("/remote/v1/ws") + n_asked("/remote/v1/poll") >= 4))?;
        ensure!(n_asked(&own_program()) == 1, "it is not asked for again and again");
        ensure!(running.child.try_wait()?.is_none() && running.has("key"));
        ensure!(std::fs::read(running.folder.path().join("agent"))? == own, "what does not run replaces nothing");
        let left = std::fs::read_dir(running.folder.path())?.flatten();
        ensure!(left.filter(|entry| entry.file_name().to_string_lossy().contains(".new-")).count() == 0);
    }
    Ok(())
}

const PATH: &str = "checkpoints/big.safetensors";
const SIZE: usize = 24 << 20;

/// What may be on its way, unverified or not yet written down, when the agent is replaced.
const IN_FLIGHT: u64 = 12 << 20;

#[test]
fn open_jobs_outlive_the_agent_that_began_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let own = std::fs::read(end_to_end::agent::program()?)?;
    // Another program that does the same: nothing reads what is behind its end.
    let newer = [&own[..], b"newer"].concat();
    let (old_path, newer_path) = (folder.path().join("agent"), folder.path().join("newer"));
    std::fs::write(&newer_path, &newer)?;
    std::fs::copy(end_to_end::agent::program()?, &old_path)?;
    let remote = Remote::new()?.set(key_of_its_kind(), &newer_path.to_string_lossy());
    let (content, second) = (noise(1, SIZE), noise(2, 3 << 20));
    remote.roots.lake_file(PATH, &content)?;
    remote.roots.lake_file("loras/second.safetensors", &second)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let machine = remote.machine(&session)?.hasty().argument("--parallel").argument("1");
    let mut agent = machine.start_program(&old_path)?;
    let id = wait_for_agent(&api)?;
    remote.tunnel.set(Mode::Throttle(4 << 20));
    let at = remote.tunnel.arm(Trigger::body("/blobs/", 10 << 20));
    let jobs = [send(&api, &id, &[PATH])?, send(&api, &id, &["loras/second.safetensors"])?].concat();
    at.wait(WORK)?;

    // From here on the hub is one of another version to whoever wants to speak with it.
    remote.tunnel.set(Mode::Answer(Reply::Version, "/remote/v1/ws"));
    remote.tunnel.cut();
    wait_until("the newer program", WORK, || Ok(std::fs::read(&old_path)? == newer))?;
    ensure!(machine.key_file().exists(), "the session lives, and so does its key");
    let before = remote.tunnel.body_bytes("/blobs/");
    remote.tunnel.set(Mode::Pass);
    for job in &jobs {
        succeeded(&api, job)?;
    }
    ensure!(agent.is_running()?, "the process is the same: {}", agent.log());
    expect_arrived(&machine, PATH, &content)?;
    expect_arrived(&machine, "loras/second.safetensors", &second)?;
    let after = remote.tunnel.body_bytes("/blobs/") - before;
    let missing = (SIZE + second.len()) as u64 - (10 << 20);
    ensure!(after < missing + IN_FLIGHT, "{after} bytes were sent where {missing} were missing");
    ensure!(wait_for_agent(&api)? == id, "it is the agent of before");
    Ok(())
}

/// Names the program that a hub has for machines like this one.
fn key_of_its_kind() -> &'static str {
    if cfg!(target_arch = "aarch64") { "AGENT_BINARY_AARCH64" } else { "AGENT_BINARY" }
}
