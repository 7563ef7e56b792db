//! The real agent as a child process.
//!
//! An [`AgentSetup`] is a machine's disk: the folder of the agent with its key, and `ComfyUI`'s folder.
//! It can be started, killed and started again. A running [`Agent`] that goes out of scope is killed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::machine;
use crate::wait::{SOON, wait_for};

/// How an agent ends that must not come back.
pub const FOR_GOOD: i32 = 78;

/// Where and how an agent is to be started.
#[derive(Debug, Clone)]
pub struct AgentSetup {
    folder: Arc<tempfile::TempDir>,
    comfy: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    arguments: Vec<OsString>,
}

impl AgentSetup {
    /// An agent for a hub's remote address, with its key in a file as the bootstrapper writes it.
    pub fn new(hub: &str, key: &str) -> Result<Self> {
        let folder = Arc::new(tempfile::tempdir().context("cannot make the agent's folder")?);
        let setup = Self {
            comfy: folder.path().join("ComfyUI"),
            folder,
            environment: BTreeMap::new(),
            arguments: vec!["--hub".into(), hub.into()],
        };
        setup.write_key(key)?;
        Ok(setup)
    }

    /// Puts a key where the agent looks for it, for its user only.
    pub fn write_key(&self, key: &str) -> Result<()> {
        let path = self.key_file();
        std::fs::write(&path, format!("{key}\n")).context("cannot write the key")?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// Another folder for `ComfyUI` than the one beside the agent.
    #[must_use]
    pub fn comfy_at(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.comfy);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(key.into(), value.into());
        self
    }

    /// Shortens all of the agent's times, so that a test need not wait for minutes. Only debug builds
    /// can be hurried.
    #[must_use]
    pub fn hasty(self) -> Self {
        self.set("COMFY_AGENT_HASTE", "15")
    }

    /// The whole disk of this machine.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `ComfyUI`'s folder.
    pub fn comfy(&self) -> &Path {
        &self.comfy
    }

    /// Where downloads go.
    pub fn models(&self) -> PathBuf {
        self.comfy.join("models")
    }

    /// The file that holds the key.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// Where the agent keeps what it must not forget.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The file that holds what it said, over all starts.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("agent.log")
    }

    /// Starts it.
    pub fn start(&self) -> Result<Agent> {
        self.start_program(&program()?)
    }

    /// Starts another program than the one that is tested by default.
    pub fn start_program(&self, program: &Path) -> Result<Agent> {
        let log = File::options().append(true).create(true).open(self.log_file()).context("cannot open the log")?;
        let mut command = Command::new(program);
        command.args(&self.arguments).arg("--comfy-dir").arg(&self.comfy).arg("--state-dir").arg(self.state());
        command.env_clear().envs(&self.environment).env("COMFY_HUB_KEY_FILE", self.key_file());
        for key in ["PATH", "TEMP", "TMP", "TMPDIR", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(key) {
                command.env(key, value);
            }
        }
        command.env("HOME", self.folder()).current_dir(self.folder()).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start the agent")?;
        Ok(Agent { child, setup: self.clone() })
    }
}

impl AgentSetup {
    /// Whether it is connected, as `agent status` tells.
    pub fn is_connected(&self) -> Result<bool> {
        let status = Command::new(program()?)
            .args(["status".as_ref(), "--state-dir".as_ref(), self.state().as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot ask the agent how it is")?;
        match status.code() {
            Some(0) => Ok(true),
            Some(1 | 3) => Ok(false),
            _ => anyhow::bail!("agent status ended with {status}"),
        }
    }
}

/// The agent's program: `AGENT_BIN`, else the one built beside the running test.
pub fn program() -> Result<PathBuf> {
    crate::hub::built("agent", "AGENT_BIN")
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    setup: AgentSetup,
}

impl Agent {
    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it and those before it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.setup.log_file()).unwrap_or_default()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot kill the agent")?;
        self.child.wait().context("cannot wait for the agent")?;
        Ok(())
    }

    /// Ctrl-C, and how it ended.
    pub fn interrupt(self) -> Result<ExitStatus> {
        machine::interrupt(self.child.id())?;
        self.wait_for_end(SOON)
    }

    /// Waits until it ends by itself, and tells how.
    pub fn wait_for_end(mut self, timeout: Duration) -> Result<ExitStatus> {
        wait_for("the agent's end", timeout, || Ok(self.child.try_wait()?))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            // It ended by itself, as a test wanted it to.
        }
    }
}
