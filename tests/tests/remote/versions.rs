//! A hub that speaks no version of the agent's: the key stays, and the agent becomes what the hub has.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use end_to_end::bootstrap::{Answers, StandIn, refusal};
use end_to_end::wait::{SOON, wait_until};

const KEY: &str = "chk_0000000000000000000000000000000000000000000000000000000000000001";

/// The program that the hub has: it writes down how it was started.
const NEWER: &str = "#!/bin/sh\n[ \"$1\" != --version ] || { echo agent 9.9.9; exit 0; }\necho \"$*\" > \"$0.started\"\nexec sleep 600\n";

/// A hub that refuses whoever comes because of the version.
fn refusing(program: Option<&[u8]>) -> Result<StandIn> {
    let refused = refusal("version", "This hub speaks version 9 of the protocol.");
    let answers = Answers::default()
        .answer("/remote/v1/health", 200, br#"{"app":"comfy-hub","version":"9.9.9"}"#)
        .answer("/remote/v1/ws", 400, &refused)
        .answer("/remote/v1/poll", 400, &refused);
    StandIn::start(match program {
        Some(program) => answers.answer("/remote/v1/agent/x86_64-linux", 200, program),
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
        ensure!(n_asked("/remote/v1/agent/x86_64-linux") == 1, "it is not asked for again and again");
        ensure!(running.child.try_wait()?.is_none() && running.has("key"));
        ensure!(std::fs::read(running.folder.path().join("agent"))? == own, "what does not run replaces nothing");
        let left = std::fs::read_dir(running.folder.path())?.flatten();
        ensure!(left.filter(|entry| entry.file_name().to_string_lossy().contains(".new-")).count() == 0);
    }
    Ok(())
}
