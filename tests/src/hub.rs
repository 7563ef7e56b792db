//! The real hub as a child process.
//!
//! A [`HubSetup`] is a data folder and an environment; it can be started, killed and started again
//! on the same data. A [`Hub`] that goes out of scope is killed as by `kill -9`, which is also what
//! most tests want to happen to it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::api::Api;
use crate::machine;
use crate::wait::{SOON, wait_for};

/// How long a start may take: a debug build opening a database on a busy disk.
const START: Duration = Duration::from_mins(1);

/// Where and how a hub is to be started.
#[derive(Debug)]
pub struct HubSetup {
    data: PathBuf,
    /// Keeps the folder while the setup or a hub on it lives; `None` when the caller brought the folder.
    folder: Option<Arc<tempfile::TempDir>>,
    environment: BTreeMap<OsString, OsString>,
    arguments: Vec<OsString>,
    user: Option<u32>,
}

impl HubSetup {
    /// A hub with an empty data folder of its own, on any free port, and nothing else configured.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a data folder")?;
        let mut setup = Self::in_folder(folder.path());
        setup.folder = Some(Arc::new(folder));
        Ok(setup)
    }

    /// A hub on a data folder that exists already.
    pub fn in_folder(data: &Path) -> Self {
        let mut setup = Self {
            data: data.to_owned(),
            folder: None,
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            user: None,
        };
        setup.environment.insert("APP_DATA_DIR".into(), data.into());
        setup.environment.insert("HUB_PORT".into(), "0".into());
        setup
    }

    /// A hub on two roots.
    pub fn on(local: &Path, lake: &Path) -> Result<Self> {
        Ok(Self::new()?.set("LOCAL_MODELS_ROOT", local).set("LAKE_MODELS_ROOT", lake))
    }

    /// Sets a key of the configuration by its environment variable.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(key.into(), value.into());
        self
    }

    /// Takes a key out of the environment again.
    #[must_use]
    pub fn unset(mut self, key: &str) -> Self {
        self.environment.remove(&OsString::from(key));
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Runs the hub as another user, to whom permissions mean something. Needs root.
    pub fn as_user(mut self, user: u32) -> Result<Self> {
        machine::give_to(&self.data, user)?;
        self.user = Some(user);
        Ok(self)
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts it and waits until it listens.
    pub fn start(&self) -> Result<Hub> {
        let errors = self.data.join("stderr.txt");
        let mut child = self
            .command()?
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).with_context(|| format!("cannot make {}", errors.display()))?)
            .spawn()
            .context("cannot start the hub")?;
        let lines = read_lines(&mut child)?;
        let mut hub = Hub { child, address: String::new(), errors, lines, folder: self.folder.clone() };
        hub.address = hub.wait_for_address()?;
        Ok(hub)
    }

    /// Runs it to its end, for starts that are to fail and for commands that answer at once.
    pub fn run(&self) -> Result<Output> {
        let child =
            self.command()?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start the hub")?;
        let process = child.id();
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || send.send(child.wait_with_output()));
        if let Ok(output) = receive.recv_timeout(START) {
            return output.context("cannot read what the hub said");
        }
        machine::kill(process)?;
        bail!("the hub was to end by itself and did not within {START:?}")
    }

    fn command(&self) -> Result<Command> {
        let program = program()?;
        let mut command = match (wine(), self.user) {
            (Some(wine), _) => {
                let mut command = Command::new(wine);
                command.arg(program);
                command
            }
            (None, None) => Command::new(program),
            (None, Some(user)) => machine::command_as(user, &program),
        };
        let environment = self.environment.iter().map(|(key, value)| (key, seen_by_hub(value)));
        command
            .args(self.arguments.iter().map(|argument| seen_by_hub(argument)))
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null());
        // Nothing of the caller's configuration may leak in; programs need these to run at all.
        for key in ["PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(key) {
                command.env(key, value);
            }
        }
        command.env("HOME", &self.data).env("LOCALAPPDATA", &self.data).current_dir(&self.data);
        Ok(command)
    }
}

/// The hub's program: `HUB_BIN`, else the one built beside the running test.
pub fn program() -> Result<PathBuf> {
    built("hub", "HUB_BIN")
}

/// What runs the hub where it is a Windows program on Linux: `HUB_WINE` names it, and `HUB_BIN` the
/// hub's `.exe`.
pub fn wine() -> Option<OsString> {
    std::env::var_os("HUB_WINE")
}

/// A path as the hub writes it.
pub fn hub_path(path: &Path) -> String {
    seen_by_hub(path.as_os_str()).to_string_lossy().into_owned()
}

/// Wine's drive `Z:` is the root folder.
fn seen_by_hub(text: &OsStr) -> OsString {
    match text.to_str() {
        Some(path) if wine().is_some() && path.starts_with('/') => format!("Z:{}", path.replace('/', "\\")).into(),
        _ => text.to_owned(),
    }
}

/// A program of the workspace: what a variable names, else the one built beside the running test.
pub(crate) fn built(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let test = std::env::current_exe().context("cannot tell where this test lies")?;
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    // target/debug/deps/test-… or target/debug/corpus
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: run `cargo build --workspace --bins` first"))
}

fn read_lines(child: &mut Child) -> Result<mpsc::Receiver<String>> {
    let out = child.stdout.take().context("the hub has no standard output")?;
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    Ok(receive)
}

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    child: Child,
    address: String,
    errors: PathBuf,
    lines: mpsc::Receiver<String>,
    /// A hub whose data folder goes away can do nothing any more.
    #[allow(dead_code, reason = "held for its Drop")]
    folder: Option<Arc<tempfile::TempDir>>,
}

impl Hub {
    /// Where its pages are, without the `/` at the end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.address.trim_start_matches("http://")
    }

    /// A client of its API.
    pub fn api(&self) -> Result<Api> {
        Api::new(&self.address)
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error so far.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Further lines on standard output: there must never be any.
    pub fn more_output(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot kill the hub")?;
        self.child.wait().context("cannot wait for the hub")?;
        Ok(())
    }

    /// Ctrl-C, and how it ended.
    pub fn interrupt(mut self) -> Result<ExitStatus> {
        machine::interrupt(self.child.id())?;
        wait_for("the hub's end after Ctrl-C", SOON, || Ok(self.child.try_wait()?))
    }

    fn wait_for_address(&mut self) -> Result<String> {
        let Ok(line) = self.lines.recv_timeout(START) else {
            let status = self.child.try_wait()?;
            bail!("the hub does not listen ({status:?}); it said: {}", self.errors());
        };
        let address = line.strip_prefix("Listening at ").and_then(|address| address.strip_suffix('/'));
        let address = address.with_context(|| format!("expected `Listening at http://…/`, not `{line}`"))?;
        Ok(address.to_owned())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            // It ended by itself, as a test wanted it to.
        }
        if std::thread::panicking() {
            let mut told = std::io::stderr().lock();
            drop(std::io::Write::write_all(&mut told, format!("--- the hub said:\n{}\n", self.errors()).as_bytes()));
        }
    }
}
