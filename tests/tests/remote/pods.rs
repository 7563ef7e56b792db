//! Several machines on one volume: each is its own, and none takes another's word for its own.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use end_to_end::machine::{self, skip};
use end_to_end::remote::{Remote, Session, begin_session, send, succeeded};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_for, wait_until};

use crate::first_time::Pasted;

/// Pastes the line on another machine that sees the same disk; what it started ends with it.
struct Other<'a> {
    volume: &'a Pasted,
}

impl Other<'_> {
    fn paste(&self, session: &Session) -> Result<Output> {
        let line = format!("hostname another-pod && {}", session.install_command);
        let mut command = Command::new("unshare");
        command.args(["--uts", "setsid", "-w", "bash", "-c", &line]).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.volume.home());
        command.env("COMFY_HUB_KEY", &session.key);
        command.env("COMFY_AGENT_DIR", self.volume.dir()).env("COMFY_AGENT_COMFY_DIR", self.volume.comfy());
        command.current_dir(self.volume.home()).output().context("cannot run unshare")
    }

    fn home(&self) -> Result<PathBuf> {
        let machines = std::fs::read_dir(self.volume.dir().join("machines"))?;
        let found = machines.flatten().map(|entry| entry.path()).next();
        found.context("the other machine has no folder of its own")
    }
}

impl Drop for Other<'_> {
    fn drop(&mut self) {
        let pid = self.home().and_then(|home| Ok(std::fs::read_to_string(home.join("agent.pid"))?));
        if let Ok(pid) = pid {
            let group = format!("-{}", pid.trim());
            drop(Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status());
        }
    }
}

#[test]
fn a_second_machine_on_the_volume_works_beside_the_first() -> Result<()> {
    let test = "a_second_machine_on_the_volume_works_beside_the_first";
    if !machine::may_install(test) {
        return Ok(());
    }
    if !machine::is_root() || Command::new("unshare").args(["--uts", "true"]).status().map_or(true, |s| !s.success()) {
        skip(test, "another machine's name needs root and unshare");
        return Ok(());
    }
    let remote = Remote::new()?.set("AGENT_BINARY", &end_to_end::agent::program()?.to_string_lossy());
    let (path, content) = ("checkpoints/shared.safetensors", noise(1, 3 << 20));
    remote.roots.lake_file(path, &content)?;
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let volume = Pasted::new()?;
    let output = volume.paste(&session, &[])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (key, process) = (std::fs::read(volume.dir().join("key"))?, volume.process()?);

    let other = Other { volume: &volume };
    let output = other.paste(&session)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() && said.contains("connected"), "{said}");
    let online = || -> Result<Vec<String>> {
        let agents = api.items("/api/remote/agents")?;
        let online = agents.iter().filter(|agent| agent["online"] == true);
        Ok(online.map(|agent| end_to_end::api::text(agent, "id").to_owned()).collect())
    };
    let ids = wait_for("both machines", SOON, || Ok(Some(online()?).filter(|ids| ids.len() == 2)))?;
    ensure!(volume.process()? == process && std::fs::read(volume.dir().join("key"))? == key, "the first one's own");
    ensure!(other.home()?.join("key").exists() && other.home()?.join("state/agent.log").exists());
    for id in &ids {
        for job in send(&api, id, &[path])? {
            succeeded(&api, &job)?;
        }
    }
    ensure!(std::fs::read(volume.comfy().join("models").join(path))? == content);

    // The first one is killed: what it wrote last says that it is connected, and nobody believes it.
    machine::kill(process).ok();
    drop(Command::new("kill").args(["-KILL", "--", &format!("-{process}")]).status());
    wait_until("the first one to be gone", SOON, || Ok(online()?.len() == 1))?;
    let status = Command::new(volume.dir().join("agent"))
        .args(["status", "--state-dir"])
        .arg(volume.dir().join("state"))
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.code() == Some(1), "{status}");
    Ok(())
}

#[test]
fn a_status_of_another_time_is_not_taken_for_the_agent_that_was_started() -> Result<()> {
    let test = "a_status_of_another_time_is_not_taken_for_the_agent_that_was_started";
    if !machine::may_install(test) {
        return Ok(());
    }
    let remote = Remote::new()?.set("AGENT_BINARY", &end_to_end::agent::program()?.to_string_lossy());
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;
    let pasted = Pasted::new()?;
    let output = pasted.paste(&session, &[])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status = pasted.dir().join("state/status.json");
    wait_until("a status", SOON, || Ok(status.exists()))?;
    let believed = std::fs::read(&status)?;
    drop(Command::new("kill").args(["-KILL", "--", &format!("-{}", pasted.process()?)]).status());
    // What it left says that it is connected.
    std::fs::write(&status, &believed)?;
    let script = text_at(&format!("{}/remote/install.sh", remote.tunnel.url()))?;
    std::fs::write(pasted.home().join("install.sh"), script)?;
    let mut command = Command::new("bash");
    command.arg(pasted.home().join("install.sh")).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", pasted.home());
    command.env("COMFY_HUB_KEY", &session.key).env("COMFY_AGENT_DIR", pasted.dir());
    // A folder that no agent can use: it ends at once.
    std::fs::write(pasted.home().join("a file"), "")?;
    command.env("COMFY_AGENT_COMFY_DIR", pasted.comfy()).env("COMFY_AGENT_MODELS_DIR", pasted.home().join("a file"));
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(30) && said.contains("that is no folder"), "{:?}: {said}", output.status);
    Ok(())
}

fn text_at(address: &str) -> Result<String> {
    Ok(end_to_end::client::builder().timeout(SOON).build()?.get(address).send()?.text()?)
}
