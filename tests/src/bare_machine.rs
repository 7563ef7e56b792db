//! A machine with next to nothing on it: a Debian 11 (glibc 2.31, as Ubuntu 20.04 has), with wget and
//! without curl, git, sudo and systemd, run as containers are: with processes and mounts of its own.
//!
//! `scripts/test --full` makes it and names it in [`FOLDER`]. It shares this machine's network.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::machine;
use crate::wait::{SOON, wait_for};

/// The variable that names the root of its file system.
pub const FOLDER: &str = "BARE_MACHINE";

/// A running one. Its processes end with it; what they wrote below [`Self::home`] goes, too.
#[derive(Debug)]
pub struct BareMachine {
    root: PathBuf,
    home: tempfile::TempDir,
    namespaces: Child,
    first_process: u32,
}

impl BareMachine {
    /// Starts it, or says why `test` has to do without.
    pub fn start_for(test: &str) -> Result<Option<Self>> {
        let Some(root) = std::env::var_os(FOLDER).map(PathBuf::from) else {
            machine::skip(test, "no bare machine is there: ./scripts/test --full makes one");
            return Ok(None);
        };
        if !machine::is_root() {
            machine::skip(test, "only root can start a bare machine");
            return Ok(None);
        }
        let home = tempfile::Builder::new().prefix("pod.").tempdir_in(root.join("srv"))?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child"]);
        command.arg(format!("--mount-proc={}", root.join("proc").display())).arg("chroot").arg(&root);
        // Like the first process of a container, it stays and does nothing.
        let namespaces = command.args(["sleep", "1000"]).stdin(Stdio::null()).process_group(0).spawn()?;
        let mut machine = Self { root, home, first_process: 0, namespaces };
        machine.first_process = wait_for("the first process", SOON, || {
            let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", machine.namespaces.id()))?;
            let Some(child) = children.split_whitespace().next() else { return Ok(None) };
            let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            Ok(if name.trim() == "sleep" { child.parse().ok() } else { None })
        })?;
        Ok(Some(machine))
    }

    /// The folder that is its own, seen from outside.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The same, seen from inside.
    pub fn inside(&self, path: &str) -> Result<String> {
        let inside = self.home.path().strip_prefix(&self.root).context("the home lies in the root")?;
        Ok(format!("/{}/{path}", inside.display()))
    }

    /// Runs a line of bash inside, where there is no terminal.
    pub fn run(&self, line: &str, environment: &[(&str, &str)]) -> Result<Output> {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--root", "--wd", "--target", &self.first_process.to_string(), "--"]);
        command.args(["setsid", "-w", "bash", "-c", line]).env_clear().envs(environment.iter().copied());
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
        command.stdin(Stdio::null()).output().context("cannot run nsenter")
    }

    /// Runs a line of bash inside, which has to succeed, and tells all that it said.
    pub fn said(&self, line: &str, environment: &[(&str, &str)]) -> Result<String> {
        let output = self.run(line, environment)?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{line}: {:?}: {said}", output.status);
        Ok(said)
    }
}

impl Drop for BareMachine {
    fn drop(&mut self) {
        // Its namespace ends with its first process.
        if self.namespaces.kill().and_then(|()| self.namespaces.wait()).is_err() {
            drop(machine::kill(self.first_process));
        }
    }
}
