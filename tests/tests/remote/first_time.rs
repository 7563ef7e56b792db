//! From the line that is pasted to files in the right folders.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::api::text;
use end_to_end::ca::TestCa;
use end_to_end::git_server::{GitServer, MODEL_FOLDERS};
use end_to_end::machine::{self, measured};
use end_to_end::remote::{Remote, Session, begin_session, order, send, succeeded, wait_for_agent};
use end_to_end::roots::noise;
use end_to_end::wait::{SOON, wait_for, wait_until};
use serde_json::json;

/// A machine on which the line is pasted. What it started ends with it.
pub(crate) struct Pasted {
    home: tempfile::TempDir,
}

impl Pasted {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { home: tempfile::tempdir()? })
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home().join("agent")
    }

    pub(crate) fn comfy(&self) -> PathBuf {
        self.home().join("ComfyUI")
    }

    /// Pastes the line where there is no terminal, and takes it as it ends.
    pub(crate) fn paste(&self, session: &Session, environment: &[(&str, &str)]) -> Result<std::process::Output> {
        // A session of its own: no terminal that the key could be asked for on.
        let mut command = Command::new("setsid");
        command.args(["-w", "bash", "-c", &session.install_command]).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home());
        command.env("TMPDIR", std::env::temp_dir()).envs(environment.iter().copied());
        command.env("COMFY_HUB_KEY", &session.key);
        command.env("COMFY_AGENT_DIR", self.dir()).env("COMFY_AGENT_COMFY_DIR", self.comfy());
        command.current_dir(self.home()).output().context("cannot run bash")
    }

    /// The agent's process, as the bootstrapper wrote it down.
    pub(crate) fn process(&self) -> Result<u32> {
        let text = std::fs::read_to_string(self.dir().join("agent.pid")).context("no process was written down")?;
        text.trim().parse().with_context(|| format!("\"{text}\" is no process"))
    }
}

impl Drop for Pasted {
    fn drop(&mut self) {
        // The supervisor leads a session of its own, with the agent in it.
        if let Ok(process) = self.process() {
            drop(Command::new("kill").args(["-KILL", "--", &format!("-{process}")]).stderr(Stdio::null()).status());
        }
    }
}

#[test]
fn the_line_is_pasted_and_models_arrive_in_their_folders() -> Result<()> {
    if !machine::may_install("the_line_is_pasted_and_models_arrive_in_their_folders") {
        return Ok(());
    }
    let ca = TestCa::new()?;
    let git = GitServer::start(&ca)?;
    let remote = Remote::new()?
        .set("REMOTE_ALLOW_PRIVATE_SOURCES", "true")
        .set("COMFY_REPO_URL", &git.url())
        .set("AGENT_BINARY", &end_to_end::agent::program()?.to_string_lossy());
    let files = [
        ("checkpoints/big.safetensors", noise(1, (9 << 20) + 77)),
        ("loras/style/small.safetensors", noise(2, 300_000)),
        ("vae/middle.safetensors", noise(3, (1 << 20) + 1)),
    ];
    for (path, content) in &files {
        remote.roots.lake_file(path, content)?;
    }
    let (_hub, api) = remote.start()?;
    let session = begin_session(&api)?;

    let pasted = Pasted::new()?;
    let began = Instant::now();
    let authority = ca.authority().to_string_lossy().into_owned();
    let private = [("COMFY_AGENT_CA_FILE", authority.as_str()), ("COMFY_AGENT_ALLOW_PRIVATE_SOURCES", "1")];
    let output = pasted.paste(&session, &private)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() && said.contains("connected"), "{:?}: {said}", output.status);
    measured("the pasted line, from Enter to connected", &format!("{:?}", began.elapsed()));

    let id = wait_for_agent(&api)?;
    let agent = api.items("/api/remote/agents")?.into_iter().next().context("no agent")?;
    let facts = &agent["facts"];
    ensure!(text(facts, "arch") == std::env::consts::ARCH, "{facts}");
    ensure!(
        !text(facts, "os").is_empty() && facts["roots"].as_array().is_some_and(|roots| !roots.is_empty()),
        "{facts}"
    );
    ensure!(!facts["comfyui"]["found"].as_bool().unwrap_or_default(), "nothing is there yet: {facts}");

    let clone = order(&api, &json!({ "agent_id": id, "kind": "comfy_git_clone" }))?;
    succeeded(&api, &clone[0])?;
    for folder in MODEL_FOLDERS {
        ensure!(pasted.comfy().join(format!("models/{folder}/put_{folder}_here")).is_file(), "{folder} is missing");
    }
    // Told right after the job, and not with the look that is taken every minute.
    wait_until("the facts to tell of ComfyUI", Duration::from_secs(20), || {
        let agents = api.items("/api/remote/agents")?;
        Ok(agents.iter().any(|agent| agent["facts"]["comfyui"]["found"] == true))
    })?;

    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    for job in send(&api, &id, &paths)? {
        succeeded(&api, &job)?;
    }
    for (path, content) in &files {
        ensure!(std::fs::read(pasted.comfy().join("models").join(path))? == *content, "{path} differs");
    }

    let moved = remote.tunnel.body_bytes("/blobs/");
    for job in send(&api, &id, &paths)? {
        let job = succeeded(&api, &job)?;
        ensure!(job.to_string().contains("already_there"), "{job}");
    }
    ensure!(remote.tunnel.body_bytes("/blobs/") == moved, "what is there is not sent again");

    // The same line once more: the agent that runs is replaced and is the same to the hub.
    let again = pasted.paste(&session, &private)?;
    ensure!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    wait_for("the same agent", SOON, || Ok((wait_for_agent(&api)? == id).then_some(())))?;
    ensure!(api.items("/api/remote/agents")?.len() == 1);
    Ok(())
}
