//! The bootstrapper run in a machine of its own: a folder of tools, a home, and a hub that answers as
//! the test wants. The agent it brings is a small script, so that a test sees what it was given.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};

/// A key that is found again wherever it should not be.
pub const KEY: &str = "chk_5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

/// What the script needs of a machine besides bash and a client; a bare container has all of it.
const TOOLS: [&str; 23] = [
    "bash",
    "cat",
    "chmod",
    "date",
    "df",
    "env",
    "grep",
    "id",
    "kill",
    "mkdir",
    "mktemp",
    "mv",
    "nohup",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "setsid",
    "sha256sum",
    "sleep",
    "tail",
    "tr",
    "uname",
];

/// An agent that runs until it is ended, writes down what it was given, and says how it is.
pub const AGENT: &str = r#"#!/bin/bash
case ${1-} in
    --version) echo agent 0.0.0 ;;
    status) [ -e "$3/connected" ] ;;
    *)
        state=; all="$*"
        while [ $# -gt 0 ]; do [ "$1" != --state-dir ] || state=$2; shift; done
        { echo "$all"; env; ls -l /proc/self/fd; } >"$state/given"
        echo "agent: hello"
        : >"$state/connected"
        exec sleep 600
        ;;
esac
"#;

/// How the hub answers.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// By path: status, body.
    pub by_path: BTreeMap<String, (u16, Vec<u8>)>,
}

/// A refusal as the hub writes it.
pub fn refusal(code: &str, detail: &str) -> Vec<u8> {
    format!(r#"{{"app":"comfy-hub","refusal":{{"code":"{code}","detail":"{detail}","retry":false}}}}"#).into_bytes()
}

impl Answers {
    /// A hub that has this agent, and a session.
    pub fn with_agent(agent: &str) -> Self {
        Self::default()
            .answer("/remote/v1/health", 200, br#"{"app":"comfy-hub","version":"0.0.0"}"#)
            .answer("/remote/v1/", 404, &refusal("not_found", "There is nothing at this address."))
            .answer("/remote/v1/agent/x86_64-linux", 200, agent.as_bytes())
    }

    /// Answers a path in another way.
    #[must_use]
    pub fn answer(mut self, path: &str, status: u16, body: &[u8]) -> Self {
        self.by_path.insert(path.to_owned(), (status, body.to_vec()));
        self
    }
}

/// Path and `Authorization` of a request.
pub type Asked = (String, Option<String>);

/// Something on loopback that answers like a hub.
#[derive(Debug)]
pub struct StandIn {
    /// Where it is.
    pub address: String,
    /// Path and `Authorization` of each request.
    pub requests: Arc<Mutex<Vec<Asked>>>,
    /// Command lines, of any process, in which the key was seen while a request was answered.
    pub leaks: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    /// Answers until the test ends.
    pub fn start(answers: Answers) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("http://{}", listener.local_addr()?);
        let (requests, leaks) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let stand_in = Self { address, requests: Arc::clone(&requests), leaks: Arc::clone(&leaks) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that went away is no concern of the next one.
                drop(answer(stream, &answers, &requests, &leaks));
            }
        });
        Ok(stand_in)
    }
}

fn answer(
    mut stream: TcpStream,
    answers: &Answers,
    requests: &Mutex<Vec<Asked>>,
    leaks: &Mutex<Vec<String>>,
) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().context("no request")??;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut authorization = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.trim().to_owned());
        }
    }
    if let (Ok(mut requests), Ok(mut leaks)) = (requests.lock(), leaks.lock()) {
        requests.push((path.clone(), authorization));
        leaks.extend(processes_with(KEY, "cmdline"));
    }
    let missing = (404, b"<html>nothing</html>".to_vec());
    let (status, body) = answers.by_path.get(&path).unwrap_or(&missing);
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    Ok(())
}

/// Processes whose command line or environment holds a text.
pub fn processes_with(text: &str, file: &str) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|process| {
            let mut content = Vec::new();
            std::fs::File::open(process.path().join(file)).ok()?.read_to_end(&mut content).ok()?;
            let content = String::from_utf8_lossy(&content).replace('\0', " ");
            content.contains(text).then(|| format!("{}: {content}", process.path().display()))
        })
        .collect()
}

/// A machine with nothing but what it was given.
#[derive(Debug)]
pub struct Machine {
    folder: tempfile::TempDir,
    script: String,
    environment: BTreeMap<String, String>,
}

impl Machine {
    /// A machine with bash, the usual tools, and one HTTP client.
    pub fn with(client: &str) -> Result<Self> {
        let machine = Self { folder: tempfile::tempdir()?, script: script()?, environment: BTreeMap::new() };
        std::fs::create_dir_all(machine.tools())?;
        std::fs::create_dir_all(machine.home())?;
        for tool in TOOLS.into_iter().chain([client]).filter(|tool| !tool.is_empty()) {
            let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                .map(|folder| folder.join(tool))
                .find(|path| path.is_file())
                .with_context(|| format!("{tool} is not installed"))?;
            std::os::unix::fs::symlink(found, machine.tools().join(tool))?;
        }
        Ok(machine)
    }

    /// Writes in what the hub would: its address, and the agent's digest.
    pub fn render(&mut self, address: &str, agent: &str) -> Result<()> {
        let digest =
            Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().and_then(|mut sum| {
                sum.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(agent.as_bytes()))?;
                sum.wait_with_output()
            })?;
        let digest = String::from_utf8(digest.stdout)?;
        let digest = digest.split(' ').next().unwrap_or_default();
        self.script = self.script.replace("@HUB_URL@", address).replace("@AGENT_SHA256@", digest);
        self.script = self.script.replace("@AGENT_SHA256_AARCH64@", digest);
        Ok(())
    }

    /// Changes a line of the script, such as how long it waits.
    ///
    /// # Panics
    /// If the script has no such line: the test would prove nothing.
    pub fn change(&mut self, line: &str, to: &str) {
        assert!(self.script.contains(line), "the script has no line {line}");
        self.script = self.script.replace(line, to);
    }

    /// Sets an environment variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Puts a tool of the test's own in the place of a real one.
    pub fn put_tool(&self, name: &str, script: &str) -> Result<()> {
        let path = self.tools().join(name);
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path)?;
        }
        write_program(&path, script)
    }

    /// Takes a tool away.
    pub fn remove_tool(&self, name: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.tools().join(name))?)
    }

    /// Its folder of tools.
    pub fn tools(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Its user's home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where the agent goes in the tests.
    pub fn dir(&self) -> PathBuf {
        self.home().join("agent dir")
    }

    /// Pipes the script into bash, as the one-liner does, and waits until its output ends: until nobody
    /// holds it any more.
    pub fn run(&self, options: &[&str]) -> Result<Output> {
        // A session of its own has no terminal to ask for the key on.
        let mut command = Command::new("setsid");
        command.arg("--wait").arg("bash").arg("-s").arg("--").args(options);
        command.env_clear().env("PATH", self.tools()).env("HOME", self.home()).envs(&self.environment);
        command.current_dir(self.home()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run setsid")?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        // A script that ends early no longer reads.
        drop(stdin.write_all(self.script.as_bytes()));
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// [`Self::run`] with a folder for the agent, and with the key.
    pub fn install(&mut self, options: &[&str]) -> Result<Output> {
        self.set("COMFY_HUB_KEY", KEY);
        let dir = self.dir().display().to_string();
        self.run(&[&["--dir", &dir], options].concat())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The agent of a test that ended early.
        if let Ok(pid) = std::fs::read_to_string(self.dir().join("agent.pid")) {
            drop(Command::new("kill").arg("-KILL").arg(pid.trim()).status());
        }
    }
}

/// The bootstrapper of this checkout, put together as the hub does it.
pub fn script() -> Result<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no checkout")?.join("scripts");
    let [script, service] =
        ["install.sh", "install-service.sh"].map(|name| std::fs::read_to_string(scripts.join(name)));
    Ok(script?.replacen("# @SERVICE@\n", &service?, 1))
}

/// Writes an executable file.
pub fn write_program(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}
